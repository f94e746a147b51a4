import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nearest } from '../../../src/control/nearest.ts'

describe('the nearest word', () => {
  it('is the one with the fewest edits, or none', () => {
    assert.equal(nearest('lisen', ['listen', 'zones']), 'listen')
    assert.equal(nearest('LISTEN', ['listen', 'zones']), 'listen')
    assert.equal(nearest('serv', ['save', 'serve']), 'serve')
    assert.equal(nearest('qqqqqq', ['listen', 'zones']), undefined)
    assert.equal(nearest('listen', []), undefined)
  })

  it('is never one that shares nothing with it', () => {
    assert.equal(nearest('zz', ['a', 'b']), undefined)
    assert.equal(nearest('', ['a', 'b']), undefined)
  })

  it('is the word itself, if it is among the candidates', () => {
    const word = fc.stringMatching(/^[a-z]{1,20}$/)
    const property = fc.property(fc.uniqueArray(word, { minLength: 1 }), words => {
      for (const one of words) assert.equal(nearest(one, words), one)
    })
    fc.assert(property)
  })

  it('is the word that one letter was dropped from, added to or changed in, where it is the only one', () => {
    const word = fc.stringMatching(/^[a-z]{3,20}$/)
    const property = fc.property(word, fc.nat(), fc.constantFrom('', '0', '00'), (one, at, typed) => {
      const i = at % one.length
      const slip = one.slice(0, i) + typed + one.slice(i + 1)
      assert.equal(nearest(slip, ['0123456789012345678901234567890', one]), one)
    })
    fc.assert(property)
  })

  it('is not looked for in what nobody types', () => {
    assert.equal(nearest('x'.repeat(1e6), ['x'.repeat(63)]), undefined)
    assert.equal(nearest('x'.repeat(65), ['x'.repeat(64)]), undefined)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as constants from '../../../src/wire/constants.ts'
import { extendedErrorName } from '../../../src/wire/mnemonics.ts'

describe('RFC 8914 §5.2: extended errors', () => {
  it('all of the registry up to 30 have a name of their own, each its own number', () => {
    const names = Array.from({ length: 31 }, (_, code) => extendedErrorName(code))
    assert.equal(new Set(names).size, 31)
    const some = { 0: 'Other Error', 9: 'DNSKEY Missing', 16: 'Censored', 24: 'Invalid Data', 30: 'Invalid Query Type' }
    for (const [code, name] of Object.entries(some)) assert.equal(names[Number(code)], name)
    for (const code of [31, 65_535]) assert.equal(extendedErrorName(code), 'Unassigned')
  })

  it('those that this server sends are called as they are here', () => {
    const sent = Object.entries(constants).filter(([name]) => /^EDE_(?!OCTETS)/.test(name))
    assert.ok(sent.length >= 7)
    for (const [name, code] of sent) {
      const words = extendedErrorName(code as number)
        .toUpperCase()
        .split(' ')
      for (const word of name.split('_').slice(1)) assert.ok(words.includes(word), `${name}: ${words.join(' ')}`)
    }
  })
})

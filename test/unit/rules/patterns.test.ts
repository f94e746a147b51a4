/** Expressions of the operator: which may take for ever, and which are taken. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compilePattern } from '../../../src/rules/patterns.ts'

/** A name of the text's letters that fits nearly, some octets with an escape. */
const LONG = ['a.', '-', `${'a'.repeat(63)}.`, '0', 'x-', '\\000-'].map(text => `${text.repeat(250).slice(0, 250)}_`)
/** A name of 244 octets in presentation format: as long as one becomes. */
const ZEROS = `${['\\000'.repeat(63), '\\000'.repeat(63), '\\000'.repeat(63), '\\000'.repeat(51)].join('.')}.x.`

describe('an expression', () => {
  for (const source of [
    '^(a+)+$',
    '^([a-z0-9-]+\\.?)+$',
    '^([a-z]*\\.[a-z]*)+x$',
    '^(a|a)+$',
    '^(?:[a-z]|[a-z0-9])+\\.example\\.$',
    '^([a-z0-9]{1,20}){1,20}\\.x\\.$',
    '^((a|a)\\.)+$',
    '^([a-z]*[a-z]*\\.)+$',
    '^([a-z]?[a-z]?\\.)+$',
    '^((?=a*)a)+$',
    '^(a*|b)a*(a*|b)a*\\.$',
    '^(([a-z]-)*\\.)+$',
    '^(?<x>a)(\\k<x>*\\1*)+$',
    '^(.*)-(.*)-(.*)\\.example\\.com\\.$',
    'x(.*)-(.*)\\.example\\.com\\.$',
    `^${'a?'.repeat(30)}$`,
    `^${'(a|a)'.repeat(30)}$`,
    `^${'[ab]{0,9}'.repeat(10)}$`,
    '^(.*)0(.*)0[^x]*$',
    '^(.*)0(.*)0([^x]*|[^x]*|[^x]*|[^x]*)$',
    '0(.*)0[^x]*$',
    '^(.*)0(.*)0[^xy]*y',
    '^(.*)0(.*)0([^xy]*y|[^xy]*y|[^xy]*y|[^xy]*y)$',
    '^(.*)0(.*)0[^x]{200}y',
    '^(.*)0(.*)0(?:[^x]{20}){20}y',
    '^(.*)0(.*)0[^x]{300,}',
    '^(.*)0(.*)(?=[^x]*$)0?',
  ]) {
    it(`${source.slice(0, 60)} is refused`, () => assert.match(compilePattern(source) as string, /ways/))
  }

  for (const source of [
    '(.*)\\.a\\.example',
    '(.*)-(us-west-1)\\.coredns\\.rocks',
    '(.*)\\.(.*)\\.old\\.example\\.',
    '^(www\\.)?(.*)\\.(.*)\\.old\\.example\\.$',
    '^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]made[.]example[.]$',
    '^(?:[0-9]{1,3}\\.){4}in-addr\\.arpa\\.$',
    '^(?:(?:[0-9]{3}-){2}x)+(a|b){5}\\.$',
    '^[(?i:]\\.$',
    '^[^\\](?-i:]\\(?i:a\\.$',
    '^([a-z0-9-]+\\.)*example\\.com\\.$',
    '^([^.]+)\\.([^.]+)\\.([^.]+)\\.([^.]+)\\.old\\.$',
    '^(us|eu|ap)-(east|west)-[0-9]+\\.',
    '^a{x\\.[\\]a}]*]\\.$',
    '.',
    '^$',
    '.*',
    '.*$',
    '^(.*)$',
    '^(.*)\\.example\\.com\\.$',
    '^([a-z0-9-]+)\\.(.*)$',
    '^(.*)0(.*)0(.*)$',
    '^(.*)0(.*)0(?:www|.*)$',
    '^(.*)0[^x]*$',
    '^[^x]*$',
    '^(.*)-(.*)\\.[a-z]+\\.example\\.$',
    '^(.*)-(.*)\\.([^.]+)\\.([^.]+)\\.$',
    '^(.*)\\.(.*)-[0-9]+$',
    '^(.*)0(.*)\\\\[^\\\\]+$',
    '^(.*)-([a-z0-9-]+\\.)*example\\.$',
    '^([^.]+)-[0-9a-f]{10}-[a-z0-9]{5}\\.',
    '[a-z]+-(.*)\\.example\\.$',
  ]) {
    it(`${source} is taken, and says no in some milliseconds`, () => {
      const pattern = compilePattern(source)
      if (typeof pattern === 'string') assert.fail(pattern)
      for (const name of [...LONG, ZEROS]) {
        const { user } = process.cpuUsage()
        pattern.exec(name)
        const ms = (process.cpuUsage().user - user) / 1000
        assert.ok(ms < 100, `${name.slice(0, 20)}…: ${ms} ms`)
      }
    })
  }

  for (const source of [
    // Without regard for case [^A]* would end at each a, and it does not.
    '^(?-i:[^A]*a[^A]*a[^A]*a[^A]*a[^A]*a[^A]*a[^A]*a[^A]*a)x$',
    '^(?i:a)\\.$',
    '^[a-z](?s-i:b)',
    '^(?m-:b)',
    '(?i)a',
    '[](?i:a)',
  ]) {
    it(`${source} is refused for its modifier`, () => assert.match(compilePattern(source) as string, /modifier/))
  }

  it('that begins with all there is finds the same as without its anchor', () => {
    const texts = fc.stringMatching(/^[ab.]{0,12}$/)
    for (const source of ['(.*)\\.a', '.*b(a*)', '(?<x>.*)a', '(?:.*)(a|b)\\.$', '(.*a)?b', '(.*){0}b', '(.*)?b']) {
      const pattern = compilePattern(source) as RegExp
      fc.assert(fc.property(texts, text => assert.deepEqual(pattern.exec(text), new RegExp(source, 'i').exec(text))))
    }
  })

  it('of whatever form is refused or taken, and what is taken is not slow (property)', () => {
    const piece = fc.constantFrom(
      'a',
      '[ab]',
      '0',
      '[^x]',
      '.',
      '\\.',
      '-',
      '(',
      '(?:',
      '(?=',
      ')',
      '|',
      '*',
      '+',
      '?',
      '{1,3}',
      '{40}',
      '{2}',
      '\\1',
      '$',
      '^',
    )
    let taken = 0
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 14 }).map(pieces => pieces.join('')),
        source => {
          const pattern = compilePattern(source)
          if (typeof pattern === 'string') return
          taken++
          const short = ['a', 'ab', 'a.', '-', 'a-'].map(text => `${text.repeat(250).slice(0, 250)}_`)
          for (const name of [...short, ZEROS]) {
            const { user } = process.cpuUsage()
            pattern.exec(name)
            assert.ok(process.cpuUsage().user - user < 500_000, name.slice(0, 4))
          }
        },
      ),
      { numRuns: 3000 },
    )
    assert.ok(taken > 100, `${taken}`)
  })
})

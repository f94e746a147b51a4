/**
 * Templates: answers made from a name alone; records as people write them; the loopback's names.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LocalAnswer } from '../../../src/rules/local-answer.ts'
import { compilePattern } from '../../../src/rules/patterns.ts'
import { parseRecord } from '../../../src/rules/record-text.ts'
import { type TemplateRule, Templates } from '../../../src/rules/template.ts'
import { asked, text, wire } from '../../support/rule-names.ts'

function template(more: Partial<TemplateRule>): TemplateRule {
  return { zone: wire('.'), match: undefined, types: [], rcode: 0, answers: [], ttl: 60, beforeCluster: false, ...more }
}

function say(answer: LocalAnswer | undefined): string | undefined {
  const zone = answer?.zone === undefined ? '' : ` ${text(answer.zone)}`
  return answer && `${answer.rcode} ${answer.records.map(each => Buffer.from(each.rdata).toString('hex'))}${zone}`
}

describe('templates', () => {
  it('a zone that does not exist, with its SOA', () => {
    const templates = new Templates([template({ zone: wire('noise.example'), rcode: 3 })])
    assert.equal(say(templates.answer(asked('a.Noise.example'), 1)), '3  noise.example.')
    assert.equal(templates.answer(asked('a.example'), 1), undefined)
    assert.equal(templates.stats[0]!.matches, 1)
  })

  it('of types fit those; what fits none goes on', () => {
    const templates = new Templates([template({ types: [28] })])
    assert.equal(say(templates.answer(asked('a'), 28)), '0 ')
    assert.equal(templates.answer(asked('a'), 1), undefined)
  })

  it('fixed answers of the type that is asked, and of what an expression found', () => {
    const match = compilePattern('^ip-(\\d+)-(?P<d>\\d+)\\.x\\.$') as RegExp
    const templates = new Templates([template({ zone: wire('x'), match, answers: ['A 10.0.$1.$<d>', 'TXT "seen"'] })])
    assert.equal(say(templates.answer(asked('IP-1-2.x'), 1)), '0 0a000102')
    assert.equal(say(templates.answer(asked('ip-1-2.x'), 16)), '0 047365656e')
    assert.equal(say(templates.answer(asked('ip-1-2.x'), 28)), '0  x.')
    assert.equal(templates.answer(asked('ip-1.x'), 1), undefined)
  })

  it('what makes no record is SERVFAIL, and counted', () => {
    const match = compilePattern('^(.*)\\.x\\.$') as RegExp
    const templates = new Templates([template({ zone: wire('x'), match, answers: ['A $1'] })])
    assert.equal(say(templates.answer(asked('nonsense.x'), 1)), '2 ')
    assert.deepEqual(templates.stats[0], { matches: 1, failures: 1 })
  })
})

describe('records as people write them', () => {
  it('A, AAAA, PTR, TXT', () => {
    const hex = (each: string): string | undefined => {
      const record = parseRecord(each)
      return record && `${record.type} ${Buffer.from(record.rdata).toString('hex')}`
    }
    assert.equal(hex('a 10.0.0.1'), '1 0a000001')
    assert.equal(hex(' AAAA  fd00::1 '), `28 fd00${'0'.repeat(27)}1`)
    assert.equal(hex('PTR a.b.'), '12 0161016200')
    assert.equal(hex('TXT one'), '16 036f6e65')
    assert.equal(hex('TXT "a b" "c"'), '16 03612062' + '0163')
    for (const bad of [
      '',
      'A',
      'A x',
      'A fd00::1',
      'AAAA 10.0.0.1',
      'MX 1 a',
      'PTR a..b',
      'PTR a b',
      'TXT a"b',
      'TXT "a',
      `TXT ${'a'.repeat(256)}`,
    ]) {
      assert.equal(hex(bad), undefined, bad)
    }
  })
})

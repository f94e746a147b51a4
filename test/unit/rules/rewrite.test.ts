/**
 * Rewriting: which questions a rule fits, what it makes of them, and that a data-plane thread hands over just those.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compileHandOver, type HandOverRules } from '../../../src/rules/hand-over.ts'
import { compilePattern } from '../../../src/rules/patterns.ts'
import { NO_NAME, type RewriteRule, rewrite } from '../../../src/rules/rewrite.ts'
import { asked, read, SEED, text, wire } from '../../support/rule-names.ts'

function made(rules: readonly RewriteRule[], name: string, type = 1): string | undefined {
  const outcome = rewrite(rules, asked(name), type)
  if (outcome === undefined || outcome === NO_NAME) return outcome
  return outcome.type === type ? text(outcome.name) : `${text(outcome.name)} ${outcome.type}`
}

const exact = (from: string, to: string, more = false): RewriteRule => ({
  match: 'exact',
  from: wire(from),
  to: wire(to),
  continue: more,
})
const suffix = (from: string, to: string, below = false): RewriteRule => ({
  match: 'suffix',
  from: wire(from),
  to: wire(to),
  below,
  continue: false,
})
const prefix = (from: string, to: string): RewriteRule => ({ match: 'prefix', from, to, continue: false })
const regex = (from: string, to: string): RewriteRule => ({
  match: 'regex',
  from: compilePattern(from) as RegExp,
  to,
  continue: false,
})

describe('rewrite', () => {
  it('exact: that name in any case, and no other', () => {
    const rules = [exact('old.example', 'web.default.svc.cluster.local')]
    assert.equal(made(rules, 'OLD.Example'), 'web.default.svc.cluster.local.')
    assert.equal(made(rules, 'a.old.example'), undefined)
  })

  it('suffix: whole labels; with below, not the name itself', () => {
    assert.equal(made([suffix('old.example', 'new')], 'a.b.old.example'), 'a.b.new.')
    assert.equal(made([suffix('old.example', 'new')], 'old.example'), 'new.')
    assert.equal(made([suffix('old.example', 'new', true)], 'old.example'), undefined)
    assert.equal(made([suffix('old.example', 'new')], 'bold.example'), undefined)
    assert.equal(made([suffix('', 'new')], 'a'), 'a.new.')
  })

  it('prefix and regex: on the text with its final dot, groups filled in', () => {
    assert.equal(made([prefix('old-', 'new-')], 'old-a.example'), 'new-a.example.')
    assert.equal(made([prefix('old-', 'new-')], 'x.old-a.example'), undefined)
    assert.equal(
      made([regex('^([a-z]+)\\.(?P<zone>prod)\\.x\\.$', '$1.$<zone>.$$.y.')], 'Web.prod.x'),
      'web.prod.\\$.y.',
    )
  })

  it('type: with the name as it is', () => {
    assert.equal(made([{ match: 'type', from: 255, to: 13, continue: false }], 'a', 255), 'a. 13')
    assert.equal(made([{ match: 'type', from: 255, to: 13, continue: false }], 'a'), undefined)
  })

  it('stops at the first that fits, unless that says to continue', () => {
    assert.equal(made([exact('a', 'b'), exact('b', 'c')], 'a'), 'b.')
    assert.equal(made([exact('a', 'b', true), exact('b', 'c')], 'a'), 'c.')
    assert.equal(made([exact('a', 'b', true), exact('b', 'a')], 'a'), undefined)
  })

  it('what makes no name says so', () => {
    const long = `${'a'.repeat(63)}.`.repeat(3)
    assert.equal(made([suffix('x', long)], `${'b'.repeat(60)}.${'c'.repeat(40)}.x`), NO_NAME)
    assert.equal(made([regex('^(.*)$', '$1.$1')], 'a.b'), NO_NAME)
    assert.equal(made([regex('^.*$', '')], 'a.b'), NO_NAME)
  })

  it('what is handed over is just what a rule fits (property)', () => {
    const label = fc.stringMatching(/^[ab]{1,2}$/)
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => labels.join('.'))
    const rule = fc.oneof(
      fc.record({ kind: fc.constant('exact' as const), name }),
      fc.record({ kind: fc.constant('suffix' as const), name, below: fc.boolean() }),
      fc.record({ kind: fc.constant('prefix' as const), name }),
      fc.record({ kind: fc.constant('regex' as const), name }),
    )
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), name, (all, question) => {
        const rules = all.map(each => {
          if (each.kind === 'exact') return exact(each.name, 'new')
          if (each.kind === 'suffix') return suffix(each.name, 'new', each.below)
          return each.kind === 'prefix' ? prefix(each.name, 'c.') : regex(each.name, 'new')
        })
        const handOver: HandOverRules = {
          names: all.flatMap(({ kind, name, ...rest }) => {
            if (kind === 'exact') return [{ name: wire(name), self: true, below: false }]
            const below = 'below' in rest && rest.below
            return kind === 'suffix' ? [{ name: wire(name), self: !below, below: true as boolean }] : []
          }),
          prefixes: all.flatMap(each => (each.kind === 'prefix' ? [each.name] : [])),
          patterns: all.flatMap(each => (each.kind === 'regex' ? [compilePattern(each.name) as RegExp] : [])),
          types: [],
        }
        const isHandedOver = compileHandOver(handOver, SEED)?.matches(read(question)) ?? false
        assert.equal(isHandedOver, rewrite(rules, asked(question), 1) !== undefined)
      }),
      { numRuns: 500 },
    )
  })

  it('nothing is handed over when there is nothing to hand over; types are', () => {
    const none = { names: [], prefixes: [], patterns: [], types: [] }
    assert.equal(compileHandOver(none, SEED), undefined)
    const types = compileHandOver({ ...none, types: [28] }, SEED)!
    assert.deepEqual([types.matches(read('a', 'AAAA')), types.matches(read('a'))], [true, false])
  })
})

describe('expressions', () => {
  it('that repeat a repetition are refused; those of names with dots are not', () => {
    for (const bad of [
      '(a+)+',
      '^(a*)*$',
      '([a-z]+)*x',
      '(.+\\.)+',
      '((a+)b?)+',
      '(a|b+)+',
      '([^x]+\\.)*',
      '(\\w+\\S*\\.)+',
      '(?:a{2,})+',
    ]) {
      assert.equal(typeof compilePattern(bad), 'string', bad)
    }
    for (const good of [
      '^([a-z0-9-]+\\.)*example\\.com\\.$',
      '(\\d{1,3}\\.){3}',
      '^.*\\.x\\.$',
      '(a)+',
      '[(a+)]+',
      '\\(a+\\)+',
      'a+b+',
    ]) {
      assert.ok(compilePattern(good) instanceof RegExp, good)
    }
  })

  it('that are none are refused with a word', () => {
    assert.match(String(compilePattern('(')), /nterminated/)
    assert.match(String(compilePattern('')), /1 to 512/)
    assert.match(String(compilePattern('a'.repeat(513))), /1 to 512/)
  })
})

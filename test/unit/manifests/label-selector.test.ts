import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ManifestsError } from '../../../src/manifests/errors.ts'
import { badExpressionIn, labelSelectorFromApi, parseLabelSelector } from '../../../src/manifests/label-selector.ts'

describe('a label selector in text', () => {
  const labels = { app: 'web', tier: 'a', 'example.com/x': '', empty: null }
  const table: readonly (readonly [string, boolean])[] = [
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app!=web', false],
    ['other!=web', true],
    ['app=db', false],
    ['app', true],
    ['other', false],
    ['!other', true],
    ['! app', false],
    ['tier in (a,b)', true],
    ['tier in ( b , c )', false],
    ['tier notin (b)', true],
    ['tier notin (a)', false],
    ['other in (a)', false],
    ['other notin (a)', true],
    ['example.com/x=', true],
    ['empty=', true],
    ['app=web,tier in (a,b),!old', true],
    ['app=web, tier=b', false],
    ['in', false],
  ]
  for (const [text, expected] of table) {
    it(`"${text}" is ${expected}`, () => assert.equal(parseLabelSelector(text)(labels), expected))
  }
  for (const text of [
    '=web',
    'app=a b',
    'app in a',
    'app in (a',
    'app,',
    ',app',
    'app in (a b)',
    'app=web;x',
    'toString()',
  ]) {
    it(`"${text}" is refused`, () =>
      assert.throws(() => parseLabelSelector(text), { name: 'ManifestsError', code: 'ERR_MANIFESTS_SELECTOR' }))
  }
  it('names of the language are no labels', () => assert.equal(parseLabelSelector('toString')({}), false))
  it('any text is read or refused, at once', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), text => {
        try {
          parseLabelSelector(text)({})
        } catch (error) {
          assert.ok(error instanceof ManifestsError)
        }
      }),
    )
  })
})

describe('a label selector as an object', () => {
  it('joins matchLabels and matchExpressions', () => {
    const selects = labelSelectorFromApi({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['a', 'b'] },
        { key: 'old', operator: 'DoesNotExist' },
        { key: 'new', operator: 'Exists' },
        { key: 'zone', operator: 'NotIn', values: ['c'] },
      ],
    })!
    assert.equal(selects({ app: 'web', tier: 'b', new: '' }), true)
    assert.equal(selects({ app: 'web', tier: 'c', new: '' }), false)
    assert.equal(selects({ app: 'web', tier: 'b', new: '', old: '' }), false)
    assert.equal(selects({ app: 'web', tier: 'b', new: '', zone: 'c' }), false)
    assert.equal(selects({ app: 'web', tier: 'b' }), false)
  })
  it('that names nothing is undefined', () => {
    for (const nothing of [undefined, null, {}, { matchLabels: null, matchExpressions: [] }]) {
      assert.equal(labelSelectorFromApi(nothing), undefined)
    }
  })
  it('tells of the first expression that the API server would refuse', () => {
    const right = [
      { key: 'a', operator: 'In', values: ['x'] },
      { key: 'a', operator: 'Exists' },
      { key: 'a', operator: 'DoesNotExist', values: [] },
    ]
    assert.equal(badExpressionIn({ matchExpressions: right }), undefined)
    const table: readonly (readonly [unknown, string])[] = [
      [{ key: 'a' }, 'operator is missing'],
      [{ key: 'a', operator: null, values: ['x'] }, 'operator is missing'],
      [{ operator: 'Exists' }, 'key is missing'],
      [null, 'key is missing'],
      [{ key: 'a', operator: 'NotIn' }, 'values are missing; NotIn needs some'],
      [{ key: 'a', operator: 'Exists', values: ['x'] }, 'values are given; Exists takes none'],
    ]
    for (const [expression, reason] of table) {
      assert.deepEqual(badExpressionIn({ matchExpressions: [...right, expression] }), { index: 3, reason })
    }
  })
})

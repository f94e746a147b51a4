/**
 * What a thread is given to know the queries by that rules are about: all that the configuration has taken.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { compileHandOver } from '../../../src/rules/hand-over.ts'
import { rewrite } from '../../../src/rules/rewrite.ts'
import { asked, read, SEED } from '../../support/rule-names.ts'
import { rulesOf } from '../../support/rules.ts'

const MOST_CHARACTERS = 512

for (const [begin, why] of [
  ['.*', 'is anchored when it is read'],
  ['(.*)', 'is anchored when it is read'],
  ['^/?/?', 'has its slashes escaped when it is read'],
  ['^', 'stays as it is'],
]) {
  it(`an expression of ${MOST_CHARACTERS} characters that begins with ${begin}, which ${why}, is heard in a thread`, () => {
    const end = ']\\.old\\.$'
    const from = `${`${begin}[`.padEnd(MOST_CHARACTERS - end.length, 'a')}${end}`
    const { rewrites, handOver } = rulesOf({ rewrite: [{ match: 'regex', from, to: 'new' }] })
    assert.notEqual(rewrite(rewrites, asked('a.old'), 1), undefined)
    // As a thread gets it.
    const inThread = compileHandOver(structuredClone(handOver), SEED)!
    assert.deepEqual([inThread.matches(read('A.Old')), inThread.matches(read('b.old'))], [true, false])
  })
}

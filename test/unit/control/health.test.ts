import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatCondition, type HealthObserved, healthConditions } from '../../../src/control/health.ts'

const WELL: HealthObserved = {
  lostWorkers: 0,
  silentMs: 0,
  errors: undefined,
  unpublished: 0,
  table: { memoryOctets: 1000, usedOctets: 900, retiredOctets: 0 },
}

const bad = (observed: Partial<HealthObserved>): string[] =>
  healthConditions({ ...WELL, ...observed }).flatMap(each => each.bad ?? [])
const lines = (observed: Partial<HealthObserved>): string[] =>
  healthConditions({ ...WELL, ...observed }).map(formatCondition)

describe('/healthz', () => {
  it('is good when all is well, and names what it looked at', () => {
    assert.deepEqual(bad({}), [])
    assert.deepEqual(lines({}), ['[+]workers', '[+]errors', '[+]table'])
  })

  it('is bad when a worker hangs that cannot be ended', () => {
    assert.deepEqual(bad({ lostWorkers: 1 }), ['workers that hang in a system call and cannot be ended: 1'])
  })

  it('is bad when no worker has answered for more than 10 s, not while one is replaced', () => {
    assert.deepEqual(bad({ silentMs: 10_000 }), [])
    assert.match(bad({ silentMs: 10_999 })[0]!, /no worker has answered for 10 s/)
  })

  it('is bad when errors keep coming', () => {
    assert.deepEqual(bad({ errors: 'they do' }), ['they do'])
    assert.deepEqual(lines({ errors: 'they do' })[1], '[-]errors: they do')
  })

  it('is good, with a note, when the table is full of what is served: a restart would serve less', () => {
    assert.deepEqual(bad({ unpublished: 3 }), [])
    assert.equal(lines({ unpublished: 3 })[2], '[+]table: changes that are not served: 3; the log says why')
  })

  it('is bad when there is no room although most of the table holds nothing, or what waits for a reader', () => {
    for (const table of [
      { memoryOctets: 1000, usedOctets: 400, retiredOctets: 0 },
      { memoryOctets: 1000, usedOctets: 1000, retiredOctets: 600 },
    ]) {
      assert.deepEqual(bad({ unpublished: 3, table }), [
        'changes that are not served: 3, with 40 % of the table in use',
      ])
      assert.deepEqual(bad({ table }), [])
    }
  })
})

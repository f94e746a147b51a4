import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RateTable } from '../../../src/dataplane/rate-table.ts'

describe('RateTable', () => {
  it('counts as a Map does, while no more clients are alive than a set has room for', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 400 })), {
      minLength: 1,
      maxLength: 200,
    })
    const property = fc.property(steps, list => {
      const table = new RateTable(1000, 1)
      const model = new Map<number, { since: number; count: number }>()
      let now = 0
      for (const [client, laterMs] of list) {
        now += laterMs
        const known = model.get(client)
        const entry = known !== undefined && now - known.since < 1000 ? known : { since: now, count: 0 }
        entry.count++
        model.set(client, entry)
        assert.equal(table.count(client * 7919, now), entry.count)
      }
    })
    fc.assert(property)
  })

  it('forgets clients that did little before one that did much, whatever flood of others comes', () => {
    const table = new RateTable(1000, 16)
    for (let i = 1; i <= 50; i++) table.count(0x1234_5678, 0)
    for (let other = 0; other < 100_000; other++) table.count(Math.imul(other, 0x9e37_79b1), 1)
    assert.equal(table.count(0x1234_5678, 2), 51)
  })

  it('starts anew with each window, at any hash and time', () => {
    const table = new RateTable(1000, 2)
    for (const hash of [0, -1, 1 << 31, 5]) {
      assert.deepEqual([table.count(hash, 0), table.count(hash, 999.9), table.count(hash, 1000)], [1, 2, 1])
    }
  })
})

/**
 * The memory grows under a reader whose views end where it ended before: what is published is found all the same.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createTable, Lookup, nameOf } from '../support/table-lookup.ts'

describe('a table whose memory grows', () => {
  for (const addresses of [1, 20, 300]) {
    it(`loses no name of ${addresses} addresses for a reader that saw it smaller`, () => {
      const { memory, writer } = createTable(['t.'])
      const lookup = new Lookup(memory, 1)
      const before = writer.stats().memoryOctets
      const lost: number[] = []
      const names = Math.ceil(200_000 / (addresses + 20))
      for (let i = 0; i < names; i++) {
        const owner = nameOf(`n${i}`, 't')
        const a = Array.from({ length: addresses }, (_, k) => i * addresses + k)
        writer.put({ owner, ttl: 5, a })
        writer.commit()
        const found = lookup.get(owner)
        if (found === undefined) lost.push(i)
        else assert.deepEqual(found.a, a)
      }
      assert.ok(writer.stats().memoryOctets >= 4 * before, 'the memory grew several times')
      assert.deepEqual(lost, [], 'names published and not found')
      assert.equal(writer.stats().names, names + 1)
    })
  }
})

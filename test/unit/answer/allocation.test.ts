/**
 * The hot path allocates nothing: a million answers leave the heap as it was, and fill no young generation either.
 */

import assert from 'node:assert/strict'
import { PerformanceObserver } from 'node:perf_hooks'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AHEAD, Answerer } from '../../../src/answer/answer.ts'
import { Order } from '../../../src/answer/order.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { queryOf, TYPES } from '../../support/messages.ts'
import { createWorld, WORLD_NAMES } from '../../support/world.ts'

const ANSWERS = 1_000_000
const MAX_GROWTH_OCTETS = 1 << 20

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

describe('the answers', () => {
  it(`${ANSWERS} of them, of every kind, grow the heap by less than 1 MiB, without collecting garbage`, async t => {
    const { serving } = createWorld()
    const table = new TableReader(serving.memory, 2)
    const answerer = new Answerer(table, new Order('shuffle', 1), 1232)
    const queries = WORLD_NAMES.flatMap(name =>
      ['A', 'AAAA', 'SRV', 'PTR', 'ANY'].map(type => queryOf(name, type, { opt: {} })),
    )
    queries.push(queryOf('cluster.local', 'SOA'), queryOf('cluster.local', 'NS'), Buffer.alloc(5), Buffer.alloc(40, 7))
    queries.push(queryOf('cluster.local', TYPES['AXFR']!), queryOf('web.default.svc.cluster.local', 'A', { qclass: 3 }))
    const octets = new Uint8Array(4096)
    const view = new DataView(octets.buffer)
    const answer = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const query = queries[i % queries.length]!
        for (let at = 0; at < query.length; at++) octets[at] = query[at]!
        table.begin()
        const place = (i % (AHEAD + 1)) - 1
        if (place >= 0) answerer.ahead.read(octets, view, 0, query.length, place)
        if (place === AHEAD - 1) answerer.ahead.fetch(AHEAD)
        answerer.answer(octets, view, 0, query.length, 4096, false, place)
        table.end()
      }
    }
    const collections: number[] = []
    const observer = new PerformanceObserver(list => {
      for (const { startTime } of list.getEntries()) collections.push(startTime)
    })
    answer(200_000)
    collect()
    const before = process.memoryUsage().heapUsed
    observer.observe({ entryTypes: ['gc'] })
    answer(ANSWERS)
    const after = process.memoryUsage().heapUsed
    const endMs = performance.now()
    // One that is told of only after those before it.
    collect()
    while (!collections.some(startMs => startMs >= endMs)) await setImmediate()
    observer.disconnect()
    const meanwhile = collections.filter(startMs => startMs < endMs).length
    t.diagnostic(`heap ${before} → ${after} octets, ${meanwhile} collections`)
    assert.ok(after - before < MAX_GROWTH_OCTETS, `${after - before} octets`)
    assert.equal(meanwhile, 0)
  })
})

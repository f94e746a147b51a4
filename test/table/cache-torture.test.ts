/**
 * Readers in threads of their own against the cache's writer: every answer they see was kept so, whole, while entries are
 * replaced, evicted, purged, and their memory is given to others.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Entry } from '../../src/cache/region.ts'
import { sizeAt, TORTURE_NAMES, type TortureSetup, tortureName } from '../support/cache-torture-reader.ts'
import { CachedWorld, entryOf } from '../support/cached.ts'
import { wireName } from '../support/messages.ts'

const READERS = 2
/** So many changes, or so many seconds on a slow machine, whichever is first. */
const ROUNDS = 150
const LONGEST_MS = 5000
const LEAST_CHECKED = 500

function entryAt(name: Uint8Array, i: number, v: number): Entry {
  const count = sizeAt(i, v)
  const records = Array.from({ length: count }, (_, k) => entryOf(name, ((v << 8) | k) >>> 0, 1).octets)
  const starts = records.map((_, k) => 16 * k)
  return {
    ...entryOf(name, 0, 100 + (v % 100)),
    answers: count,
    octets: Buffer.concat(records),
    starts,
    ttls: starts.map(start => start + 6),
    pointers: starts,
    set: { first: 0, count, stride: 16 },
  }
}

it('readers in threads see only what was kept', { timeout: 60_000 }, async context => {
  // Room for some of the names only: what is evicted is soon another's memory.
  const world = new CachedWorld({ success: { capacity: 300, ttl: 3600, minTtl: 5 }, maxOctets: 1 << 18 })
  const control = new Int32Array(new SharedArrayBuffer(4 * (READERS + 1)))
  const failures: Error[] = []
  const names = Array.from({ length: TORTURE_NAMES }, (_, i) => Uint8Array.from(wireName(tortureName(i))))
  const keys = names.map((_, i) => world.keyOf(tortureName(i), 1))
  const workers = Array.from({ length: READERS }, (_, i) => {
    const workerData: TortureSetup = { table: world.table.memory, cache: world.memory, reader: i + 1, control }
    const worker = new Worker(new URL('../support/cache-torture-reader.ts', import.meta.url), { workerData })
    worker.on('error', error => failures.push(error as Error))
    return worker
  })
  const ended = workers.map(worker => new Promise(resolve => worker.on('exit', resolve)))
  const checkedBy = (reader: number): number => Atomics.load(control, reader + 1)
  let changes = 0
  try {
    const end = performance.now() + LONGEST_MS
    let rounds = 0
    for (let v = 1; performance.now() < end && failures.length === 0; v++) {
      const isDone = rounds++ >= ROUNDS && workers.every((_, i) => checkedBy(i) >= LEAST_CHECKED)
      if (isDone) break
      if (v % 64 === 0) world.store.purgeAll()
      for (let i = v % 3; i < TORTURE_NAMES; i += 3) {
        if ((v + i) % 11 === 0) world.store.purge(names[i]!)
        else world.store.put(keys[i]!, entryAt(names[i]!, i, v))
        changes++
      }
      await setImmediate()
    }
    const checked = workers.map((_, i) => checkedBy(i))
    context.diagnostic(`${checked} answers checked during ${changes} changes`)
    assert.deepEqual(failures, [])
    assert.ok(Math.min(...checked) >= LEAST_CHECKED, 'each reader had its share')
    assert.ok(world.store.stats().success.evictions > 1000)
  } finally {
    Atomics.store(control, 0, 1)
    Atomics.notify(control, 0)
    await Promise.all(ended)
  }
  world.store.purgeAll()
  world.store.region.commit()
  assert.equal(world.store.region.entries, 0)
})

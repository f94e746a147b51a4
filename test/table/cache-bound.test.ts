/**
 * Very many random names through the answer cache: what it takes stays within what the configuration says, and the
 * cluster's table does not notice. Prints what a name costs.
 *
 * `CACHE_NAMES` sets the number of names.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ENTRY_DENIAL } from '../../src/cache/layout.ts'
import { CACHE, CachedWorld, entryOf } from '../support/cached.ts'

const NAMES = Number(process.env['CACHE_NAMES'] ?? 1_000_000)
const MAX_OCTETS = 4 << 20
/** Blocks of 80 octets beside names of all lengths, the index at twice its size while it is rebuilt. */
const MOST_MEMORY = MAX_OCTETS + (2 << 20)

it(`the memory stays bounded over ${NAMES.toLocaleString('en')} random names`, { timeout: 300_000 }, context => {
  const part = { capacity: 9984, ttl: 3600, minTtl: 5 }
  const world = new CachedWorld({
    ...CACHE,
    success: part,
    denial: part,
    maxOctets: MAX_OCTETS,
    prefetch: { amount: 2, duration: 60, percentage: 10 },
  })
  const { store, table } = world
  const before = { table: table.writer.stats(), heap: process.memoryUsage().heapUsed }
  const name = Buffer.from('\x10................\x07example\x03com\0', 'latin1')
  const key = `${'.'.repeat(name.length)}1`
  assert.equal(key.length, name.length + 1)
  const started = performance.now()
  let random = 0x2545_f491
  let most = 0
  for (let i = 0; i < NAMES; i++) {
    for (let at = 1; at < 17; at += 4) {
      random ^= random << 13
      random ^= random >>> 17
      random ^= random << 5
      name.writeInt32LE((random & 0x0f0f_0f0f) | 0x6060_6060, at)
    }
    store.put(`${name.toString('latin1')}1`, entryOf(name, i, 300, i % 2 === 0 ? ENTRY_DENIAL : 0))
    if (i % 1000 === 0) {
      world.now++
      most = Math.max(most, store.region.memoryOctets)
    }
  }
  const ms = performance.now() - started
  const { success, denial, memoryOctets, usedOctets } = store.stats()
  context.diagnostic(
    `${NAMES} names in ${ms.toFixed(0)} ms: ${success.entries} + ${denial.entries} entries, ` +
      `${memoryOctets} octets of shared memory, ${usedOctets} in use`,
  )
  assert.deepEqual([success.entries, denial.entries], [part.capacity, part.capacity])
  assert.equal(store.region.entries, 2 * part.capacity)
  assert.ok(most <= MOST_MEMORY, `${most} octets of shared memory`)
  assert.equal(store.counts.drops, 0)
  assert.deepEqual(table.writer.stats(), before.table)
})

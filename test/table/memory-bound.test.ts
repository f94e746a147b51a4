/**
 * Memory after very many changes: names come and go, sets grow and shrink, and the shared memory stays in proportion to
 * what is in use. Prints what a change costs.
 *
 * `TABLE_CHANGES` sets the number of changes.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { OwnerRecords } from '../../src/wire/owner-records.ts'
import { createTable, nameOf } from '../support/table-lookup.ts'

const CHANGES = Number(process.env['TABLE_CHANGES'] ?? 10_000_000)
const NAMES = 4000
/** Each so many changes a Service takes on a new size, from 1 to LARGEST addresses. */
const RESIZE_EVERY = 250
const SERVICES = 200
const LARGEST = 1000
/** Shared memory against the most that was ever in use. */
const MOST_OVERHEAD = 1.5
/** What the memory may yet grow by after the first tenth of the changes. */
const MOST_CREEP = 1.15

/** xorshift32: the same changes in every run. */
let random = 0x2545_f491
function below(limit: number): number {
  random ^= random << 13
  random ^= random >>> 17
  random ^= random << 5
  return (random >>> 0) % limit
}

function sets(labels: string, sizes: readonly number[]): OwnerRecords[] {
  const owner = nameOf(labels, 't')
  return sizes.map(size => ({ owner, ttl: 5, a: Array.from({ length: size }, (_, k) => k) }))
}

it(`the memory stays bounded over ${CHANGES.toLocaleString('en')} changes`, { timeout: 300_000 }, context => {
  const { memory, writer } = createTable(['t'])
  const names = Array.from({ length: NAMES }, (_, i) => sets(`n${i}.ns${i % 50}`, [1, 2, 3, 5, 8, 13, 21]))
  const services = Array.from({ length: SERVICES }, (_, i) => nameOf(`s${i}`, 't'))
  const large = Array.from({ length: LARGEST }, (_, k) => k)
  const removeAll = (): void => {
    for (const [records] of names) writer.remove(records!.owner)
    for (const owner of services) writer.remove(owner)
    writer.commit()
  }
  // The index grows to the size that these names need, and stays there.
  for (const [records] of names) writer.put(records!)
  for (const owner of services) writer.put({ owner, ttl: 5, a: [1] })
  removeAll()
  const atStart = writer.stats()

  let puts = 0
  let removes = 0
  let peakUsed = 0
  let afterTenth = 0
  const started = performance.now()
  for (let change = 1; change <= CHANGES; change++) {
    if (change % RESIZE_EVERY === 0) {
      // Sizes of all magnitudes, as often as each other.
      const size = Math.ceil(LARGEST ** (below(1000) / 999))
      writer.put({ owner: services[below(SERVICES)]!, ttl: change & 0xffff, a: large.slice(0, size) })
      puts++
    } else {
      const records = names[below(NAMES)]!
      const pick = below(records.length + 3)
      if (pick < records.length) {
        writer.put(records[pick]!)
        puts++
      } else {
        writer.remove(records[0]!.owner)
        removes++
      }
    }
    writer.commit()
    if (change % 1000 === 0) {
      peakUsed = Math.max(peakUsed, writer.stats().usedOctets)
      if (change <= CHANGES / 10) afterTenth = writer.stats().memoryOctets
    }
  }
  const seconds = (performance.now() - started) / 1000
  const { memoryOctets, retired } = writer.stats()
  context.diagnostic(
    `${puts} puts, ${removes} removes in ${seconds.toFixed(1)} s: ${((1e9 * seconds) / CHANGES).toFixed(0)} ns each; ` +
      `memory ${memoryOctets}, most in use ${peakUsed}, memory after a tenth ${afterTenth}`,
  )
  assert.equal(memory.buffer.byteLength, memoryOctets)
  assert.equal(retired, 0)
  assert.ok(memoryOctets <= MOST_OVERHEAD * peakUsed + 2 ** 17, `${memoryOctets} octets for ${peakUsed} in use`)
  assert.ok(
    memoryOctets <= MOST_CREEP * afterTenth,
    `${memoryOctets} octets, ${afterTenth} after a tenth of the changes`,
  )
  removeAll()
  assert.deepEqual({ ...writer.stats(), memoryOctets: 0 }, { ...atStart, memoryOctets: 0 })
})

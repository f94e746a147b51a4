/**
 * A reading thread of the cache's torture test: asks the real Answerer for names by chance, in batches as a worker does,
 * and throws at the first answer that was never kept, is of another name, or goes back to an older one.
 */

import assert from 'node:assert/strict'
import { workerData } from 'node:worker_threads'
import { Answerer, DEFERRED } from '../../src/answer/answer.ts'
import { CACHE_COUNTS, CachedAnswers } from '../../src/answer/cached.ts'
import { Order } from '../../src/answer/order.ts'
import { CacheReader } from '../../src/cache/reader.ts'
import type { SharedMemory } from '../../src/table/memory.ts'
import { TableReader } from '../../src/table/reader.ts'
import { queryOf, RD, strictDecode } from './messages.ts'

export interface TortureSetup {
  readonly table: SharedMemory
  readonly cache: SharedMemory
  readonly reader: number
  /** Told to stop; then hits checked, one word per reader. */
  readonly control: Int32Array
}

export const TORTURE_NAMES = 400
/** Records that version `v` of name `i` has. */
export function sizeAt(i: number, v: number): number {
  return 1 + ((i * 7 + v * 13) % 37)
}
export function tortureName(i: number): string {
  return `n${i}.${'x'.repeat(1 + (i % 50))}.example.com`
}

function run({ table: tableMemory, cache, reader, control }: TortureSetup): void {
  const table = new TableReader(tableMemory, reader)
  const order = new Order('shuffle', reader * 77_777)
  const cacheReader = new CacheReader(cache, reader, () => 1000)
  const cached = new CachedAnswers(cacheReader, order, new Float64Array(CACHE_COUNTS), 60)
  const answerer = new Answerer(table, order, 1232, { fallthrough: [] }, cached)
  const octets = new Uint8Array(65_535)
  const view = new DataView(octets.buffer)
  const seen = new Map<number, number>()
  let random = reader * 0x9e37_79b1
  const below = (limit: number): number => {
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    return (random >>> 0) % limit
  }
  let checked = 0
  while (Atomics.load(control, 0) === 0) {
    table.begin()
    for (let queries = 1 + below(32); queries > 0; queries--) {
      const i = below(TORTURE_NAMES)
      const query = queryOf(tortureName(i), 'A', { flags: RD })
      octets.set(query)
      const length = answerer.answer(octets, view, 0, query.length, 65_535, true)
      if (length === DEFERRED) continue
      const { answers } = strictDecode(octets.subarray(0, length))
      const v = answers[0]!.rdata.readUInt32BE() >>> 8
      assert.equal(answers.length, sizeAt(i, v))
      const positions = answers.map(({ rdata }) => {
        assert.equal(rdata.readUInt32BE() >>> 8, v, 'records of two versions')
        return rdata[3]!
      })
      assert.deepEqual(
        positions.sort((a, b) => a - b),
        Array.from({ length: answers.length }, (_, k) => k),
      )
      for (const { ttl } of answers) assert.equal(ttl, 100 + (v % 100))
      assert.ok(v >= (seen.get(i) ?? 0), `name ${i} went back from ${seen.get(i)} to ${v}`)
      seen.set(i, v)
      checked++
    }
    table.end()
    cached.end()
    Atomics.store(control, reader, checked)
    if (below(50) === 0) Atomics.wait(control, 0, 0, 1)
  }
}

if (workerData !== null) run(workerData as TortureSetup)

/**
 * The answer cache as it is handed to a thread that reads it. Layer: dataplane.
 */

import { CACHE_COUNTS, CachedAnswers } from '../answer/cached.ts'
import type { Order } from '../answer/order.ts'
import { sharedSeconds } from '../cache/clock.ts'
import { CacheReader } from '../cache/reader.ts'
import type { SharedMemory } from '../table/memory.ts'
import { CACHE_AT } from './counters.ts'

export interface CacheAccess {
  readonly memory: SharedMemory
  /** Hits further apart do not count together, seconds. */
  readonly pauseSeconds: number
}

/**
 * @param reader the thread's row among the readers: the same as of the table
 * @param row    the thread's counters
 */
export function openCached(access: CacheAccess, reader: number, order: Order, row: Float64Array): CachedAnswers {
  const counts = row.subarray(CACHE_AT, CACHE_AT + CACHE_COUNTS)
  return new CachedAnswers(new CacheReader(access.memory, reader, sharedSeconds()), order, counts, access.pauseSeconds)
}

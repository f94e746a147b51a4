/**
 * Names that are somebody else's, answered from what somebody else said a moment ago. Layer: answer.
 * Hot for such names only: it is asked when the table has nothing and before the query is deferred.
 */

import { copyEntry } from '../cache/copy.ts'
import {
  ENTRY_AD,
  ENTRY_DENIAL,
  ENTRY_EXPIRES,
  ENTRY_FLAGS,
  ENTRY_HITS,
  ENTRY_KEEPS_TTL,
  ENTRY_LAST_HIT,
  ENTRY_RCODE_MASK,
  ENTRY_STALE_UNTIL,
  ENTRY_TTL,
  entryKey,
} from '../cache/layout.ts'
import type { CacheReader } from '../cache/reader.ts'
import {
  EDE_OCTETS,
  EDE_STALE,
  EDE_STALE_NXDOMAIN,
  FLAG_AD,
  FLAG_CD,
  HEADER_OCTETS,
  OFFSET_FLAGS,
  RCODE_NXDOMAIN,
  RCODE_SERVFAIL,
  STALE_TTL,
} from '../wire/constants.ts'
import type { Query } from '../wire/query.ts'
import type { Order } from './order.ts'
import type { Reply } from './reply.ts'

/** What the counts of `CachedAnswers` are, by position. */
export const CACHE_HITS = 0
export const CACHE_DENIAL_HITS = 1
export const CACHE_MISSES = 2
export const CACHE_STALE = 3
export const CACHE_COUNTS = 4

/** Nothing was written: the query is the forwarder's. */
export const NOT_CACHED = 0
export const CACHED = 1
/** SERVFAIL, as a moment ago; nothing was written. */
export const CACHED_FAILURE = 2

export class CachedAnswers {
  private readonly reader: CacheReader
  private readonly order: Order
  private readonly counts: Float64Array
  /** Hits further apart do not count together, seconds. */
  private readonly pause: number

  /** @param counts CACHE_COUNTS numbers, added to by this thread alone */
  constructor(reader: CacheReader, order: Order, counts: Float64Array, pause: number) {
    this.reader = reader
    this.order = order
    this.counts = counts
    this.pause = pause
  }

  /** After a batch. */
  end(): void {
    this.reader.end()
  }

  /**
   * @param query its name is the one to look for
   * @param reply may hold aliases
   * @param owner where in the message that name stands
   */
  answer(query: Query, reply: Reply, owner: number): number {
    const { reader, counts } = this
    const flags = reply.view.getUint16(reply.start + OFFSET_FLAGS)
    const key = entryKey(query.nameLength, query.type, query.dnssecOk, (flags & FLAG_CD) !== 0)
    const block = reader.find(query.suffixHash[0]!, key, query.nameView)
    if (block === 0) return this.miss()
    const { words, nowSeconds: now } = reader
    const left = words[block + ENTRY_EXPIRES]! - now
    const isStale = left <= 0
    if (isStale && now >= words[block + ENTRY_STALE_UNTIL]!) return this.miss()
    const entry = words[block + ENTRY_FLAGS]!
    const rcode = entry & ENTRY_RCODE_MASK
    if (rcode === RCODE_SERVFAIL) {
      counts[CACHE_DENIAL_HITS]!++
      return CACHED_FAILURE
    }
    const hasRoom = query.payloadSize === 0 || reply.end - reply.at >= EDE_OCTETS
    const isMarked = isStale && reply.ede < 0 && hasRoom
    if (isMarked) this.markStale(query, reply, rcode)
    // TTLs are counted down (RFC 2308 §5); RFC 8767 §4: 30 s for what is stale
    const ttl = isStale ? STALE_TTL : (entry & ENTRY_KEEPS_TTL) !== 0 ? words[block + ENTRY_TTL]! : left
    if (!copyEntry(words, reader.octets, block, reply, owner, ttl, this.order)) {
      if (isMarked) this.unmark(query, reply)
      return this.miss()
    }
    reply.rcode = rcode
    if (owner === HEADER_OCTETS) {
      // RFC 1035 §4.1.1: no authority for what others said, in whichever zone it was asked for
      reply.aa = 0
      // RFC 4035 §3.2.3: AD is what the upstream said, but behind an alias, which is ours; RFC 6840 §5.8: if DO or AD asks
      if ((entry & ENTRY_AD) !== 0 && (query.dnssecOk || (flags & FLAG_AD) !== 0)) reply.aa = FLAG_AD
    }
    // RFC 4035 §3.2.2: CD is copied
    reply.aa |= flags & FLAG_CD
    words[block + ENTRY_HITS] = now - words[block + ENTRY_LAST_HIT]! > this.pause ? 1 : words[block + ENTRY_HITS]! + 1
    words[block + ENTRY_LAST_HIT] = now
    counts[(entry & ENTRY_DENIAL) === 0 ? CACHE_HITS : CACHE_DENIAL_HITS]!++
    if (isStale) counts[CACHE_STALE]!++
    return CACHED
  }

  private miss(): number {
    this.counts[CACHE_MISSES]!++
    return NOT_CACHED
  }

  /** RFC 8914 §4.4, §4.20; room for the option is kept. */
  private markStale(query: Query, reply: Reply, rcode: number): void {
    reply.ede = rcode === RCODE_NXDOMAIN ? EDE_STALE_NXDOMAIN : EDE_STALE
    if (query.payloadSize > 0) reply.end -= EDE_OCTETS
  }

  private unmark(query: Query, reply: Reply): void {
    reply.ede = -1
    if (query.payloadSize > 0) reply.end += EDE_OCTETS
  }
}

/**
 * Queries that were left to the main thread, from data-plane threads and from TCP: whoever answers them is asked, and what
 * came of it is counted as the queries answered at once are. Layer: control.
 */

import {
  bucketOf,
  DURATION_BUCKETS,
  OTHER_TYPE,
  ROW_FIELDS,
  rcodeIndex,
  requestField,
  SIZE_BUCKETS,
  sizeIndex,
  typeIndexes,
  ZONE_DO,
  ZONE_DURATIONS,
  ZONE_RCODES,
  ZONE_REQUEST_SIZES,
  ZONE_RESPONSE_SIZES,
  zoneFields,
} from '../dataplane/counters.ts'
import type { DeferredQuery } from '../dataplane/deferred.ts'
import type { Deferrals } from '../dataplane/query-handler.ts'
import type { MoreMessages } from '../transport/handler.ts'
import { AF_INET } from '../transport/linux-abi.ts'
import { OFFSET_FLAGS } from '../wire/constants.ts'
import type { DeferredLimits } from './deferred-limits.ts'
import type { QueryLog } from './query-log.ts'

/** @param more of the same reply: over TCP alone */
export type SendReply = (message: Uint8Array, more?: MoreMessages) => void

/** Whoever answers: calls `reply` once, now or later, with a message that is valid during the call. Of no octets: there is no reply. */
export interface Desk {
  take(query: DeferredQuery, reply: SendReply): void
}

/** Rows as those of data-plane threads (dataplane/counters.ts), of which only zones, limits and access rules are used. */
export interface DeferredRows {
  readonly udp: Float64Array
  readonly tcp: Float64Array
}

export function createDeferredRows(): DeferredRows {
  return { udp: new Float64Array(ROW_FIELDS), tcp: new Float64Array(ROW_FIELDS) }
}

export class DeferredQueries implements Deferrals, Desk {
  readonly udp: Float64Array
  readonly tcp: Float64Array
  /** Undefined: queries are not logged. */
  log: QueryLog | undefined
  private readonly counted: { pending: number }
  private readonly desk: Desk
  private readonly nowMs: () => number
  private readonly limits: DeferredLimits

  /** @param kept whose desk goes on, with all that it has taken */
  constructor(desk: Desk, limits: DeferredLimits, nowMs: () => number, rows: DeferredRows, kept?: DeferredQueries) {
    this.desk = desk
    this.limits = limits
    this.nowMs = nowMs
    this.udp = rows.udp
    this.tcp = rows.tcp
    this.counted = kept?.counted ?? { pending: 0 }
  }

  /** Queries whose replies are still to come; one that is dropped counts for ever. */
  get pending(): number {
    return this.counted.pending
  }

  /** A query that a data-plane thread deferred. @throws for a defect of the desk, if it has not been answered: nor is it later */
  take(query: DeferredQuery, reply: SendReply): void {
    const startedMs = this.nowMs()
    let isPending = true
    const settle = (): boolean => {
      const wasPending = isPending
      isPending = false
      if (wasPending) this.counted.pending--
      return wasPending
    }
    this.counted.pending++
    const answered: SendReply = (message, more) => {
      if (!settle() || message.length === 0) return
      const nowMs = this.nowMs()
      const sent = this.limits.pass(query, message, this.udp, nowMs)
      if (sent === undefined) return
      this.count(query, sent, (nowMs - startedMs) / 1000)
      this.log?.note(query, sent)
      reply(sent, more)
    }
    try {
      this.desk.take(query, answered)
    } catch (error) {
      if (settle()) throw error
      // Told as one that nobody caught.
      queueMicrotask(() => {
        throw error
      })
    }
  }

  /** One that came over TCP: it is on this thread already. */
  put(query: DeferredQuery): boolean {
    const { stream } = query.path
    if (stream === undefined) return false
    this.take({ ...query, message: query.message.slice() }, (message, more) => stream.reply(message, more))
    return true
  }

  wake(): void {}

  private count(
    { message, questionEnd, octets, dnssecOk, zone, path }: DeferredQuery,
    reply: Uint8Array,
    s: number,
  ): void {
    const row = path.stream === undefined ? this.udp : this.tcp
    const at = zoneFields(zone)
    const type = (message[questionEnd - 4]! << 8) | message[questionEnd - 3]!
    row[at + requestField(familyOf(path), type < 256 ? typeIndexes[type]! : OTHER_TYPE)]!++
    row[at + ZONE_RCODES + rcodeIndex(reply[OFFSET_FLAGS + 1]! & 15)]!++
    if (dnssecOk) row[at + ZONE_DO]!++
    row[at + ZONE_REQUEST_SIZES + sizeIndex(octets)]!++
    row[at + ZONE_REQUEST_SIZES + SIZE_BUCKETS.length + 1]! += octets
    row[at + ZONE_RESPONSE_SIZES + sizeIndex(reply.length)]!++
    row[at + ZONE_RESPONSE_SIZES + SIZE_BUCKETS.length + 1]! += reply.length
    row[at + ZONE_DURATIONS + bucketOf(DURATION_BUCKETS, s)]!++
    row[at + ZONE_DURATIONS + DURATION_BUCKETS.length + 1]! += s
  }
}

/** @returns 0: IPv4, 1: IPv6 */
function familyOf({ stream, sockaddr }: DeferredQuery['path']): number {
  if (stream !== undefined) return stream.client.includes(':') ? 1 : 0
  return (sockaddr[0]! | (sockaddr[1]! << 8)) === AF_INET ? 0 : 1
}

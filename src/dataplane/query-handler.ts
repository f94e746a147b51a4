/**
 * What a transport calls for every message: answers it from the table and counts it. Layer: dataplane.
 * Hot. The same for UDP workers and for TCP on the main thread. Time is read twice per batch, never per query.
 */

import { AHEAD, type Answerer } from '../answer/answer.ts'
import type { CachedAnswers } from '../answer/cached.ts'
import type { TableReader } from '../table/reader.ts'
import type { MessageHandler, Peers, ReturnPath } from '../transport/handler.ts'
import { HEADER_OCTETS, RCODE_SERVFAIL, TYPE_IXFR } from '../wire/constants.ts'
import {
  bucketOf,
  CUT_SETS,
  DURATION_BUCKETS,
  LIMITED_ERRORS,
  LIMITED_RESPONSES,
  MAX_COUNTED_ZONES,
  NO_ZONE,
  NOT_DEFERRED,
  OTHER_TYPE,
  PANICS,
  rcodeIndex,
  requestField,
  SIZE_BUCKETS,
  SLIPPED_RESPONSES,
  sizeIndex,
  typeIndexes,
  ZONE_DO,
  ZONE_DURATIONS,
  ZONE_RCODES,
  ZONE_REQUEST_SIZES,
  ZONE_RESPONSE_SIZES,
  zoneFields,
} from './counters.ts'
import { type DeferredQuery, MAX_MESSAGE } from './deferred.ts'
import type { QueryLogWriter } from './query-log.ts'
import type { QueryScreen } from './query-screen.ts'
import { DROP_ERROR, type ReplyLimiter, SEND, SLIP } from './reply-limits.ts'
import type { SearchGate } from './search-gate.ts'
import type { TransferGate } from './transfer-gate.ts'

export interface QueryHandlerOptions {
  readonly table: TableReader
  readonly answerer: Answerer
  /** ROW_FIELDS numbers, written by this thread alone. */
  readonly row: Float64Array
  /** Address family of each listen address: 0 for IPv4, 1 for IPv6. */
  readonly families: readonly number[]
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Told once per answer that no message can hold. */
  readonly onCut?: (name: Uint8Array) => void
  /** Over UDP; `maxUdpSize` is the payload size advertised. */
  readonly udp?: { readonly limiter: ReplyLimiter; readonly maxUdpSize: number }
  /** Who takes what the answerer defers. */
  readonly deferred?: Deferrals
  /** Looks at queries before the table is asked. */
  readonly screen?: QueryScreen | undefined
  /** Says who may have transfers; undefined: nobody. */
  readonly transfers?: TransferGate | undefined
  /** Looks at names that do not exist. */
  readonly search?: SearchGate | undefined
  /** Told of every query that is answered; undefined: they are not logged. */
  readonly log?: QueryLogWriter | undefined
  /** What the answerer was given. */
  readonly cached?: CachedAnswers | undefined
}

export interface Deferrals {
  /** @param query copied before it returns. @returns false: it is not taken. @throws for a defect: it is not taken either */
  put(query: DeferredQuery): boolean
  /** Called at the end of a batch in which something was put. */
  wake(): void
}

export class QueryHandler implements MessageHandler {
  readonly ahead = AHEAD
  private readonly options: QueryHandlerOptions
  private readonly table: TableReader
  private readonly answerer: Answerer
  private readonly row: Float64Array
  private readonly log: QueryLogWriter | undefined
  /** Bit n: the limiter is asked about replies with RCODE n. */
  private limitedRcodes = 0
  private family = 0
  private peers: Peers | undefined
  private startedMs = 0
  private hasPut = false
  /** Of the query that is deferred. */
  private octets = 0
  /** Queries of this batch by zone, for the histogram of durations. */
  private readonly batch = new Uint32Array(MAX_COUNTED_ZONES + 1)

  constructor(options: QueryHandlerOptions) {
    this.options = options
    this.table = options.table
    this.answerer = options.answerer
    this.row = options.row
    this.log = options.log
    this.answerer.screen = options.screen
    this.answerer.transfers = options.transfers
    this.answerer.misses = options.search
  }

  begin(socket: number, peers?: Peers): void {
    this.peers = peers
    this.limitedRcodes = peers === undefined ? 0 : (this.options.udp?.limiter.rcodes ?? 0)
    this.family = this.options.families[socket]!
    this.options.screen?.begin(peers, this.family === 1)
    this.options.transfers?.begin(peers, this.family === 1)
    this.options.search?.begin(peers, this.family === 1)
    this.log?.begin(peers, this.family === 1)
    this.startedMs = this.options.now()
    this.table.begin()
  }

  readAhead(octets: Uint8Array, view: DataView, start: number, length: number, place: number): void {
    try {
      this.answerer.ahead.read(octets, view, start, length, place)
    } catch {
      this.row[PANICS]!++
    }
  }

  fetchAhead(count: number): void {
    this.answerer.ahead.fetch(count)
  }

  answer(
    octets: Uint8Array,
    view: DataView,
    start: number,
    length: number,
    capacity: number,
    stream: boolean,
    place = -1,
  ): number {
    const { answerer, row } = this
    let replied: number
    try {
      replied = answerer.answer(octets, view, start, length, capacity, stream, place)
    } catch {
      // A defect of ours: the client hears SERVFAIL, the counter tells the operator, the others are served on.
      row[PANICS]!++
      return this.fail(octets, view, start, length)
    }
    if (replied <= 0) {
      this.octets = length
      return replied
    }
    if (((this.limitedRcodes >>> answerer.reply.rcode) & 1) !== 0) {
      replied = this.limit(start, replied)
      if (replied === 0) return 0
    }
    this.count(length, replied, stream)
    if (this.log !== undefined) {
      this.log.note(answerer.query, answerer.reply.rcode, view, start, length, replied, stream)
    }
    return replied
  }

  private count(length: number, replied: number, stream: boolean): void {
    const { answerer, row } = this
    const { query, reply, zone } = answerer
    const at = zoneFields(zone)
    this.batch[zone < 0 ? NO_ZONE : zone < MAX_COUNTED_ZONES ? zone : MAX_COUNTED_ZONES - 1]!++
    const type = query.questionEnd > 0 && query.type < 256 ? typeIndexes[query.type]! : OTHER_TYPE
    row[at + requestField(this.family, type)]!++
    row[at + ZONE_RCODES + rcodeIndex(reply.rcode)]!++
    if (query.dnssecOk) row[at + ZONE_DO]!++
    row[at + ZONE_REQUEST_SIZES + sizeIndex(length)]!++
    row[at + ZONE_REQUEST_SIZES + SIZE_BUCKETS.length + 1]! += length
    row[at + ZONE_RESPONSE_SIZES + sizeIndex(replied)]!++
    row[at + ZONE_RESPONSE_SIZES + SIZE_BUCKETS.length + 1]! += replied
    if (stream && reply.truncated) {
      row[CUT_SETS]!++
      this.options.onCut?.(query.name.subarray(0, query.nameLength))
    }
  }

  defer(octets: Uint8Array, start: number, path: ReturnPath): number {
    const { query, reply, targetAt, zone } = this.answerer
    const { questionEnd, payloadSize, dnssecOk } = query
    const length = this.octets
    // RFC 1995 §3: behind the question of an IXFR is the client's version
    const end = start + (query.type === TYPE_IXFR ? length : questionEnd)
    const message = octets.subarray(start, targetAt > 0 ? reply.at : end)
    const aliases = targetAt > 0 ? reply.answers : 0
    const deferred = { message, questionEnd, targetAt, aliases, payloadSize, dnssecOk, zone, octets: length, path }
    try {
      if (this.options.deferred?.put(deferred) === true) {
        this.hasPut = true
        return 0
      }
    } catch {
      // As in `answer`: whoever takes it over TCP runs here.
      this.row[PANICS]!++
      return this.fail(octets, reply.view, start, length)
    }
    const isStream = path.stream !== undefined
    let replied: number
    if (message.length > MAX_MESSAGE && !isStream) replied = this.sendToTcp(start)
    else {
      replied = this.answerer.failDeferred()
      this.row[NOT_DEFERRED]!++
    }
    // As in `answer`, which is too hot to share these lines.
    if (((this.limitedRcodes >>> reply.rcode) & 1) !== 0) {
      replied = this.limit(start, replied)
      if (replied === 0) return 0
    }
    this.count(length, replied, isStream)
    this.log?.note(query, reply.rcode, reply.view, start, length, replied, isStream)
    return replied
  }

  end(): void {
    this.table.end()
    this.options.cached?.end()
    if (this.hasPut) {
      this.hasPut = false
      this.options.deferred?.wake()
    }
    const seconds = (this.options.now() - this.startedMs) / 1000
    const bucket = bucketOf(DURATION_BUCKETS, seconds)
    for (let zone = 0; zone <= NO_ZONE; zone++) {
      const queries = this.batch[zone]!
      if (queries === 0) continue
      this.batch[zone] = 0
      const at = zoneFields(zone === NO_ZONE ? -1 : zone) + ZONE_DURATIONS
      this.row[at + bucket]! += queries
      this.row[at + DURATION_BUCKETS.length + 1]! += queries * seconds
    }
  }

  /** @returns octets of the reply, which may have become an empty one; 0: it is not sent */
  private limit(start: number, replied: number): number {
    const { row, peers } = this
    const { reply } = this.answerer
    const { limiter } = this.options.udp!
    const verdict = limiter.judge(reply.rcode, this.family, start, peers!, this.startedMs)
    if (verdict === SEND) return replied
    if (verdict !== SLIP) {
      row[verdict === DROP_ERROR ? LIMITED_ERRORS : LIMITED_RESPONSES]!++
      return 0
    }
    row[SLIPPED_RESPONSES]!++
    return this.sendToTcp(start)
  }

  /** An empty reply with TC. @returns its octets */
  private sendToTcp(start: number): number {
    const { query, reply } = this.answerer
    reply.rewind(start + query.questionEnd)
    reply.truncated = true
    return reply.finish(query.payloadSize > 0 ? this.options.udp!.maxUdpSize : 0)
  }

  /** SERVFAIL with the header alone. */
  private fail(octets: Uint8Array, view: DataView, start: number, length: number): number {
    if (length < HEADER_OCTETS) return 0
    const { reply } = this.answerer
    reply.begin(octets, view, start, start, start)
    reply.rcode = RCODE_SERVFAIL
    return reply.finishHeader()
  }
}

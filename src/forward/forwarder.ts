/**
 * Forwarding: a client's query becomes a question in flight, the question's answer the clients' replies. Layer: forward.
 * Runs on the main thread.
 *
 *   take ─▶ zone ─▶ failed a moment ago? ─▶ in flight already? ─▶ own query come back? ─▶ join
 *                                                 └─▶ caps ─▶ flight ─▶ attempts.ts ─▶ checked reply ─▶ all who wait
 *                                                                                   deadline, nobody left ─▶ SERVFAIL
 *
 * Equal questions share one flight, so that nobody can make many chances to guess one ID (RFC 5452 §5). Time is looked at
 * by one coarse timer that runs while something is in flight.
 */

import {
  EDE_CACHED_ERROR,
  EDE_NO_REACHABLE_AUTHORITY,
  FLAG_AD,
  FLAG_CD,
  FLAG_RA,
  FLAG_TC,
  OFFSET_FLAGS,
  RCODE_NOERROR,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
} from '../wire/constants.ts'
import { Attempts, type AttemptsOptions } from './attempts.ts'
import { askedAt, type ClientQuery, ReplyWriter } from './client-query.ts'
import { Failures } from './failures.ts'
import { type Flight, Flights, keyOf } from './flight.ts'
import { NameBuffer } from './names.ts'
import { type MakeReply, Portions } from './portions.ts'
import { questionEndOf, type UpstreamQuestion } from './question.ts'
import type { ReplyCache } from './reply-cache.ts'
import { Response } from './response.ts'
import type { Route, Routes } from './routes.ts'
import { SCRUBBED, Scrubber } from './scrub.ts'
import type { Upstream } from './upstream.ts'

export interface ForwarderClock {
  /** Monotonic. */
  nowMs(): number
  /** Calls `run` again and again. @returns what stops it */
  every(intervalMs: number, run: () => void): () => void
}

export interface ForwarderOptions extends Pick<AttemptsOptions, 'random' | 'openDatagrams' | 'openStreams'> {
  readonly routes: Routes
  /** Largest reply over UDP, octets. */
  readonly maxUdpSize: number
  /** Questions in flight at one time. */
  readonly maxInFlight: number
  /** Queries of one client that wait. */
  readonly maxPerClient: number
  readonly clock: ForwarderClock
  /** The answer to a query of a name that has no upstream, valid until the next call. Default REFUSED. */
  readonly unrouted?: (query: ClientQuery) => Uint8Array
  /** Keeps replies; undefined: nothing is kept. */
  readonly cache?: ReplyCache
  /** Told of an upstream whose query came back to us. */
  readonly onLoop?: (upstream: Upstream) => void
}

/** What became of queries. */
export interface ForwardStats {
  answered: number
  servfail: number
  /** Other errors of upstreams, handed on. */
  refused: number
  /** Answered from the table, no upstream being given for the name. */
  unrouted: number
  /** Joined a question that was in flight. */
  shared: number
  /** Found in the cache after all. */
  cached: number
  /** SERVFAIL without asking: failed a moment ago. */
  failedBefore: number
  overTotal: number
  overClient: number
  overZone: number
  loops: number
  /** Chosen upstreams that were all down. */
  allDown: number
}

/** Below 4.5 s: a client of glibc asks again after 5 s, and then finds an answer. */
export const TOTAL_MS = 4400
/** RFC 8767 §5, the client response timer: then it is answered from what has expired, if that is kept. */
export const STALE_MS = 1800
const SWEEP_MS = 50

export class Forwarder {
  readonly stats: ForwardStats = {
    answered: 0,
    servfail: 0,
    refused: 0,
    unrouted: 0,
    shared: 0,
    cached: 0,
    failedBefore: 0,
    overTotal: 0,
    overClient: 0,
    overZone: 0,
    loops: 0,
    allDown: 0,
  }
  private readonly options: ForwarderOptions
  private readonly attempts: Attempts
  private readonly failures = new Failures()
  private readonly flights: Flights
  private readonly name = new NameBuffer()
  private readonly scrubber = new Scrubber()
  private readonly portions = new Portions(query => this.flights.answered(query))
  /** A reply that not all have had in the turn in which it came. */
  private readonly recalled = new Response()
  private readonly writer: ReplyWriter
  private stopSweep: (() => void) | undefined
  private isClosed = false

  constructor(options: ForwarderOptions) {
    this.options = options
    this.writer = new ReplyWriter(options.maxUdpSize)
    this.flights = new Flights(options.maxInFlight, options.maxPerClient)
    const { clock, random, openDatagrams, openStreams } = options
    this.attempts = new Attempts({
      nowMs: () => clock.nowMs(),
      random,
      openDatagrams,
      openStreams,
      answered: (flight, response, flags) => this.answer(flight, response, flags),
      failed: (flight, rcode) => this.fail(flight, rcode),
    })
  }

  get inFlight(): number {
    return this.flights.size
  }

  /** Answers the query, now or later, once. */
  take(query: ClientQuery): void {
    const { name, options, stats, flights } = this
    const { message, questionEnd } = query
    if (this.isClosed) {
      query.path.send(this.servfail(query))
      return
    }
    const nameEnd = name.read(message, 0, askedAt(query), message.length)
    const route = nameEnd === 0 ? undefined : options.routes.find(name)
    if (route === undefined) {
      this.answerUnrouted(query)
      return
    }
    const type = (message[questionEnd - 4]! << 8) | message[questionEnd - 3]!
    const checkingDisabled = (message[OFFSET_FLAGS + 1]! & FLAG_CD) !== 0
    const key = keyOf(name, type, query.dnssecOk, checkingDisabled)
    const nowMs = options.clock.nowMs()
    // Answered while it waited to be taken.
    const kept = query.refreshes === true ? undefined : options.cache?.find(key, query)
    if (kept !== undefined) {
      stats.cached++
      query.path.send(kept)
      return
    }
    if (this.failures.has(key, nowMs)) {
      stats.failedBefore++
      query.path.send(this.lastWord(key, query, EDE_CACHED_ERROR))
      return
    }
    const flight = flights.find(key)
    if (flight !== undefined) {
      this.join(flight, query)
      return
    }
    if (route.upstreams.length === 0) {
      query.path.send(this.lastWord(key, query, EDE_NO_REACHABLE_AUTHORITY))
      return
    }
    const cap = flights.capFor(query.client, route)
    if (cap !== undefined) {
      stats[cap]++
      query.path.send(this.lastWord(key, query))
      return
    }
    const question = { name: name.octets.slice(0, name.length), type, dnssecOk: query.dnssecOk, checkingDisabled }
    this.begin(route, key, question, query, nowMs)
  }

  close(): void {
    this.isClosed = true
    for (const flight of this.flights.all) this.fail(flight, RCODE_SERVFAIL)
    this.portions.finish()
    this.stopSweep?.()
    this.stopSweep = undefined
    this.attempts.close()
  }

  /** No upstream is given for the name: what is known of it here is all that is said. */
  private answerUnrouted(query: ClientQuery): void {
    const { stats, writer, options } = this
    stats.unrouted++
    if (query.aliases > 0) {
      query.path.send(writer.finish(query, writer.begin(query), query.aliases, 0, RCODE_NOERROR, 0))
      return
    }
    const reply = options.unrouted?.(query) ?? writer.refuse(query, RCODE_REFUSED)
    reply[OFFSET_FLAGS + 1]! |= FLAG_RA
    query.path.send(reply)
  }

  private join(flight: Flight, query: ClientQuery): void {
    const { stats } = this
    const id = (query.message[0]! << 8) | query.message[1]!
    // Our own query, back from where it was sent to: whoever we asked asks us.
    const returned = flight.attempts.find(
      ({ localPort, message, hasFailed }) =>
        localPort > 0 && localPort === query.clientPort && ((message[0]! << 8) | message[1]!) === id && !hasFailed,
    )
    if (returned !== undefined) {
      stats.loops++
      this.options.onLoop?.(returned.upstream)
      query.path.send(this.servfail(query))
      this.attempts.lose(returned, false)
      return
    }
    const cap = this.flights.join(flight, query)
    if (cap === undefined) stats.shared++
    else {
      stats[cap]++
      query.path.send(this.servfail(query))
    }
  }

  private begin(route: Route, key: string, question: UpstreamQuestion, query: ClientQuery, nowMs: number): void {
    const candidates = route.order()
    if (candidates[0]!.isDown) this.stats.allDown++
    const flight: Flight = {
      key,
      route,
      question,
      waiters: [query],
      candidates,
      attempts: [],
      deadlineMs: nowMs + TOTAL_MS,
      generation: this.options.cache?.generation ?? 0,
      nextMs: nowMs,
      turn: 0,
      rcode: RCODE_SERVFAIL,
      isOver: false,
    }
    this.flights.begin(flight)
    this.attempts.next(flight, nowMs)
    this.stopSweep ??= this.options.clock.every(SWEEP_MS, () => this.sweep())
  }

  private answer(flight: Flight, response: Response, flags: number): boolean {
    const { portions, options } = this
    const { question, waiters } = flight
    options.cache?.boundTtls(response, question.type)
    let isFirst = true
    const useful = portions.give(waiters, query => {
      const reply = this.write(flight, response, flags, query, isFirst)
      isFirst = false
      return reply
    })
    if (!useful) return false
    options.cache?.keep(flight.key, question, response, flags, flight.generation)
    this.failures.remove(flight.key)
    this.end(flight)
    if (waiters.length === 0) return true
    const octets = response.octets.slice()
    portions.later(waiters, () => {
      const { recalled } = this
      recalled.read(octets, questionEndOf(question))
      options.cache?.boundTtls(recalled, question.type)
      return query => this.write(flight, recalled, flags, query, false)
    })
    return true
  }

  /** @returns undefined: it is of no use to the first of all, and so of none to any */
  private write(
    { question }: Flight,
    response: Response,
    flags: number,
    query: ClientQuery,
    isFirst: boolean,
  ): Uint8Array | undefined {
    const { scrubber, writer, stats } = this
    const at = writer.begin(query)
    const limit = writer.limit(query)
    const put = scrubber.scrub(response, question.type, question.dnssecOk, writer.octets, at, askedAt(query), limit)
    if (put !== SCRUBBED && isFirst) return undefined
    stats.answered++
    const answers = query.aliases + scrubber.answers
    const bits = (scrubber.truncated ? FLAG_TC : 0) | (flags & (FLAG_AD | FLAG_TC))
    return writer.finish(query, scrubber.at, answers, scrubber.authority, response.rcode, bits)
  }

  /** Every upstream failed, or the time is over. */
  private fail(flight: Flight, rcode: number): void {
    const isUnreachable = rcode === RCODE_SERVFAIL && flight.rcode === RCODE_SERVFAIL
    // RFC 9520 §3.2: SERVFAIL, REFUSED, time-outs alike
    if (!this.isClosed) {
      this.failures.add(flight.key, this.options.clock.nowMs())
      this.options.cache?.fail(flight.key, flight.question, flight.generation)
    }
    this.end(flight)
    const ede = isUnreachable ? EDE_NO_REACHABLE_AUTHORITY : -1
    this.tell(flight.waiters, query => this.lastWord(flight.key, query, ede, rcode))
  }

  /** Whoever waits is answered from what has expired, if that is kept; the upstreams may still answer, for the next. */
  private serveStale(flight: Flight): void {
    const { cache } = this.options
    if (flight.waiters.length === 0 || cache?.hasStale(flight.key) !== true) return
    cache.fail(flight.key, flight.question, flight.generation)
    this.tell(flight.waiters.splice(0), query => this.lastWord(flight.key, query))
  }

  private tell(waiters: ClientQuery[], reply: MakeReply): void {
    this.portions.give(waiters, reply)
    this.portions.later(waiters, () => reply)
  }

  /**
   * Nobody can be asked, or nobody knows: RFC 8767 §4, any RCODE but NOERROR and NXDOMAIN is a failure, upon which what was
   * known before is given, if it is kept; else the error.
   */
  private lastWord(key: string, query: ClientQuery, ede = -1, rcode = RCODE_SERVFAIL): Uint8Array {
    const stale = this.isClosed ? undefined : this.options.cache?.findStale(key, query)
    if (stale !== undefined) return stale
    if (rcode === RCODE_SERVFAIL) return this.servfail(query, ede)
    this.stats.refused++
    return this.writer.refuse(query, rcode)
  }

  private end(flight: Flight): void {
    this.attempts.end(flight)
    this.flights.end(flight)
  }

  private servfail(query: ClientQuery, ede = -1): Uint8Array {
    this.stats.servfail++
    return this.writer.refuse(query, RCODE_SERVFAIL, ede)
  }

  private sweep(): void {
    const { attempts, flights } = this
    const nowMs = this.options.clock.nowMs()
    for (const flight of flights.all) {
      if (nowMs >= flight.deadlineMs) {
        attempts.blameSilent(flight, nowMs)
        this.fail(flight, RCODE_SERVFAIL)
      } else if (nowMs >= flight.nextMs) attempts.nextAfterSilence(flight, nowMs)
      if (!flight.isOver && nowMs >= flight.deadlineMs - TOTAL_MS + STALE_MS) this.serveStale(flight)
    }
    attempts.probes.tick(nowMs)
    if (flights.size === 0 && attempts.probes.isIdle) {
      this.stopSweep?.()
      this.stopSweep = undefined
    }
  }
}

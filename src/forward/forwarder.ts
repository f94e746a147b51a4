/**
 * Forwarding: a client's query becomes a question in flight, the question a query to one upstream after the other, its
 * reply the clients' replies. Layer: forward. Runs on the main thread.
 *
 *   take ─▶ zone ─▶ failed a moment ago? loop? caps? ─▶ in flight already? ─▶ join
 *                                                              └─▶ flight ─▶ attempt at an upstream ─▶ checked reply ─▶ all who wait
 *              next attempt: after a time-out, an error, a SERVFAIL by choice      TC ─▶ TCP      deadline ─▶ SERVFAIL
 *
 * Equal questions share one flight, so that nobody can make many chances to guess one ID (RFC 5452 §5). Time is looked at
 * by one coarse timer that runs while something is in flight.
 */

import {
  EDE_CACHED_ERROR,
  EDE_NO_REACHABLE_AUTHORITY,
  FLAG_AD,
  FLAG_CD,
  FLAG_TC,
  OFFSET_FLAGS,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_NXDOMAIN,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
} from '../wire/constants.ts'
import { askedAt, type ClientQuery, ReplyWriter } from './client-query.ts'
import type { Attempt, Exchange, ExchangeEvents } from './exchange.ts'
import { Failures } from './failures.ts'
import { NameBuffer } from './names.ts'
import { encodeUpstreamQuery, questionEndOf, type UpstreamQuestion } from './question.ts'
import { MATCH, MATCH_HEADER, NO_MATCH, Response } from './response.ts'
import type { Route, Routes } from './routes.ts'
import { SCRUBBED, Scrubber } from './scrub.ts'
import type { Upstream } from './upstream.ts'

export interface ForwarderClock {
  /** Monotonic. */
  nowMs(): number
  /** Calls `run` again and again. @returns what stops it */
  every(intervalMs: number, run: () => void): () => void
}

export interface ForwarderOptions {
  readonly routes: Routes
  /** Largest reply over UDP, octets. */
  readonly maxUdpSize: number
  /** Questions in flight at one time. */
  readonly maxInFlight: number
  /** Questions in flight that one client began. */
  readonly maxPerClient: number
  readonly clock: ForwarderClock
  /** 0..below−1, from a CSPRNG. */
  readonly random: (below: number) => number
  readonly openDatagrams: (events: ExchangeEvents) => Exchange
  readonly openStreams: (events: ExchangeEvents) => Exchange
  /** Told of an upstream whose query came back to us. */
  readonly onLoop?: (upstream: Upstream) => void
}

/** What became of queries. */
export interface ForwardStats {
  answered: number
  servfail: number
  refused: number
  /** Joined a question that was in flight. */
  shared: number
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
/** An upstream that has not answered after so long gets company. */
export const ATTEMPT_MS = 800
/** RFC 9520 §3.1: a query goes to an address at most three times. */
const MAX_SENDS = 3
/** Upstreams asked for one question at most: each holds a socket. */
const MAX_ATTEMPTS = 3
const MAX_WAITERS = 10_000
const SWEEP_MS = 50
const PROBE_MS = 500
const PROBE_TIMEOUT_MS = 1000
/** Without RD, so that no probe is sent on: whatever is said to it, somebody is there. */
const ROOT_NS: UpstreamQuestion = {
  name: Uint8Array.of(0),
  type: 2,
  dnssecOk: false,
  checkingDisabled: false,
  recursionDesired: false,
}

interface FlightAttempt extends Attempt {
  /** undefined: a probe. */
  readonly flight: Flight | undefined
  readonly withEdns: boolean
  sends: number
  stream: boolean
  hasFailed: boolean
}

interface Flight {
  readonly key: string
  readonly route: Route
  readonly question: UpstreamQuestion
  readonly client: string
  readonly waiters: ClientQuery[]
  readonly candidates: readonly Upstream[]
  readonly attempts: FlightAttempt[]
  readonly deadlineMs: number
  nextMs: number
  turn: number
  /** What the last upstream said that could not answer. */
  rcode: number
}

export class Forwarder {
  readonly stats: ForwardStats = {
    answered: 0,
    servfail: 0,
    refused: 0,
    shared: 0,
    failedBefore: 0,
    overTotal: 0,
    overClient: 0,
    overZone: 0,
    loops: 0,
    allDown: 0,
  }
  private readonly options: ForwarderOptions
  private readonly datagrams: Exchange
  private readonly streams: Exchange
  private readonly failures = new Failures()
  private readonly flights = new Map<string, Flight>()
  private readonly perClient = new Map<string, number>()
  private readonly probes = new Set<FlightAttempt>()
  /** Upstreams to be probed. */
  private readonly doubtful = new Set<Upstream>()
  private readonly name = new NameBuffer()
  private readonly response = new Response()
  private readonly scrubber = new Scrubber()
  private readonly writer: ReplyWriter
  private waiting = 0
  private stopSweep: (() => void) | undefined
  private isClosed = false

  constructor(options: ForwarderOptions) {
    this.options = options
    this.writer = new ReplyWriter(options.maxUdpSize)
    const events: ExchangeEvents = {
      received: (attempt, octets, stream) => this.received(attempt as FlightAttempt, octets, stream),
      failed: (attempt, reason) => this.attemptFailed(attempt as FlightAttempt, reason, true),
    }
    this.datagrams = options.openDatagrams(events)
    this.streams = options.openStreams(events)
  }

  get inFlight(): number {
    return this.flights.size
  }

  /** Answers the query, now or later, once. */
  take(query: ClientQuery): void {
    const { name, options, stats } = this
    const { message, questionEnd } = query
    const nameEnd = name.read(message, 0, askedAt(query), message.length)
    const route = nameEnd === 0 ? undefined : options.routes.find(name)
    if (this.isClosed) {
      this.servfail(query)
      return
    }
    if (route === undefined) {
      stats.refused++
      query.path.send(this.writer.refuse(query, RCODE_REFUSED))
      return
    }
    const type = (message[questionEnd - 4]! << 8) | message[questionEnd - 3]!
    const checkingDisabled = (message[OFFSET_FLAGS + 1]! & FLAG_CD) !== 0
    const key = keyOf(name, type, query.dnssecOk, checkingDisabled)
    const nowMs = options.clock.nowMs()
    if (this.failures.has(key, nowMs)) {
      stats.failedBefore++
      this.servfail(query, EDE_CACHED_ERROR)
      return
    }
    const flight = this.flights.get(key)
    if (flight !== undefined) {
      this.join(flight, query)
      return
    }
    const begun = this.perClient.get(query.client) ?? 0
    if (this.flights.size >= options.maxInFlight) stats.overTotal++
    else if (begun >= options.maxPerClient) stats.overClient++
    else if (route.inFlight >= route.maxConcurrent) stats.overZone++
    else {
      this.perClient.set(query.client, begun + 1)
      this.begin(
        route,
        key,
        { name: name.octets.slice(0, name.length), type, dnssecOk: query.dnssecOk, checkingDisabled },
        query,
      )
      return
    }
    this.servfail(query)
  }

  close(): void {
    this.isClosed = true
    for (const flight of this.flights.values()) this.fail(flight, RCODE_SERVFAIL)
    this.stopSweep?.()
    this.stopSweep = undefined
    this.datagrams.close()
    this.streams.close()
  }

  private join(flight: Flight, query: ClientQuery): void {
    const id = (query.message[0]! << 8) | query.message[1]!
    // Our own query, back from where it was sent to: whoever we asked asks us.
    const returned = flight.attempts.find(
      each => each.localPort === query.clientPort && each.localPort > 0 && idOf(each) === id && !each.hasFailed,
    )
    if (returned !== undefined) {
      this.stats.loops++
      this.options.onLoop?.(returned.upstream)
      this.servfail(query)
      this.attemptFailed(returned, 'loop', false)
      return
    }
    if (this.waiting >= MAX_WAITERS) {
      this.stats.overTotal++
      this.servfail(query)
      return
    }
    this.stats.shared++
    this.waiting++
    flight.waiters.push(query)
  }

  private begin(route: Route, key: string, question: UpstreamQuestion, query: ClientQuery): void {
    const nowMs = this.options.clock.nowMs()
    const candidates = route.order()
    if (candidates[0]!.isDown) this.stats.allDown++
    const flight: Flight = {
      key,
      route,
      question,
      client: query.client,
      waiters: [query],
      candidates,
      attempts: [],
      deadlineMs: nowMs + TOTAL_MS,
      nextMs: nowMs,
      turn: 0,
      rcode: RCODE_SERVFAIL,
    }
    this.flights.set(key, flight)
    this.waiting++
    route.inFlight++
    this.next(flight, nowMs)
    this.stopSweep ??= this.options.clock.every(SWEEP_MS, () => this.sweep())
  }

  /** Asks the next upstream, or one of before again. */
  private next(flight: Flight, nowMs: number): void {
    const { candidates, attempts } = flight
    flight.nextMs = nowMs + ATTEMPT_MS
    for (let i = 0; i < candidates.length; i++) {
      const upstream = candidates[flight.turn++ % candidates.length]!
      const attempt = attempts.find(each => each.upstream === upstream)
      if (attempt === undefined) {
        if (attempts.length >= MAX_ATTEMPTS) continue
        this.start(flight, upstream, nowMs, !upstream.isPlain(nowMs))
        return
      }
      // TCP repeats by itself.
      if (attempt.hasFailed || attempt.stream || attempt.sends >= MAX_SENDS) continue
      attempt.sends++
      this.datagrams.send(attempt)
      return
    }
    if (attempts.every(each => each.hasFailed)) this.fail(flight, flight.rcode)
  }

  private start(flight: Flight, upstream: Upstream, nowMs: number, withEdns: boolean): void {
    const { question, route, attempts } = flight
    const { random } = this.options
    const bits = route.mixCase ? () => random(256) : undefined
    const attempt: FlightAttempt = {
      flight,
      upstream,
      message: encodeUpstreamQuery(question, random(65_536), withEdns, bits),
      questionEnd: questionEndOf(question),
      startedMs: nowMs,
      localPort: 0,
      withEdns,
      sends: 1,
      stream: route.forceTcp || upstream.where.tls,
      hasFailed: false,
    }
    attempts.push(attempt)
    this.exchangeOf(attempt).send(attempt)
  }

  private exchangeOf({ stream }: FlightAttempt): Exchange {
    return stream ? this.streams : this.datagrams
  }

  private received(attempt: FlightAttempt, octets: Uint8Array, stream: boolean): void {
    const { response, options } = this
    const { upstream, flight } = attempt
    if (attempt.hasFailed || stream !== attempt.stream) return
    const verdict = response.match(octets, attempt.message, attempt.questionEnd, flight?.route.mixCase ?? false)
    if (verdict === NO_MATCH) {
      upstream.junk++
      return
    }
    const nowMs = options.clock.nowMs()
    upstream.answered()
    if (flight === undefined) {
      this.endProbe(attempt)
      return
    }
    const flags = (octets[OFFSET_FLAGS]! << 8) | octets[OFFSET_FLAGS + 1]!
    if ((flags & FLAG_TC) !== 0 && !stream) {
      // RFC 7766 §5: what was truncated is asked for over TCP
      this.restart(attempt)
      return
    }
    if (verdict === MATCH && !response.read(octets, attempt.questionEnd)) {
      upstream.junk++
      // Over TCP nobody can have forged it.
      if (stream) this.attemptFailed(attempt, 'malformed', false)
      else this.restart(attempt)
      return
    }
    const rcode = verdict === MATCH_HEADER ? flags & 15 : response.rcode
    upstream.observe(rcode, nowMs - attempt.startedMs)
    const knowsEdns = verdict === MATCH && response.hasOpt
    if ((rcode === RCODE_FORMERR || rcode === RCODE_NOTIMP) && attempt.withEdns && !knowsEdns) {
      upstream.knowsNoEdns(nowMs)
      this.drop(attempt)
      flight.attempts.splice(flight.attempts.indexOf(attempt), 1)
      this.start(flight, upstream, nowMs, false)
      return
    }
    if (rcode === RCODE_NOERROR || rcode === RCODE_NXDOMAIN) this.answer(flight, attempt, flags)
    else {
      flight.rcode = rcode
      if (flight.route.failover.includes(rcode)) this.attemptFailed(attempt, 'failover', false)
      else this.fail(flight, rcode)
    }
  }

  /** Over TCP, with the same question. */
  private restart(attempt: FlightAttempt): void {
    this.datagrams.cancel(attempt)
    attempt.stream = true
    attempt.localPort = 0
    this.streams.send(attempt)
  }

  private answer(flight: Flight, attempt: FlightAttempt, flags: number): void {
    const { response, scrubber, writer, stats } = this
    const { question, waiters } = flight
    const { rcode } = response
    for (const [i, query] of waiters.entries()) {
      const at = writer.begin(query)
      const limit = writer.limit(query)
      const put = scrubber.scrub(response, question.type, question.dnssecOk, writer.octets, at, askedAt(query), limit)
      if (put !== SCRUBBED) {
        // Nothing has been sent yet: it is the same for all.
        if (i === 0) this.attemptFailed(attempt, 'useless', false)
        return
      }
      const answers = query.aliases + scrubber.answers
      const truncated = scrubber.truncated ? FLAG_TC : 0
      stats.answered++
      const reply = writer.finish(query, scrubber.at, answers, scrubber.authority, rcode, truncated | (flags & FLAG_AD))
      query.path.send(reply)
    }
    this.failures.remove(flight.key)
    this.end(flight)
  }

  /** @param isUpstreams whether the network or the upstream is to blame */
  private attemptFailed(attempt: FlightAttempt, _reason: string, isUpstreams: boolean): void {
    if (attempt.hasFailed) return
    const nowMs = this.options.clock.nowMs()
    const { flight, upstream } = attempt
    if (isUpstreams) this.blame(upstream, nowMs)
    if (flight === undefined) {
      upstream.probeFailures++
      this.endProbe(attempt)
      return
    }
    attempt.hasFailed = true
    this.drop(attempt)
    if (this.flights.get(flight.key) === flight) this.next(flight, nowMs)
  }

  /** Every upstream failed, or the time is over. */
  private fail(flight: Flight, rcode: number): void {
    const isUnreachable = rcode === RCODE_SERVFAIL && flight.rcode === RCODE_SERVFAIL
    // RFC 9520 §2, §3.2: SERVFAIL, REFUSED, time-outs alike
    if (!this.isClosed) this.failures.add(flight.key, this.options.clock.nowMs())
    this.end(flight)
    for (const query of flight.waiters) {
      if (rcode === RCODE_SERVFAIL) this.servfail(query, isUnreachable ? EDE_NO_REACHABLE_AUTHORITY : -1)
      else query.path.send(this.writer.refuse(query, rcode))
    }
  }

  private end(flight: Flight): void {
    for (const attempt of flight.attempts) this.drop(attempt)
    this.flights.delete(flight.key)
    this.waiting -= flight.waiters.length
    flight.route.inFlight--
    const begun = this.perClient.get(flight.client)! - 1
    if (begun === 0) this.perClient.delete(flight.client)
    else this.perClient.set(flight.client, begun)
  }

  private drop(attempt: FlightAttempt): void {
    this.datagrams.cancel(attempt)
    this.streams.cancel(attempt)
  }

  private servfail(query: ClientQuery, ede = -1): void {
    this.stats.servfail++
    query.path.send(this.writer.refuse(query, RCODE_SERVFAIL, ede))
  }

  private sweep(): void {
    const nowMs = this.options.clock.nowMs()
    for (const flight of this.flights.values()) {
      if (nowMs >= flight.deadlineMs) {
        for (const { hasFailed, upstream } of flight.attempts) if (!hasFailed) this.blame(upstream, nowMs)
        this.fail(flight, RCODE_SERVFAIL)
      } else if (nowMs >= flight.nextMs) {
        const last = flight.attempts.at(-1)
        if (last !== undefined && !last.hasFailed) this.blame(last.upstream, nowMs)
        this.next(flight, nowMs)
      }
    }
    this.probe(nowMs)
    if (this.flights.size === 0 && this.doubtful.size === 0 && this.probes.size === 0) {
      this.stopSweep?.()
      this.stopSweep = undefined
    }
  }

  private blame(upstream: Upstream, nowMs: number): void {
    upstream.failed(nowMs)
    this.doubtful.add(upstream)
  }

  /** Whoever failed is asked for the root's servers until it says anything. */
  private probe(nowMs: number): void {
    for (const probe of this.probes) {
      if (nowMs - probe.startedMs < PROBE_TIMEOUT_MS) continue
      probe.upstream.probeFailures++
      this.endProbe(probe)
    }
    for (const upstream of this.doubtful) {
      if (upstream.fails === 0) this.doubtful.delete(upstream)
      if (upstream.fails === 0 || upstream.probing || nowMs < upstream.probeMs) continue
      upstream.probing = true
      upstream.probeMs = nowMs + PROBE_MS
      const probe: FlightAttempt = {
        flight: undefined,
        upstream,
        message: encodeUpstreamQuery(ROOT_NS, this.options.random(65_536), false),
        questionEnd: questionEndOf(ROOT_NS),
        startedMs: nowMs,
        localPort: 0,
        withEdns: false,
        sends: 1,
        stream: upstream.where.tls,
        hasFailed: false,
      }
      this.probes.add(probe)
      this.exchangeOf(probe).send(probe)
    }
  }

  private endProbe(probe: FlightAttempt): void {
    this.drop(probe)
    probe.hasFailed = true
    probe.upstream.probing = false
    this.probes.delete(probe)
  }
}

function keyOf({ lower, length }: NameBuffer, type: number, dnssecOk: boolean, checkingDisabled: boolean): string {
  const name = Buffer.from(lower.buffer, 0, length).toString('latin1')
  return `${name}${type}${dnssecOk ? 'd' : ''}${checkingDisabled ? 'c' : ''}`
}

function idOf({ message }: Attempt): number {
  return (message[0]! << 8) | message[1]!
}

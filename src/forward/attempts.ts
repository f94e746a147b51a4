/**
 * Who is asked for a question, when the next one is, and what is made of what they say. Layer: forward.
 *
 *   ask ─▶ UDP ─┬─▶ time-out: the next upstream, or this one again        TC, malformed ─▶ TCP
 *               ├─▶ no EDNS there: again without                          network's error, SERVFAIL by choice ─▶ the next
 *               └─▶ an answer ─▶ `answered`                               nobody left ─▶ `failed`
 */

import {
  FLAG_TC,
  OFFSET_FLAGS,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_NXDOMAIN,
  RCODE_SERVFAIL,
} from '../wire/constants.ts'
import type { Exchange, ExchangeEvents } from './exchange.ts'
import type { Flight, FlightAttempt } from './flight.ts'
import { Probes } from './probes.ts'
import { encodeUpstreamQuery, questionEndOf } from './question.ts'
import { MATCH, MATCH_HEADER, NO_MATCH, Response } from './response.ts'
import type { Upstream } from './upstream.ts'

/** An upstream that has not answered after so long gets company. */
export const ATTEMPT_MS = 800
/** RFC 9520 §3.1: a query goes to an address at most three times. */
const MAX_SENDS = 3
/** Upstreams asked for one question at most: each holds a socket. */
const MAX_ATTEMPTS = 3
/** NOTZONE. Above it an RCODE is none, or speaks of the OPT of our own query, which is no client’s business. */
const MAX_RCODE = 10

export interface AttemptsOptions {
  readonly nowMs: () => number
  /** 0..below−1, from a CSPRNG. */
  readonly random: (below: number) => number
  readonly openDatagrams: (events: ExchangeEvents) => Exchange
  readonly openStreams: (events: ExchangeEvents) => Exchange
  /**
   * An upstream said NOERROR or NXDOMAIN.
   * @param response valid during the call
   * @returns false: it is of no use
   */
  readonly answered: (flight: Flight, response: Response, flags: number) => boolean
  /** Nobody is left to ask. */
  readonly failed: (flight: Flight, rcode: number) => void
}

export class Attempts {
  readonly probes: Probes
  private readonly options: AttemptsOptions
  private readonly datagrams: Exchange
  private readonly streams: Exchange
  private readonly response = new Response()

  constructor(options: AttemptsOptions) {
    this.options = options
    const events: ExchangeEvents = {
      received: (attempt, octets, stream) => this.received(attempt as FlightAttempt, octets, stream),
      failed: attempt => this.lose(attempt as FlightAttempt, true),
    }
    this.datagrams = options.openDatagrams(events)
    this.streams = options.openStreams(events)
    this.probes = new Probes(attempt => this.exchangeOf(attempt), options.random)
  }

  /** Asks the next upstream, or one of before again. */
  next(flight: Flight, nowMs: number): void {
    const { candidates, attempts } = flight
    flight.nextMs = nowMs + ATTEMPT_MS
    for (let i = 0; i < candidates.length; i++) {
      const upstream = candidates[flight.turn++ % candidates.length]!
      const attempt = attempts.find(each => each.upstream === upstream)
      if (attempt === undefined) {
        if (attempts.length >= MAX_ATTEMPTS) continue
        this.start(flight, upstream, nowMs, !upstream.isPlain(nowMs), false)
        return
      }
      // TCP repeats by itself.
      if (attempt.hasFailed || attempt.stream || attempt.sends >= MAX_SENDS) continue
      attempt.sends++
      this.datagrams.send(attempt)
      return
    }
    if (attempts.every(each => each.hasFailed)) this.options.failed(flight, flight.rcode)
  }

  /** The one asked last was given its time. */
  nextAfterSilence(flight: Flight, nowMs: number): void {
    const last = flight.attempts.at(-1)
    if (last !== undefined && !last.hasFailed) this.probes.blame(last.upstream, last.stream, nowMs)
    this.next(flight, nowMs)
  }

  /** All of them were given theirs. */
  blameSilent({ attempts }: Flight, nowMs: number): void {
    for (const { hasFailed, upstream, stream } of attempts) {
      if (!hasFailed) this.probes.blame(upstream, stream, nowMs)
    }
  }

  /** @param isUpstreams whether the network or the upstream is to blame */
  lose(attempt: FlightAttempt, isUpstreams: boolean): void {
    if (attempt.hasFailed) return
    const nowMs = this.options.nowMs()
    const { flight, upstream, stream } = attempt
    if (isUpstreams) this.probes.blame(upstream, stream, nowMs)
    if (flight === undefined) {
      this.probes.failed(attempt)
      return
    }
    attempt.hasFailed = true
    this.drop(attempt)
    if (!flight.isOver) this.next(flight, nowMs)
  }

  end({ attempts }: Flight): void {
    for (const attempt of attempts) this.drop(attempt)
  }

  close(): void {
    this.datagrams.close()
    this.streams.close()
  }

  private start(flight: Flight, upstream: Upstream, nowMs: number, withEdns: boolean, isPlainRetry: boolean): void {
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
      isPlainRetry,
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
    const { response } = this
    const { upstream, flight } = attempt
    if (attempt.hasFailed || flight?.isOver === true || stream !== attempt.stream) return
    const { message, questionEnd } = attempt
    const verdict = response.match(octets, message, questionEnd, flight?.route.mixCase ?? false, stream)
    if (verdict === NO_MATCH) {
      upstream.junk++
      // Over TCP nobody can have forged it, and no other will come.
      if (stream) this.lose(attempt, false)
      return
    }
    upstream.answered()
    if (flight === undefined) {
      this.probes.end(attempt)
      return
    }
    const flags = (octets[OFFSET_FLAGS]! << 8) | octets[OFFSET_FLAGS + 1]!
    if ((flags & FLAG_TC) !== 0 && !stream) {
      // RFC 7766 §5: what was truncated is asked for over TCP
      this.restart(attempt)
      return
    }
    if (verdict === MATCH && !response.read(octets, questionEnd)) {
      upstream.junk++
      if (stream) this.lose(attempt, false)
      else this.restart(attempt)
      return
    }
    this.judge(flight, attempt, verdict, flags)
  }

  private judge(flight: Flight, attempt: FlightAttempt, verdict: number, flags: number): void {
    const { response, options } = this
    const { upstream } = attempt
    const nowMs = options.nowMs()
    const said = verdict === MATCH_HEADER ? flags & 15 : response.rcode
    const rcode = said > MAX_RCODE ? RCODE_SERVFAIL : said
    upstream.observe(rcode, nowMs - attempt.startedMs)
    const isUnread = rcode === RCODE_FORMERR || rcode === RCODE_NOTIMP
    if (isUnread && attempt.withEdns && !(verdict === MATCH && response.hasOpt)) {
      this.drop(attempt)
      flight.attempts.splice(flight.attempts.indexOf(attempt), 1)
      this.start(flight, upstream, nowMs, false, true)
      return
    }
    // What it did not understand was EDNS, not the question.
    if (attempt.isPlainRetry && !isUnread) upstream.knowsNoEdns(nowMs)
    if (rcode === RCODE_NOERROR || rcode === RCODE_NXDOMAIN) {
      if (!options.answered(flight, response, flags)) this.lose(attempt, false)
      return
    }
    flight.rcode = rcode
    if (flight.route.failover.includes(rcode)) this.lose(attempt, false)
    else options.failed(flight, rcode)
  }

  /** Over TCP, with the same question. */
  private restart(attempt: FlightAttempt): void {
    this.datagrams.cancel(attempt)
    attempt.stream = true
    attempt.localPort = 0
    this.streams.send(attempt)
  }

  private drop(attempt: FlightAttempt): void {
    this.datagrams.cancel(attempt)
    this.streams.cancel(attempt)
  }
}

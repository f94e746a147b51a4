/**
 * Upstreams that failed: each is asked for the root's servers until it says anything. One that answers is never probed.
 * Layer: forward.
 */

import type { Exchange } from './exchange.ts'
import type { FlightAttempt } from './flight.ts'
import { encodeUpstreamQuery, questionEndOf, type UpstreamQuestion } from './question.ts'
import type { Upstream } from './upstream.ts'

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

export class Probes {
  private readonly exchangeOf: (attempt: FlightAttempt) => Exchange
  private readonly random: (below: number) => number
  private readonly underWay = new Set<FlightAttempt>()
  /** Upstreams to be probed, and whether over TCP: the way that failed. */
  private readonly doubtful = new Map<Upstream, boolean>()

  constructor(exchangeOf: (attempt: FlightAttempt) => Exchange, random: (below: number) => number) {
    this.exchangeOf = exchangeOf
    this.random = random
  }

  /** Nothing is left to do. */
  get isIdle(): boolean {
    return this.doubtful.size === 0 && this.underWay.size === 0
  }

  /** The network or the upstream is to blame for a reply that did not come. */
  blame(upstream: Upstream, stream: boolean, nowMs: number): void {
    upstream.failed(nowMs)
    this.doubtful.set(upstream, stream)
  }

  tick(nowMs: number): void {
    for (const probe of this.underWay) {
      if (nowMs - probe.startedMs >= PROBE_TIMEOUT_MS) this.failed(probe)
    }
    for (const [upstream, stream] of this.doubtful) {
      if (upstream.fails === 0 || upstream.isGone) this.doubtful.delete(upstream)
      else if (!upstream.probing && nowMs >= upstream.probeMs) this.send(upstream, stream, nowMs)
    }
  }

  /** It was answered. */
  end(probe: FlightAttempt): void {
    this.exchangeOf(probe).cancel(probe)
    probe.hasFailed = true
    probe.upstream.probing = false
    this.underWay.delete(probe)
  }

  failed(probe: FlightAttempt): void {
    probe.upstream.probeFailures++
    this.end(probe)
  }

  private send(upstream: Upstream, stream: boolean, nowMs: number): void {
    upstream.probing = true
    upstream.probeMs = nowMs + PROBE_MS
    const probe: FlightAttempt = {
      flight: undefined,
      upstream,
      message: encodeUpstreamQuery(ROOT_NS, this.random(65_536), false),
      questionEnd: questionEndOf(ROOT_NS),
      startedMs: nowMs,
      localPort: 0,
      withEdns: false,
      isPlainRetry: false,
      sends: 1,
      stream,
      hasFailed: false,
    }
    this.underWay.add(probe)
    this.exchangeOf(probe).send(probe)
  }
}

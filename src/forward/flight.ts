/**
 * Questions on their way to upstreams: which there are, whose they are, how many there may be. Layer: forward. No sockets.
 */

import type { ClientQuery } from './client-query.ts'
import type { Attempt } from './exchange.ts'
import type { NameBuffer } from './names.ts'
import type { UpstreamQuestion } from './question.ts'
import type { Route } from './routes.ts'
import type { Upstream } from './upstream.ts'

/** Queries that wait, in all … */
const MAX_WAITERS = 10_000
/** … and for one question: that everybody asks the same leaves room for others. 20 ms of replies. */
const MAX_SHARING = 2000

/** What one upstream is asked for a question. */
export interface FlightAttempt extends Attempt {
  /** undefined: a probe. */
  readonly flight: Flight | undefined
  readonly withEdns: boolean
  /** Asked before with EDNS, which it did not understand. */
  readonly isPlainRetry: boolean
  sends: number
  stream: boolean
  hasFailed: boolean
}

export interface Flight {
  readonly key: string
  readonly route: Route
  readonly question: UpstreamQuestion
  readonly waiters: ClientQuery[]
  readonly candidates: readonly Upstream[]
  readonly attempts: FlightAttempt[]
  readonly deadlineMs: number
  /** Of the cache when it began. */
  readonly generation: number
  nextMs: number
  turn: number
  /** What the last upstream said that could not answer. */
  rcode: number
  isOver: boolean
}

export type Cap = 'overTotal' | 'overClient' | 'overZone'

/** Of a question: its name in lower case first (latin1). */
export function keyOf(
  { lower, length }: NameBuffer,
  type: number,
  dnssecOk: boolean,
  checkingDisabled: boolean,
): string {
  const name = Buffer.from(lower.buffer, 0, length).toString('latin1')
  return `${name}${type}${dnssecOk ? 'd' : ''}${checkingDisabled ? 'c' : ''}`
}

export class Flights {
  private readonly byKey = new Map<string, Flight>()
  /** Queries of a client that wait, whoever began the question. */
  private readonly perClient = new Map<string, number>()
  private readonly maxInFlight: number
  private readonly maxPerClient: number
  private waiting = 0

  constructor(maxInFlight: number, maxPerClient: number) {
    this.maxInFlight = maxInFlight
    this.maxPerClient = maxPerClient
  }

  get size(): number {
    return this.byKey.size
  }

  get all(): Iterable<Flight> {
    return this.byKey.values()
  }

  find(key: string): Flight | undefined {
    return this.byKey.get(key)
  }

  /** @returns what keeps a client from beginning another; undefined: nothing */
  capFor(client: string, route: Route): Cap | undefined {
    if (this.byKey.size >= this.maxInFlight) return 'overTotal'
    if (this.waitingOf(client) >= this.maxPerClient) return 'overClient'
    return route.inFlight >= route.maxConcurrent ? 'overZone' : undefined
  }

  begin(flight: Flight): void {
    this.byKey.set(flight.key, flight)
    for (const query of flight.waiters) this.enter(query)
    flight.route.inFlight++
  }

  /** @returns what keeps it from waiting with the others; undefined: nothing */
  join(flight: Flight, query: ClientQuery): Cap | undefined {
    if (this.waiting >= MAX_WAITERS || flight.waiters.length >= MAX_SHARING) return 'overTotal'
    if (this.waitingOf(query.client) >= this.maxPerClient) return 'overClient'
    this.enter(query)
    flight.waiters.push(query)
    return undefined
  }

  /** One of those who wait, also for a question that is over, is answered. */
  answered({ client }: ClientQuery): void {
    this.waiting--
    const left = this.waitingOf(client) - 1
    if (left === 0) this.perClient.delete(client)
    else this.perClient.set(client, left)
  }

  end(flight: Flight): void {
    flight.isOver = true
    this.byKey.delete(flight.key)
    flight.route.inFlight--
  }

  private waitingOf(client: string): number {
    return this.perClient.get(client) ?? 0
  }

  private enter({ client }: ClientQuery): void {
    this.waiting++
    this.perClient.set(client, this.waitingOf(client) + 1)
  }
}

/**
 * How long to wait before the next request. Layer: kubernetes; pure but for the injected clock and randomness.
 * A bound that doubles, and half of it at random, so that many servers do not come back at one moment. At its most a
 * wait is 20 to 40 s: one request in 30 s on average, whatever the server does.
 */

import type { ReflectorDeps } from './reflector-types.ts'

const FIRST_MS = 800
const MOST_MS = 40_000
/** A connection that held for so long was a good one: what comes after it starts afresh. */
const GOOD_MS = 60_000
/** A watch that is closed sooner than this is one of a loop of short ones. */
const SHORT_MS = 30_000
/** Two lists without a wait between them are no closer than this. */
const BETWEEN_LISTS_MS = 300_000

export class Backoff {
  private readonly deps: Pick<ReflectorDeps, 'now' | 'random'>
  private boundMs = FIRST_MS

  constructor(deps: Pick<ReflectorDeps, 'now' | 'random'>) {
    this.deps = deps
  }

  /** After a list, or after a watch that the server closed in order. @returns ms to wait */
  afterSuccess(startedMs: number, wasList: boolean): number {
    this.forgetAfter(startedMs)
    return wasList || this.deps.now() - startedMs >= SHORT_MS ? 0 : this.next()
  }

  /** @param leastMs what the server asked for. @returns ms to wait */
  afterFailure(startedMs: number, leastMs: number): number {
    this.forgetAfter(startedMs)
    return leastMs + this.next()
  }

  /**
   * After the server has said that it does not know where the watch stood. That ends an outage as a rule, and what is
   * served is old until the list is in: it does not wait for that outage's bound.
   * @param listedMs when the last list was complete
   * @param leastMs what the server asked for. @returns ms to wait
   */
  afterExpiry(listedMs: number, leastMs: number): number {
    return leastMs + (this.deps.now() - listedMs >= BETWEEN_LISTS_MS ? 0 : this.next())
  }

  private forgetAfter(startedMs: number): void {
    if (this.deps.now() - startedMs >= GOOD_MS) this.boundMs = FIRST_MS
  }

  private next(): number {
    const bound = this.boundMs
    this.boundMs = Math.min(bound * 2, MOST_MS)
    return (bound * (1 + this.deps.random())) / 2
  }
}

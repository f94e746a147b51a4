/**
 * How long to wait before the next request. Layer: kubernetes; pure but for the injected clock and randomness.
 * A bound that doubles, and all of it at random (full jitter), so that many servers do not come back at one moment. At its
 * most it is 30 to 40 s from one request to the next: in a fault that lasts there is never more than one in 30 s. How long a
 * stream was open counts as waited: a proxy that cuts each after 50 s costs no more than a moment each time.
 */

import type { ReflectorDeps } from './reflector-types.ts'

const FIRST_MS = 500
const STEADY_MS = 30_000
const STEADY_JITTER_MS = 10_000
/** A connection that held for so long was a good one: what comes after it starts afresh. */
const GOOD_MS = 60_000
/** A watch that is closed sooner than this is one of a loop of short ones. */
const SHORT_MS = 30_000
/** Two lists without a wait between them are no closer than this. */
const BETWEEN_LISTS_MS = 300_000

export class Backoff {
  private readonly deps: Pick<ReflectorDeps, 'now' | 'random'>
  /** In this trouble it has not waited to the end once, since another was answered. */
  wasWoken = false
  /** Of failures, and of lists that the server asked for. */
  private boundMs = FIRST_MS
  private listBoundMs = FIRST_MS

  constructor(deps: Pick<ReflectorDeps, 'now' | 'random'>) {
    this.deps = deps
  }

  /**
   * After a list, or after a watch that the server closed in order.
   * @param openMs since the server had answered. @returns ms to wait
   */
  afterSuccess(startedMs: number, wasList: boolean, openMs: number): number {
    this.forgetAfter(startedMs)
    return wasList || openMs >= SHORT_MS ? 0 : this.rest(openMs)
  }

  /**
   * @param leastMs what the server asked for
   * @param openMs  since the server had answered, if it had. @returns ms to wait
   */
  afterFailure(startedMs: number, leastMs: number, openMs = 0): number {
    this.forgetAfter(startedMs)
    return leastMs + this.rest(openMs)
  }

  /**
   * After the server has said that it does not know where the watch stood. That ends an outage as a rule, and what is
   * served is old until the list is in: it does not wait for that outage's bound, but has one of its own, for a server that
   * says so again and again. It is the least time between two lists: what has passed since the last one counts.
   * @param listedMs when the last list was complete
   * @param leastMs what the server asked for. @returns ms to wait
   */
  afterExpiry(listedMs: number, leastMs: number): number {
    const passedMs = this.deps.now() - listedMs
    if (passedMs >= BETWEEN_LISTS_MS) {
      this.listBoundMs = FIRST_MS
      return leastMs
    }
    const bound = this.listBoundMs
    this.listBoundMs = Math.min(bound * 2, STEADY_MS)
    return leastMs + Math.max(0, this.waitOf(bound) - passedMs)
  }

  private forgetAfter(startedMs: number): void {
    if (this.deps.now() - startedMs < GOOD_MS) return
    this.boundMs = FIRST_MS
    this.wasWoken = false
  }

  /** What is left of the next wait. All that one server cuts off do not come back at one moment. */
  private rest(openMs: number): number {
    const bound = this.boundMs
    // Streams that are as far apart as that are no trouble that grows.
    if (openMs < STEADY_MS + STEADY_JITTER_MS) this.boundMs = Math.min(bound * 2, STEADY_MS)
    const wait = this.waitOf(bound)
    return openMs === 0 ? wait : Math.max(wait - openMs, this.waitOf(FIRST_MS))
  }

  private waitOf(boundMs: number): number {
    const random = this.deps.random()
    return boundMs >= STEADY_MS ? STEADY_MS + random * STEADY_JITTER_MS : boundMs * random
  }
}

/**
 * How long to wait before the next request. Layer: kubernetes; pure but for the injected clock and randomness.
 * Full jitter: anything up to a bound that doubles, so that many servers do not come back at one moment.
 */

import type { ReflectorDeps } from './reflector.ts'

const FIRST_MS = 800
const MOST_MS = 30_000
/** A connection that held for so long was a good one. */
const GOOD_MS = 60_000
/** A watch that is closed sooner than this is one of a loop of short ones. */
const SHORT_MS = 30_000

export class Backoff {
  private readonly deps: Pick<ReflectorDeps, 'now' | 'random'>
  private boundMs = FIRST_MS

  constructor(deps: Pick<ReflectorDeps, 'now' | 'random'>) {
    this.deps = deps
  }

  /** After a list, or after a watch that the server closed in order. @returns ms to wait */
  afterSuccess(startedMs: number, wasList: boolean): number {
    const lastedMs = this.deps.now() - startedMs
    if (wasList) return 0
    if (lastedMs >= SHORT_MS) {
      this.boundMs = FIRST_MS
      return 0
    }
    return this.next()
  }

  /** @param leastMs what the server asked for */
  afterFailure(startedMs: number, leastMs: number): number {
    if (this.deps.now() - startedMs >= GOOD_MS) this.boundMs = FIRST_MS
    return leastMs + this.next()
  }

  private next(): number {
    const bound = this.boundMs
    this.boundMs = Math.min(bound * 2, MOST_MS)
    return this.deps.random() * bound
  }
}

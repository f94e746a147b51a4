/** A clock for the moves of endpoints, which stands still until it is told to go on. */

import type { MoveClock } from '../../src/cluster/moves.ts'

export class SteppedMoveClock implements MoveClock {
  readonly windowMs: number
  /** Called when the clock has come to where it was asked to wake. */
  onWake: () => void = () => {}
  /** Times it was asked to wake. */
  asked = 0
  private nowMs = 1000
  private wakeAtMs = Number.POSITIVE_INFINITY

  constructor(windowMs = 100) {
    this.windowMs = windowMs
  }

  now(): number {
    return this.nowMs
  }

  wake(afterMs: number): void {
    if (this.wakeAtMs !== Number.POSITIVE_INFINITY) throw new Error('asked to wake while a wake is to come')
    this.asked++
    this.wakeAtMs = this.nowMs + afterMs
  }

  go(ms: number): void {
    const endMs = this.nowMs + ms
    while (this.wakeAtMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.wakeAtMs)
      this.wakeAtMs = Number.POSITIVE_INFINITY
      this.onWake()
    }
    this.nowMs = endMs
  }
}

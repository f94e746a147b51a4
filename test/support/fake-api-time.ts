/**
 * A clock that a test moves. Layer: test support. Sleeps end when the clock has passed them, in their order.
 */

import { setImmediate } from 'node:timers/promises'

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

export class FakeTime {
  nowMs = 1_000_000
  /** What `random` says. */
  chance = 0.5
  /** Every wait that was asked for, ms. */
  readonly sleeps: number[] = []
  private readonly waiting = new Set<Sleeper>()

  readonly deps = {
    now: () => this.nowMs,
    random: () => this.chance,
    sleep: (ms: number, signal: AbortSignal) => this.sleep(ms, signal),
  }

  get sleepers(): number {
    return this.waiting.size
  }

  /** The soonest end of a sleep of at most `ms`, from now; undefined: there is none. */
  soonest(ms = Number.POSITIVE_INFINITY): number | undefined {
    const left = [...this.waiting].map(({ atMs }) => atMs - this.nowMs).filter(one => one <= ms)
    return left.length === 0 ? undefined : Math.min(...left)
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms
    for (;;) {
      const next = [...this.waiting].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.wake()
      await setImmediate()
    }
    this.nowMs = Math.max(this.nowMs, endMs)
  }

  private sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.sleeps.push(ms)
    return new Promise(resolve => {
      if (signal.aborted) return resolve()
      const wake = () => {
        this.waiting.delete(sleeper)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper = { atMs: this.nowMs + ms, wake }
      this.waiting.add(sleeper)
      signal.addEventListener('abort', wake)
    })
  }
}

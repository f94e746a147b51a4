/**
 * A clock that runs as time does and can be moved forward: long waits of the server end when a test says so.
 * Layer: test support.
 */

import { setImmediate } from 'node:timers/promises'
import type { ReflectorDeps } from '../../src/kubernetes/reflector-types.ts'
import { Random } from './random.ts'

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

export class StoryClock {
  private aheadMs = 0
  private readonly sleepers = new Set<Sleeper>()
  readonly deps: ReflectorDeps

  constructor(seed: number) {
    const random = new Random(seed)
    this.deps = {
      now: () => this.nowMs,
      random: () => random.next() / 2 ** 32,
      sleep: (ms, signal) => this.sleep(ms, signal),
    }
  }

  get nowMs(): number {
    return performance.now() + this.aheadMs
  }

  /** How long until the first sleep ends; undefined: nobody sleeps. */
  get soonestMs(): number | undefined {
    const ends = [...this.sleepers].map(({ atMs }) => atMs)
    return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends) - this.nowMs)
  }

  /** Moves forward, stopping at the end of each sleep on the way for what wakes up to act. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms
    for (;;) {
      const [next] = [...this.sleepers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.aheadMs += Math.max(0, next.atMs - this.nowMs)
      next.wake()
      await setImmediate()
    }
    this.aheadMs += Math.max(0, endMs - this.nowMs)
  }

  private sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (signal.aborted) return resolve()
      const wake = () => {
        clearTimeout(timer)
        this.sleepers.delete(sleeper)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper = { atMs: this.nowMs + ms, wake }
      const timer = setTimeout(wake, ms)
      this.sleepers.add(sleeper)
      signal.addEventListener('abort', wake)
    })
  }
}

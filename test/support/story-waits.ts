/**
 * How long a thread of this process has waited for a core, by Linux's account of it. Layer: test support. A time that is held
 * to a limit is shortened by it, so that other processes make no story fail; where nothing else runs it is nothing.
 */

import { readdirSync, readFileSync } from 'node:fs'

const TASKS = '/proc/self/task'
const SAMPLE_MS = 50
/** Of 10 seconds. */
const MOST_SAMPLES = 200

/** Nanoseconds since each thread began; empty where the kernel keeps no account. */
export type Waits = ReadonlyMap<string, number>

export function waitsForCores(): Waits {
  const waits = new Map<string, number>()
  for (const task of tasks()) {
    try {
      waits.set(task, Number(readFileSync(`${TASKS}/${task}/schedstat`, 'latin1').split(' ')[1]))
    } catch {
      // It has ended meanwhile.
    }
  }
  return waits
}

/** @returns ms that one thread has waited since then: the one that waited for longest, since threads wait at the same time */
export function waitedSince(before: Waits): number {
  return waitedBetween(before, waitsForCores())
}

function waitedBetween(before: Waits, after: Waits): number {
  const waited = [...after].map(([task, nanoseconds]) => nanoseconds - (before.get(task) ?? nanoseconds))
  return Math.max(0, ...waited) / 1e6
}

/** How long was waited at a time that is over. */
export class WaitHistory {
  private readonly samples: { readonly atMs: number; readonly waits: Waits }[] = []

  /** To be called often; nothing happens when it has just been called. */
  sample(nowMs: number): void {
    if (nowMs - (this.samples.at(-1)?.atMs ?? 0) < SAMPLE_MS) return
    this.samples.push({ atMs: nowMs, waits: waitsForCores() })
    if (this.samples.length > MOST_SAMPLES) this.samples.shift()
  }

  /** @returns ms from the last sample before that time to the first after it */
  waited(fromMs: number, untilMs: number): number {
    const [oldest] = this.samples
    const before = this.samples.findLast(({ atMs }) => atMs <= fromMs) ?? oldest
    const after = this.samples.find(({ atMs }) => atMs >= untilMs) ?? this.samples.at(-1)
    return before === undefined ? 0 : waitedBetween(before.waits, after!.waits)
  }
}

function tasks(): string[] {
  try {
    return readdirSync(TASKS)
  } catch {
    return []
  }
}

/**
 * How long a thread of this process has waited for a core, by Linux's account of it. Layer: test support. A time that is held
 * to a limit is shortened by it, so that other processes make no story fail; where nothing else runs it is nothing.
 */

import { readdirSync, readFileSync } from 'node:fs'

const TASKS = '/proc/self/task'

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
  const waited = [...waitsForCores()].map(([task, nanoseconds]) => nanoseconds - (before.get(task) ?? nanoseconds))
  return Math.max(0, ...waited) / 1e6
}

function tasks(): string[] {
  try {
    return readdirSync(TASKS)
  } catch {
    return []
  }
}

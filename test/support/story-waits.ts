/**
 * How long the threads of this process have waited for a core, by Linux's account of it. Layer: test support. A time that is
 * held to a limit is shortened by it, so that other processes make no story fail; where nothing else runs it is nothing.
 */

import { readdirSync, readFileSync } from 'node:fs'

const TASKS = '/proc/self/task'

/** @returns ms since the threads began, summed; 0 where the kernel keeps no account */
export function waitedForCoresMs(): number {
  let nanoseconds = 0
  for (const task of tasks()) {
    try {
      nanoseconds += Number(readFileSync(`${TASKS}/${task}/schedstat`, 'latin1').split(' ')[1])
    } catch {
      // It has ended meanwhile.
    }
  }
  return nanoseconds / 1e6
}

function tasks(): string[] {
  try {
    return readdirSync(TASKS)
  } catch {
    return []
  }
}

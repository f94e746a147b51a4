/**
 * V8's own threads (compilation, collection of garbage) step back behind those that answer and take in changes. Layer: control.
 * With one core at hand, which is what a limit of CPU makes of any node, compiling one long function took 3 to 6 ms from each
 * change of a large Service meanwhile (measured: decision log of src/README.md). Linux only; elsewhere nothing is done.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

const TASKS = '/proc/self/task'
/** What V8's threads are called. */
const NAME = 'V8Worker\n'
/** About a tenth of the share of a thread with an ordinary nice value. */
const NICE = 10

/** @returns how many threads have stepped back */
export function lowerBackgroundThreads(): number {
  let lowered = 0
  try {
    for (const thread of readdirSync(TASKS)) {
      if (readFileSync(`${TASKS}/${thread}/comm`, 'latin1') !== NAME) continue
      // setpriority(2): on Linux it takes the number of a thread, and is that thread's alone
      setPriority(Number(thread), NICE)
      lowered++
    }
  } catch {
    // A thread that ended meanwhile, a system without /proc, or one that forbids it: nothing is lost but time.
  }
  return lowered
}

/**
 * How V8 weighs memory against time. Layer: control.
 * While a list of a whole cluster comes in, nearly all that is allocated is garbage at once; V8, left alone, lets the heap
 * grow to several times of what lives in it before it looks (measured: decision log of src/README.md). While nothing but
 * single changes come, time matters more. What malloc holds free (buffers of a list, zones of V8's compiler) it would keep for good,
 * and the space of young objects V8 doubles, in a day of small bursts, up to 128 MiB, of which nothing comes back: it grows here only
 * while lists come in, which say how large a cluster is.
 *
 * Memory against time is said by V8's flags, and code that was compiled under other flags V8 does not take: a thread that starts
 * after a flag was changed compiles all that Node is made of. So they stay as they are until `useFlags`, when a server's first
 * threads have started; those that start later take longer.
 */

import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadLibc } from '../transport/libc.ts'

/** A list is followed by others, and by readiness. */
const COLLECT_AFTER_MS = 100
const TRIM_AFTER_MS = 1000
const GIVE_BACK_MS = 60_000
const LOOK_AT_YOUNG_MS = 20
/** Of the space of young objects: a change of a Service of thousands of endpoints is garbage before it is full. */
const ENOUGH_YOUNG_OCTETS = 16 << 20

let areFlagsUsed = false
let isMemoryFavoured = false
let collection: NodeJS.Timeout | undefined
let looking: NodeJS.Timeout | undefined
let collect: (() => void) | undefined

/** From now on: the first threads have started, or what comes in before them may be too much. */
export function useFlags(): void {
  if (areFlagsUsed) return
  areFlagsUsed = true
  favourMemory(isMemoryFavoured)
  if (looking === undefined) keepYoung()
}

export function favourMemory(isOn: boolean): void {
  isMemoryFavoured = isOn
  if (areFlagsUsed) setFlagsFromString(isOn ? '--optimize-for-size' : '--no-optimize-for-size')
}

/**
 * What a list leaves behind is collected when it has been published: left to V8, that was in the middle of the first changes, with
 * pauses of up to 20 ms.
 */
export function whileListing(isListing: boolean): void {
  favourMemory(isListing)
  clearTimeout(collection)
  clearInterval(looking)
  if (isListing) {
    growYoung()
    looking = setInterval(growYoung, LOOK_AT_YOUNG_MS).unref()
  } else {
    looking = undefined
    keepYoung()
    collection = setTimeout(collectGarbage, COLLECT_AFTER_MS).unref()
  }
}

/**
 * Of every thread malloc would make an arena of its own, in which pieces stay between others that went: no page of them goes back, and
 * the process grows by megabytes in its first hour. Queries ask malloc for nothing.
 */
export function shareArenas(): void {
  const libc = loadLibc()
  if (typeof libc !== 'string') libc.shareArenas?.()
}

/** From now on memory is not kept: once in a while the kernel gets the pages that malloc holds free. @returns what ends that */
export function giveMemoryBack(): NodeJS.Timeout {
  return setInterval(trim, GIVE_BACK_MS)
}

/** The space of young objects may grow by V8's own factor until it has enough. */
function growYoung(): void {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  setYoungGrowth(young === undefined || young.space_size < ENOUGH_YOUNG_OCTETS ? 2 : 1)
}

/** It keeps the size that it has. */
function keepYoung(): void {
  setYoungGrowth(1)
}

/** @param factor 2 is V8's own */
function setYoungGrowth(factor: 1 | 2): void {
  if (areFlagsUsed) setFlagsFromString(`--semi-space-growth-factor=${factor}`)
}

/** V8 gives its collector to contexts made after the flag is set. */
function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
    setFlagsFromString('--no-expose-gc')
  }
  collect()
  // Buffers that it found dead are freed by another thread meanwhile.
  setTimeout(trim, TRIM_AFTER_MS).unref()
}

function trim(): void {
  const libc = loadLibc()
  if (typeof libc !== 'string') libc.trim?.()
}

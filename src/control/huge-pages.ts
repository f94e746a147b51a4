/**
 * Asks the kernel to hold the answer table in pages of 2 MiB. Layer: control.
 * A look-up touches a slot and a block anywhere in the table; in pages of 4 KiB most of them miss the processor's cache of
 * page addresses (measured: decision log of src/README.md). Where the kernel will not, or there is no koffi, nothing is lost.
 */

import { MAX_PAGES, PAGE_OCTETS } from '../table/layout.ts'
import type { SharedMemory } from '../table/memory.ts'
import { loadLibc } from '../transport/libc.ts'

/** madvise(2) of Linux. */
const MADV_HUGEPAGE = 14

/** Before anything is written to `memory`: a page that is there already stays small. Holds for what it grows by. */
export function useHugePages(memory: SharedMemory): void {
  const libc = loadLibc()
  if (typeof libc !== 'string') libc.madvise(libc.addressOf(memory.buffer), MAX_PAGES * PAGE_OCTETS, MADV_HUGEPAGE)
}

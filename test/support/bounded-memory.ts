/**
 * Shared memory with a maximum that a test can reach.
 */

import type { SharedMemory } from '../../src/table/memory.ts'

interface WebAssemblyGlobal {
  WebAssembly: { Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory }
}

/** @param maximum pages of 64 KiB; `grow` beyond it throws RangeError, as it does at 1 GiB in production */
export function createBoundedMemory(initial: number, maximum: number): SharedMemory {
  const { Memory } = (globalThis as unknown as WebAssemblyGlobal).WebAssembly
  return new Memory({ initial, maximum, shared: true })
}

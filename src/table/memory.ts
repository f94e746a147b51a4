/**
 * The table's shared memory and the views over it. Layer: table.
 * A shared WebAssembly.Memory grows without moving; views made before a growth go on working but end where it ended,
 * so whoever follows an offset beyond its view makes its views anew. (Views over a growable SharedArrayBuffer are 9 to
 * 17 times slower: decision log of src/README.md.)
 */

import { MAX_PAGES, PAGE_OCTETS } from './layout.ts'

/** What this project uses of a shared WebAssembly.Memory. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
  /** @returns the size before, in pages; throws RangeError when it cannot grow */
  grow(pages: number): number
}

interface WebAssemblyGlobal {
  WebAssembly: { Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory }
}

/** @param pages of 64 KiB each, to begin with */
export function createSharedMemory(pages: number): SharedMemory {
  const { Memory } = (globalThis as unknown as WebAssemblyGlobal).WebAssembly
  return new Memory({ initial: pages, maximum: MAX_PAGES, shared: true })
}

/** Views over the whole memory as it is now. Shared by reader and writer code; renewed in place. */
export class Views {
  private readonly memory: SharedMemory
  words!: Int32Array
  octets!: Uint8Array
  /** Words that the views reach. */
  limit = 0

  constructor(memory: SharedMemory) {
    this.memory = memory
    this.renew()
  }

  /** Takes in what the memory has grown by, here or in another thread. */
  renew(): void {
    // A growth by nothing makes this thread see what another thread grew.
    this.memory.grow(0)
    const buffer = this.memory.buffer
    this.words = new Int32Array(buffer)
    this.octets = new Uint8Array(buffer)
    this.limit = this.words.length
  }

  /** @returns false when the memory has reached its maximum or the system has no more */
  grow(pages: number): boolean {
    if (this.words.length / (PAGE_OCTETS / 4) + pages > MAX_PAGES) return false
    try {
      this.memory.grow(pages)
    } catch {
      return false
    }
    this.renew()
    return true
  }
}

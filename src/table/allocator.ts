/**
 * The arena's allocator: which granules are free. Layer: table. Used by the writer alone; readers never read a
 * block's word 0.
 *
 * Two-level segregated fit: free blocks are listed by size class, a bitmap finds the first class that is large enough,
 * what is left over is split off, and neighbours that are free are joined at once. Constant time, and the memory in use
 * stays near the memory asked for, however sizes come and go.
 *
 *   block in use   word 0: words | IN_USE | PREVIOUS_FREE                        payload from word 1
 *   free block     word 0: words | PREVIOUS_FREE   word 1: next   word 2: previous   …   last word: words
 *
 * Sizes are multiples of GRANULE_WORDS, so the two low bits of word 0 are free for the flags.
 */

import { ARENA_WORD, GRANULE_WORDS, PAGE_OCTETS } from './layout.ts'
import type { Views } from './memory.ts'

const IN_USE = 1
const PREVIOUS_FREE = 2
const SIZE_MASK = ~3

const PAGE_WORDS = PAGE_OCTETS / 4
/** Classes per doubling of size, and doublings of words up to 1 GiB. */
const STEP_BITS = 3
const STEPS = 1 << STEP_BITS
const DOUBLINGS = 29

/** The memory is at its maximum: the change was not made, what was served is served. */
export class TableFullError extends Error {
  readonly code = 'ERR_TABLE_FULL'
  constructor() {
    super(
      'the answer table has reached its 1 GiB: serve fewer namespaces (source.kubernetes.namespaces) or fewer zones',
    )
  }
}

export class Allocator {
  private readonly views: Views
  /** First free block of each class, or 0. */
  private readonly heads = new Int32Array(DOUBLINGS * STEPS)
  /** One bit per class with a free block, one word per doubling; and one bit per doubling with any. */
  private readonly steps = new Int32Array(DOUBLINGS)
  private doublings = 0
  /** End of the arena handed out so far; a block in use without neighbours stands there as a fence. */
  private end = ARENA_WORD
  /** Words in blocks in use. */
  used = 0

  constructor(views: Views) {
    this.views = views
    this.views.words[ARENA_WORD] = IN_USE
    this.extend(views.limit - ARENA_WORD - GRANULE_WORDS)
  }

  /**
   * @param words the block's size, its allocator's word included
   * @returns word offset of the block, a multiple of GRANULE_WORDS; 0 when the memory is at its maximum
   */
  allocate(words: number): number {
    const size = (words + GRANULE_WORDS - 1) & ~(GRANULE_WORDS - 1)
    let block = this.take(size)
    if (block === 0) {
      // An eighth more than asked for: `take` looks only where every block of the class is large enough.
      const pages = Math.ceil((size + (size >>> STEP_BITS) + GRANULE_WORDS) / PAGE_WORDS)
      // Growing by a sixteenth keeps growths rare and the slack small.
      const wanted = Math.max(pages, (this.views.limit / PAGE_WORDS) >>> 4)
      if (!this.views.grow(wanted) && !this.views.grow(pages)) return 0
      // The old fence stays: a block lies whole on one side of every limit that a reader's view may have.
      this.end += GRANULE_WORDS
      this.extend(this.views.limit - this.end - GRANULE_WORDS)
      block = this.take(size)
      if (block === 0) return 0
    }
    const memory = this.views.words
    const whole = memory[block]! & SIZE_MASK
    if (whole - size >= GRANULE_WORDS) {
      this.insert(block + size, whole - size, 0)
      memory[block] = size | IN_USE | (memory[block]! & PREVIOUS_FREE)
    } else {
      memory[block] = whole | IN_USE | (memory[block]! & PREVIOUS_FREE)
      memory[block + whole] = memory[block + whole]! & ~PREVIOUS_FREE
    }
    this.used += memory[block]! & SIZE_MASK
    return block
  }

  /** Words of a block in use, as allocated. */
  sizeOf(block: number): number {
    return this.views.words[block]! & SIZE_MASK
  }

  free(block: number): void {
    const memory = this.views.words
    let start = block
    let size = memory[block]! & SIZE_MASK
    this.used -= size
    const next = block + size
    if ((memory[next]! & IN_USE) === 0) {
      this.unlink(next)
      size += memory[next]! & SIZE_MASK
    }
    if ((memory[block]! & PREVIOUS_FREE) !== 0) {
      const before = memory[block - 1]!
      start -= before
      size += before
      this.unlink(start)
    }
    this.insert(start, size, memory[start]! & PREVIOUS_FREE)
  }

  /** Gives the arena `words` more, at its end. */
  private extend(words: number): void {
    if (words < GRANULE_WORDS) return
    const memory = this.views.words
    const block = this.end
    this.end += words
    memory[this.end] = IN_USE
    memory[block] = words | IN_USE
    this.used += words
    this.free(block)
  }

  /** Takes a free block of at least `size` words off its list. */
  private take(size: number): number {
    let kind = classOf(size)
    let doubling = kind >>> STEP_BITS
    // A free block of the class may be large enough all the same, above all one that had the same size.
    const first = this.heads[kind]!
    if (first !== 0 && (this.views.words[first]! & SIZE_MASK) >= size) {
      this.unlink(first)
      return first
    }
    // Blocks of one class differ by less than a step: take from the next class unless `size` is the smallest of its own.
    if (doubling > STEP_BITS + 2 && (size & ((1 << (doubling - STEP_BITS)) - 1)) !== 0) doubling = ++kind >>> STEP_BITS
    let step = kind & (STEPS - 1)
    let steps = doubling < DOUBLINGS ? this.steps[doubling]! & (-1 << step) : 0
    if (steps === 0) {
      const larger = doubling + 1 < DOUBLINGS ? this.doublings & (-1 << (doubling + 1)) : 0
      if (larger === 0) return 0
      doubling = 31 - Math.clz32(larger & -larger)
      steps = this.steps[doubling]!
    }
    step = 31 - Math.clz32(steps & -steps)
    const block = this.heads[doubling * STEPS + step]!
    this.unlink(block)
    return block
  }

  private insert(block: number, size: number, previousFree: number): void {
    const memory = this.views.words
    const kind = classOf(size)
    const head = this.heads[kind]!
    memory[block] = size | previousFree
    memory[block + 1] = head
    memory[block + 2] = 0
    memory[block + size - 1] = size
    memory[block + size] = memory[block + size]! | PREVIOUS_FREE
    if (head !== 0) memory[head + 2] = block
    this.heads[kind] = block
    this.steps[kind >>> STEP_BITS]! |= 1 << (kind & (STEPS - 1))
    this.doublings |= 1 << (kind >>> STEP_BITS)
  }

  private unlink(block: number): void {
    const memory = this.views.words
    const kind = classOf(memory[block]! & SIZE_MASK)
    const next = memory[block + 1]!
    const previous = memory[block + 2]!
    if (next !== 0) memory[next + 2] = previous
    if (previous !== 0) memory[previous + 1] = next
    else {
      this.heads[kind] = next
      if (next === 0) {
        const doubling = kind >>> STEP_BITS
        this.steps[doubling]! &= ~(1 << (kind & (STEPS - 1)))
        if (this.steps[doubling] === 0) this.doublings &= ~(1 << doubling)
      }
    }
  }
}

function classOf(size: number): number {
  const doubling = 31 - Math.clz32(size)
  // Sizes below STEPS words have doublings of fewer steps; they are listed by their exact size.
  return (
    doubling * STEPS +
    ((doubling >= STEP_BITS ? size >>> (doubling - STEP_BITS) : size << (STEP_BITS - doubling)) & (STEPS - 1))
  )
}

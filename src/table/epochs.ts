/**
 * Quiescent-state reclamation: when is a block that was replaced no longer read by anybody?
 * Layer: table. RCU without read-side cost: a reader stores one word per batch of queries.
 *
 *   writer    publish new slot ── retire old block at epoch e ── epoch := e + 1 ──▶ free it when every reader is
 *   reader    word := epoch ── read slots, blocks ── word := OFFLINE                 OFFLINE or has seen more than e
 *
 * Why it holds: the reader's store of its word comes before its loads of slots, the writer's store of the slot before
 * its load of the reader's word, and all four are sequentially consistent. So either the writer sees the reader in an
 * epoch ≤ e, and waits; or the reader's loads see the new slot, and it never meets the old block.
 */

import { CONTROL_EPOCH, CONTROL_READERS, MAX_READERS, OFFLINE, READER_WORDS } from './layout.ts'

/** The word that belongs to reader `reader`, 0..MAX_READERS−1. */
export function readerWord(reader: number): number {
  return CONTROL_READERS + reader * READER_WORDS
}

/** Called by a reader before it reads: it now holds what the table shows. */
export function goOnline(words: Int32Array, word: number): void {
  Atomics.store(words, word, Atomics.load(words, CONTROL_EPOCH))
}

/** Called by a reader when it holds nothing more; by the main thread for a reader that died. */
export function goOffline(words: Int32Array, word: number): void {
  Atomics.store(words, word, OFFLINE)
}

/** Epochs that a reader is behind the writer, 0 when it is OFFLINE. It holds all that was replaced in them. */
export function readerLag(words: Int32Array, reader: number): number {
  const seen = Atomics.load(words, readerWord(reader))
  return seen === OFFLINE ? 0 : (Atomics.load(words, CONTROL_EPOCH) - seen) | 0
}

/** The writer's half: blocks waiting for the last reader that might hold them. */
export class Limbo {
  private readonly words: () => Int32Array
  private readonly free: (block: number) => void
  private epoch = 1
  /** Retired blocks with the epoch of their retirement, oldest first. */
  private blocks: number[] = []
  private epochs: number[] = []
  private head = 0

  /**
   * @param words the control words (a function: views are renewed when the memory grows)
   * @param free  gives a block back to the allocator
   */
  constructor(words: () => Int32Array, free: (block: number) => void) {
    this.words = words
    this.free = free
    Atomics.store(words(), CONTROL_EPOCH, this.epoch)
  }

  /** Blocks not yet given back. */
  get size(): number {
    return this.blocks.length - this.head
  }

  /** The sum of what `measure` says of the blocks not yet given back. */
  sum(measure: (block: number) => number): number {
    let sum = 0
    for (let i = this.head; i < this.blocks.length; i++) sum += measure(this.blocks[i]!)
    return sum
  }

  /** `block` is no longer published. */
  retire(block: number): void {
    this.blocks.push(block)
    this.epochs.push(this.epoch)
  }

  /** Ends an epoch and gives back what no reader can hold. Called after each change, and from a timer while any wait. */
  advance(): void {
    if (this.size === 0) return
    const words = this.words()
    // Epochs are compared by difference, so that the 32-bit counter may wrap; OFFLINE is left out.
    this.epoch = (this.epoch + 1) | 0
    if (this.epoch === OFFLINE) this.epoch = 1
    Atomics.store(words, CONTROL_EPOCH, this.epoch)
    let lag = 0
    for (let reader = 0; reader < MAX_READERS; reader++) {
      const seen = Atomics.load(words, readerWord(reader))
      if (seen !== OFFLINE) lag = Math.max(lag, (this.epoch - seen) | 0)
    }
    while (this.head < this.blocks.length && ((this.epoch - this.epochs[this.head]!) | 0) > lag) {
      this.free(this.blocks[this.head]!)
      this.head++
    }
    if (this.head === this.blocks.length) {
      this.blocks.length = 0
      this.epochs.length = 0
      this.head = 0
    } else if (this.head > 1024 && this.head * 2 > this.blocks.length) {
      this.blocks.splice(0, this.head)
      this.epochs.splice(0, this.head)
      this.head = 0
    }
  }
}

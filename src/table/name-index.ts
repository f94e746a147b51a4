/**
 * The writer's half of the hash index: open addressing with linear probing over one-word slots (layout.ts).
 * Layer: table. Readers probe it at any moment: each change is one store, and after every store the index is right.
 *
 *   insert    store into the first TOMBSTONE or EMPTY slot of the probe chain
 *   replace   store the new block over the old one
 *   remove    store TOMBSTONE; or EMPTY when the next slot is EMPTY, and then also over the TOMBSTONEs right before:
 *             no probe chain can pass a slot whose successor is EMPTY
 *   grow      fill a new index beside the old one, publish it by one store, retire the old one; of the same size, to be rid
 *             of TOMBSTONEs
 */

import type { Allocator } from './allocator.ts'
import type { Limbo } from './epochs.ts'
import {
  BLOCK_HASH,
  CONTROL_INDEX,
  GRANULE_WORDS,
  INDEX_MASK,
  INDEX_SLOTS,
  SLOT_EMPTY,
  SLOT_GRANULE_MASK,
  SLOT_TOMBSTONE,
  slotTag,
} from './layout.ts'
import type { Views } from './memory.ts'

const INITIAL_SLOTS = 1024
/** Share of slots that may be other than EMPTY before the index grows, in sixteenths. */
const MAX_LOAD = 11

export class NameIndex {
  private readonly views: Views
  private readonly allocator: Allocator
  private readonly limbo: Limbo
  /** Slots that hold a block, and slots that are not EMPTY. */
  names = 0
  private occupied = 0
  /** Slots of the index in use. */
  slots = 0
  /** Room for another index of as many slots, 0: none. Kept, since a table that is full has none when TOMBSTONEs must go. */
  private spare = 0
  /** The index before, which becomes the spare one when nobody reads it any more. */
  private retired = 0

  constructor(views: Views, allocator: Allocator, limbo: Limbo) {
    this.views = views
    this.allocator = allocator
    this.limbo = limbo
    this.rebuild(INITIAL_SLOTS)
  }

  /** Makes room for so many names in all, where there is memory for it: an index that grows by doubling is filled anew as often. */
  reserve(names: number): void {
    let slots = this.slots
    while (names * 16 > slots * MAX_LOAD) slots *= 2
    if (slots > this.slots) this.rebuild(slots)
  }

  /** @returns false when no slot is free and there is no memory for another index; nothing has changed then */
  insert(block: number): boolean {
    if ((this.occupied + 1) * 16 > this.slots * MAX_LOAD) this.makeRoom()
    const words = this.views.words
    const slots = words[CONTROL_INDEX]! + INDEX_SLOTS
    let at = words[block + BLOCK_HASH]! & (this.slots - 1)
    while (words[slots + at] !== SLOT_EMPTY && words[slots + at] !== SLOT_TOMBSTONE) at = (at + 1) & (this.slots - 1)
    if (words[slots + at] === SLOT_EMPTY) {
      // One that stays EMPTY ends the search for what is not there.
      if (this.occupied + 1 >= this.slots) return false
      this.occupied++
    }
    this.names++
    Atomics.store(words, slots + at, slotOf(block, words[block + BLOCK_HASH]!))
    return true
  }

  /** Both blocks have the same owner name. */
  replace(old: number, block: number): void {
    const words = this.views.words
    Atomics.store(words, this.slotAt(old), slotOf(block, words[block + BLOCK_HASH]!))
  }

  remove(block: number): void {
    const words = this.views.words
    const slots = words[CONTROL_INDEX]! + INDEX_SLOTS
    const mask = this.slots - 1
    let at = this.slotAt(block) - slots
    this.names--
    if (words[slots + ((at + 1) & mask)] !== SLOT_EMPTY) {
      Atomics.store(words, slots + at, SLOT_TOMBSTONE)
      return
    }
    do {
      Atomics.store(words, slots + at, SLOT_EMPTY)
      this.occupied--
      at = (at - 1) & mask
    } while (words[slots + at] === SLOT_TOMBSTONE)
  }

  /** Gives back a block that nobody reads any more; the index before is kept, if it is as large as this one. */
  free(block: number): void {
    const wasIndex = block === this.retired
    if (wasIndex) this.retired = 0
    if (wasIndex && this.spare === 0 && this.views.words[block + INDEX_MASK] === this.slots - 1) this.spare = block
    else this.allocator.free(block)
  }

  /** No name is found from now on; a reader in the midst of looking finds it, or does not. The index keeps its size. */
  clear(): void {
    const { words } = this.views
    const slots = words[CONTROL_INDEX]! + INDEX_SLOTS
    words.fill(SLOT_EMPTY, slots, slots + this.slots)
    this.names = 0
    this.occupied = 0
  }

  private makeRoom(): void {
    if ((this.names + 1) * 16 > this.slots * (MAX_LOAD >>> 1) && this.rebuild(this.slots * 2)) return
    // Where there is no memory for a larger one, or no need: without TOMBSTONEs, which each search for what is not there passes.
    if ((this.occupied - this.names) * 16 >= this.slots) this.rebuild(this.slots)
  }

  /** Word offset of the slot that holds `block`. */
  private slotAt(block: number): number {
    const words = this.views.words
    const slots = words[CONTROL_INDEX]! + INDEX_SLOTS
    const slot = slotOf(block, words[block + BLOCK_HASH]!)
    let at = words[block + BLOCK_HASH]! & (this.slots - 1)
    while (words[slots + at] !== slot) at = (at + 1) & (this.slots - 1)
    return slots + at
  }

  private rebuild(slotCount: number): boolean {
    const isSpare = slotCount === this.slots && this.spare !== 0
    const index = isSpare ? this.spare : this.allocateIndex(slotCount)
    if (index === 0) return false
    const words = this.views.words
    const mask = slotCount - 1
    words[index + INDEX_MASK] = mask
    words.fill(SLOT_EMPTY, index + INDEX_SLOTS, index + INDEX_SLOTS + slotCount)
    const old = words[CONTROL_INDEX]!
    for (let i = 0; i < this.slots; i++) {
      const slot = words[old + INDEX_SLOTS + i]!
      if (slot === SLOT_EMPTY || slot === SLOT_TOMBSTONE) continue
      let at = words[(slot & SLOT_GRANULE_MASK) * GRANULE_WORDS + BLOCK_HASH]! & mask
      while (words[index + INDEX_SLOTS + at] !== SLOT_EMPTY) at = (at + 1) & mask
      words[index + INDEX_SLOTS + at] = slot
    }
    Atomics.store(words, CONTROL_INDEX, index)
    this.occupied = this.names
    this.retired = old
    if (old !== 0) this.limbo.retire(old)
    if (isSpare) this.spare = 0
    else if (slotCount !== this.slots) this.renewSpare(slotCount)
    this.slots = slotCount
    return true
  }

  /** The spare one makes room for a larger one where there is no other. */
  private allocateIndex(slotCount: number): number {
    const index = this.allocator.allocate(INDEX_SLOTS + slotCount)
    if (index !== 0 || this.spare === 0) return index
    this.allocator.free(this.spare)
    this.spare = 0
    const larger = this.allocator.allocate(INDEX_SLOTS + slotCount)
    if (larger === 0) this.spare = this.allocator.allocate(INDEX_SLOTS + this.slots)
    return larger
  }

  private renewSpare(slotCount: number): void {
    if (this.spare !== 0) this.allocator.free(this.spare)
    this.spare = this.allocator.allocate(INDEX_SLOTS + slotCount)
  }
}

function slotOf(block: number, hash: number): number {
  return slotTag(hash) | (block / GRANULE_WORDS)
}

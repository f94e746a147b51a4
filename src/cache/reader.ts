/**
 * The answer cache as a data-plane thread sees it: look-ups, without locks, without allocation. Layer: cache.
 * Hot for names that are forwarded; a batch that asks for none pays nothing: `begin` is called by the first look-up.
 */

import { goOffline, goOnline, readerWord } from '../table/epochs.ts'
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
} from '../table/layout.ts'
import { type SharedMemory, Views } from '../table/memory.ts'
import { ENTRY_KEY, ENTRY_NAME, entryHash } from './layout.ts'

/** Blocks are words in host order. */
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

export class CacheReader {
  private readonly views: Views
  private readonly myWord: number
  private readonly now: () => number
  private index = 0
  private isOnline = false
  /** The memory as words and as octets; renewed when an offset lies beyond them. */
  words: Int32Array
  octets: Uint8Array
  /** As of this batch's first look-up, seconds. */
  nowSeconds = 0

  /**
   * @param reader row of this reader, 0..MAX_READERS−1; no two live readers share one
   * @param now    sharedSeconds()
   */
  constructor(memory: SharedMemory, reader: number, now: () => number) {
    this.views = new Views(memory)
    this.words = this.views.words
    this.octets = this.views.octets
    this.myWord = readerWord(reader)
    this.now = now
  }

  /** Ends a batch: entries that were found may go. */
  end(): void {
    if (!this.isOnline) return
    this.isOnline = false
    goOffline(this.words, this.myWord)
  }

  /**
   * @param nameHash of the name, with the table's seed
   * @param key      `entryKey`
   * @param name     over the lower-cased wire form; three zeros follow it
   * @returns word offset of the entry, which stays as it is until `end`; 0: there is none
   */
  find(nameHash: number, key: number, name: DataView): number {
    if (!this.isOnline) this.begin()
    const hash = entryHash(nameHash, key)
    const slots = this.index + INDEX_SLOTS
    let memory = this.words
    const mask = memory[this.index + INDEX_MASK]!
    const tag = slotTag(hash)
    const octets = key & 0xff
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = Atomics.load(memory, slots + at)
      if (slot === SLOT_EMPTY) return 0
      if ((slot & ~SLOT_GRANULE_MASK) !== tag || slot === SLOT_TOMBSTONE) continue
      const block = (slot & SLOT_GRANULE_MASK) * GRANULE_WORDS
      if (block >= memory.length) {
        this.renew()
        memory = this.words
      }
      if (memory[block + BLOCK_HASH] !== hash || memory[block + ENTRY_KEY] !== key) continue
      let i = 0
      while (i < octets && memory[block + ENTRY_NAME + (i >>> 2)] === name.getInt32(i, IS_LITTLE_ENDIAN)) i += 4
      if (i >= octets) return block
    }
  }

  private begin(): void {
    this.isOnline = true
    goOnline(this.words, this.myWord)
    this.index = Atomics.load(this.words, CONTROL_INDEX)
    if (this.index >= this.words.length) this.renew()
    this.nowSeconds = this.now()
  }

  private renew(): void {
    this.views.renew()
    this.words = this.views.words
    this.octets = this.views.octets
  }
}

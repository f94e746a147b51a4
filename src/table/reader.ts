/**
 * The table as a data-plane thread sees it: look-ups, without locks, without allocation. Layer: table.
 * Hot. Nothing is read from a slot twice in one answer: a block offset, once loaded, stands for what was published then.
 *
 * Slots are stored with Atomics and loaded without: a word is never seen in halves, what a slot points to was written
 * before it and is reached through it alone, and the atomic load in `begin` keeps every later load behind the epoch that
 * was announced. Atomics.load is a call of 20 ns in V8.
 */

import { goOffline, goOnline, readerWord } from './epochs.ts'
import {
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_NAME,
  CONTROL_INDEX,
  CONTROL_SEED,
  CONTROL_STATE,
  CONTROL_WAITING,
  CONTROL_ZONES,
  GRANULE_WORDS,
  INDEX_MASK,
  INDEX_SLOTS,
  SLOT_EMPTY,
  SLOT_GRANULE_MASK,
  SLOT_TOMBSTONE,
  STATE_WAITING,
  slotTag,
} from './layout.ts'
import { type SharedMemory, Views } from './memory.ts'

/** Blocks are words in host order. */
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Words from a block's first to where the records of most names are: in the next line of the processor's cache. */
const RECORDS_NEAR = 17

export class TableReader {
  private readonly views: Views
  private readonly myWord: number
  private index = 0
  /** The memory as words and as octets; renewed when an offset lies beyond them. */
  words: Int32Array
  octets: Uint8Array
  /** STATE_… bits as of `begin`. */
  state = 0

  /** @param reader row of this reader, 0..MAX_READERS−1; no two live readers share one */
  constructor(memory: SharedMemory, reader: number) {
    this.views = new Views(memory)
    this.words = this.views.words
    this.octets = this.views.octets
    this.myWord = readerWord(reader)
  }

  /** The seed of the table's hash. */
  get seed(): number {
    return this.words[CONTROL_SEED]!
  }

  /** Whether names of the zone must not be answered yet, other than those of all zones. */
  waits(zone: number): boolean {
    return (
      (this.state & STATE_WAITING) !== 0 && (this.words[CONTROL_WAITING + (zone >>> 5)]! & (1 << (zone & 31))) !== 0
    )
  }

  /** Starts a batch: until `end`, blocks that are found stay as they are. */
  begin(): void {
    goOnline(this.words, this.myWord)
    this.look()
  }

  /** What `begin` sees, for the writer's own thread: nothing is given back while it looks. */
  look(): void {
    // In this order: names are published before the state says so. The index of before and the state of after would deny them.
    this.state = Atomics.load(this.words, CONTROL_STATE)
    this.index = Atomics.load(this.words, CONTROL_INDEX)
    if (this.index >= this.words.length) this.renew()
  }

  end(): void {
    goOffline(this.words, this.myWord)
  }

  /**
   * @param hash   of the name (wire/hash.ts)
   * @param name   over lower-cased wire form; three zeros follow the name
   * @param offset where the name starts in `name`, not 0 for a suffix
   * @param octets of the name, root label included
   * @returns word offset of the name's block, or 0: the name does not exist
   */
  find(hash: number, name: DataView, offset: number, octets: number): number {
    const slots = this.index + INDEX_SLOTS
    let memory = this.words
    const mask = memory[this.index + INDEX_MASK]!
    const tag = slotTag(hash)
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = memory[slots + at]!
      if (slot === SLOT_EMPTY) return 0
      if ((slot & ~SLOT_GRANULE_MASK) !== tag || slot === SLOT_TOMBSTONE) continue
      const block = (slot & SLOT_GRANULE_MASK) * GRANULE_WORDS
      if (block >= memory.length) {
        this.renew()
        memory = this.words
      }
      if (memory[block + BLOCK_HASH] !== hash || (memory[block + BLOCK_META]! & 0xff) !== octets) continue
      let i = 0
      while (i < octets && memory[block + BLOCK_NAME + (i >>> 2)] === name.getInt32(offset + i, IS_LITTLE_ENDIAN))
        i += 4
      if (i >= octets) return block
    }
  }

  /** Loads the slot where the search for a name begins. @returns nothing of meaning */
  fetchSlot(hash: number): number {
    const memory = this.words
    return memory[this.index + INDEX_SLOTS + (hash & memory[this.index + INDEX_MASK]!)]!
  }

  /** Loads the first octets of the block in that slot, and some of where its records are. @returns nothing of meaning */
  fetchBlock(hash: number): number {
    const memory = this.words
    const block = (this.fetchSlot(hash) & SLOT_GRANULE_MASK) * GRANULE_WORDS
    const records = block + RECORDS_NEAR
    return records < memory.length ? memory[block + BLOCK_HASH]! ^ memory[records]! : 0
  }

  /** @returns word offset of the SOA block of a zone */
  soaOf(zone: number): number {
    const block = this.words[CONTROL_ZONES + zone]!
    if (block >= this.words.length) this.renew()
    return block
  }

  private renew(): void {
    this.views.renew()
    this.words = this.views.words
    this.octets = this.views.octets
  }
}

/**
 * The one writer of the answer cache's shared memory: entries as blocks, with the table's allocator, index and
 * reclamation. Layer: cache. Main thread only. What is kept and for how long is not decided here.
 */

import { Allocator } from '../table/allocator.ts'
import { Limbo } from '../table/epochs.ts'
import { BLOCK_HASH } from '../table/layout.ts'
import { type SharedMemory, Views } from '../table/memory.ts'
import { NameIndex } from '../table/name-index.ts'
import { Query } from '../wire/query.ts'
import {
  ENTRY_COUNTS,
  ENTRY_EXPIRES,
  ENTRY_FLAGS,
  ENTRY_HITS,
  ENTRY_KEY,
  ENTRY_LAST_HIT,
  ENTRY_NAME,
  ENTRY_OCTETS,
  ENTRY_POINTERS,
  ENTRY_SET,
  ENTRY_STALE_UNTIL,
  ENTRY_TTL,
  entryHash,
  entryKey,
  KEY_CD,
  KEY_DO,
  KEY_TYPE_SHIFT,
} from './layout.ts'

/** An answer to be kept: layout.ts tells what its parts are. */
export interface Entry {
  /** Wire form, lower case. */
  readonly name: Uint8Array
  readonly type: number
  readonly dnssecOk: boolean
  readonly checkingDisabled: boolean
  /** RCODE and ENTRY_… bits. */
  readonly flags: number
  /** Seconds. */
  readonly ttl: number
  readonly answers: number
  readonly authority: number
  /** All records, end to end. */
  readonly octets: Uint8Array
  /** Of each record: its start, and its TTL; of each compressed name: its pointer. From the first of `octets`. */
  readonly starts: readonly number[]
  readonly ttls: readonly number[]
  readonly pointers: readonly number[]
  readonly set: { readonly first: number; readonly count: number; readonly stride: number }
}

export class CacheRegion {
  private readonly views: Views
  private readonly allocator: Allocator
  private readonly limbo: Limbo
  private readonly index: NameIndex
  private readonly name: Query
  private readonly maxOctets: number

  /**
   * @param seed      of the table's hash
   * @param maxOctets of blocks in use, those that a reader may still hold included
   */
  constructor(memory: SharedMemory, seed: number, maxOctets: number) {
    this.views = new Views(memory)
    this.maxOctets = maxOctets
    this.name = new Query(seed | 0)
    this.allocator = new Allocator(this.views)
    this.limbo = new Limbo(
      () => this.views.words,
      block => this.index.free(block),
    )
    this.index = new NameIndex(this.views, this.allocator, this.limbo)
  }

  /** The words as they are now: an entry's words may be read, and those that change in place be changed. */
  get words(): Int32Array {
    return this.views.words
  }

  get octets(): Uint8Array {
    return this.views.octets
  }

  /** Octets of the shared memory. */
  get memoryOctets(): number {
    return this.views.limit * 4
  }

  get usedOctets(): number {
    return this.allocator.used * 4
  }

  get entries(): number {
    return this.index.names
  }

  octetsOf(block: number): number {
    return this.allocator.sizeOf(block) * 4
  }

  /**
   * @param old the entry of the same key, which it replaces; 0: there is none
   * @returns its block; 0: there is no room, and nothing has changed
   */
  put(entry: Entry, nowSeconds: number, old: number): number {
    const { name, octets, starts, ttls, pointers, set } = entry
    const nameWords = (name.length + 3) >>> 2
    const octetsAt = ENTRY_NAME + nameWords + starts.length + pointers.length
    const length = octetsAt + ((octets.length + 3) >>> 2)
    if (this.usedOctets + length * 4 > this.maxOctets) return 0
    const block = this.allocator.allocate(length)
    if (block === 0) return 0
    const words = this.views.words
    const key = entryKey(name.length, entry.type, entry.dnssecOk, entry.checkingDisabled)
    this.name.readName(name, 0, name.length)
    words[block + BLOCK_HASH] = entryHash(this.name.suffixHash[0]!, key)
    words[block + ENTRY_KEY] = key
    words[block + ENTRY_EXPIRES] = nowSeconds + entry.ttl
    words[block + ENTRY_TTL] = entry.ttl
    words[block + ENTRY_STALE_UNTIL] = 0
    words[block + ENTRY_HITS] = old === 0 ? 0 : words[old + ENTRY_HITS]!
    words[block + ENTRY_LAST_HIT] = old === 0 ? 0 : words[old + ENTRY_LAST_HIT]!
    words[block + ENTRY_FLAGS] = entry.flags
    words[block + ENTRY_COUNTS] = entry.answers | (entry.authority << 16)
    words[block + ENTRY_SET] = set.first | (set.count << 16)
    words[block + ENTRY_POINTERS] = set.stride | (pointers.length << 16)
    words[block + ENTRY_OCTETS] = octets.length
    let at = block + ENTRY_NAME
    words[at + nameWords - 1] = 0
    this.views.octets.set(name, at * 4)
    at += nameWords
    for (const [i, start] of starts.entries()) words[at++] = start | (ttls[i]! << 16)
    for (const pointer of pointers) words[at++] = pointer
    this.views.octets.set(octets, at * 4)
    if (old !== 0) {
      this.index.replace(old, block)
      this.limbo.retire(old)
    } else if (!this.index.insert(block)) {
      this.allocator.free(block)
      return 0
    }
    return block
  }

  /** What the entry answers. */
  questionOf(block: number): Pick<Entry, 'name' | 'type' | 'dnssecOk' | 'checkingDisabled'> {
    const key = this.views.words[block + ENTRY_KEY]!
    const nameAt = (block + ENTRY_NAME) * 4
    return {
      name: this.views.octets.slice(nameAt, nameAt + (key & 0xff)),
      type: key >>> KEY_TYPE_SHIFT,
      dnssecOk: (key & KEY_DO) !== 0,
      checkingDisabled: (key & KEY_CD) !== 0,
    }
  }

  remove(block: number): void {
    this.index.remove(block)
    this.limbo.retire(block)
  }

  /** From now on nothing is found. The entries' blocks are still to be retired. */
  clear(): void {
    this.index.clear()
  }

  /** Of an entry that is not found any more. */
  retire(block: number): void {
    this.limbo.retire(block)
  }

  /** Gives back what no reader holds. Called after changes, and from a timer. */
  commit(): void {
    this.limbo.advance()
  }
}

/**
 * Every name that the table holds, in pieces: for lists of names and for transfers of zones. Layer: table.
 * Only on the writer's thread: while a piece is visited nothing changes, so there is no lock, no epoch and no copy. Between
 * pieces anything may change.
 *
 * What holds of a whole walk: a name that is there from its begin to its end is visited exactly once; one that comes or
 * goes meanwhile, at most once. All names of one piece are of one moment; who needs one moment for all of them (a transfer of
 * a zone) asks with every change whether the name was visited, and keeps what was there if not.
 *
 * Names are visited by their home in the index, `hash & mask`. A grown index has twice the homes: those of old home h are
 * then h and h + (slots of before), so the homes of the index that the walk began with go on to say what was visited.
 * The index never shrinks.
 */

import { TYPE_A, TYPE_AAAA, TYPE_SOA, TYPE_SRV } from '../wire/constants.ts'
import { NAME_APEX } from '../wire/owner-records.ts'
import {
  BLOCK_HASH,
  BLOCK_NAME,
  CONTROL_INDEX,
  GRANULE_WORDS,
  HAS_RAW,
  HAS_SRV,
  INDEX_MASK,
  INDEX_SLOTS,
  SLOT_EMPTY,
  SLOT_GRANULE_MASK,
  SLOT_TOMBSTONE,
} from './layout.ts'
import { type SharedMemory, Views } from './memory.ts'
import { countA, countAAAA, flagsOf, nameOctets, startRaw } from './sections.ts'

/** Told of one name: `block` is the word offset of its block (layout.ts), good until the visit is over. */
export type Visit = (words: Int32Array, octets: Uint8Array, block: number) => void

export class NameWalk {
  private readonly views: Views
  private readonly homes: number
  private home = 0

  constructor(memory: SharedMemory) {
    this.views = new Views(memory)
    const { words } = this.views
    this.homes = words[words[CONTROL_INDEX]! + INDEX_MASK]! + 1
  }

  /**
   * Visits the names of the next homes.
   * @param homes one has 0.4 to 0.7 names in the mean
   * @returns false when the walk is over
   */
  next(homes: number, visit: Visit): boolean {
    this.views.renew()
    const { words, octets } = this.views
    const index = words[CONTROL_INDEX]!
    const mask = words[index + INDEX_MASK]!
    const end = Math.min(this.home + homes, this.homes)
    for (; this.home < end; this.home++) {
      for (let home = this.home; home <= mask; home += this.homes) {
        for (let at = home; words[index + INDEX_SLOTS + at] !== SLOT_EMPTY; at = (at + 1) & mask) {
          const slot = words[index + INDEX_SLOTS + at]!
          if (slot === SLOT_TOMBSTONE) continue
          const block = (slot & SLOT_GRANULE_MASK) * GRANULE_WORDS
          if ((words[block + BLOCK_HASH]! & mask) === home) visit(words, octets, block)
        }
      }
    }
    return this.home < this.homes
  }

  /** @param hash of a name: whether its turn, if it was there, has been */
  hasPassed(hash: number): boolean {
    return (hash & (this.homes - 1)) < this.home
  }
}

/** The owner name in wire form, lower case, root label included; a view into the table. */
export function ownerAt(words: Int32Array, octets: Uint8Array, block: number): Uint8Array {
  const start = (block + BLOCK_NAME) * 4
  return octets.subarray(start, start + nameOctets(words, block))
}

/** Types of the RRsets at the name, as numbers; none: it is an empty non-terminal, or names below it are made from their labels. */
export function typesAt(words: Int32Array, block: number): number[] {
  const flags = flagsOf(words, block)
  const types: number[] = []
  if ((flags & NAME_APEX) !== 0) types.push(TYPE_SOA)
  if (countA(words, block) > 0) types.push(TYPE_A)
  if (countAAAA(words, block) > 0) types.push(TYPE_AAAA)
  if ((flags & HAS_SRV) !== 0) types.push(TYPE_SRV)
  if ((flags & HAS_RAW) !== 0) {
    const sets = startRaw(words, block)
    for (let head = sets + 2, left = words[sets]!; left > 0; left--, head += words[head + 1]!) {
      types.push(words[head]! & 0xffff)
    }
  }
  return types
}

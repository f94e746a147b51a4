/**
 * The table's one writer: turns OwnerRecords into published blocks and keeps the tree of names whole.
 * Layer: table. Main thread only.
 *
 * Names above a name exist (RFC 8020, RFC 4592 §2.2.2): the writer makes the empty non-terminals, counts the names
 * directly below each name, and takes an empty non-terminal away with the last of them. A name is published after the
 * names above it and removed before them.
 */

import type { WireName } from '../wire/name.ts'
import { NAME_APEX, NAME_PERMANENT, type NameWriter, type OwnerRecords, type RawSet } from '../wire/owner-records.ts'
import { Query } from '../wire/query.ts'
import { Allocator, TableFullError } from './allocator.ts'
import { BlockDraft, decodeRawSets } from './block.ts'
import { Limbo } from './epochs.ts'
import {
  BLOCK_CHILDREN,
  BLOCK_COUNTS,
  BLOCK_META,
  BLOCK_TTL,
  CONTROL_SEED,
  CONTROL_STATE,
  HAS_RAW,
  IS_PUT,
  META_ZONE_SHIFT,
  STATE_STALE,
  STATE_SYNCED,
  STATE_WAITING,
} from './layout.ts'
import { type SharedMemory, Views } from './memory.ts'
import { NameIndex } from './name-index.ts'
import { TableReader } from './reader.ts'
import { flagsOf, startRaw, zoneOf } from './sections.ts'
import { type SoaTimers, Zones } from './zones.ts'

/** Told of every change when it is published, while what was there before can still be read. On the writer's thread. */
export interface TableWatcher {
  /**
   * @param old   word offset of the block (layout.ts) that was at the name; 0: the name is new
   * @param block word offset of the block that is there now; 0: the name is gone
   */
  changed(words: Int32Array, octets: Uint8Array, old: number, block: number): void
  /** All changes of the zone since the last call, or since its beginning, led from the version `from` to one of a later serial. */
  serialMoved(zone: number, from: number): void
}

export interface TableStats {
  /** Names, empty non-terminals included. */
  readonly names: number
  /** Octets of the shared memory, and of the blocks in use in it. */
  readonly memoryOctets: number
  readonly usedOctets: number
  /** Blocks that wait for a reader. */
  readonly retired: number
  readonly retiredOctets: number
}

/** Up to so many comparisons cost less than a set. */
const FEW_PAIRS = 64
const NO_SETS: readonly RawSet[] = []
/** Words from which on a typed array's own copy is worth its call. */
const MANY_WORDS = 128

export class TableWriter implements NameWriter {
  private readonly views: Views
  private readonly allocator: Allocator
  private readonly limbo: Limbo
  private readonly index: NameIndex
  private readonly reader: TableReader
  private readonly draft = new BlockDraft()
  /** For the names above, which are made while `draft` waits. */
  private readonly emptyDraft = new BlockDraft()
  /** The name at hand, and the hashes of the names above it: the reader of queries reads owner names too. */
  private readonly name: Query
  private readonly zones: Zones
  /** Names published, replaced or removed so far. */
  changes = 0
  /** Undefined: nobody is told. */
  watcher: TableWatcher | undefined

  /**
   * @param reader the row of the writer's own reader
   * @param seed   32 random bits
   */
  constructor(memory: SharedMemory, reader: number, seed: number) {
    this.views = new Views(memory)
    this.views.words[CONTROL_SEED] = seed
    this.name = new Query(seed | 0)
    this.allocator = new Allocator(this.views)
    this.limbo = new Limbo(
      () => this.views.words,
      block => this.index.free(block),
    )
    this.index = new NameIndex(this.views, this.allocator, this.limbo)
    this.reader = new TableReader(memory, reader)
    this.zones = new Zones(this.views, this.allocator, this.limbo)
  }

  /**
   * Adds an authoritative zone. Zones above others come first.
   * @param waits its names are not answered before `endWaiting`
   */
  addZone(apex: OwnerRecords, timers: SoaTimers, serial: number, waits = false): void {
    this.zones.add(apex.owner.length, timers, serial, waits)
    this.put({ ...apex, flags: (apex.flags ?? 0) | NAME_APEX | NAME_PERMANENT })
  }

  /** RFC 1035 §3.3.13: the serial of every zone that has changed moves on. @param serial later than all before it */
  setSerial(serial: number): void {
    this.zones.setSerial(serial, (zone, from) => this.watcher?.serialMoved(zone, from))
  }

  setSynced(): void {
    Atomics.or(this.views.words, CONTROL_STATE, STATE_SYNCED)
  }

  /** The zones that waited are answered from now on. */
  endWaiting(): void {
    Atomics.and(this.views.words, CONTROL_STATE, ~STATE_WAITING)
  }

  /** Whether answers say that they may be old. */
  setStale(isStale: boolean): void {
    if (isStale) Atomics.or(this.views.words, CONTROL_STATE, STATE_STALE)
    else Atomics.and(this.views.words, CONTROL_STATE, ~STATE_STALE)
  }

  /** A name below none of the zones is passed over, and one that is another zone's apex. @throws TableFullError: nothing was changed */
  put(records: OwnerRecords): void {
    const old = this.find(records.owner)
    if (this.isApex(old) && ((records.flags ?? 0) & NAME_APEX) === 0) return
    this.draft.encode(records, this.name.suffixHash[0]!, IS_PUT)
    this.publish(old, ((records.flags ?? 0) & NAME_APEX) !== 0)
  }

  remove(owner: WireName): void {
    const block = this.find(owner)
    if (block !== 0 && !this.isApex(block)) this.clear(owner, block)
  }

  changeRecords(
    owner: WireName,
    type: number,
    ttl: number,
    added: readonly Uint8Array[],
    removed: readonly Uint8Array[],
  ): void {
    const block = this.find(owner)
    if (block === 0) {
      if (added.length > 0) this.putSets(owner, 0, ttl, NO_SETS, type, [...added])
      return
    }
    const sets = this.rawSetsAt(block)
    const known = sets.find(set => set.type === type)?.rdata ?? []
    const left = without(known, removed)
    const more = without(added, left)
    if (left.length === known.length && more.length === 0) return
    const newTtl = added.length > 0 ? ttl : this.views.words[block + BLOCK_TTL]!
    this.putSets(owner, block, newTtl, sets, type, [...left, ...more])
  }

  /** So many names come: the index is made for them at once. More or fewer may. */
  reserve(names: number): void {
    this.index.reserve(this.index.names + names)
  }

  /** Ends a change: blocks that no reader holds are free again. */
  commit(): void {
    this.limbo.advance()
  }

  stats(): TableStats {
    return {
      names: this.index.names,
      memoryOctets: this.views.limit * 4,
      usedOctets: this.allocator.used * 4,
      retired: this.limbo.size,
      retiredOctets: this.limbo.sum(block => this.allocator.sizeOf(block)) * 4,
    }
  }

  private isApex(block: number): boolean {
    return block !== 0 && (flagsOf(this.views.words, block) & NAME_APEX) !== 0
  }

  private rawSetsAt(block: number): RawSet[] {
    const { words, octets } = this.views
    if (block === 0 || (flagsOf(words, block) & HAS_RAW) === 0) return []
    return decodeRawSets(words, octets, startRaw(words, block))
  }

  /** Takes all records of the name at hand; it stays where it has to. @param block what `find(owner)` gave */
  private clear(owner: WireName, block: number): void {
    const words = this.views.words
    const flags = flagsOf(words, block) & (NAME_PERMANENT | NAME_APEX)
    if (flags !== 0 || words[block + BLOCK_CHILDREN]! > 0) {
      this.draft.encode({ owner, ttl: 0, flags }, this.name.suffixHash[0]!)
      this.publish(block, false)
    } else this.unpublish(0, block)
  }

  /** @param block what `find(owner)` gave */
  private putSets(
    owner: WireName,
    block: number,
    ttl: number,
    sets: readonly RawSet[],
    type: number,
    rdata: Uint8Array[],
  ): void {
    const others = sets.filter(set => set.type !== type)
    const raw = rdata.length === 0 ? others : [...others, { type, rdata: rdata.sort(compareOctets) }]
    if (raw.length === 0) {
      if (block !== 0) this.clear(owner, block)
      return
    }
    if (block === 0) this.draft.encode({ owner, ttl, raw }, this.name.suffixHash[0]!, IS_PUT)
    else this.draft.encodeWith(this.views.words, block, raw, ttl)
    this.publish(block, false)
  }

  /** Puts the draft at the name at hand: over `old`, or as a new name when that is 0. */
  private publish(old: number, isApex: boolean): void {
    if (old !== 0) {
      if (!this.draftEquals(old)) this.replace(old)
      return
    }
    const parent = this.name.labels === 0 ? 0 : this.ensure(1)
    if (parent === 0 && !isApex) return
    try {
      this.insert(this.draft, isApex ? this.zones.count - 1 : zoneOf(this.views.words, parent), parent)
    } catch (error) {
      this.prune(1)
      throw error
    }
  }

  // Below, `level` means the name at hand without its first labels, as many as that.

  private unpublish(level: number, block: number): void {
    this.index.remove(block)
    this.limbo.retire(block)
    this.note(block, 0)
    const parent = this.findAbove(level + 1)
    if (parent === 0) return
    this.views.words[parent + BLOCK_CHILDREN]!--
    this.prune(level + 1)
  }

  /** Takes away an empty non-terminal that has nothing below it any more, and then the one above it. */
  private prune(level: number): void {
    const block = this.findAbove(level)
    if (block === 0) return
    const words = this.views.words
    const isEmpty = flagsOf(words, block) === 0 && words[block + BLOCK_COUNTS] === 0
    if (isEmpty && words[block + BLOCK_CHILDREN] === 0) this.unpublish(level, block)
  }

  /** The block at `level`, made as an empty non-terminal when it is not there; 0 when no zone is above it. */
  private ensure(level: number): number {
    const block = this.findAbove(level)
    if (block !== 0 || level >= this.name.labels) return block
    const parent = this.ensure(level + 1)
    if (parent === 0) return 0
    const { name, nameLength, labelStart, suffixHash } = this.name
    const owner = name.subarray(labelStart[level], nameLength)
    this.emptyDraft.encode({ owner, ttl: 0 }, suffixHash[level]!)
    try {
      return this.insert(this.emptyDraft, zoneOf(this.views.words, parent), parent)
    } catch (error) {
      this.prune(level + 1)
      throw error
    }
  }

  /** Publishes a draft as a new name below `parent` (0: the apex of an outermost zone). */
  private insert(draft: BlockDraft, zone: number, parent: number): number {
    const block = this.copyDraft(draft, zone, 0)
    if (!this.index.insert(block)) {
      this.allocator.free(block)
      throw new TableFullError()
    }
    if (parent !== 0) this.views.words[parent + BLOCK_CHILDREN]!++
    this.note(0, block)
    return block
  }

  private replace(old: number): void {
    const words = this.views.words
    const block = this.copyDraft(this.draft, zoneOf(words, old), words[old + BLOCK_CHILDREN]!)
    this.index.replace(old, block)
    this.limbo.retire(old)
    this.note(old, block)
  }

  /** A name was published, replaced or removed. The old block, if any, is given back by `commit` at the earliest. */
  private note(old: number, block: number): void {
    const { words, octets } = this.views
    this.changes++
    this.zones.changed(zoneOf(words, block === 0 ? old : block))
    this.watcher?.changed(words, octets, old, block)
  }

  private copyDraft({ words: draft, length }: BlockDraft, zone: number, children: number): number {
    let block = this.allocator.allocate(length)
    if (block === 0) {
      this.limbo.advance()
      block = this.allocator.allocate(length)
      if (block === 0) throw new TableFullError()
    }
    const words = this.views.words
    if (length < MANY_WORDS) for (let i = 1; i < length; i++) words[block + i] = draft[i]!
    else words.set(draft.subarray(1, length), block + 1)
    words[block + BLOCK_META]! |= zone << META_ZONE_SHIFT
    words[block + BLOCK_CHILDREN] = children
    return block
  }

  private draftEquals(block: number): boolean {
    const words = this.views.words
    const { words: draft, length } = this.draft
    const meta = words[block + BLOCK_META]! & ~(0xff << META_ZONE_SHIFT)
    if (meta !== draft[BLOCK_META]) return false
    if (this.allocator.sizeOf(block) < length) return false
    for (let i = BLOCK_COUNTS; i < length; i++) {
      if (i !== BLOCK_CHILDREN && words[block + i] !== draft[i]) return false
    }
    return true
  }

  /** Makes `name` the name at hand. @returns its block, or 0 */
  private find(name: WireName): number {
    this.name.readName(name, 0, name.length)
    return this.findAbove(0)
  }

  private findAbove(level: number): number {
    const { nameView, nameLength, labels, labelStart, suffixHash } = this.name
    if (level > labels) return 0
    const start = labelStart[level]!
    this.reader.look()
    return this.reader.find(suffixHash[level]!, nameView, start, nameLength - start)
  }
}

/** @returns those of `some` that are not among `others` */
function without(some: readonly Uint8Array[], others: readonly Uint8Array[]): readonly Uint8Array[] {
  if (some.length * others.length <= FEW_PAIRS) {
    return others.length === 0 ? some : some.filter(one => !others.some(other => compareOctets(one, other) === 0))
  }
  const known = new Set(others.map(keyOf))
  return some.filter(one => !known.has(keyOf(one)))
}

function keyOf(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1')
}

function compareOctets(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

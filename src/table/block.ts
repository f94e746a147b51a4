/**
 * OwnerRecords → the words of a name block (layout.ts draws it), and back for the sets that several objects share.
 * Layer: table. Runs when the cluster changes, never for a query.
 */

import { TYPE_CNAME } from '../wire/constants.ts'
import type { OwnerRecords, RawSet, SrvSet, SrvTarget, ZoneGroup } from '../wire/owner-records.ts'
import {
  BLOCK_COUNTS,
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_NAME,
  BLOCK_TTL,
  HAS_CNAME,
  HAS_RAW,
  HAS_SRV,
  HAS_ZONES,
  IS_PUT,
  MAX_COUNT,
  META_FLAGS_SHIFT,
  ZONES_ALL_V4,
  ZONES_ALL_V6,
  ZONES_GROUPS,
  ZONES_V4,
  ZONES_V6,
} from './layout.ts'
import { flagsOf, nameOctets, startRaw, startZones, zonesWords } from './sections.ts'

/** Addresses of an SRV target, per family: what their count in the block can say. */
const MAX_GLUE = 255
const DOT = 0x2e
const NO_ADDRESSES: readonly number[] = []

/** SRV targets from which on the words of a set are kept for the next name. */
const MANY_TARGETS = 16

/** Room for one block, kept between blocks. Word 0 is left to the allocator. */
export class BlockDraft {
  words = new Int32Array(1024)
  octets = new Uint8Array(this.words.buffer)
  /** Words of the block in the draft. */
  length = 0
  /** The targets of the latest large SRV set, and its words: names of one Service have the same. */
  private targets: readonly SrvTarget[] | undefined
  private encoded = this.words

  /**
   * Writes `records` as a block of zone 0 with no children. Counts of addresses and targets over 65,535 are cut to it.
   * @param hash of the owner name (wire/hash.ts)
   */
  encode(records: OwnerRecords, hash: number, moreFlags = 0): void {
    const { owner, a = NO_ADDRESSES, aaaa } = records
    const a4 = Math.min(a.length, MAX_COUNT)
    const a6 = Math.min((aaaa?.length ?? 0) >>> 4, MAX_COUNT)
    this.length = BLOCK_NAME
    this.reserve(((owner.length + 3) >>> 2) + a4 + 4 * a6)
    let flags = (records.flags ?? 0) | moreFlags
    this.words[BLOCK_HASH] = hash
    this.words[BLOCK_COUNTS] = a4 | (a6 << 16)
    this.words[BLOCK_TTL] = records.ttl
    this.putOctets(owner)
    for (let i = 0; i < a4; i++) this.words[this.length++] = a[i]!
    if (aaaa !== undefined) this.putV6(aaaa, a6)
    if (records.srv !== undefined && records.srv.targets.length > 0) {
      flags |= HAS_SRV
      this.putSrv(records.srv)
    }
    if (records.raw !== undefined && records.raw.length > 0) {
      flags |= HAS_RAW
      if (records.raw[0]!.type === TYPE_CNAME) flags |= HAS_CNAME
      this.putRaw(records.raw)
    }
    if (records.zones !== undefined && records.zones.length > 0) {
      flags |= HAS_ZONES
      this.putZones(records.zones)
    }
    this.words[BLOCK_META] = owner.length | (flags << META_FLAGS_SHIFT)
  }

  /** Writes what a published block holds, with other raw sets (at least one, no CNAME). */
  encodeWith(words: Int32Array, block: number, sets: readonly RawSet[], ttl: number): void {
    const flags = flagsOf(words, block)
    this.length = BLOCK_HASH
    this.copy(words, block + BLOCK_HASH, startRaw(words, block))
    this.putRaw(sets)
    if ((flags & HAS_ZONES) !== 0) {
      const zones = startZones(words, block)
      this.copy(words, zones, zones + zonesWords(words, zones))
    }
    this.words[BLOCK_TTL] = ttl
    this.words[BLOCK_META] = nameOctets(words, block) | ((flags | HAS_RAW | IS_PUT) << META_FLAGS_SHIFT)
  }

  private copy(words: Int32Array, from: number, end: number): void {
    this.reserve(end - from)
    this.words.set(words.subarray(from, end), this.length)
    this.length += end - from
  }

  private putSrv(set: SrvSet): void {
    const count = Math.min(set.targets.length, MAX_COUNT)
    const start = this.length
    if (set.targets === this.targets) this.copy(this.encoded, 0, this.encoded.length)
    else {
      this.reserve(2 + count)
      this.length += 2 + count
      for (let i = 0; i < count; i++) {
        this.words[start + 2 + i] = this.length - start
        this.putTarget(set.targets[i]!)
      }
      if (count >= MANY_TARGETS) {
        this.targets = set.targets
        this.encoded = this.words.slice(start, this.length)
      }
    }
    this.words[start] = count | (set.weight << 16)
    this.words[start + 1] = set.suffixStart | ((this.length - start) << 8)
  }

  private putTarget(target: SrvTarget): void {
    // RFC 2181 §5.1: an RRset in the additional section is whole; one of more than is counted here is left out.
    const fits = target.v4.length <= MAX_GLUE && target.v6.length <= 16 * MAX_GLUE
    const n4 = fits ? target.v4.length : 0
    const n6 = fits ? target.v6.length >>> 4 : 0
    this.reserve(1 + n4 + 4 * n6)
    this.words[this.length++] = target.port | (n4 << 16) | (n6 << 24)
    for (let i = 0; i < n4; i++) this.words[this.length++] = target.v4[i]!
    this.putV6(target.v6, n6)
    this.putLabels(target.label)
  }

  /** How many octets they take, then the labels in wire form. They are ASCII and lower case, as those of endpoints are. */
  private putLabels(labels: string): void {
    const size = labels === '' ? 0 : labels.length + 1
    const words = (size + 4) >>> 2
    this.reserve(words)
    this.words[this.length + words - 1] = 0
    const at = this.length * 4
    this.octets[at] = size
    let head = at + 1
    for (let i = 0; i < labels.length; i++) {
      const code = labels.charCodeAt(i)
      this.octets[at + 2 + i] = code
      if (code !== DOT) continue
      this.octets[head] = at + 1 + i - head
      head = at + 2 + i
    }
    if (size > 0) this.octets[head] = at + size - head
    this.length += words
  }

  private putRaw(sets: readonly RawSet[]): void {
    this.reserve(2)
    const start = this.length
    this.words[start] = sets.length
    this.length += 2
    for (const set of sets) {
      this.reserve(2)
      const records = set.rdata.length > MAX_COUNT ? set.rdata.slice(0, MAX_COUNT) : set.rdata
      const head = this.length
      this.words[head] = set.type | (records.length << 16)
      this.length += 2
      let size = 0
      for (const rdata of records) size += 2 + rdata.length
      let at = this.roomFor(size)
      for (const rdata of records) {
        this.octets[at++] = rdata.length >>> 8
        this.octets[at++] = rdata.length & 255
        this.octets.set(rdata, at)
        at += rdata.length
      }
      this.words[head + 1] = this.length - head
    }
    this.words[start + 1] = this.length - start
  }

  private putZones(groups: readonly ZoneGroup[]): void {
    this.reserve(ZONES_GROUPS)
    const start = this.length
    this.length += ZONES_GROUPS
    let [here4, here6, all4, all6] = [0, 0, 0, 0]
    for (const { labels, v4, v6, isAgain } of groups) {
      const n6 = v6.length >>> 4
      this.reserve(4)
      this.words[this.length++] = here4
      this.words[this.length++] = v4.length
      this.words[this.length++] = here6
      this.words[this.length++] = n6
      here4 += v4.length
      here6 += n6
      if (!isAgain) [all4, all6] = [here4, here6]
      const at = this.roomFor(1 + labels.length)
      this.octets[at] = labels.length
      this.octets.set(labels, at + 1)
    }
    this.words[start] = groups.length | ((this.length - start) << 16)
    this.words[start + ZONES_V4] = here4
    this.words[start + ZONES_V6] = here6
    this.words[start + ZONES_ALL_V4] = all4
    this.words[start + ZONES_ALL_V6] = all6
    this.reserve(here4 + 4 * here6)
    for (const group of groups) for (const address of group.v4) this.words[this.length++] = address
    for (const group of groups) this.putV6(group.v6, group.v6.length >>> 4)
  }

  private putOctets(octets: Uint8Array): void {
    const at = this.roomFor(octets.length)
    this.octets.set(octets, at)
  }

  /** Room for so many octets, padded with zeros to a word. @returns where in `octets` they go */
  private roomFor(size: number): number {
    const words = (size + 3) >>> 2
    this.reserve(words)
    if (words > 0) this.words[this.length + words - 1] = 0
    const at = this.length * 4
    this.length += words
    return at
  }

  private putV6(octets: Uint8Array, count: number): void {
    for (let i = 0; i < 4 * count; i++) {
      this.words[this.length++] =
        (octets[4 * i]! << 24) | (octets[4 * i + 1]! << 16) | (octets[4 * i + 2]! << 8) | octets[4 * i + 3]!
    }
  }

  private reserve(words: number): void {
    const needed = this.length + words + 1
    if (needed <= this.words.length) return
    const larger = new Int32Array(Math.max(needed, this.words.length * 2))
    larger.set(this.words)
    this.words = larger
    this.octets = new Uint8Array(larger.buffer)
  }
}

/** The raw sets of a published block, copied out. */
export function decodeRawSets(words: Int32Array, octets: Uint8Array, at: number): RawSet[] {
  const sets: RawSet[] = []
  const count = words[at]!
  let head = at + 2
  for (let i = 0; i < count; i++) {
    const records = words[head]! >>> 16
    const rdata: Uint8Array[] = []
    let octet = (head + 2) * 4
    for (let record = 0; record < records; record++) {
      const length = (octets[octet]! << 8) | octets[octet + 1]!
      rdata.push(octets.slice(octet + 2, octet + 2 + length))
      octet += 2 + length
    }
    sets.push({ type: words[head]! & 0xffff, rdata })
    head += words[head + 1]!
  }
  return sets
}

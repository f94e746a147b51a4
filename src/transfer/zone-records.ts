/**
 * A name block → its records in wire form, for transfers. Layer: transfer. Reads a block (table/layout.ts) where it lies in
 * the table, or an image of one that was copied out of it.
 *
 * Zonal names, which are made from labels when they are asked for, become records where they can: the names of the topology
 * zones that there are, and for `prefer` in any other a wildcard (RFC 4592 §2.1.1). Pod names made from labels cannot.
 */

import {
  BLOCK_HASH,
  BLOCK_NAME,
  BLOCK_TTL,
  HAS_RAW,
  HAS_SRV,
  HAS_ZONES,
  ZONES_ALL_V4,
  ZONES_ALL_V6,
  ZONES_GROUPS,
  ZONES_V4,
} from '../table/layout.ts'
import {
  countA,
  countAAAA,
  flagsOf,
  nameOctets,
  startA,
  startAAAA,
  startRaw,
  startSrv,
  startZones,
  zonesWords,
} from '../table/sections.ts'
import { MAX_NAME_OCTETS, TYPE_A, TYPE_AAAA, TYPE_SRV } from '../wire/constants.ts'

export interface ZoneRecord {
  /** Wire form, lower case. */
  readonly owner: Uint8Array
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  /** Without compression. */
  readonly rdata: Uint8Array
}

/** A block that was copied out of the table. */
export interface Image {
  readonly words: Int32Array
  readonly octets: Uint8Array
}

const PIN = Uint8Array.of(3, 0x70, 0x69, 0x6e)
const PREFER = Uint8Array.of(6, 0x70, 0x72, 0x65, 0x66, 0x65, 0x72)
const WILDCARD = Uint8Array.of(1, 0x2a)
const NO_LABELS = new Uint8Array(0)
/** PRIORITY, WEIGHT, PORT: RFC 2782. */
const SRV_FIXED_OCTETS = 6

export function copyBlock(words: Int32Array, block: number): Image {
  const copy = words.slice(block, endOf(words, block))
  return { words: copy, octets: new Uint8Array(copy.buffer) }
}

/** Tells names apart: the owner name as text, an octet a character. */
export function nameKey(octets: Uint8Array, words: Int32Array, block: number): string {
  const start = (block + BLOCK_NAME) * 4
  let key = ''
  for (let at = start, end = start + nameOctets(words, block); at < end; at++) key += String.fromCharCode(octets[at]!)
  return key
}

export function hashAt(words: Int32Array, block: number): number {
  return words[block + BLOCK_HASH]!
}

/**
 * All records at the name but the SOA.
 * @param records they are put behind these: one name may have more than a call takes arguments
 */
export function recordsAt(
  words: Int32Array,
  octets: Uint8Array,
  block: number,
  records: ZoneRecord[] = [],
): ZoneRecord[] {
  const nameAt = (block + BLOCK_NAME) * 4
  const owner = octets.slice(nameAt, nameAt + nameOctets(words, block))
  const ttl = words[block + BLOCK_TTL]!
  const flags = flagsOf(words, block)
  addAddresses(records, owner, ttl, words, startA(words, block), countA(words, block), TYPE_A)
  addAddresses(records, owner, ttl, words, startAAAA(words, block), countAAAA(words, block), TYPE_AAAA)
  if ((flags & HAS_SRV) !== 0) addSrv(records, owner, ttl, words, octets, startSrv(words, block))
  if ((flags & HAS_RAW) !== 0) addRaw(records, owner, ttl, words, octets, startRaw(words, block))
  if ((flags & HAS_ZONES) !== 0) addZonal(records, owner, ttl, words, octets, startZones(words, block))
  return records
}

/** @param from first word of the addresses */
function addAddresses(
  records: ZoneRecord[],
  owner: Uint8Array,
  ttl: number,
  words: Int32Array,
  from: number,
  count: number,
  type: number,
): void {
  const size = type === TYPE_A ? 1 : 4
  for (let i = 0; i < count; i++) {
    const rdata = new Uint8Array(4 * size)
    for (let word = 0; word < size; word++) {
      const value = words[from + i * size + word]!
      rdata[4 * word] = value >>> 24
      rdata[4 * word + 1] = value >>> 16
      rdata[4 * word + 2] = value >>> 8
      rdata[4 * word + 3] = value
    }
    records.push({ owner, type, ttl, rdata })
  }
}

function addSrv(
  records: ZoneRecord[],
  owner: Uint8Array,
  ttl: number,
  words: Int32Array,
  octets: Uint8Array,
  set: number,
): void {
  const weight = words[set]! >>> 16
  const suffix = owner.subarray(words[set + 1]! & 0xff)
  for (let i = 0, count = words[set]! & 0xffff; i < count; i++) {
    const entry = set + words[set + 2 + i]!
    const head = words[entry]!
    const labels = (entry + 1 + ((head >>> 16) & 0xff) + 4 * (head >>> 24)) * 4
    const labelOctets = octets[labels]!
    const rdata = new Uint8Array(SRV_FIXED_OCTETS + labelOctets + suffix.length)
    rdata[2] = weight >>> 8
    rdata[3] = weight
    rdata[4] = (head & 0xffff) >>> 8
    rdata[5] = head
    rdata.set(octets.subarray(labels + 1, labels + 1 + labelOctets), SRV_FIXED_OCTETS)
    rdata.set(suffix, SRV_FIXED_OCTETS + labelOctets)
    records.push({ owner, type: TYPE_SRV, ttl, rdata })
  }
}

function addRaw(
  records: ZoneRecord[],
  owner: Uint8Array,
  ttl: number,
  words: Int32Array,
  octets: Uint8Array,
  raw: number,
): void {
  for (let set = raw + 2, sets = words[raw]!; sets > 0; sets--, set += words[set + 1]!) {
    const type = words[set]! & 0xffff
    let at = (set + 2) * 4
    for (let left = words[set]! >>> 16; left > 0; left--) {
      const end = at + 2 + ((octets[at]! << 8) | octets[at + 1]!)
      records.push({ owner, type, ttl, rdata: octets.slice(at + 2, end) })
      at = end
    }
  }
}

/** What answer/zonal.ts answers at the names below `owner`. */
function addZonal(
  records: ZoneRecord[],
  owner: Uint8Array,
  ttl: number,
  words: Int32Array,
  octets: Uint8Array,
  start: number,
): void {
  const v4 = start + (words[start]! >>> 16)
  const v6 = v4 + words[start + ZONES_V4]!
  const add = (
    labels: Uint8Array,
    policy: Uint8Array,
    first4: number,
    n4: number,
    first6: number,
    n6: number,
  ): void => {
    const name = Uint8Array.of(...labels, ...policy, ...owner)
    if (name.length > MAX_NAME_OCTETS) return
    addAddresses(records, name, ttl, words, v4 + first4, n4, TYPE_A)
    addAddresses(records, name, ttl, words, v6 + 4 * first6, n6, TYPE_AAAA)
  }
  let group = start + ZONES_GROUPS
  for (let i = 0, groups = words[start]! & 0xffff; i < groups; i++) {
    const at = (group + 4) * 4
    const labels = octets[at] === 0 ? NO_LABELS : octets.slice(at + 1, at + 1 + octets[at]!)
    const [first4, n4, first6, n6] = [words[group]!, words[group + 1]!, words[group + 2]!, words[group + 3]!]
    // Endpoints without a topology zone are in the wildcard's set alone.
    for (const policy of labels.length === 0 ? [] : [PIN, PREFER]) add(labels, policy, first4, n4, first6, n6)
    group += 4 + ((octets[at]! + 4) >>> 2)
  }
  add(WILDCARD, PREFER, 0, words[start + ZONES_ALL_V4]!, 0, words[start + ZONES_ALL_V6]!)
}

/** Word offset behind the block. */
function endOf(words: Int32Array, block: number): number {
  const flags = flagsOf(words, block)
  if ((flags & HAS_ZONES) !== 0) {
    const zones = startZones(words, block)
    return zones + zonesWords(words, zones)
  }
  const raw = startRaw(words, block)
  return (flags & HAS_RAW) === 0 ? raw : raw + words[raw + 1]!
}

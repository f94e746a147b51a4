/**
 * Where the sets of a name block lie. Layer: table. Hot: arithmetic only.
 */

import {
  BLOCK_COUNTS,
  BLOCK_META,
  BLOCK_NAME,
  HAS_RAW,
  HAS_SRV,
  META_FLAGS_SHIFT,
  META_ZONE_SHIFT,
  ZONES_V4,
  ZONES_V6,
} from './layout.ts'

export function nameOctets(words: Int32Array, block: number): number {
  return words[block + BLOCK_META]! & 0xff
}

export function flagsOf(words: Int32Array, block: number): number {
  return words[block + BLOCK_META]! >>> META_FLAGS_SHIFT
}

export function zoneOf(words: Int32Array, block: number): number {
  return (words[block + BLOCK_META]! >>> META_ZONE_SHIFT) & 0xff
}

export function countA(words: Int32Array, block: number): number {
  return words[block + BLOCK_COUNTS]! & 0xffff
}

export function countAAAA(words: Int32Array, block: number): number {
  return words[block + BLOCK_COUNTS]! >>> 16
}

/** First word of the A records. */
export function startA(words: Int32Array, block: number): number {
  return block + BLOCK_NAME + ((nameOctets(words, block) + 3) >>> 2)
}

export function startAAAA(words: Int32Array, block: number): number {
  return startA(words, block) + countA(words, block)
}

/** First word of the SRV set; the block has HAS_SRV. */
export function startSrv(words: Int32Array, block: number): number {
  return startAAAA(words, block) + 4 * countAAAA(words, block)
}

/** First word of the raw sets; the block has HAS_RAW. */
export function startRaw(words: Int32Array, block: number): number {
  const srv = startSrv(words, block)
  return (flagsOf(words, block) & HAS_SRV) === 0 ? srv : srv + (words[srv + 1]! >>> 8)
}

/** First word of the topology zones; the block has HAS_ZONES. */
export function startZones(words: Int32Array, block: number): number {
  const raw = startRaw(words, block)
  return (flagsOf(words, block) & HAS_RAW) === 0 ? raw : raw + words[raw + 1]!
}

export function zonesWords(words: Int32Array, zones: number): number {
  return (words[zones]! >>> 16) + words[zones + ZONES_V4]! + 4 * words[zones + ZONES_V6]!
}

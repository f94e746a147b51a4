/**
 * A table and a reader of it, for tests: names are looked up as a data-plane thread does it, and what is found is
 * decoded into values that can be compared.
 */

import { decodeRawSets } from '../../src/table/block.ts'
import {
  BLOCK_CHILDREN,
  BLOCK_TTL,
  HAS_CNAME,
  HAS_RAW,
  HAS_SRV,
  HAS_ZONES,
  IS_PUT,
  MAX_READERS,
  ZONES_GROUPS,
  ZONES_V4,
} from '../../src/table/layout.ts'
import { createSharedMemory, type SharedMemory } from '../../src/table/memory.ts'
import { TableReader } from '../../src/table/reader.ts'
import {
  countA,
  countAAAA,
  flagsOf,
  startA,
  startAAAA,
  startRaw,
  startSrv,
  startZones,
  zoneOf,
} from '../../src/table/sections.ts'
import { TableWriter } from '../../src/table/writer.ts'
import type { SoaTimers } from '../../src/table/zones.ts'
import { parseName, prependLabels, type WireName } from '../../src/wire/name.ts'
import { hashName } from './hash-name.ts'

const TIMERS: SoaTimers = { refresh: 7200, retry: 1800, expire: 86_400, minimum: 1 }
const SEED = 0x1d872b41
/** Set by the table itself, from what is at the name. */
const CONTENT_FLAGS = HAS_SRV | HAS_RAW | HAS_ZONES | HAS_CNAME | IS_PUT
const INITIAL_PAGES = 2

export interface TestTable {
  readonly memory: SharedMemory
  readonly writer: TableWriter
}

/** A synced table with these zones; zones above others come first. */
export function createTable(zones: readonly string[], memory = createSharedMemory(INITIAL_PAGES)): TestTable {
  const writer = new TableWriter(memory, 0, SEED)
  for (const zone of zones) writer.addZone({ owner: parseName(zone)!, ttl: 5 }, TIMERS, 1)
  writer.setSynced()
  writer.commit()
  return { memory, writer }
}

export function nameOf(labels: string, zone: string): WireName {
  return prependLabels(labels.split('.'), parseName(zone)!)!
}

/** All that is at a name, in values that deepEqual compares. */
export interface Found {
  readonly zone: number
  readonly ttl: number
  readonly flags: number
  readonly children: number
  readonly a: number[]
  readonly aaaa: string
  readonly srv: { suffixStart: number; weight: number; targets: string[] } | undefined
  readonly raw: string[]
  readonly zones: string[]
}

/** One reader: look-ups between `begin` and `end`. */
export class Lookup {
  readonly reader: TableReader
  private readonly key = new Uint8Array(260)
  private readonly keyView = new DataView(this.key.buffer)

  constructor(memory: SharedMemory, row: number) {
    if (row >= MAX_READERS) throw new RangeError(`no row ${row}`)
    this.reader = new TableReader(memory, row)
  }

  /** @returns word offset of the block, or 0 */
  find(name: WireName): number {
    this.key.fill(0)
    this.key.set(name)
    return this.reader.find(hashName(name, this.reader.seed), this.keyView, 0, name.length)
  }

  /** A batch of one. */
  get(name: WireName): Found | undefined {
    this.reader.begin()
    const block = this.find(name)
    const found = block === 0 ? undefined : this.decode(block)
    this.reader.end()
    return found
  }

  decode(block: number): Found {
    const { words, octets } = this.reader
    const flags = flagsOf(words, block)
    const a = startA(words, block)
    return {
      zone: zoneOf(words, block),
      ttl: words[block + BLOCK_TTL]!,
      flags: flags & ~CONTENT_FLAGS,
      children: words[block + BLOCK_CHILDREN]!,
      a: Array.from(words.slice(a, a + countA(words, block)), address => address >>> 0),
      aaaa: hexOfWords(words, startAAAA(words, block), 4 * countAAAA(words, block)),
      srv: (flags & HAS_SRV) === 0 ? undefined : decodeSrv(words, octets, startSrv(words, block)),
      raw: (flags & HAS_RAW) === 0 ? [] : decodeRawSets(words, octets, startRaw(words, block)).map(formatRaw),
      zones: (flags & HAS_ZONES) === 0 ? [] : decodeZones(words, octets, startZones(words, block)),
    }
  }
}

export function formatRaw({ type, rdata }: { type: number; rdata: readonly Uint8Array[] }): string {
  return `${type} ${rdata.map(hexOf).join(' ')}`
}

export function formatTarget(port: number, label: string, v4: ArrayLike<number>, v6: string): string {
  return `${port} ${JSON.stringify(label)} ${Array.from(v4, address => address >>> 0)} ${v6}`
}

export function formatGroup(labels: Uint8Array, v4: ArrayLike<number>, v6: string): string {
  return `${hexOf(labels)} ${Array.from(v4, address => address >>> 0)} ${v6}`
}

export function hexOf(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex')
}

function hexOfWords(words: Int32Array, from: number, count: number): string {
  let text = ''
  for (let i = 0; i < count; i++) text += (words[from + i]! >>> 0).toString(16).padStart(8, '0')
  return text
}

function decodeSrv(words: Int32Array, octets: Uint8Array, set: number): Found['srv'] {
  const targets: string[] = []
  for (let i = 0; i < (words[set]! & 0xffff); i++) {
    const entry = set + words[set + 2 + i]!
    const n4 = (words[entry]! >>> 16) & 0xff
    const n6 = words[entry]! >>> 24
    const labels = 4 * (entry + 1 + n4 + 4 * n6)
    const text = textOfLabels(octets.slice(labels + 1, labels + 1 + octets[labels]!))
    const v4 = words.slice(entry + 1, entry + 1 + n4)
    targets.push(formatTarget(words[entry]! & 0xffff, text, v4, hexOfWords(words, entry + 1 + n4, 4 * n6)))
  }
  return { suffixStart: words[set + 1]! & 0xff, weight: words[set]! >>> 16, targets }
}

function decodeZones(words: Int32Array, octets: Uint8Array, start: number): string[] {
  const groups: string[] = []
  const v4 = start + (words[start]! >>> 16)
  const v6 = v4 + words[start + ZONES_V4]!
  let group = start + ZONES_GROUPS
  for (let i = 0; i < (words[start]! & 0xffff); i++) {
    const [at4, n4, at6, n6] = words.slice(group, group + 4) as unknown as [number, number, number, number]
    const length = octets[(group + 4) * 4]!
    const labels = octets.slice((group + 4) * 4 + 1, (group + 4) * 4 + 1 + length)
    groups.push(formatGroup(labels, words.slice(v4 + at4, v4 + at4 + n4), hexOfWords(words, v6 + 4 * at6, 4 * n6)))
    group += 4 + ((length + 4) >>> 2)
  }
  return groups
}

/** Labels in wire form, without a root label, with dots between them. */
function textOfLabels(octets: Uint8Array): string {
  const labels: string[] = []
  for (let at = 0; at < octets.length; at += 1 + octets[at]!) {
    labels.push(Buffer.from(octets.slice(at + 1, at + 1 + octets[at]!)).toString())
  }
  return labels.join('.')
}

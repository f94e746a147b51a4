/**
 * What has changed in a zone since an earlier version, for incremental transfers, in pieces, while the zone changes on. Layer:
 * transfer. RFC 1995 §4.
 *
 * What was at a name is the oldest of its images since. What is at it is read in the table when its turn comes, twice: for what is
 * gone and for what is new. Of a name that changes meanwhile, what was there at the begin is kept (an image), and read instead.
 */

import { BLOCK_META, META_ZONE_SHIFT } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { Query } from '../wire/query.ts'
import { type Images, type Journal, type Observer, octetsOf } from './journal.ts'
import { type Image, recordsAt, type ZoneRecord } from './zone-records.ts'

/** Names of one piece, and images that are put together in one: a fraction of a millisecond. */
const PIECE_NAMES = 32
const PIECE_IMAGES = 256

export class Difference implements Observer {
  readonly zone: number
  /** More changed than may be kept: the rest is not known any more. */
  isLost = false
  private readonly table: TableReader
  private readonly journal: Journal
  private readonly steps: readonly Images[]
  /** What was at the names that changed since. */
  private readonly before = new Map<string, Image | undefined>()
  private isMerged = false
  private readonly maxOctets: number
  private readonly images = new Map<string, Image | undefined>()
  private octets = 0
  private readonly name: Query

  /**
   * As of now: later changes are not in it. To be closed.
   * @param steps     what was at names before they changed, the oldest first
   * @param maxOctets of images
   */
  constructor(table: TableReader, zone: number, journal: Journal, steps: readonly Images[], maxOctets: number) {
    this.table = table
    this.zone = zone
    this.journal = journal
    this.steps = steps
    this.maxOctets = maxOctets
    this.name = new Query(table.seed)
    journal.observe(this)
  }

  /** Records that are gone, of some names each, none perhaps. To be given up when `isLost`. */
  *removed(): Generator<ZoneRecord[]> {
    yield* this.merge()
    yield* this.pieces(withoutCommon)
  }

  /** Records that are new, in the same way, after those that are gone. */
  added(): Generator<ZoneRecord[]> {
    return this.pieces((before, now) => withoutCommon(now, before))
  }

  /** Changes need not be kept any more. */
  close(): void {
    this.journal.forget(this)
  }

  wants(_hash: number, key: string): boolean {
    return (!this.isMerged || this.before.has(key)) && !this.images.has(key)
  }

  take(key: string, image: Image | undefined): void {
    this.images.set(key, image)
    this.octets += octetsOf(image)
    if (this.octets <= this.maxOctets) return
    this.isLost = true
    this.images.clear()
    this.close()
  }

  private *merge(): Generator<ZoneRecord[]> {
    const { before } = this
    let taken = 0
    for (const images of this.steps) {
      for (const [key, image] of images) {
        if (!before.has(key)) before.set(key, image)
        if (++taken % PIECE_IMAGES === 0) yield []
      }
    }
    this.isMerged = true
  }

  private *pieces(
    differing: (before: readonly ZoneRecord[], now: readonly ZoneRecord[]) => ZoneRecord[],
  ): Generator<ZoneRecord[]> {
    let piece: ZoneRecord[] = []
    let names = 0
    for (const [key, before] of this.before) {
      const now = this.images.has(key) ? recordsOf(this.images.get(key)) : this.live(key)
      // One by one: one name may have more records than a call takes arguments.
      for (const record of differing(recordsOf(before), now)) piece.push(record)
      if (++names % PIECE_NAMES > 0) continue
      yield piece
      piece = []
    }
    yield piece
  }

  private live(key: string): ZoneRecord[] {
    const { table, name } = this
    const owner = Buffer.from(key, 'latin1')
    name.readName(owner, 0, owner.length)
    table.begin()
    const block = table.find(name.suffixHash[0]!, name.nameView, 0, name.nameLength)
    const isThere = block !== 0 && ((table.words[block + BLOCK_META]! >>> META_ZONE_SHIFT) & 0xff) === this.zone
    const records = isThere ? recordsAt(table.words, table.octets, block) : []
    table.end()
    return records
  }
}

function recordsOf(image: Image | undefined): ZoneRecord[] {
  return image === undefined ? [] : recordsAt(image.words, image.octets, 0)
}

/** Of two lists of records, those that the other has not. */
function withoutCommon(records: readonly ZoneRecord[], others: readonly ZoneRecord[]): ZoneRecord[] {
  const known = new Set(others.map(recordKey))
  return records.filter(record => !known.has(recordKey(record)))
}

function recordKey({ owner, type, ttl, rdata }: ZoneRecord): string {
  return `${type} ${ttl} ${owner.length} ${latin1(owner)}${latin1(rdata)}`
}

function latin1(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1')
}

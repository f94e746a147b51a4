/**
 * What has changed in a zone since an earlier version, for incremental transfers. Layer: transfer. RFC 1995 §4.
 */

import { BLOCK_META, META_ZONE_SHIFT } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { Query } from '../wire/query.ts'
import type { Images } from './journal.ts'
import { copyBlock, type Image, recordsAt, type ZoneRecord } from './zone-records.ts'

/** What was and what is at one name. */
interface Change {
  readonly before: Image | undefined
  readonly now: Image | undefined
}

export class Difference {
  private readonly changes: Change[] = []

  /** As of now: later changes are not in it. @param images what was at the names that changed since */
  constructor(table: TableReader, zone: number, images: Images) {
    const name = new Query(table.seed)
    table.begin()
    for (const [key, before] of images) {
      const owner = Buffer.from(key, 'latin1')
      name.readName(owner, 0, owner.length)
      const block = table.find(name.suffixHash[0]!, name.nameView, 0, name.nameLength)
      const isThere = block !== 0 && ((table.words[block + BLOCK_META]! >>> META_ZONE_SHIFT) & 0xff) === zone
      this.changes.push({ before, now: isThere ? copyBlock(table.words, block) : undefined })
    }
    table.end()
  }

  /** Records that are gone, name after name. */
  *removed(): Generator<ZoneRecord[]> {
    for (const { before, now } of this.changes) yield withoutCommon(recordsOf(before), recordsOf(now))
  }

  /** Records that are new. */
  *added(): Generator<ZoneRecord[]> {
    for (const { before, now } of this.changes) yield withoutCommon(recordsOf(now), recordsOf(before))
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

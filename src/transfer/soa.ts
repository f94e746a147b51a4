/**
 * The SOA of a zone as a record by itself: first and last in a transfer, the hint in a NOTIFY. Layer: transfer.
 * RFC 1035 §3.3.13. answer/soa.ts writes the same into answers.
 */

import { SOA_MINIMUM, SOA_SERIAL, SOA_WORDS } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { TYPE_SOA } from '../wire/constants.ts'
import { prependLabels, type WireName } from '../wire/name.ts'
import type { ZoneRecord } from './zone-records.ts'

/** The latest version of the zone, on the writer's thread. @param ttl seconds, of the zone's own names */
export function soaRecord(table: TableReader, zone: number, apex: WireName, ttl: number): ZoneRecord {
  const soa = table.soaOf(zone)
  const names = Uint8Array.of(...prependLabels(['ns', 'dns'], apex)!, ...prependLabels(['hostmaster'], apex)!)
  const rdata = new Uint8Array(names.length + 4 * (SOA_WORDS - SOA_SERIAL))
  rdata.set(names)
  const view = new DataView(rdata.buffer)
  for (let word = SOA_SERIAL; word < SOA_WORDS; word++) {
    view.setUint32(names.length + 4 * (word - SOA_SERIAL), table.words[soa + word]!)
  }
  return { owner: apex, type: TYPE_SOA, ttl: Math.max(ttl, table.words[soa + SOA_MINIMUM]!), rdata }
}

/** Octets from SERIAL to the end of a SOA's RDATA. */
const NUMBERS_OCTETS = 20

export function serialOf({ rdata }: ZoneRecord): number {
  return new DataView(rdata.buffer, rdata.byteOffset).getUint32(rdata.length - NUMBERS_OCTETS)
}

/** The same SOA with another serial. */
export function withSerial(soa: ZoneRecord, serial: number): ZoneRecord {
  const rdata = soa.rdata.slice()
  new DataView(rdata.buffer).setUint32(rdata.length - NUMBERS_OCTETS, serial)
  return { ...soa, rdata }
}

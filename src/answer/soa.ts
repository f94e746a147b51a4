/**
 * The SOA of a zone: in the answer to a question for it, and in the authority section of every negative answer.
 * Layer: answer. RFC 1035 §3.3.13, RFC 2308 §3.
 *
 *   +------+----------------------+---------+---------+-------------------------------------------+
 *   | head | 02 ns 03 dns C0 zone | 0A hostmaster C0 zone | SERIAL REFRESH RETRY EXPIRE MINIMUM |
 *   +------+----------------------+---------+---------+-------------------------------------------+
 *
 * The zone is a suffix of a name in the message, so the owner and both names of the RDATA end in a pointer to it.
 */

import { SOA_MINIMUM, SOA_NAME_OCTETS, SOA_SERIAL } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { POINTER, TYPE_SOA } from '../wire/constants.ts'
import { RECORD_OCTETS, type Reply } from './reply.ts'

/** `ns.dns` and `hostmaster` as labels, each before a pointer. */
const MNAME_LABELS = Uint8Array.of(2, 0x6e, 0x73, 3, 0x64, 0x6e, 0x73)
const RNAME_LABELS = Uint8Array.of(10, 0x68, 0x6f, 0x73, 0x74, 0x6d, 0x61, 0x73, 0x74, 0x65, 0x72)
const RDATA_OCTETS = MNAME_LABELS.length + 2 + RNAME_LABELS.length + 2 + 20

/**
 * @param zone  number of the zone
 * @param nameEnd offset in the message of the end of the name that lies in the zone
 * @param ttl   seconds; -1: the negative TTL, which is the MINIMUM (RFC 2308 §5)
 * @returns false when there is no room
 */
export function putSoa(reply: Reply, table: TableReader, zone: number, nameEnd: number, ttl: number): boolean {
  if (reply.at + RECORD_OCTETS + RDATA_OCTETS > reply.end) return false
  const soa = table.soaOf(zone)
  const { words } = table
  const owner = nameEnd - words[soa + SOA_NAME_OCTETS]!
  reply.putRecordHead(owner, TYPE_SOA, ttl < 0 ? words[soa + SOA_MINIMUM]! : ttl, RDATA_OCTETS)
  putLabels(reply, MNAME_LABELS, owner)
  putLabels(reply, RNAME_LABELS, owner)
  for (let i = 0; i < 5; i++) reply.view.setUint32(reply.at + 4 * i, words[soa + SOA_SERIAL + i]!)
  reply.at += 20
  return true
}

function putLabels(reply: Reply, labels: Uint8Array, zone: number): void {
  for (let i = 0; i < labels.length; i++) reply.octets[reply.at + i] = labels[i]!
  reply.at += labels.length
  reply.view.setUint16(reply.at, POINTER | zone)
  reply.at += 2
}

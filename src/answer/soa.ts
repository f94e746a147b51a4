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

/** `ns.dns` and a pointer, `hostmaster` and a pointer, five numbers. */
const MNAME_OCTETS = 9
const RNAME_OCTETS = 13
const RDATA_OCTETS = MNAME_OCTETS + RNAME_OCTETS + 20

/**
 * @param zone  number of the zone
 * @param nameEnd offset in the message of the end of the name that lies in the zone
 * @param ttl   seconds, of the zone's own names; -1: the negative TTL, which is the MINIMUM (RFC 2308 §5)
 * @returns false when there is no room
 */
export function putSoa(reply: Reply, table: TableReader, zone: number, nameEnd: number, ttl: number): boolean {
  if (reply.at + RECORD_OCTETS + RDATA_OCTETS > reply.end) return false
  const soa = table.soaOf(zone)
  const { words } = table
  const owner = nameEnd - words[soa + SOA_NAME_OCTETS]!
  // RFC 2308 §3: the negative TTL is no more than the SOA's own, which is therefore no less
  reply.putRecordHead(owner, TYPE_SOA, Math.max(ttl, words[soa + SOA_MINIMUM]!), RDATA_OCTETS)
  const { view, at } = reply
  // 02 n s 03, d n, s
  view.setUint32(at, 0x026e7303)
  view.setUint16(at + 4, 0x646e)
  view.setUint8(at + 6, 0x73)
  view.setUint16(at + 7, POINTER | owner)
  // 0a h o s, t m a s, t e, r
  view.setUint32(at + 9, 0x0a686f73)
  view.setUint32(at + 13, 0x746d6173)
  view.setUint16(at + 17, 0x7465)
  view.setUint8(at + 19, 0x72)
  view.setUint16(at + 20, POINTER | owner)
  for (let i = 0; i < 5; i++) view.setUint32(at + 22 + 4 * i, words[soa + SOA_SERIAL + i]!)
  reply.at += RDATA_OCTETS
  return true
}

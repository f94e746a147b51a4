/**
 * The answer to QTYPE ANY. Layer: answer. RFC 8482 §4.2: one HINFO, CPU "RFC8482", OS empty; small on purpose.
 */

import { TYPE_HINFO } from '../wire/constants.ts'
import { RECORD_OCTETS, type Reply } from './reply.ts'

const RDATA = Uint8Array.of(7, 0x52, 0x46, 0x43, 0x38, 0x34, 0x38, 0x32, 0)

export function putHinfo(reply: Reply, owner: number, ttl: number): void {
  if (reply.at + RECORD_OCTETS + RDATA.length > reply.end) {
    reply.truncated = true
    return
  }
  reply.putRecordHead(owner, TYPE_HINFO, ttl, RDATA.length)
  for (let i = 0; i < RDATA.length; i++) reply.octets[reply.at + i] = RDATA[i]!
  reply.at += RDATA.length
  reply.answers++
}

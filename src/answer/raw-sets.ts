/**
 * RRsets whose RDATA lies finished in the table: PTR, CNAME, NS, TXT. Layer: answer.
 */

import { BLOCK_TTL } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { startRaw } from '../table/sections.ts'
import { RECORD_OCTETS, type Reply } from './reply.ts'

/**
 * Adds the records of `type` to the answer section, as many as fit.
 * @param block has HAS_RAW
 * @returns offset in the message of the last record's RDATA; 0: the name has no such set; -1: it has, and none fits
 */
export function putRaw(reply: Reply, table: TableReader, block: number, type: number, owner: number): number {
  const { words, octets } = table
  const ttl = words[block + BLOCK_TTL]!
  const raw = startRaw(words, block)
  let set = raw + 2
  for (let sets = words[raw]!; sets > 0; sets--) {
    if ((words[set]! & 0xffff) === type) {
      let from = (set + 2) * 4
      let rdataAt = 0
      for (let records = words[set]! >>> 16; records > 0; records--) {
        const rdlength = (octets[from]! << 8) | octets[from + 1]!
        if (reply.at + RECORD_OCTETS + rdlength > reply.end) {
          reply.truncated = true
          break
        }
        reply.putRecordHead(owner, type, ttl, rdlength)
        rdataAt = reply.at - reply.start
        for (let i = 0; i < rdlength; i++) reply.octets[reply.at + i] = octets[from + 2 + i]!
        reply.at += rdlength
        reply.answers++
        from += 2 + rdlength
      }
      return rdataAt === 0 ? -1 : rdataAt
    }
    set += words[set + 1]!
  }
  return 0
}

/**
 * RRsets whose RDATA lies finished in the table: PTR, CNAME, NS, TXT. Layer: answer.
 */

import { BLOCK_TTL } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { startRaw } from '../table/sections.ts'
import type { Order } from './order.ts'
import { RECORD_OCTETS, type Reply } from './reply.ts'

/**
 * Adds the records of `type` to the answer section, as many as fit: from the first on, or, when not all do, from any of them on.
 * @param block has HAS_RAW
 * @param key   tells one set from another
 * @returns offset in the message of the last record's RDATA; 0: the name has no such set; -1: it has, and none fits
 */
export function putRaw(
  reply: Reply,
  table: TableReader,
  block: number,
  type: number,
  owner: number,
  order: Order,
  key: number,
): number {
  const { words } = table
  const raw = startRaw(words, block)
  let set = raw + 2
  for (let sets = words[raw]!; sets > 0; sets--) {
    if ((words[set]! & 0xffff) === type) return putSet(reply, table, block, set, owner, order, key)
    set += words[set + 1]!
  }
  return 0
}

function putSet(
  reply: Reply,
  table: TableReader,
  block: number,
  set: number,
  owner: number,
  order: Order,
  key: number,
): number {
  const { words, octets } = table
  const ttl = words[block + BLOCK_TTL]!
  const type = words[set]! & 0xffff
  const records = words[set]! >>> 16
  const begin = (set + 2) * 4
  // What the set takes in the table is no less than its RDATA and two octets for each length.
  const most = words[set + 1]! * 4 + records * (RECORD_OCTETS - 2)
  let from = begin
  let left = records
  if (records > 1 && reply.at + most > reply.end) {
    order.deal(records, 1, key)
    for (let skipped = order.picks[0]!; skipped > 0; skipped--, left--) from += 2 + lengthAt(octets, from)
  }
  let rdataAt = 0
  for (let given = 0; given < records; given++) {
    if (left-- === 0) from = begin
    const rdlength = lengthAt(octets, from)
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

function lengthAt(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!
}

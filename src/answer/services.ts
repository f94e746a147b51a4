/**
 * SRV RRsets with the addresses of their targets. Layer: answer. Hot.
 * RFC 2782: the target is not compressed. Answers come first; addresses fill what room is left, and leaving them out
 * does not set TC (RFC 2181 §9).
 *
 *   +-------+-----------+----------+--------+------+- - - - - - - - - - -
 *   | head (12 octets)  | priority | weight | port | label . suffix
 *   +-------+-----------+----------+--------+------+- - - - - - - - - - -
 */

import { BLOCK_NAME, BLOCK_TTL } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { nameOctets, startSrv } from '../table/sections.ts'
import { MAX_POINTER_TARGET, TYPE_SRV } from '../wire/constants.ts'
import { A_OCTETS, AAAA_OCTETS, putOneA, putOneAAAA } from './addresses.ts'
import type { Order } from './order.ts'
import { RECORD_OCTETS, type Reply } from './reply.ts'

/** Octets of SRV RDATA before the target. */
const SRV_FIXED_OCTETS = 6
/** SRV records that fit the largest message: no more targets are ever given. */
const MAX_TARGETS = 4096

/** Where in the message each target given was written. */
const targetAt = new Uint16Array(MAX_TARGETS)

/** @param block has HAS_SRV */
export function putSrv(
  reply: Reply,
  table: TableReader,
  block: number,
  owner: number,
  order: Order,
  key: number,
): void {
  const { words, octets } = table
  const set = startSrv(words, block)
  const size = words[set]! & 0xffff
  const weight = words[set]! >>> 16
  const ttl = words[block + BLOCK_TTL]!
  const suffixStart = words[set + 1]! & 0xff
  const suffixOctets = nameOctets(words, block) - suffixStart
  const suffix = (block + BLOCK_NAME) * 4 + suffixStart
  const least = RECORD_OCTETS + SRV_FIXED_OCTETS + suffixOctets
  const most = Math.min(size, ((reply.end - reply.at) / least) | 0, MAX_TARGETS)
  order.deal(size, most, key)

  let given = 0
  while (given < most) {
    const entry = set + words[set + 2 + order.picks[given]!]!
    const labels = labelsOf(words, entry)
    const labelOctets = octets[labels]!
    const rdlength = SRV_FIXED_OCTETS + labelOctets + suffixOctets
    if (reply.at + RECORD_OCTETS + rdlength > reply.end) break
    reply.putRecordHead(owner, TYPE_SRV, ttl, rdlength)
    const at = reply.at
    reply.view.setUint16(at, 0)
    reply.view.setUint16(at + 2, weight)
    reply.view.setUint16(at + 4, words[entry]! & 0xffff)
    targetAt[given++] = at + SRV_FIXED_OCTETS - reply.start
    copy(octets, labels + 1, reply.octets, at + SRV_FIXED_OCTETS, labelOctets)
    copy(octets, suffix, reply.octets, at + SRV_FIXED_OCTETS + labelOctets, suffixOctets)
    reply.at = at + rdlength
  }
  reply.answers += given
  if (given < size) {
    reply.truncated = true
    return
  }
  for (let i = 0; i < given; i++) putGlue(reply, words, set + words[set + 2 + order.picks[i]!]!, targetAt[i]!, ttl)
}

function putGlue(reply: Reply, words: Int32Array, entry: number, owner: number, ttl: number): void {
  if (owner > MAX_POINTER_TARGET) return
  const n4 = (words[entry]! >>> 16) & 0xff
  const n6 = words[entry]! >>> 24
  if (reply.at + n4 * A_OCTETS + n6 * AAAA_OCTETS > reply.end) return
  for (let i = 0; i < n4; i++) putOneA(reply, words[entry + 1 + i]!, owner, ttl)
  for (let i = 0; i < n6; i++) putOneAAAA(reply, words, entry + 1 + n4 + 4 * i, owner, ttl)
  reply.additional += n4 + n6
}

/** Octet offset of the entry's labels: how many octets they take, then they. */
function labelsOf(words: Int32Array, entry: number): number {
  const head = words[entry]!
  return (entry + 1 + ((head >>> 16) & 0xff) + 4 * (head >>> 24)) * 4
}

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!
}

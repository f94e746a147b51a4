/**
 * The records of one type at a name that exists. Layer: answer. Hot.
 */

import { BLOCK_COUNTS, BLOCK_TTL, HAS_RAW, HAS_SRV } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { countA, countAAAA, flagsOf, startA, startAAAA, zoneOf } from '../table/sections.ts'
import { TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_NS, TYPE_SOA, TYPE_SRV } from '../wire/constants.ts'
import { NAME_APEX } from '../wire/owner-records.ts'
import type { Query } from '../wire/query.ts'
import { A_OCTETS, AAAA_OCTETS, putA, putAAAA, putOneA, putOneAAAA } from './addresses.ts'
import { putHinfo } from './any.ts'
import type { Order } from './order.ts'
import { putRaw } from './raw-sets.ts'
import type { Reply } from './reply.ts'
import { putSrv } from './services.ts'
import { putSoa } from './soa.ts'

/**
 * Adds what there is to the answer section; nothing: NODATA.
 * @param query   its name is that of the block
 * @param type    QTYPE, or CNAME where the name is an alias
 * @param owner   offset of the name in the message
 * @param another overwritten: for another name that is looked up
 */
export function putName(
  reply: Reply,
  table: TableReader,
  query: Query,
  block: number,
  type: number,
  owner: number,
  order: Order,
  another: Query,
): void {
  const { words } = table
  const key = query.suffixHash[0]! ^ type
  const ttl = words[block + BLOCK_TTL]!
  if (type === TYPE_A) {
    putA(reply, words, startA(words, block), countA(words, block), owner, ttl, order, key)
    return
  }
  if (type === TYPE_AAAA) {
    putAAAA(reply, words, startAAAA(words, block), countAAAA(words, block), owner, ttl, order, key)
    return
  }
  const flags = flagsOf(words, block)
  if (type === TYPE_SRV) {
    if ((flags & HAS_SRV) !== 0) putSrv(reply, table, block, owner, order, key)
  } else if (type === TYPE_ANY) {
    // RFC 8482 §4.2: a name that has any record has a HINFO to say that ANY is not answered
    const isEmpty = words[block + BLOCK_COUNTS] === 0 && (flags & (HAS_SRV | HAS_RAW | NAME_APEX)) === 0
    if (!isEmpty) putHinfo(reply, owner, ttl)
  } else if (type === TYPE_SOA && (flags & NAME_APEX) !== 0) {
    if (putSoa(reply, table, zoneOf(words, block), owner + query.nameLength, ttl)) reply.answers++
  } else if ((flags & HAS_RAW) !== 0) {
    const rdata = putRaw(reply, table, block, type, owner, order, key)
    if (type === TYPE_NS && rdata > 0) putNameServerAddresses(reply, table, another, rdata)
  }
}

/** Addresses of the zone's one name server, in the additional section if they fit. @param rdata offset of its name */
function putNameServerAddresses(reply: Reply, table: TableReader, server: Query, rdata: number): void {
  server.readName(reply.octets, reply.start + rdata, reply.at)
  const block = table.find(server.suffixHash[0]!, server.nameView, 0, server.nameLength)
  if (block === 0) return
  const { words } = table
  const ttl = words[block + BLOCK_TTL]!
  const n4 = countA(words, block)
  const n6 = countAAAA(words, block)
  if (reply.at + n4 * A_OCTETS + n6 * AAAA_OCTETS > reply.end) return
  for (let i = 0; i < n4; i++) putOneA(reply, words[startA(words, block) + i]!, rdata, ttl)
  for (let i = 0; i < n6; i++) putOneAAAA(reply, words, startAAAA(words, block) + 4 * i, rdata, ttl)
  reply.additional += n4 + n6
}

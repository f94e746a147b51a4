/**
 * Zonal names of a headless Service: `<topology zone>.pin._zone.<svc>…` (only the ready endpoints there, NODATA when
 * there are none) and `<topology zone>.prefer._zone.<svc>…` (all of them when there are none there). Layer: answer.
 * Any zone can be asked for, so the names are made from the one block at `_zone.<svc>…`. A zone may be several labels.
 */

import { BLOCK_TTL, MAX_COUNT, ZONES_ALL_V4, ZONES_ALL_V6, ZONES_GROUPS, ZONES_V4 } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { startZones } from '../table/sections.ts'
import { TYPE_A, TYPE_AAAA, TYPE_ANY } from '../wire/constants.ts'
import type { Query } from '../wire/query.ts'
import { putA, putAAAA } from './addresses.ts'
import { putHinfo } from './any.ts'
import type { Order } from './order.ts'
import type { Reply } from './reply.ts'

const PIN = Uint8Array.of(3, 0x70, 0x69, 0x6e)
const PREFER = Uint8Array.of(6, 0x70, 0x72, 0x65, 0x66, 0x65, 0x72)

/**
 * Answers the name in `query`, `below` labels below the block.
 * @param block has HAS_ZONES
 * @param owner offset of the name in the message
 * @returns false: no such name
 */
export function putZonal(
  reply: Reply,
  table: TableReader,
  block: number,
  query: Query,
  below: number,
  owner: number,
  order: Order,
): boolean {
  const { words, octets } = table
  const policyAt = query.labelStart[below - 1]!
  const isPrefer = isLabel(query.name, policyAt, PREFER)
  if (!isPrefer && !isLabel(query.name, policyAt, PIN)) return false
  if (below === 1) return true
  const start = startZones(words, block)
  const groups = words[start]! & 0xffff
  const v4 = start + (words[start]! >>> 16)
  const v6 = v4 + words[start + ZONES_V4]!
  let first4 = 0
  let count4 = isPrefer ? Math.min(words[start + ZONES_ALL_V4]!, MAX_COUNT) : 0
  let first6 = 0
  let count6 = isPrefer ? Math.min(words[start + ZONES_ALL_V6]!, MAX_COUNT) : 0
  let group = start + ZONES_GROUPS
  for (let i = 0; i < groups; i++) {
    const labels = (group + 4) * 4
    const length = octets[labels]!
    if (length === policyAt && length > 0 && isEqual(query.name, octets, labels + 1, length)) {
      first4 = words[group]!
      count4 = Math.min(words[group + 1]!, MAX_COUNT)
      first6 = words[group + 2]!
      count6 = Math.min(words[group + 3]!, MAX_COUNT)
    }
    group += 4 + ((length + 4) >>> 2)
  }
  const ttl = words[block + BLOCK_TTL]!
  const key = query.suffixHash[0]! ^ query.type
  if (query.type === TYPE_A) putA(reply, words, v4 + first4, count4, owner, ttl, order, key)
  else if (query.type === TYPE_AAAA) putAAAA(reply, words, v6 + 4 * first6, count6, owner, ttl, order, key)
  else if (query.type === TYPE_ANY && count4 + count6 > 0) putHinfo(reply, owner, ttl)
  return true
}

function isLabel(name: Uint8Array, at: number, label: Uint8Array): boolean {
  for (let i = 0; i < label.length; i++) if (name[at + i] !== label[i]) return false
  return true
}

function isEqual(name: Uint8Array, octets: Uint8Array, from: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (name[i] !== octets[from + i]) return false
  return true
}

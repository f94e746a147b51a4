/**
 * Names that are not in the table because there are too many of them: made from their labels, when their closest encloser
 * says so. Layer: answer.
 */

import { BLOCK_TTL, HAS_ZONES } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { flagsOf } from '../table/sections.ts'
import { TYPE_A, TYPE_AAAA, TYPE_ANY } from '../wire/constants.ts'
import { NAME_PODS, NAME_PODS_ANY_NAMESPACE } from '../wire/owner-records.ts'
import type { Query } from '../wire/query.ts'
import { putA, putAAAA } from './addresses.ts'
import { putHinfo } from './any.ts'
import type { Order } from './order.ts'
import { podAddress, readPodAddress } from './pod-addresses.ts'
import type { Reply } from './reply.ts'
import { putZonal } from './zonal.ts'

/**
 * @param encloser block of the closest encloser, `below` labels above the name in `query`
 * @param owner    offset of the name in the message
 * @returns false: the name does not exist
 */
export function putMade(
  reply: Reply,
  table: TableReader,
  query: Query,
  encloser: number,
  below: number,
  owner: number,
  order: Order,
): boolean {
  const { words } = table
  const flags = flagsOf(words, encloser)
  if ((flags & HAS_ZONES) !== 0) return putZonal(reply, table, encloser, query, below, owner, order)
  if ((flags & (NAME_PODS | NAME_PODS_ANY_NAMESPACE)) === 0) return false
  const labels = (flags & NAME_PODS) !== 0 ? 1 : 2
  if (below !== labels) return below < labels
  const family = readPodAddress(query.name, 0)
  const ttl = words[encloser + BLOCK_TTL]!
  if (family === 4 && query.type === TYPE_A) putA(reply, podAddress, 0, 1, owner, ttl, order, 0)
  else if (family === 6 && query.type === TYPE_AAAA) putAAAA(reply, podAddress, 0, 1, owner, ttl, order, 0)
  else if (family !== 0 && query.type === TYPE_ANY) putHinfo(reply, owner, ttl)
  return family !== 0
}

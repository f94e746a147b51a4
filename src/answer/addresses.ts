/**
 * A and AAAA RRsets: addresses in the table → records. Layer: answer. Hot.
 *
 *   A, RFC 1035 §3.4.1                          AAAA, RFC 3596 §2.2
 *   +-------+----+----+-----+----+---------+    +-------+----+----+-----+----+----------+
 *   | C0 nn | 01 | 01 | TTL | 04 | 4 octets|    | C0 nn | 1C | 01 | TTL | 10 | 16 octets|
 *   +-------+----+----+-----+----+---------+    +-------+----+----+-----+----+----------+
 *     16 octets                                   28 octets
 */

import { CLASS_IN, POINTER, TYPE_A, TYPE_AAAA } from '../wire/constants.ts'
import type { Order } from './order.ts'
import type { Reply } from './reply.ts'

export const A_OCTETS = 16
export const AAAA_OCTETS = 28

/**
 * Adds A records to the answer section, as many as fit.
 * @param from  first word of the addresses in `words`
 * @param size  addresses there
 * @param owner offset of the owner name in the message
 * @param key   tells the set from others (order.ts)
 */
export function putA(
  reply: Reply,
  words: Int32Array,
  from: number,
  size: number,
  owner: number,
  ttl: number,
  order: Order,
  key: number,
): void {
  const room = ((reply.end - reply.at) / A_OCTETS) | 0
  const count = Math.min(size, room)
  order.deal(size, count, key)
  const { picks } = order
  const { view } = reply
  const head = ((POINTER | owner) << 16) | TYPE_A
  let at = reply.at
  for (let i = 0; i < count; i++) {
    view.setInt32(at, head)
    view.setInt32(at + 4, (CLASS_IN << 16) | (ttl >>> 16))
    view.setInt32(at + 8, (ttl << 16) | 4)
    view.setInt32(at + 12, words[from + picks[i]!]!)
    at += A_OCTETS
  }
  reply.at = at
  reply.answers += count
  if (count < size) reply.truncated = true
}

/** Adds AAAA records to the answer section, as many as fit; parameters as for putA. */
export function putAAAA(
  reply: Reply,
  words: Int32Array,
  from: number,
  size: number,
  owner: number,
  ttl: number,
  order: Order,
  key: number,
): void {
  const room = ((reply.end - reply.at) / AAAA_OCTETS) | 0
  const count = Math.min(size, room)
  order.deal(size, count, key)
  for (let i = 0; i < count; i++) putOneAAAA(reply, words, from + 4 * order.picks[i]!, owner, ttl)
  reply.answers += count
  if (count < size) reply.truncated = true
}

/** Writes one A record; the caller has seen to the room. */
export function putOneA(reply: Reply, address: number, owner: number, ttl: number): void {
  reply.putRecordHead(owner, TYPE_A, ttl, 4)
  reply.view.setInt32(reply.at, address)
  reply.at += 4
}

/** Writes one AAAA record from the four words at `from`; the caller has seen to the room. */
export function putOneAAAA(reply: Reply, words: Int32Array, from: number, owner: number, ttl: number): void {
  reply.putRecordHead(owner, TYPE_AAAA, ttl, 16)
  const { view, at } = reply
  view.setInt32(at, words[from]!)
  view.setInt32(at + 4, words[from + 1]!)
  view.setInt32(at + 8, words[from + 2]!)
  view.setInt32(at + 12, words[from + 3]!)
  reply.at = at + 16
}

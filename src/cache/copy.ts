/**
 * An entry's records → a reply: copied, TTLs patched, pointers moved when the question is not where they expect it.
 * Layer: cache. Hot: no allocation for small replies, no exceptions.
 */

import { HEADER_OCTETS, MAX_POINTER_TARGET, POINTER } from '../wire/constants.ts'
import {
  ENTRY_COUNTS,
  ENTRY_KEY,
  ENTRY_NAME,
  ENTRY_OCTETS,
  ENTRY_POINTERS,
  ENTRY_SET,
  firstRecordAt,
} from './layout.ts'

/** A reply being written. */
export interface ReplyRoom {
  readonly octets: Uint8Array
  readonly view: DataView
  /** First octet of the message; next to write; first that may not be written. */
  readonly start: number
  at: number
  readonly end: number
  answers: number
  authority: number
  truncated: boolean
}

/** Deals positions (answer/order.ts). */
export interface Dealer {
  readonly picks: Uint16Array
  deal(size: number, count: number, key: number): void
}

/** From so many octets on a call is cheaper than a loop. */
const MANY_OCTETS = 128

/**
 * Adds the entry's records to the reply. What does not fit is left out from the first such record on, and TC is set.
 * @param words, octets  the cache's memory
 * @param owner  where in the message the name stands that was asked for; HEADER_OCTETS: QNAME
 * @param ttl    of all records, seconds
 * @param dealer undefined: sets stay in the upstream's order
 * @returns false: the records cannot be pointed to from there; nothing was written
 */
export function copyEntry(
  words: Int32Array,
  octets: Uint8Array,
  block: number,
  reply: ReplyRoom,
  owner: number,
  ttl: number,
  dealer: Dealer | undefined,
): boolean {
  const { view, at } = reply
  const answers = words[block + ENTRY_COUNTS]! & 0xffff
  const all = answers + (words[block + ENTRY_COUNTS]! >>> 16)
  const nameOctets = words[block + ENTRY_KEY]! & 0xff
  const records = block + ENTRY_NAME + ((nameOctets + 3) >>> 2)
  const pointers = records + all
  const pointerCount = words[block + ENTRY_POINTERS]! >>> 16
  const from = (pointers + pointerCount) * 4
  let length = words[block + ENTRY_OCTETS]!
  let count = all
  if (length > reply.end - at) {
    // RFC 2181 §9: TC, and what comes before the first record that does not fit
    reply.truncated = true
    const room = reply.end - at
    while (count > 0 && (count === all ? length : words[records + count]! & 0xffff) > room) count--
    length = count === 0 ? 0 : words[records + count]! & 0xffff
  }
  const isMoved = owner !== HEADER_OCTETS || at - reply.start !== firstRecordAt(nameOctets)
  if (isMoved && at - reply.start + length > MAX_POINTER_TARGET) return false
  copyOctets(reply.octets, at, octets, from, length)
  if (dealer !== undefined) dealSet(words, octets, block, records, from, reply, count, dealer)
  for (let i = 0; i < count; i++) view.setUint32(at + (words[records + i]! >>> 16), ttl)
  if (isMoved) {
    const first = firstRecordAt(nameOctets)
    for (let i = 0; i < pointerCount; i++) {
      const pointerAt = words[pointers + i]!
      if (pointerAt >= length) break
      const target = view.getUint16(at + pointerAt) & MAX_POINTER_TARGET
      const moved = target < first ? target - HEADER_OCTETS + owner : target - first + at - reply.start
      view.setUint16(at + pointerAt, POINTER | moved)
    }
  }
  reply.at = at + length
  reply.answers += Math.min(count, answers)
  reply.authority += Math.max(0, count - answers)
  return true
}

/** The records of the set, which have one length and to which nothing points, in the order that is dealt. */
function dealSet(
  words: Int32Array,
  octets: Uint8Array,
  block: number,
  records: number,
  from: number,
  reply: ReplyRoom,
  count: number,
  dealer: Dealer,
): void {
  const size = words[block + ENTRY_SET]! >>> 16
  const first = words[block + ENTRY_SET]! & 0xffff
  const given = Math.min(size, count - first)
  if (size < 2 || given <= 0) return
  const stride = words[block + ENTRY_POINTERS]! & 0xffff
  const setAt = words[records + first]! & 0xffff
  dealer.deal(size, given, block)
  for (let i = 0; i < given; i++) {
    const source = from + setAt + dealer.picks[i]! * stride
    const target = reply.at + setAt + i * stride
    for (let k = 0; k < stride; k++) reply.octets[target + k] = octets[source + k]!
  }
}

function copyOctets(to: Uint8Array, at: number, octets: Uint8Array, from: number, length: number): void {
  if (length > MANY_OCTETS) to.set(octets.subarray(from, from + length), at)
  else for (let i = 0; i < length; i++) to[at + i] = octets[from + i]!
}

/**
 * The reply to a signed query: no key is known here. Layer: answer.
 * RFC 8945 §5.2.1: NOTAUTH, with the query's TSIG, error BADKEY and no MAC; it is the last record of the message (§5.1).
 *
 *   key name | 00FA | 00FF | TTL 0 | RDLENGTH | algorithm | time 6 | fudge 2 | MAC size 2, MAC | ID 2 | error 2 | other 2
 */

import { HEADER_OCTETS, MAX_NAME_OCTETS, OPT_OCTETS, POINTER, RCODE_FORMERR, RCODE_NOTAUTH } from '../wire/constants.ts'
import type { Query } from '../wire/query.ts'
import type { Reply } from './reply.ts'

const ERROR_BADKEY = 17

/** @returns octets of the reply */
export function refuseTsig(reply: Reply, query: Query, length: number, payload: number): number {
  const { octets, view, start } = reply
  const end = start + length
  const from = start + query.tsigAt
  const fixed = keyNameEnd(reply, query, from, end)
  const algorithmEnd = fixed === 0 ? 0 : plainNameEnd(octets, fixed + 10, end)
  // RFC 8945 §4.2: the algorithm's name, then at least 16 octets
  if (algorithmEnd === 0 || algorithmEnd + 16 > end) {
    reply.rcode = RCODE_FORMERR
    return reply.finishHeader()
  }
  const head = algorithmEnd - from
  const optOctets = payload > 0 ? OPT_OCTETS : 0
  const to = reply.at + optOctets
  reply.rcode = RCODE_NOTAUTH
  // Names of hundreds of octets: the reply says NOTAUTH without them rather than pass its limit.
  if (to + head + 16 > reply.end + optOctets) return reply.finish(payload)
  octets.copyWithin(to, from, algorithmEnd + 8)
  reply.additional = 1
  const withoutTsig = reply.finish(payload)
  const at = to + head
  view.setUint16(at - (algorithmEnd - fixed) + 8, algorithmEnd - fixed - 10 + 16)
  view.setUint16(at + 8, 0)
  view.setUint16(at + 10, view.getUint16(start))
  view.setUint16(at + 12, ERROR_BADKEY)
  view.setUint16(at + 14, 0)
  return withoutTsig + head + 16
}

/** @returns the end of a name without pointers, of 255 octets at most; else 0 */
function plainNameEnd(octets: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && octets[at]! !== 0) {
    if (octets[at]! > 63) return 0
    at += 1 + octets[at]!
    if (at - from >= MAX_NAME_OCTETS) return 0
  }
  return at < end ? at + 1 : 0
}

/**
 * The name is copied into the reply, where of all that a pointer could mean only the question stands as it stood.
 * @returns the end of a key name, which may end in a pointer to a label of QNAME; 0 for any other pointer
 */
function keyNameEnd(reply: Reply, query: Query, from: number, end: number): number {
  const { octets, view } = reply
  let at = from
  while (at < end && octets[at]! > 0 && octets[at]! <= 63 && at - from < MAX_NAME_OCTETS) at += 1 + octets[at]!
  if (at + 2 > end || octets[at]! < POINTER >>> 8) return plainNameEnd(octets, from, end)
  const target = view.getUint16(at) - POINTER - HEADER_OCTETS
  for (let label = 0; label <= query.labels; label++) {
    if (query.labelStart[label] === target) return at - from + query.nameLength - target <= MAX_NAME_OCTETS ? at + 2 : 0
  }
  return 0
}

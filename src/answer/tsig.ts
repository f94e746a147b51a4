/**
 * The reply to a signed query: no key is known here. Layer: answer.
 * RFC 8945 §5.2.1: NOTAUTH, with the query's TSIG, error BADKEY and no MAC; it is the last record of the message (§5.1).
 *
 *   key name | 00FA | 00FF | TTL 0 | RDLENGTH | algorithm | time 6 | fudge 2 | MAC size 2, MAC | ID 2 | error 2 | other 2
 */

import { RCODE_FORMERR, RCODE_NOTAUTH } from '../wire/constants.ts'
import type { Query } from '../wire/query.ts'
import { skipName } from '../wire/query.ts'
import type { Reply } from './reply.ts'

const ERROR_BADKEY = 17
/** Room for the OPT that comes before the TSIG. */
const OPT_ROOM = 11

/** @returns octets of the reply */
export function refuseTsig(reply: Reply, query: Query, length: number, payload: number): number {
  const { octets, view, start } = reply
  const end = start + length
  const from = start + query.tsigAt
  const fixed = skipName(octets, from, end)
  const algorithmEnd = skipName(octets, fixed + 10, end)
  // RFC 8945 §4.2: the algorithm's name, then at least 16 octets
  if (algorithmEnd === 0 || algorithmEnd + 16 > end) {
    reply.rcode = RCODE_FORMERR
    return reply.finishHeader()
  }
  const head = algorithmEnd - from
  const to = reply.at + (payload > 0 ? OPT_ROOM : 0)
  octets.copyWithin(to, from, algorithmEnd + 8)
  reply.rcode = RCODE_NOTAUTH
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

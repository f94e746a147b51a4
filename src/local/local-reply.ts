/**
 * A rule's answer → the octets of a reply. Layer: local; pure.
 *
 *   │ header │ question │ aliases … │ C0 nn TYPE IN TTL RDLENGTH RDATA … │ OPT │      nn: the name that was asked for
 */

import type { ClientQuery, ReplyWriter } from '../forward/client-query.ts'
import { askedAt } from '../forward/client-query.ts'
import type { LocalAnswer } from '../rules/local-answer.ts'
import {
  CLASS_IN,
  FLAG_AA,
  FLAG_TC,
  MAX_POINTER_TARGET,
  OFFSET_FLAGS,
  POINTER,
  RCODE_NOERROR,
  RCODE_NXDOMAIN,
  TYPE_SOA,
} from '../wire/constants.ts'

const RECORD_OCTETS = 12
/** RFC 2308 §5: nobody is to keep a negative answer for longer. Seconds. */
const MAX_NEGATIVE_TTL = 10_800
const SOA_OCTETS = 24

/**
 * RFC 6147 §5.1.7 and others need the same reply without a limit: `query.stream` says so.
 * @returns valid until the writer is used again
 */
export function writeLocalAnswer(writer: ReplyWriter, query: ClientQuery, answer: LocalAnswer): Uint8Array {
  const { octets } = writer
  const view = new DataView(octets.buffer, octets.byteOffset)
  const limit = writer.limit(query)
  const owner = askedAt(query)
  let at = writer.begin(query)
  let answers = 0
  let truncated = false
  for (const { type, rdata } of answer.records) {
    if (at + RECORD_OCTETS + rdata.length > limit) {
      truncated = true
      break
    }
    at = putHead(view, at, owner, type, answer.ttl, rdata.length)
    octets.set(rdata, at)
    at += rdata.length
    answers++
  }
  let authority = 0
  if (answers === 0 && answer.zone !== undefined && at + RECORD_OCTETS + SOA_OCTETS <= limit) {
    at = putSoa(
      view,
      at,
      owner + nameOctets(octets, owner) - answer.zone.length,
      Math.min(answer.ttl, MAX_NEGATIVE_TTL),
    )
    authority = 1
  }
  const tc = truncated ? FLAG_TC : 0
  const reply = writer.finish(query, at, query.aliases + answers, authority, answer.rcode, tc)
  const isAnswer = answer.rcode === RCODE_NOERROR || answer.rcode === RCODE_NXDOMAIN
  if (isAnswer) reply[OFFSET_FLAGS]! |= FLAG_AA >>> 8
  return reply
}

function putHead(view: DataView, at: number, owner: number, type: number, ttl: number, rdlength: number): number {
  view.setUint16(at, POINTER | (owner & MAX_POINTER_TARGET))
  view.setUint32(at + 2, (type << 16) | CLASS_IN)
  view.setUint32(at + 6, ttl)
  view.setUint16(at + 10, rdlength)
  return at + RECORD_OCTETS
}

/** RFC 2308 §3: owner, MNAME and RNAME are the zone; nothing but the times matters to anybody. */
function putSoa(view: DataView, at: number, zone: number, ttl: number): number {
  const rdata = putHead(view, at, zone, TYPE_SOA, ttl, SOA_OCTETS)
  view.setUint32(rdata, ((POINTER | zone) << 16) | POINTER | zone)
  for (const [i, value] of [1, 7200, 1800, 86_400, ttl].entries()) view.setUint32(rdata + 4 + 4 * i, value)
  return rdata + SOA_OCTETS
}

/** @param from where a name without pointers starts, which was read before. @returns its octets */
export function nameOctets(octets: Uint8Array, from: number): number {
  let at = from
  while (at < octets.length && octets[at] !== 0) at += 1 + octets[at]!
  return at + 1 - from
}

/**
 * May these octets be decoded? Layer: cli; pure. A decoder that follows pointers forwards, or in long chains, can be kept
 * busy for seconds by one message of 64 KiB; what passes here cannot: every name is at most 255 octets and MAX_HOPS
 * pointers, each of which points backwards, and every record lies whole inside the message.
 */

import {
  HEADER_OCTETS,
  MAX_LABEL_OCTETS,
  MAX_NAME_OCTETS,
  OFFSET_ANCOUNT,
  OFFSET_ARCOUNT,
  OFFSET_NSCOUNT,
  OFFSET_QDCOUNT,
} from '../wire/constants.ts'

/** Of a name; a sensible encoder needs one. */
const MAX_HOPS = 16
/** Type, class, TTL, RDLENGTH. */
const RECORD_FIXED_OCTETS = 10
const QUESTION_FIXED_OCTETS = 4
const OFFSET_RDLENGTH = 8
/** Type → octets of RDATA before the names in it, and how many names: NS, CNAME, SOA, PTR, MX, SRV, RRSIG. */
const NAMES_IN_RDATA: Readonly<Record<number, readonly [number, number]>> = {
  2: [0, 1],
  5: [0, 1],
  6: [0, 2],
  12: [0, 1],
  15: [2, 1],
  33: [6, 1],
  46: [18, 1],
}

/** @returns what is wrong with the message, or undefined when it may be decoded */
export function checkMessage(octets: Uint8Array): string | undefined {
  if (octets.length < HEADER_OCTETS) return `it has ${octets.length} octets, and a header has ${HEADER_OCTETS}`
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
  const questions = view.getUint16(OFFSET_QDCOUNT)
  if (questions > 1) return `it has ${questions} questions`
  let at = HEADER_OCTETS
  for (let i = 0; i < questions; i++) {
    const end = nameEnd(octets, at, octets.length)
    if (end === 0 || end + QUESTION_FIXED_OCTETS > octets.length) return 'its question is broken'
    at = end + QUESTION_FIXED_OCTETS
  }
  const records = view.getUint16(OFFSET_ANCOUNT) + view.getUint16(OFFSET_NSCOUNT) + view.getUint16(OFFSET_ARCOUNT)
  for (let i = 0; i < records; i++) {
    at = recordEnd(octets, view, at)
    if (at === 0) return `record ${i + 1} of ${records} is broken`
  }
  return at === octets.length ? undefined : `${octets.length - at} octets follow its last record`
}

/** @returns the end of the record at `at`, or 0 */
function recordEnd(octets: Uint8Array, view: DataView, at: number): number {
  const fixed = nameEnd(octets, at, octets.length)
  if (fixed === 0 || fixed + RECORD_FIXED_OCTETS > octets.length) return 0
  const start = fixed + RECORD_FIXED_OCTETS
  const end = start + view.getUint16(fixed + OFFSET_RDLENGTH)
  if (end > octets.length) return 0
  const [skip, names] = NAMES_IN_RDATA[view.getUint16(fixed)] ?? [0, 0]
  let inside = start + skip
  for (let i = 0; i < names; i++) {
    inside = nameEnd(octets, inside, end)
    if (inside === 0) return 0
  }
  return end
}

/**
 * RFC 1035 §4.1.4: a name is labels, and perhaps a pointer to a prior occurrence.
 * @param end what the part of the name that stands here must not reach beyond
 * @returns the octet after the name, or 0 for what is no name
 */
function nameEnd(octets: Uint8Array, at: number, end: number): number {
  let after = 0
  let start = at
  let limit = end
  let length = 0
  for (let hops = 0; at < limit; ) {
    const octet = octets[at]!
    if (octet === 0) return after === 0 ? at + 1 : after
    if (octet >= 0xc0) {
      const target = at + 1 < limit ? ((octet & 0x3f) << 8) | octets[at + 1]! : start
      if (target >= start || ++hops > MAX_HOPS) return 0
      if (after === 0) after = at + 2
      start = at = target
      limit = octets.length
      continue
    }
    length += 1 + octet
    if (octet > MAX_LABEL_OCTETS || length >= MAX_NAME_OCTETS) return 0
    at += 1 + octet
  }
  return 0
}

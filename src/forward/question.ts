/**
 * Queries to upstreams: written anew, never the client's octets sent on. Layer: forward; pure.
 *
 *   │ ID │ RD, CD │ 1 0 0 1 │ question │ OPT: payload, DO │        RFC 6891 §6.1.1: OPT is between neighbours, options too
 */

import {
  CLASS_IN,
  FLAG_CD,
  FLAG_DO,
  FLAG_RD,
  HEADER_OCTETS,
  OFFSET_ARCOUNT,
  OFFSET_FLAGS,
  OFFSET_QDCOUNT,
  OPT_OCTETS,
  TYPE_OPT,
} from '../wire/constants.ts'

/** What we tell upstreams that we take over UDP: no fragments on any path (DNS flag day 2020). */
const PAYLOAD = 1232

export interface UpstreamQuestion {
  /** Wire form without pointers, case kept. */
  readonly name: Uint8Array
  readonly type: number
  readonly dnssecOk: boolean
  readonly checkingDisabled: boolean
  /** RFC 1035 §4.1.1, RD. Default true. */
  readonly recursionDesired?: boolean
}

export function questionEndOf({ name }: UpstreamQuestion): number {
  return HEADER_OCTETS + name.length + 4
}

/**
 * @param bits 0x20: a source of random bits for the case of letters, 0..255; undefined: the case stays
 * @returns the message
 */
export function encodeUpstreamQuery(
  { name, type, dnssecOk, checkingDisabled, recursionDesired = true }: UpstreamQuestion,
  id: number,
  withEdns: boolean,
  bits?: () => number,
): Uint8Array {
  const end = HEADER_OCTETS + name.length + 4
  const octets = new Uint8Array(end + (withEdns ? OPT_OCTETS : 0))
  const view = new DataView(octets.buffer)
  view.setUint16(0, id)
  view.setUint16(OFFSET_FLAGS, (recursionDesired ? FLAG_RD : 0) | (checkingDisabled ? FLAG_CD : 0))
  view.setUint16(OFFSET_QDCOUNT, 1)
  octets.set(name, HEADER_OCTETS)
  if (bits !== undefined) mixCase(octets, name, bits)
  view.setUint16(end - 4, type)
  view.setUint16(end - 2, CLASS_IN)
  if (withEdns) {
    view.setUint16(OFFSET_ARCOUNT, 1)
    view.setUint16(end + 1, TYPE_OPT)
    view.setUint16(end + 3, PAYLOAD)
    view.setUint32(end + 5, dnssecOk ? FLAG_DO : 0)
  }
  return octets
}

/** draft-vixie-dnsext-dns0x20, section 2.2: one more bit that a forger has to guess for each letter. */
function mixCase(octets: Uint8Array, name: Uint8Array, bits: () => number): void {
  let pool = 0
  let left = 0
  for (let label = 0; name[label] !== 0; label += 1 + name[label]!) {
    for (let i = label + 1; i <= label + name[label]!; i++) {
      const letter = name[i]! | 0x20
      if (letter < 0x61 || letter > 0x7a) continue
      if (left === 0) {
        pool = bits()
        left = 8
      }
      octets[HEADER_OCTETS + i] = (pool & 1) === 0 ? letter : letter & ~0x20
      pool >>>= 1
      left--
    }
  }
}

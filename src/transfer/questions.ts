/**
 * What a query for a transfer says, and the replies without a zone in them. Layer: transfer.
 *
 *   IXFR, RFC 1995 §3:  header (NSCOUNT 1) │ question │ SOA of the client's version │ OPT
 */

import {
  FLAG_QR,
  FLAG_RD,
  OFFSET_ANCOUNT,
  OFFSET_FLAGS,
  OPCODE_MASK,
  OPT_OCTETS,
  TYPE_AXFR,
  TYPE_OPT,
  TYPE_SOA,
} from '../wire/constants.ts'
import { skipName } from '../wire/query.ts'

export interface TransferQuery {
  /** Header, question, and of IXFR what follows; QNAME is the apex of a zone. A copy. */
  readonly message: Uint8Array
  readonly questionEnd: number
  /** Payload size to advertise; 0: the query has no OPT, and the reply shall have none. */
  readonly payloadSize: number
  /** Its number. */
  readonly zone: number
  /** The client's address. */
  readonly client: string
}

/** Two names of one octet at least, and five numbers: RFC 1035 §3.3.13. */
const LEAST_SOA_OCTETS = 22
const NUMBERS_OCTETS = 20

export function isAxfr({ message, questionEnd }: TransferQuery): boolean {
  return viewOf(message).getUint16(questionEnd - 4) === TYPE_AXFR
}

/** @returns the serial of the client's version in an IXFR query; −1: it has none */
export function clientSerial({ message, questionEnd }: TransferQuery): number {
  const view = viewOf(message)
  if (view.getUint16(OFFSET_ANCOUNT + 2) !== 1) return -1
  const fixed = skipName(message, questionEnd, message.length)
  if (fixed === 0 || fixed + 10 > message.length || view.getUint16(fixed) !== TYPE_SOA) return -1
  const rdlength = view.getUint16(fixed + 8)
  const end = fixed + 10 + rdlength
  return rdlength < LEAST_SOA_OCTETS || end > message.length ? -1 : view.getUint32(end - NUMBERS_OCTETS)
}

/** A reply that has an RCODE, below 16, and nothing else. */
export function failureOf({ message, questionEnd, payloadSize }: TransferQuery, rcode: number): Uint8Array {
  const reply = new Uint8Array(questionEnd + (payloadSize > 0 ? OPT_OCTETS : 0))
  reply.set(message.subarray(0, questionEnd))
  const view = viewOf(reply)
  view.setUint16(OFFSET_FLAGS, FLAG_QR | (view.getUint16(OFFSET_FLAGS) & (OPCODE_MASK | FLAG_RD)) | rcode)
  view.setUint32(OFFSET_ANCOUNT, 0)
  view.setUint16(OFFSET_ANCOUNT + 4, payloadSize > 0 ? 1 : 0)
  if (payloadSize > 0) {
    view.setUint16(questionEnd + 1, TYPE_OPT)
    view.setUint16(questionEnd + 3, payloadSize)
  }
  return reply
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

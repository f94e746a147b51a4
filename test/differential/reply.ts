/**
 * A reply without what two right servers may do differently: the order of records, compression, the letter case of names
 * that are not the question's, how much fits.
 */

import { type ReplyRecord, strictDecode } from '../support/messages.ts'

export interface PlainReply {
  readonly rcode: number
  readonly opcode: number
  /** Hex. */
  readonly flags: string
  readonly tc: boolean
  /** Hex, letter case kept. */
  readonly question: string
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  readonly additional: readonly string[]
  /** `none`, or size, version and flags. */
  readonly opt: string
  readonly options: readonly string[]
  readonly length: number
}

const TC = 0x0200

/** @param mayRepeat the same record may come twice in a section, as Knot gives the address of a target of two SRVs */
export function plainReply(octets: Buffer, mayRepeat: boolean): PlainReply {
  const reply = strictDecode(octets, { mayRepeat })
  return {
    rcode: reply.rcode,
    opcode: reply.opcode,
    flags: (reply.flags & ~TC).toString(16),
    tc: (reply.flags & TC) !== 0,
    question: reply.question?.toString('hex') ?? 'none',
    answer: plainSection(reply.answers),
    authority: plainSection(reply.authority),
    additional: plainSection(reply.additional),
    opt: reply.opt === undefined ? 'none' : `${reply.opt.size} ${reply.opt.version} ${reply.opt.flags.toString(16)}`,
    options: (reply.opt?.options ?? []).map(({ code, data }) => `${code}:${data.toString('hex')}`),
    length: octets.length,
  }
}

function plainSection(records: readonly ReplyRecord[]): string[] {
  return [...new Set(records.map(plainRecord))].sort()
}

const TYPE_SOA = 6
/** SERIAL to MINIMUM. */
const SOA_NUMBERS_OCTETS = 20

function plainRecord({ owner, type, class: qclass, ttl, rdata, names }: ReplyRecord): string {
  const tail = type === TYPE_SOA ? rdata.subarray(-SOA_NUMBERS_OCTETS).toString('hex') : ''
  const data = names.length > 0 ? `${names.map(printable).join(' ')} ${tail}` : rdata.toString('hex')
  return `${printable(owner.toLowerCase())} ${ttl} ${qclass} ${type} ${data}`
}

/** Of a name in wire form, as latin1. */
export function printable(name: string): string {
  return name.replaceAll(/[^\x21-\x7e]/g, octet => `\\${octet.charCodeAt(0)}`)
}

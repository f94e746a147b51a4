/**
 * A message from an upstream, checked from its first octet to its last before anything in it is believed. Layer: forward.
 * Nothing is followed that was not looked at; time and memory are bounded by the octets of the message (RFC 9267).
 *
 *   read ─▶ header, question ─▶ every record of every section: owner, bounds, RDATA of the types that hold names
 *        ─▶ the sections fill the message exactly
 */

import {
  FLAG_QR,
  HEADER_OCTETS,
  OFFSET_ANCOUNT,
  OFFSET_ARCOUNT,
  OFFSET_FLAGS,
  OFFSET_NSCOUNT,
  OFFSET_QDCOUNT,
  OPCODE_MASK,
  OPT_OCTETS,
  RCODE_FORMERR,
  RCODE_NOTIMP,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  TYPE_OPT,
} from '../wire/constants.ts'
import { lowerCase } from '../wire/name.ts'
import { NameBuffer } from './names.ts'
import { RDATA_SHAPES } from './rdata.ts'

/** The smallest record has 11 octets. */
const MAX_RECORDS = Math.ceil(65_535 / 11)

/** Whether a message is a reply, of any content, to the query with this ID and question. */
export const NO_MATCH = 0
/** RFC 1035 §4.1.1: an error of one that could not or would not read the question. */
export const MATCH_HEADER = 1
export const MATCH = 2
/** RFC 2308 §5: what says something of a name has to name it. */
const UNREAD = [RCODE_FORMERR, RCODE_SERVFAIL, RCODE_NOTIMP, RCODE_REFUSED]

/** The records of the message at hand, as offsets into it. One object serves for ever. */
export class Response {
  octets: Uint8Array = new Uint8Array(0)
  view: DataView = new DataView(new ArrayBuffer(0))
  length = 0
  /** Extended by the OPT when there is one. */
  rcode = 0
  hasOpt = false
  answers = 0
  authority = 0
  /** Records of the answer section, then of the authority section; what is additional is checked and not kept. */
  records = 0
  readonly owner = new Uint16Array(MAX_RECORDS)
  readonly ownerHash = new Int32Array(MAX_RECORDS)
  readonly ownerLabels = new Uint8Array(MAX_RECORDS)
  readonly type = new Uint16Array(MAX_RECORDS)
  readonly qclass = new Uint16Array(MAX_RECORDS)
  readonly ttl = new Uint32Array(MAX_RECORDS)
  readonly rdata = new Uint16Array(MAX_RECORDS)
  readonly rdataEnd = new Uint16Array(MAX_RECORDS)
  private readonly name = new NameBuffer()

  /**
   * RFC 5452 §9.1: a reply is one to a query when ID, question and (by the connected socket) addresses and ports agree.
   * @param query  as it was sent, from its first octet
   * @param questionEnd of the query
   * @param isExact letter by letter, with the case of the query; else ASCII letters of either case are the same
   * @param stream over TCP, where nobody forges what he cannot see
   */
  match(octets: Uint8Array, query: Uint8Array, questionEnd: number, isExact: boolean, stream: boolean): number {
    if (octets.length < HEADER_OCTETS || octets[0] !== query[0] || octets[1] !== query[1]) return NO_MATCH
    const flags = (octets[OFFSET_FLAGS]! << 8) | octets[OFFSET_FLAGS + 1]!
    if ((flags & FLAG_QR) === 0 || (flags & OPCODE_MASK) !== 0) return NO_MATCH
    const questions = (octets[OFFSET_QDCOUNT]! << 8) | octets[OFFSET_QDCOUNT + 1]!
    if (questions === 0 && octets.length === HEADER_OCTETS) {
      return (stream || !isExact) && UNREAD.includes(flags & 15) ? MATCH_HEADER : NO_MATCH
    }
    if (questions !== 1 || octets.length < questionEnd) return NO_MATCH
    const nameEnd = questionEnd - 4
    for (let i = HEADER_OCTETS; i < questionEnd; i++) {
      const [got, sent] = [octets[i]!, query[i]!]
      if (got !== sent && (isExact || i >= nameEnd || lowerCase(got) !== lowerCase(sent))) return NO_MATCH
    }
    return MATCH
  }

  /**
   * @param octets the message and no more, which matched
   * @returns false: it is malformed
   */
  read(octets: Uint8Array, questionEnd: number): boolean {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
    this.octets = octets
    this.view = view
    this.length = octets.length
    this.rcode = view.getUint16(OFFSET_FLAGS) & 15
    this.hasOpt = false
    this.records = 0
    this.answers = view.getUint16(OFFSET_ANCOUNT)
    this.authority = view.getUint16(OFFSET_NSCOUNT)
    const kept = this.answers + this.authority
    const all = kept + view.getUint16(OFFSET_ARCOUNT)
    // Judged before anything is read: counts alone must not cost time.
    if (all * 11 > octets.length) return false
    let at = questionEnd
    for (let i = 0; i < all; i++) {
      at = this.readRecord(at, i < kept)
      if (at === 0) return false
    }
    return at === octets.length
  }

  private readRecord(from: number, isKept: boolean): number {
    const { view, octets, length, name } = this
    const fixed = name.read(octets, 0, from, length)
    if (fixed === 0 || fixed + 10 > length) return 0
    const type = view.getUint16(fixed)
    const rdata = fixed + 10
    const end = rdata + view.getUint16(fixed + 8)
    if (end > length) return 0
    if (type === TYPE_OPT) {
      // RFC 6891 §6.1.1: one OPT at most, in the additional section, its owner the root
      if (isKept || this.hasOpt || name.length !== 1) return 0
      this.hasOpt = true
      this.rcode |= octets[from + OPT_OCTETS - 6]! << 4
      return end
    }
    // RFC 6895 §3.1: what is asked with, and what says something of a message, is no data (TSIG, ANY ...)
    if (isKept && type >= 128 && type <= 255) return 0
    if (isKept) {
      const i = this.records++
      this.owner[i] = from
      this.ownerHash[i] = name.hashes[0]!
      this.ownerLabels[i] = name.labels
      this.type[i] = type
      this.qclass[i] = view.getUint16(fixed + 2)
      this.ttl[i] = view.getUint32(fixed + 4)
      this.rdata[i] = rdata
      this.rdataEnd[i] = end
    }
    return this.isRdataSound(type, rdata, end) ? end : 0
  }

  private isRdataSound(type: number, rdata: number, end: number): boolean {
    const shape = RDATA_SHAPES.get(type)
    if (shape === undefined) return true
    let at = rdata + shape.before
    for (let i = 0; i !== shape.strings && (shape.strings >= 0 || at < end); i++) {
      if (at >= end) return false
      at += 1 + this.octets[at]!
    }
    for (let i = 0; i < shape.names; i++) {
      at = this.name.read(this.octets, 0, at, end)
      if (at === 0) return false
    }
    return shape.after < 0 ? at <= end : at + shape.after === end
  }
}

/**
 * A query's octets → the few fields an answer needs, with every check that decides before any name is looked up.
 * Layer: wire. Hot: allocates nothing, never throws, reads each octet once. `bench/` guards it.
 *
 * The order of checks: RFC 1035 §4.1, RFC 6891 §6.1 and §7, RFC 8906 §3, RFC 9619 §4.
 *
 *    length < 12 ─▶ drop     QR=1 ─▶ drop     opcode ≠ QUERY ─▶ NOTIMP     QDCOUNT ≠ 1, AN ≠ 0, NS ≠ 0 (IXFR: 1),
 *    AR > 2 ─▶ FORMERR     question ─▶ FORMERR     additional ─▶ FORMERR     trailing octets ─▶ FORMERR
 *    EDNS version > 0 ─▶ BADVERS     class ─▶ REFUSED
 *
 * Question, RFC 1035 §4.1.2:            OPT, RFC 6891 §6.1.2:
 *   +--------+---------+----------+       0      1      3         5       6        7          9        11
 *   | QNAME  | QTYPE 2 | QCLASS 2 |      +------+------+---------+-------+--------+----------+--------+- - - -
 *   +--------+---------+----------+      | 0x00 | 0x29 | payload | xRCODE| version| DO, Z    | RDLEN  | options
 *                                        +------+------+---------+-------+--------+----------+--------+- - - -
 */

import {
  CLASS_IN,
  FLAG_QR,
  HEADER_OCTETS,
  MAX_NAME_OCTETS,
  MIN_UDP_PAYLOAD,
  OFFSET_ANCOUNT,
  OFFSET_ARCOUNT,
  OFFSET_FLAGS,
  OFFSET_QDCOUNT,
  OPCODE_MASK,
  OPT_OCTETS,
  RCODE_BADVERS,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_REFUSED,
  TYPE_IXFR,
  TYPE_OPT,
  TYPE_TSIG,
} from './constants.ts'
import { hashLabel, hashOctet } from './hash.ts'

/** Nothing is sent: not a query, or not to be told from noise. */
export const DROP = -1

const MAX_LABELS = 128
/** IXFR carries the client's SOA in the authority section, RFC 1995 §3. */
const IXFR_NSCOUNT = 1
const MAX_ARCOUNT = 2

/** The fields of the query at hand. One object serves a thread for ever. */
export class Query {
  /** QNAME lower-cased, followed by three zeros. `nameView` is the same memory. */
  readonly name: Uint8Array
  readonly nameView: DataView
  /** Where each label of `name` starts; the root label is the last one. */
  readonly labelStart = new Uint8Array(MAX_LABELS)
  /** Hash of the name from each label on. */
  readonly suffixHash = new Int32Array(MAX_LABELS)
  private readonly labelHash = new Int32Array(MAX_LABELS)
  private readonly seed: number

  /** Octets of QNAME, root label included. */
  nameLength = 0
  /** Labels without the root. */
  labels = 0
  type = 0
  /** End of the question, relative to the first octet of the message. */
  questionEnd = 0
  /** The requestor's payload size; 0 when the query has no OPT. */
  payloadSize = 0
  /** The DO bit of the OPT, RFC 3225 §3: copied and counted, and not otherwise heeded, since nothing is signed here. */
  dnssecOk = false
  /** Where a TSIG record starts, relative to the first octet of the message; 0 when there is none. */
  tsigAt = 0

  constructor(seed: number) {
    const memory = new ArrayBuffer(MAX_NAME_OCTETS + 5)
    this.name = new Uint8Array(memory)
    this.nameView = new DataView(memory)
    this.seed = seed
  }

  /**
   * @param start first octet of the message in `octets`; `view` is over the same octets
   * @returns RCODE_NOERROR: answer it; another RCODE: reply with that error; DROP
   */
  read(octets: Uint8Array, view: DataView, start: number, length: number): number {
    this.payloadSize = 0
    this.dnssecOk = false
    this.tsigAt = 0
    this.questionEnd = 0
    if (length < HEADER_OCTETS) return DROP
    const flags = view.getUint16(start + OFFSET_FLAGS)
    // A reply to a reply would let two servers talk for ever.
    if ((flags & FLAG_QR) !== 0) return DROP
    // RFC 8906 §3.1.4: unknown opcodes are NOTIMP
    if ((flags & OPCODE_MASK) !== 0) return RCODE_NOTIMP
    const qdAndAn = view.getUint32(start + OFFSET_QDCOUNT)
    const nsAndAr = view.getUint32(start + OFFSET_ANCOUNT + 2)
    // RFC 9619 §4: QDCOUNT other than 1 is FORMERR
    if (qdAndAn !== 0x0001_0000) return RCODE_FORMERR
    if (nsAndAr > ((IXFR_NSCOUNT << 16) | MAX_ARCOUNT) || (nsAndAr & 0xffff) > MAX_ARCOUNT) return RCODE_FORMERR

    const end = start + length
    let at = this.readName(octets, start + HEADER_OCTETS, end)
    if (at === 0 || at + 4 > end) return RCODE_FORMERR
    this.type = view.getUint16(at)
    const qclass = view.getUint16(at + 2)
    at += 4

    let version = 0
    if (nsAndAr !== 0) {
      if (nsAndAr >>> 16 !== 0) {
        if (this.type !== TYPE_IXFR) return RCODE_FORMERR
        at = skipRecord(octets, view, at, end)
        if (at === 0) return RCODE_FORMERR
      }
      let opt = 0
      for (let n = view.getUint16(start + OFFSET_ARCOUNT); n > 0; n--) {
        const next = skipRecord(octets, view, at, end)
        if (next === 0) return RCODE_FORMERR
        const typeAt = skipName(octets, at, end)
        const type = view.getUint16(typeAt)
        if (type === TYPE_OPT) {
          // RFC 6891 §6.1.1: one OPT at most; its owner is the root (§6.1.2)
          if (opt !== 0 || typeAt !== at + 1) return RCODE_FORMERR
          if (!optionsAreWhole(view, at + OPT_OCTETS, next)) return RCODE_FORMERR
          opt = at
        } else if (type === TYPE_TSIG) {
          // RFC 8945 §5.1: TSIG is the last record of the message
          if (n !== 1) return RCODE_FORMERR
          this.tsigAt = at - start
        }
        at = next
      }
      if (opt !== 0) {
        const payload = view.getUint16(opt + 3)
        // RFC 6891 §6.2.3: values lower than 512 are treated as 512
        this.payloadSize = Math.max(payload, MIN_UDP_PAYLOAD)
        version = octets[opt + 6]!
        this.dnssecOk = octets[opt + 7]! >= 0x80
      }
    }
    if (at !== end) {
      this.payloadSize = 0
      this.dnssecOk = false
      return RCODE_FORMERR
    }
    this.questionEnd = HEADER_OCTETS + this.nameLength + 4
    // RFC 6891 §6.1.3: the version is judged before anything else the query asks
    if (version !== 0) return RCODE_BADVERS
    // RFC 8906 §4: a class that is not served is REFUSED
    if (qclass !== CLASS_IN) return RCODE_REFUSED
    return RCODE_NOERROR
  }

  /**
   * Lower-cases and hashes QNAME. RFC 1035 §3.1, RFC 4343 §3 (ASCII only), RFC 9619 and RFC 1035 §4.1.4: the one name
   * of a query has nothing before it that a pointer could point to.
   * Also reads the target of a CNAME, from the reply that holds it.
   * @returns where the name ends in `octets`, or 0 when it is malformed
   */
  readName(octets: Uint8Array, from: number, end: number): number {
    const name = this.name
    let labels = 0
    let at = from
    let to = 0
    for (;;) {
      if (at >= end) return 0
      const length = octets[at]!
      if (length === 0) break
      // Also refuses the label types 01, 10 and 11 (pointer): all are above 63.
      if (length > 63 || to + length + 2 > MAX_NAME_OCTETS || at + length >= end) return 0
      this.labelStart[labels] = to
      name[to++] = length
      let hash = this.seed ^ length
      for (const labelEnd = at + length; at < labelEnd; ) {
        let octet = octets[++at]!
        if ((octet - 0x41) >>> 0 < 26) octet += 0x20
        name[to++] = octet
        hash = hashOctet(hash, octet)
      }
      this.labelHash[labels++] = hash
      at++
    }
    this.labelStart[labels] = to
    name[to++] = 0
    name[to] = 0
    name[to + 1] = 0
    name[to + 2] = 0
    this.nameLength = to
    this.labels = labels
    let suffix = this.seed
    this.suffixHash[labels] = suffix
    while (labels > 0) {
      suffix = hashLabel(suffix, this.labelHash[--labels]!)
      this.suffixHash[labels] = suffix
    }
    return at + 1
  }

  /**
   * Whether the name that was read last is `zone` or lies below it.
   * @param zone wire form, lower case
   */
  liesIn(zone: Uint8Array): boolean {
    const at = this.nameLength - zone.length
    let label = 0
    while (label <= this.labels && this.labelStart[label] !== at) label++
    if (label > this.labels) return false
    for (let i = 0; i < zone.length; i++) if (this.name[at + i] !== zone[i]) return false
    return true
  }
}

/** @returns the end of the name at `at`, or 0. A pointer ends a name (RFC 1035 §4.1.4); it is not followed. */
export function skipName(octets: Uint8Array, at: number, end: number): number {
  for (let hops = 0; at < end && hops < MAX_LABELS; hops++) {
    const length = octets[at]!
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2 <= end ? at + 2 : 0
    if (length > 63) return 0
    at += 1 + length
  }
  return 0
}

/** @returns the end of the record at `at`, or 0 when it does not lie whole before `end` */
function skipRecord(octets: Uint8Array, view: DataView, at: number, end: number): number {
  const fixed = skipName(octets, at, end)
  if (fixed === 0 || fixed + 10 > end) return 0
  const next = fixed + 10 + view.getUint16(fixed + 8)
  return next <= end ? next : 0
}

/** RFC 6891 §6.1.2: options are code, length, data, end to end, and fill RDLEN exactly. */
function optionsAreWhole(view: DataView, at: number, end: number): boolean {
  while (at < end) {
    if (at + 4 > end) return false
    at += 4 + view.getUint16(at + 2)
  }
  return at === end
}

/**
 * The reply being written over a query: where it stands, how far it may go, what it holds so far. Layer: answer.
 * Hot: one object serves a thread for ever. Record layout, RFC 1035 §4.1.3:
 *
 *    0        2      4       6      8 (TTL, 32 bits)   10…
 *   +--------+------+-------+------+-----------------+----------+- - - -
 *   | owner  | TYPE | CLASS |      TTL               | RDLENGTH | RDATA
 *   +--------+------+-------+------+-----------------+----------+- - - -
 *    C0 nn: a pointer (RFC 1035 §4.1.4) to a name that is already in the message
 */

import {
  CLASS_IN,
  EDE_OCTETS,
  FLAG_DO,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  OFFSET_ANCOUNT,
  OFFSET_FLAGS,
  OFFSET_NSCOUNT,
  OFFSET_QDCOUNT,
  OPCODE_MASK,
  OPT_OCTETS,
  OPTION_EDE,
  POINTER,
  TYPE_OPT,
} from '../wire/constants.ts'

/** Octets of a record before its RDATA, when the owner is a pointer. */
export const RECORD_OCTETS = 12

export class Reply {
  octets: Uint8Array = new Uint8Array(0)
  view: DataView = new DataView(new ArrayBuffer(0))
  /** First octet of the message; next octet to write; end of the room for records (the OPT's room is kept apart). */
  start = 0
  at = 0
  end = 0
  answers = 0
  authority = 0
  additional = 0
  rcode = 0
  /** FLAG_AA or 0; of a cached answer FLAG_AD and FLAG_CD too. */
  aa = 0
  /** An answer was left out for want of room. */
  truncated = false
  /** Extended DNS error to add to the OPT, or -1. */
  ede = -1
  /** The DO bit of the query. */
  dnssecOk = false
  /** FLAG_QR, and FLAG_RA where there is a forwarder. */
  private readonly always: number

  constructor(recursionAvailable = false) {
    this.always = FLAG_QR | (recursionAvailable ? FLAG_RA : 0)
  }

  begin(octets: Uint8Array, view: DataView, start: number, at: number, end: number): void {
    this.octets = octets
    this.view = view
    this.start = start
    this.at = at
    this.end = end
    this.answers = 0
    this.authority = 0
    this.additional = 0
    this.rcode = 0
    this.aa = 0
    this.truncated = false
    this.ede = -1
    this.dnssecOk = false
  }

  /** Forgets the records written so far. */
  rewind(at: number): void {
    this.at = at
    this.answers = 0
    this.authority = 0
    this.additional = 0
    this.truncated = false
  }

  /** Writes what comes before RDATA. The caller has seen to the room. */
  putRecordHead(owner: number, type: number, ttl: number, rdlength: number): void {
    const { view, at } = this
    view.setUint16(at, POINTER | owner)
    view.setUint32(at + 2, (type << 16) | CLASS_IN)
    view.setUint32(at + 6, ttl)
    view.setUint16(at + 10, rdlength)
    this.at = at + RECORD_OCTETS
  }

  /**
   * Header and OPT. RFC 6891 §7: a reply to a query with OPT has one, whatever its RCODE.
   * RFC 1035 §4.1.1, RFC 8906 §3.1.2: RD is copied, Z, AD and CD are clear; RA says whether names are forwarded.
   * @param payload size to advertise, or 0 for a reply without OPT
   * @returns octets of the message
   */
  finish(payload: number): number {
    const { view, start } = this
    if (payload > 0) {
      const withEde = this.ede >= 0
      this.octets[this.at] = 0
      view.setUint16(this.at + 1, TYPE_OPT)
      view.setUint16(this.at + 3, payload)
      // RFC 6891 §6.1.3: upper eight bits of the RCODE; version 0. RFC 3225 §3: DO is copied, alone
      view.setUint32(this.at + 5, ((this.rcode >>> 4) << 24) | (this.dnssecOk ? FLAG_DO : 0))
      view.setUint16(this.at + 9, withEde ? EDE_OCTETS : 0)
      this.at += OPT_OCTETS
      if (withEde) {
        // RFC 8914 §2: INFO-CODE without EXTRA-TEXT
        view.setUint16(this.at, OPTION_EDE)
        view.setUint16(this.at + 2, 2)
        view.setUint16(this.at + 4, this.ede)
        this.at += EDE_OCTETS
      }
      this.additional++
    }
    const kept = view.getUint16(start + OFFSET_FLAGS) & (OPCODE_MASK | FLAG_RD)
    const tc = this.truncated ? FLAG_TC : 0
    view.setUint16(start + OFFSET_FLAGS, this.always | kept | this.aa | tc | (this.rcode & 15))
    view.setUint32(start + OFFSET_QDCOUNT, 0x0001_0000 | this.answers)
    view.setUint32(start + OFFSET_NSCOUNT, (this.authority << 16) | this.additional)
    return this.at - start
  }

  /** A reply of the header alone, for what could not be read: never the sender's octets sent back. */
  finishHeader(): number {
    const { view, start } = this
    const kept = view.getUint16(start + OFFSET_FLAGS) & (OPCODE_MASK | FLAG_RD)
    view.setUint16(start + OFFSET_FLAGS, this.always | kept | this.rcode)
    view.setUint32(start + OFFSET_QDCOUNT, 0)
    view.setUint32(start + OFFSET_ANCOUNT + 2, 0)
    return 12
  }
}

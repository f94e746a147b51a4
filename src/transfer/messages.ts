/**
 * Records → the messages of a transfer. Layer: transfer. RFC 5936 §2.2, §3; RFC 1035 §4.1.4.
 *
 *   ┌────────┬──────────┬─────────────────────────────────────────────────┬─────┐
 *   │ header │ question │ records: labels, then a pointer to the question │ OPT │   of the first message alone
 *   └────────┴──────────┴─────────────────────────────────────────────────┴─────┘
 */

import {
  CLASS_IN,
  FLAG_AA,
  FLAG_QR,
  FLAG_RD,
  HEADER_OCTETS,
  MAX_STREAM_MESSAGE,
  OFFSET_ANCOUNT,
  OFFSET_FLAGS,
  OFFSET_QDCOUNT,
  OPT_OCTETS,
  POINTER,
  TYPE_OPT,
} from '../wire/constants.ts'
import type { TransferQuery } from './questions.ts'
import type { ZoneRecord } from './zone-records.ts'

/** RFC 5936 §3.4: what lies beyond cannot be pointed to. One record alone may be longer. */
const FULL_OCTETS = 16_384
/** TYPE, CLASS, TTL, RDLENGTH. */
const FIXED_OCTETS = 10

export class MessageWriter {
  private readonly question: TransferQuery
  private readonly zoneOctets: number
  private readonly octets = new Uint8Array(MAX_STREAM_MESSAGE)
  private readonly view = new DataView(this.octets.buffer)
  private at = 0
  private records = 0
  private isFirst = true
  /** Where the owner of the last record stands. */
  private owner: Uint8Array | undefined
  private ownerAt = 0

  constructor(question: TransferQuery) {
    this.question = question
    this.zoneOctets = question.questionEnd - HEADER_OCTETS - 4
    this.begin()
  }

  get isEmpty(): boolean {
    return this.records === 0
  }

  /** @param record at or below the zone's apex. @returns false: it belongs into the next message */
  put({ owner, type, ttl, rdata }: ZoneRecord): boolean {
    const { view, zoneOctets } = this
    const most = owner.length + FIXED_OCTETS + rdata.length
    if (this.records > 0 && this.at + most > FULL_OCTETS) return false
    if (this.owner === owner) {
      view.setUint16(this.at, POINTER | this.ownerAt)
      this.at += 2
    } else {
      this.ownerAt = this.at
      this.owner = owner
      const labels = owner.subarray(0, owner.length - zoneOctets)
      this.octets.set(labels, this.at)
      this.at += labels.length
      view.setUint16(this.at, POINTER | HEADER_OCTETS)
      this.at += 2
    }
    view.setUint32(this.at, (type << 16) | CLASS_IN)
    view.setUint32(this.at + 4, ttl)
    view.setUint16(this.at + 8, rdata.length)
    this.octets.set(rdata, this.at + FIXED_OCTETS)
    this.at += FIXED_OCTETS + rdata.length
    this.records++
    return true
  }

  /** @returns the message, a copy; the next one is begun */
  take(): Uint8Array {
    const { view, question } = this
    // RFC 5936 §2.2.5: where the query had an OPT, the first message has one
    const hasOpt = this.isFirst && question.payloadSize > 0
    if (hasOpt) {
      this.octets.fill(0, this.at, this.at + OPT_OCTETS)
      view.setUint16(this.at + 1, TYPE_OPT)
      view.setUint16(this.at + 3, question.payloadSize)
      this.at += OPT_OCTETS
    }
    // RFC 5936 §2.2.1: ID and question as they came, AA set, RD copied, TC clear
    const flags = view.getUint16(OFFSET_FLAGS) & FLAG_RD
    view.setUint16(OFFSET_FLAGS, FLAG_QR | FLAG_AA | flags)
    view.setUint32(OFFSET_QDCOUNT, 0x0001_0000 | this.records)
    view.setUint32(OFFSET_ANCOUNT + 2, hasOpt ? 1 : 0)
    const message = this.octets.slice(0, this.at)
    this.isFirst = false
    this.begin()
    return message
  }

  private begin(): void {
    const { message, questionEnd } = this.question
    this.octets.set(message.subarray(0, questionEnd))
    this.at = questionEnd
    this.records = 0
    this.owner = undefined
  }
}

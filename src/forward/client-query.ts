/**
 * A client's query as it is handed to the forwarder, and the reply made for it. Layer: forward; pure.
 * The query was read and checked by wire/query.ts; of its octets only header, question and the aliases that were found
 * for it come along.
 *
 *   message  │ header │ question │ CNAME … │        aliases: our own answer as far as it goes (an ExternalName); the name
 *            0        12         questionEnd  end     at `targetAt` is what the upstream is asked for, else QNAME
 */

import {
  FLAG_AA,
  FLAG_AD,
  FLAG_CD,
  FLAG_DO,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  HEADER_OCTETS,
  MAX_STREAM_MESSAGE,
  MIN_UDP_PAYLOAD,
  OFFSET_FLAGS,
  OFFSET_NSCOUNT,
  OFFSET_QDCOUNT,
  OPT_OCTETS,
  OPTION_EDE,
  TYPE_OPT,
} from '../wire/constants.ts'

/** Where the reply goes. */
export interface ReplyPath {
  /** @param message valid during the call only */
  send(message: Uint8Array): void
}

export interface ClientQuery {
  /** A copy: it is kept. */
  readonly message: Uint8Array
  readonly questionEnd: number
  /** Records behind the question, all aliases. */
  readonly aliases: number
  /** 0: QNAME is asked for. */
  readonly targetAt: number
  /** Of its OPT; 0: it has none. */
  readonly payloadSize: number
  readonly dnssecOk: boolean
  /** Over TCP. */
  readonly stream: boolean
  /** Whose queries are counted together: the client's address in any writing. */
  readonly client: string
  /** 0: not known. */
  readonly clientPort: number
  readonly path: ReplyPath
  /** Asked to renew what is kept, which is therefore not the answer. */
  readonly refreshes?: true
}

/** A reply being written. One object serves for ever. */
export class ReplyWriter {
  readonly octets = new Uint8Array(MAX_STREAM_MESSAGE)
  readonly view = new DataView(this.octets.buffer)
  private readonly maxUdpSize: number

  constructor(maxUdpSize: number) {
    this.maxUdpSize = maxUdpSize
  }

  /** Puts the question and the aliases. @returns their end */
  begin({ message }: ClientQuery): number {
    this.octets.set(message)
    return message.length
  }

  /** First octet, of the message, that no record may have. RFC 6891 §6.2.3: 512 without OPT. */
  limit({ stream, payloadSize }: ClientQuery): number {
    const most = stream ? MAX_STREAM_MESSAGE : Math.min(payloadSize || MIN_UDP_PAYLOAD, this.maxUdpSize)
    return most - (payloadSize > 0 ? OPT_OCTETS : 0)
  }

  /**
   * Header and OPT around the records that were put.
   * @param flags FLAG_TC; FLAG_AD: an upstream said so of all records but the aliases
   * @param ede   extended error, or −1
   */
  finish(
    query: ClientQuery,
    end: number,
    answers: number,
    authority: number,
    rcode: number,
    flags: number,
    ede = -1,
  ): Uint8Array {
    const { octets, view } = this
    let at = end
    let additional = 0
    if (query.payloadSize > 0) {
      const withEde = ede >= 0 && end + 6 <= this.limit(query)
      octets[at] = 0
      view.setUint16(at + 1, TYPE_OPT)
      view.setUint16(at + 3, this.maxUdpSize)
      view.setUint32(at + 5, ((rcode >>> 4) << 24) | (query.dnssecOk ? FLAG_DO : 0))
      view.setUint16(at + 9, withEde ? 6 : 0)
      at += OPT_OCTETS
      if (withEde) {
        view.setUint16(at, OPTION_EDE)
        view.setUint16(at + 2, 2)
        view.setUint16(at + 4, ede)
        at += 6
      }
      additional = 1
    }
    const asked = view.getUint16(OFFSET_FLAGS)
    // RFC 4035 §3.2.2: CD is copied; RFC 1035 §4.1.1: RA, since queries are resolved here
    const kept = asked & (FLAG_RD | FLAG_CD)
    const aa = query.aliases > 0 && answers > 0 ? FLAG_AA : 0
    // RFC 4035 §3.2.3: AD speaks of all records, and ours are not signed; RFC 6840 §5.8: to those who ask with DO or AD
    const hasAd = query.aliases === 0 && (query.dnssecOk || (asked & FLAG_AD) !== 0)
    const said = flags & (hasAd ? FLAG_TC | FLAG_AD : FLAG_TC)
    view.setUint16(OFFSET_FLAGS, FLAG_QR | FLAG_RA | kept | aa | said | (rcode & 15))
    view.setUint32(OFFSET_QDCOUNT, 0x0001_0000 | answers)
    view.setUint32(OFFSET_NSCOUNT, (authority << 16) | additional)
    return octets.subarray(0, at)
  }

  /** A reply without records. */
  refuse(query: ClientQuery, rcode: number, ede = -1): Uint8Array {
    this.octets.set(query.message.subarray(0, query.questionEnd))
    return this.finish(query, query.questionEnd, 0, 0, rcode, 0, ede)
  }
}

/** The name the upstream is asked for: where it stands in the message. */
export function askedAt({ targetAt }: ClientQuery): number {
  return targetAt === 0 ? HEADER_OCTETS : targetAt
}

/**
 * DNS64, RFC 6147: AAAA records made of A records, for names that have no others. Layer: local.
 * Two questions to the forwarder, or to rules; the second when the first has found nothing.
 *
 *   AAAA? ─┬─▶ NXDOMAIN ───────────▶ as it is
 *          ├─▶ AAAA records ───────▶ as they are (all but those that nobody can use)
 *          └─▶ none, or an error ──▶ A? ─▶ each A an AAAA; none, or an error: as it is
 */

import { type ClientQuery, ReplyWriter } from '../forward/client-query.ts'
import type { Response } from '../forward/response.ts'
import type { AskedName } from '../rules/asked-name.ts'
import { type Dns64Prefix, embed, extract, isExcluded, mayEmbed } from '../rules/dns64.ts'
import { reverseNameOf } from '../rules/hosts.ts'
import { addressOfReverseName } from '../rules/reverse-name.ts'
import {
  FLAG_CD,
  OFFSET_FLAGS,
  RCODE_NOERROR,
  RCODE_NXDOMAIN,
  RCODE_SERVFAIL,
  TYPE_A,
  TYPE_AAAA,
  TYPE_SOA,
} from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import { type Change, Composer } from './compose.ts'

export interface Dns64Options {
  readonly prefix: Dns64Prefix
  /** Names with AAAA records of their own too. */
  readonly translateAll: boolean
  /** Clients that ask over IPv4 too. */
  readonly allowIPv4: boolean
  /** Answers the query, now or later. */
  readonly forward: (query: ClientQuery) => void
  readonly maxUdpSize: number
}

interface FirstReply {
  readonly reply: Uint8Array
  /** Without AAAA records that a client can use. */
  readonly isEmpty: boolean
}

/** RFC 6147 §5.1.7: of what was made of an A record whose zone did not say more. Seconds. */
const MAX_TTL_WITHOUT_SOA = 600

export class Dns64 {
  /** Replies with records that were made. */
  translated = 0
  private readonly options: Dns64Options
  private readonly writer: ReplyWriter
  private readonly composer: Composer

  constructor(options: Dns64Options) {
    this.options = options
    this.writer = new ReplyWriter(options.maxUdpSize)
    this.composer = new Composer(this.writer)
  }

  /** Whether the client is one to translate for. */
  concerns({ isIPv6, dnssecOk, message }: ClientQuery & { readonly isIPv6: boolean }): boolean {
    // RFC 6147 §3, §5.5: who validates for himself (DO and CD) makes the addresses himself
    const validates = dnssecOk && (message[OFFSET_FLAGS + 1]! & FLAG_CD) !== 0
    return (isIPv6 || this.options.allowIPv4) && !validates
  }

  /** RFC 6147 §5.3.1: the reverse name of the IPv4 address in one of the prefix, as a CNAME's target. */
  targetOf(name: AskedName): WireName | undefined {
    const address = addressOfReverseName(name.wire)
    const ipv4 = address && extract(this.options.prefix, address)
    return ipv4 && reverseNameOf(ipv4)
  }

  /**
   * @param query  for AAAA. Answers it, now or later
   * @param answer answers it and the one for A, now or later
   */
  ask(query: ClientQuery, answer = this.options.forward): void {
    // Its length is judged when it is complete.
    answer({ ...query, stream: true, path: { send: reply => this.gotAaaa(query, reply, answer) } })
  }

  private gotAaaa(query: ClientQuery, reply: Uint8Array, answer: Dns64Options['forward']): void {
    const { composer, options } = this
    if (!composer.read(reply, query.questionEnd)) {
      this.fail(query)
      return
    }
    const { response } = composer
    const isEmpty = response.rcode !== RCODE_NOERROR || !hasAaaa(response)
    // RFC 6147 §5.1.2: NXDOMAIN is the answer; any other error counts as no records
    if (response.rcode === RCODE_NXDOMAIN || !(isEmpty || options.translateAll)) {
      query.path.send(composer.compose(query, { change: withoutExcluded }))
      return
    }
    const ttl = soaTtlOf(response)
    const first = response.rcode === RCODE_NOERROR ? { reply: reply.slice(), isEmpty } : undefined
    const message = query.message.slice()
    message.set([0, TYPE_A], query.questionEnd - 4)
    const send = (second: Uint8Array): void => this.gotA(query, second, ttl, first)
    answer({ ...query, message, stream: true, path: { send } })
  }

  /** @param first the reply to AAAA, when it was no error */
  private gotA(query: ClientQuery, reply: Uint8Array, ttl: number, first: FirstReply | undefined): void {
    const { composer } = this
    if (!composer.read(reply, query.questionEnd)) {
      this.fail(query)
      return
    }
    let made = 0
    let refused = 0
    const change = (response: Response, i: number): Change | 'none' | undefined => {
      if (response.type[i] !== TYPE_A) return undefined
      const { prefix } = this.options
      const ipv4 = response.octets.subarray(response.rdata[i]!, response.rdataEnd[i]!)
      if (!mayEmbed(prefix, ipv4)) {
        refused++
        return 'none'
      }
      made++
      // RFC 6147 §5.1.7: the smaller of the TTLs of the A record and the SOA
      return { type: TYPE_AAAA, ttl: Math.min(response.ttl[i]!, ttl), rdata: embed(prefix, ipv4) }
    }
    let composed = composer.compose(query, { change, isOurs: true })
    if (made > 0) this.translated++
    // RFC 2308 §3: the SOA that says so is in the denial of AAAA, not beside A records
    else if (first !== undefined && (!first.isEmpty || refused > 0) && composer.read(first.reply, query.questionEnd)) {
      composed = composer.compose(query, { change: withoutExcluded })
    }
    query.path.send(composed)
  }

  private fail(query: ClientQuery): void {
    query.path.send(this.writer.refuse(query, RCODE_SERVFAIL))
  }
}

function hasAaaa(response: Response): boolean {
  for (let i = 0; i < response.answers; i++) if (isUsable(response, i)) return true
  return false
}

function isUsable({ octets, type, rdata, rdataEnd }: Response, i: number): boolean {
  return type[i] === TYPE_AAAA && !isExcluded(octets.subarray(rdata[i]!, rdataEnd[i]!))
}

/** RFC 6147 §5.1.4. */
function withoutExcluded(response: Response, i: number): 'none' | undefined {
  return response.type[i] === TYPE_AAAA && !isUsable(response, i) ? 'none' : undefined
}

function soaTtlOf({ answers, records, type, ttl }: Response): number {
  for (let i = answers; i < records; i++) if (type[i] === TYPE_SOA) return ttl[i]!
  return MAX_TTL_WITHOUT_SOA
}

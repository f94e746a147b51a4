/**
 * `limits.errorRate` and `limits.responseRate` for replies that the main thread makes: of forwarded queries, and from rules.
 * Layer: control. A limiter beside those of the data-plane threads, with the same limits; over TCP nobody forges an address.
 */

import { LIMITED_ERRORS, LIMITED_RESPONSES, SLIPPED_RESPONSES } from '../dataplane/counters.ts'
import type { DeferredQuery } from '../dataplane/deferred.ts'
import { DROP_ERROR, ReplyLimiter, type ReplyLimits, SEND, SLIP } from '../dataplane/reply-limits.ts'
import { ReplyWriter } from '../forward/client-query.ts'
import { FLAG_TC, OFFSET_FLAGS } from '../wire/constants.ts'
import { clientQueryOf } from './forwarding.ts'

export class DeferredLimits {
  private readonly limiter: ReplyLimiter
  private readonly writer: ReplyWriter

  /** @param seed 32 secret bits */
  constructor(limits: ReplyLimits, maxUdpSize: number, seed: number) {
    this.limiter = new ReplyLimiter(limits, seed)
    this.writer = new ReplyWriter(maxUdpSize)
  }

  /**
   * @param row where it is counted, of UDP
   * @returns what is sent: the reply, an empty one with TC that is valid until the next call, or nothing
   */
  pass(query: DeferredQuery, reply: Uint8Array, row: Float64Array, nowMs: number): Uint8Array | undefined {
    const rcode = reply[OFFSET_FLAGS + 1]! & 15
    if (query.path.stream !== undefined || ((this.limiter.rcodes >>> rcode) & 1) === 0) return reply
    const { questionEnd } = query
    const message = query.message.subarray(0, questionEnd)
    const client = clientQueryOf({ ...query, message, targetAt: 0, aliases: 0 }, () => {})
    const peers = { copyAddress: (_start: number, to: Uint8Array) => to.set(client.address) }
    const verdict = this.limiter.judge(rcode, client.isIPv6 ? 1 : 0, 0, peers, nowMs)
    if (verdict === SEND) return reply
    if (verdict !== SLIP) {
      row[verdict === DROP_ERROR ? LIMITED_ERRORS : LIMITED_RESPONSES]!++
      return undefined
    }
    row[SLIPPED_RESPONSES]!++
    return this.writer.finish(client, this.writer.begin(client), 0, 0, rcode, FLAG_TC)
  }
}

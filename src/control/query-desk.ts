/**
 * Who takes a query that was left to the main thread: zone transfers, names, or nobody. Layer: control.
 * Each Answering has its own, also where transfers go on: until its threads have ended they leave queries for names to it,
 * whatever comes after it does with them.
 */

import type { DeferredQuery } from '../dataplane/deferred.ts'
import { ReplyWriter } from '../forward/client-query.ts'
import { FLAG_RA, OFFSET_FLAGS, RCODE_REFUSED } from '../wire/constants.ts'
import type { Desk, SendReply } from './deferred-queries.ts'
import { clientQueryOf } from './forwarding.ts'
import { isTransfer, type TransferService } from './transfer-service.ts'

export class QueryDesk implements Desk {
  private readonly transfers: TransferService | undefined
  private readonly names: Desk | undefined
  private readonly writer: ReplyWriter

  /** @param names takes all but transfers; undefined: those are REFUSED */
  constructor(transfers: TransferService | undefined, names: Desk | undefined, maxUdpSize: number) {
    this.transfers = transfers
    this.names = names
    this.writer = new ReplyWriter(maxUdpSize)
  }

  take(query: DeferredQuery, reply: SendReply): void {
    const desk = this.transfers !== undefined && isTransfer(query) ? this.transfers : this.names
    if (desk !== undefined) desk.take(query, reply)
    else this.refuse(query, reply)
  }

  /** Without a reply it would be waited for. */
  private refuse(query: DeferredQuery, reply: SendReply): void {
    const refused = this.writer.refuse(
      clientQueryOf(query, () => {}),
      RCODE_REFUSED,
    )
    // RFC 1035 §4.1.1: recursion is not available where there is nobody to ask
    refused[OFFSET_FLAGS + 1]! &= ~FLAG_RA
    reply(refused)
  }
}

/**
 * Which clients may have transfers of which zones. Layer: dataplane. Asked for AXFR and IXFR alone.
 */

import { ACL_ALLOW, ACL_BLOCK, Acl } from '../rules/acl.ts'
import type { Network } from '../rules/networks.ts'
import type { Peers } from '../transport/handler.ts'
import type { Query } from '../wire/query.ts'

/** Plain values, so that they can be sent to a thread. */
export interface TransferRule {
  /** Wire form, lower case; they and what lies below. Empty: all. */
  readonly zones: readonly Uint8Array[]
  /** At least one. */
  readonly networks: readonly Network[]
}

export class TransferGate {
  private readonly acl: Acl
  private readonly address = new Uint8Array(16)
  private peers: Peers | undefined
  private isIPv6 = false

  /** What none of the rules allows is not allowed. */
  constructor(rules: readonly TransferRule[]) {
    const allowed = rules.map(rule => ({ ...rule, action: ACL_ALLOW, types: [] }))
    this.acl = new Acl([...allowed, { action: ACL_BLOCK, networks: [], types: [], zones: [] }])
  }

  begin(peers: Peers | undefined, isIPv6: boolean): void {
    this.peers = peers
    this.isIPv6 = isIPv6
  }

  /** @param start where the message begins in the transport's octets */
  allows(query: Query, start: number): boolean {
    if (this.peers === undefined) return false
    this.peers.copyAddress(start, this.address)
    return this.acl.judge(query, this.address, this.isIPv6) === ACL_ALLOW
  }
}

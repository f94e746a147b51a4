/**
 * Which clients may ask for what. Layer: rules; pure. Hot where rules are configured: `judge` allocates nothing.
 * The first rule that fits the client's address, the type and the name decides; none: allowed.
 */

import type { Query } from '../wire/query.ts'
import { type Network, NetworkRanges } from './networks.ts'
import { isWithin } from './query-suffix.ts'

export const ACL_ALLOW = 0
/** REFUSED. */
export const ACL_BLOCK = 1
/** NOERROR without records. */
export const ACL_FILTER = 2
/** No reply at all. */
export const ACL_DROP = 3

export interface AclRule {
  /** ACL_… */
  readonly action: number
  /** Empty: all clients. */
  readonly networks: readonly Network[]
  /** Empty: all. */
  readonly types: readonly number[]
  /** Wire form, lower case; they and what lies below. Empty: all names. */
  readonly zones: readonly Uint8Array[]
}

export class Acl {
  private readonly rules: readonly AclRule[]
  private readonly ipv4: NetworkRanges
  private readonly ipv6: NetworkRanges

  constructor(rules: readonly AclRule[]) {
    this.rules = rules
    const lists = rules.map(({ networks }) => (networks.length === 0 ? undefined : networks))
    this.ipv4 = new NetworkRanges(4, lists)
    this.ipv6 = new NetworkRanges(16, lists)
  }

  /**
   * @param query   read
   * @param address of the client in network order; 4 octets of it are looked at, or 16 with `isIPv6`
   */
  judge(query: Query, address: Uint8Array, isIPv6: boolean): number {
    const fitting = (isIPv6 ? this.ipv6 : this.ipv4).find(address)
    for (let i = 0; i < fitting.length; i++) {
      const rule = this.rules[fitting[i]!]!
      if (rule.types.length > 0 && !rule.types.includes(query.type)) continue
      if (rule.zones.length > 0 && !isWithinAny(query, rule.zones)) continue
      return rule.action
    }
    return ACL_ALLOW
  }

  /** Of a client whose question cannot be read: rules for types and zones do not fit it. */
  judgeClient(address: Uint8Array, isIPv6: boolean): number {
    const fitting = (isIPv6 ? this.ipv6 : this.ipv4).find(address)
    for (let i = 0; i < fitting.length; i++) {
      const { types, zones, action } = this.rules[fitting[i]!]!
      if (types.length + zones.length === 0) return action
    }
    return ACL_ALLOW
  }
}

function isWithinAny(query: Query, zones: readonly Uint8Array[]): boolean {
  for (let i = 0; i < zones.length; i++) if (isWithin(query, zones[i]!)) return true
  return false
}

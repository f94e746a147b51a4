/**
 * What a query meets before the table is asked: access rules, and rules that are the main thread's to apply. Layer: dataplane.
 * Made only where such rules are configured; allocates nothing, unless names have to become text for them.
 */

import {
  SCREEN_BLOCK,
  SCREEN_DEFER,
  SCREEN_DROP,
  SCREEN_FILTER,
  SCREEN_PASS,
  type Screen,
} from '../answer/elsewhere.ts'
import { ACL_ALLOW, ACL_DROP, Acl, type AclRule } from '../rules/acl.ts'
import { compileHandOver, type HandOver, type HandOverRules } from '../rules/hand-over.ts'
import type { Peers } from '../transport/handler.ts'
import type { Query } from '../wire/query.ts'
import { ACL_AT } from './counters.ts'

/** Plain values, so that they can be sent to a thread. */
export interface ScreenRules {
  readonly acl: readonly AclRule[]
  readonly handOver: HandOverRules
}

/** By ACL_…: allow, block, filter, drop. */
const OUTCOMES = [SCREEN_PASS, SCREEN_BLOCK, SCREEN_FILTER, SCREEN_DROP]

/**
 * @param seed of the table's hash
 * @param row  the thread's counters
 * @returns undefined: there is nothing to look at
 */
export function openScreen(rules: ScreenRules | undefined, seed: number, row: Float64Array): QueryScreen | undefined {
  const acl = rules === undefined || rules.acl.length === 0 ? undefined : new Acl(rules.acl)
  const handOver = rules && compileHandOver(rules.handOver, seed)
  return acl === undefined && handOver === undefined ? undefined : new QueryScreen(acl, handOver, row)
}

export class QueryScreen implements Screen {
  private readonly acl: Acl | undefined
  private readonly handOver: HandOver | undefined
  private readonly row: Float64Array
  private readonly address = new Uint8Array(16)
  private peers: Peers | undefined
  private isIPv6 = false

  constructor(acl: Acl | undefined, handOver: HandOver | undefined, row: Float64Array) {
    this.acl = acl
    this.handOver = handOver
    this.row = row
  }

  begin(peers: Peers | undefined, isIPv6: boolean): void {
    this.peers = peers
    this.isIPv6 = isIPv6
  }

  judge(query: Query, start: number): number {
    const { acl, handOver, address, isIPv6 } = this
    if (acl !== undefined) {
      this.peers?.copyAddress(start, address)
      const action = acl.judge(query, address, isIPv6)
      this.row[ACL_AT + action]!++
      if (action !== ACL_ALLOW) return OUTCOMES[action]!
    }
    return handOver?.matches(query) === true ? SCREEN_DEFER : SCREEN_PASS
  }

  drops(start: number): boolean {
    const { acl, address, isIPv6 } = this
    if (acl === undefined) return false
    this.peers?.copyAddress(start, address)
    if (acl.judgeClient(address, isIPv6) !== ACL_DROP) return false
    this.row[ACL_AT + ACL_DROP]!++
    return true
  }
}

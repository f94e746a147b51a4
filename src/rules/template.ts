/**
 * Answers made from a name alone: a fixed one, or none, for the names of a zone or those an expression fits.
 * Layer: rules; pure.
 */

import { RCODE_NOERROR, RCODE_NXDOMAIN, RCODE_SERVFAIL, TYPE_ANY } from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import { type AskedName, keyOf } from './asked-name.ts'
import type { LocalAnswer, LocalRecord } from './local-answer.ts'
import { expand } from './patterns.ts'
import { parseRecord } from './record-text.ts'

export interface TemplateRule {
  /** It and what lies below it; the root: all names. */
  readonly zone: WireName
  /** What a name, in presentation format with the final dot, has to fit too. */
  readonly match: RegExp | undefined
  /** Empty: all. */
  readonly types: readonly number[]
  readonly rcode: number
  /** Each `TYPE DATA`; in data `$1` stands for what the expression found. */
  readonly answers: readonly string[]
  /** Seconds. */
  readonly ttl: number
  /** It is asked before the cluster for names of the cluster's zones: its own zone is one of them, or lies in one. */
  readonly beforeCluster: boolean
}

export interface TemplateStats {
  matches: number
  /** Answers that made no record, since what was found does not fit. */
  failures: number
}

export class Templates {
  readonly stats: readonly TemplateStats[]
  private readonly rules: readonly TemplateRule[]
  private readonly zones: readonly string[]

  constructor(rules: readonly TemplateRule[]) {
    this.rules = rules
    this.zones = rules.map(({ zone }) => keyOf(zone))
    this.stats = rules.map(() => ({ matches: 0, failures: 0 }))
  }

  /**
   * @param beforeCluster of the rules only those
   * @returns undefined: no rule fits
   */
  answer(name: AskedName, type: number, beforeCluster = false): LocalAnswer | undefined {
    for (const [i, rule] of this.rules.entries()) {
      if (beforeCluster && !rule.beforeCluster) continue
      if (rule.types.length > 0 && !rule.types.includes(type)) continue
      if (!name.isWithin(this.zones[i]!)) continue
      const found = rule.match?.exec(name.text)
      if (found === null) continue
      const stats = this.stats[i]!
      stats.matches++
      return make(rule, found, type, stats)
    }
    return undefined
  }
}

function make(rule: TemplateRule, found: RegExpExecArray | undefined, type: number, stats: TemplateStats): LocalAnswer {
  const { rcode, ttl } = rule
  const records: LocalRecord[] = []
  for (const text of rule.answers) {
    const record = parseRecord(found === undefined ? text : expand(text, found))
    if (record === undefined) {
      stats.failures++
      return { rcode: RCODE_SERVFAIL, records: [], ttl, zone: undefined }
    }
    if (type === TYPE_ANY || record.type === type) records.push(record)
  }
  const isNegative = records.length === 0 && (rcode === RCODE_NOERROR || rcode === RCODE_NXDOMAIN)
  // A SOA of the root would speak for all names.
  const zone = isNegative && rule.zone.length > 1 ? rule.zone : undefined
  return { rcode, records, ttl, zone }
}

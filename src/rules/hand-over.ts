/**
 * Which queries a data-plane thread hands over to the main thread before it looks into the table: those that a rule
 * rewrites or answers although their names lie in the cluster's zones. Layer: rules; pure.
 * Hot where such rules are configured: names are found by the hashes that reading QNAME gave; only prefixes and
 * expressions make text of it.
 */

import { formatName, type WireName } from '../wire/name.ts'
import { Query } from '../wire/query.ts'
import { isSuffix } from './query-suffix.ts'

/** Values that can be sent to a thread. */
export interface HandOverRules {
  readonly names: readonly { readonly name: WireName; readonly self: boolean; readonly below: boolean }[]
  /** Beginnings of names in presentation format. */
  readonly prefixes: readonly string[]
  /** From `compilePattern`: their sources are longer than what was typed, so a thread that judged them again could refuse one. */
  readonly patterns: readonly RegExp[]
  readonly types: readonly number[]
}

/** @returns undefined: there is nothing to hand over */
export function compileHandOver(rules: HandOverRules, seed: number): HandOver | undefined {
  const { names, prefixes, patterns, types } = rules
  const count = names.length + prefixes.length + patterns.length + types.length
  return count === 0 ? undefined : new HandOver(rules, seed)
}

export class HandOver {
  private readonly names = new Map<number, { name: WireName; self: boolean; below: boolean }[]>()
  private readonly prefixes: readonly string[]
  private readonly patterns: readonly RegExp[]
  private readonly types: readonly number[]
  private readonly needsText: boolean

  constructor({ names, prefixes, patterns, types }: HandOverRules, seed: number) {
    const reader = new Query(seed)
    for (const each of names) {
      reader.readName(each.name, 0, each.name.length)
      const hash = reader.suffixHash[0]!
      this.names.set(hash, [...(this.names.get(hash) ?? []), each])
    }
    this.prefixes = prefixes
    this.patterns = patterns
    this.types = types
    this.needsText = prefixes.length + patterns.length > 0
  }

  /** @param query read, with the seed given */
  matches(query: Query): boolean {
    if (this.types.length > 0 && this.types.includes(query.type)) return true
    if (this.names.size > 0 && this.matchesName(query)) return true
    return this.needsText && this.matchesText(formatName(query.name))
  }

  private matchesName(query: Query): boolean {
    for (let label = 0; label <= query.labels; label++) {
      const found = this.names.get(query.suffixHash[label]!)
      if (found === undefined) continue
      for (const { name, self, below } of found) {
        if ((label === 0 ? self : below) && isSuffix(query, query.labelStart[label]!, name)) return true
      }
    }
    return false
  }

  private matchesText(text: string): boolean {
    return this.prefixes.some(prefix => text.startsWith(prefix)) || this.patterns.some(each => each.test(text))
  }
}

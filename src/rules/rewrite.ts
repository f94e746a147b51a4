/**
 * One name or type asked for another: rules, and what they make of a question. Layer: rules; pure.
 * Names are lower-cased before a rule sees them. What of it a data-plane thread has to know is in screen.ts.
 */

import { parseName, type WireName } from '../wire/name.ts'
import { AskedName, keyOf } from './asked-name.ts'
import { expand } from './patterns.ts'

export type RewriteRule = RewriteEffect & {
  /** Further rules see what this one made. */
  readonly continue: boolean
}

type RewriteEffect =
  | { readonly match: 'exact'; readonly from: WireName; readonly to: WireName }
  /** `from` itself, unless `below`, and all names below it. */
  | { readonly match: 'suffix'; readonly from: WireName; readonly to: WireName; readonly below: boolean }
  /** The first characters of a name in presentation format. */
  | { readonly match: 'prefix'; readonly from: string; readonly to: string }
  /** A name in presentation format with the final dot; `to` may hold `$1`. */
  | { readonly match: 'regex'; readonly from: RegExp; readonly to: string }
  | { readonly match: 'type'; readonly from: number; readonly to: number }

export interface Rewritten {
  readonly name: WireName
  readonly type: number
}

/** No name comes out: it would be too long, or have an empty label. */
export const NO_NAME = 'no name'

/** @returns undefined: no rule fits, or what they make is what was asked */
export function rewrite(
  rules: readonly RewriteRule[],
  asked: AskedName,
  type: number,
): Rewritten | undefined | typeof NO_NAME {
  let name = asked
  let newType = type
  for (const rule of rules) {
    if (rule.match === 'type') {
      if (rule.from !== newType) continue
      newType = rule.to
    } else {
      const made = rewriteName(rule, name)
      if (made === undefined) continue
      if (made === NO_NAME) return NO_NAME
      name = new AskedName(made)
    }
    if (!rule.continue) break
  }
  return name.key === asked.key && newType === type ? undefined : { name: name.wire, type: newType }
}

/** @returns undefined: it does not fit */
function rewriteName(
  rule: Exclude<RewriteRule, { match: 'type' }>,
  name: AskedName,
): WireName | undefined | typeof NO_NAME {
  if (rule.match === 'exact') return name.key === keyOf(rule.from) ? rule.to : undefined
  if (rule.match === 'suffix') {
    const from = keyOf(rule.from)
    if (!name.isWithin(from) || (rule.below && name.key === from)) return undefined
    const kept = name.wire.subarray(0, name.key.length - from.length)
    const made = new Uint8Array(kept.length + rule.to.length)
    made.set(kept)
    made.set(rule.to, kept.length)
    return made.length > 255 ? NO_NAME : made
  }
  if (rule.match === 'prefix') {
    return name.text.startsWith(rule.from) ? nameOf(rule.to + name.text.slice(rule.from.length)) : undefined
  }
  const found = rule.from.exec(name.text)
  return found === null ? undefined : nameOf(expand(rule.to, found))
}

function nameOf(text: string): WireName | typeof NO_NAME {
  return (text === '' ? undefined : parseName(text)) ?? NO_NAME
}

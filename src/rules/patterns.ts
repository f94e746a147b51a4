/**
 * Regular expressions of the operator, on names in presentation format. Layer: rules; pure.
 * A name has at most 255 octets, some 1,000 characters when all are escaped. That alone does not bound the time of an
 * expression: those that may try too many ways to fit are refused (backtracking.ts).
 */

import { waysOf } from './backtracking.ts'

/** Characters of an expression. */
const MAX_PATTERN = 512
/** Two repetitions that anything ends, and a choice or two. At worst 25 ms for a name. */
const MAX_WAYS = 4 * 256 * 256
const TOO_MANY_WAYS =
  'there are too many ways to fit it, which can take seconds for a name: begin it with ^, let what follows a repetition say ' +
  'where it ends ([^.]*\\. rather than .*\\.), and repeat no repetition and no choice'
/** Its group is a modifier; escapes and classes may look like one, and are skipped. */
const MODIFIER = /\\.|\[(?:\\.|[^\]\\])*\]|(\(\?[a-z-]+[:)])/gi
/** Ways are counted for letters of either case. */
const NO_MODIFIERS =
  'it has a modifier such as (?i: or (?-i:, but names always fit in letters of either case: leave it out'
/** What begins so fits at the first character or nowhere, which V8 does not see. */
const ANYTHING_FIRST = /^(?:\.\*|\((?:\?:|\?<\w+>)?\.\*\)(?![*?{]))[^|]*$/

/**
 * @param source JavaScript's syntax; Go's `(?P<name>…)` is understood too
 * @returns the expression, for letters of either case, or what is wrong with it
 */
export function compilePattern(source: string): RegExp | string {
  if (source.length > MAX_PATTERN || !/^[!-~]+$/.test(source)) {
    return `it must have 1 to ${MAX_PATTERN} characters of printable ASCII, without blanks`
  }
  const plain = source.replaceAll('(?P<', '(?<')
  if ([...plain.matchAll(MODIFIER)].some(([, modifier]) => modifier !== undefined)) return NO_MODIFIERS
  const text = ANYTHING_FIRST.test(plain) ? `^${plain}` : plain
  try {
    const pattern = new RegExp(text, 'i')
    return waysOf(text) > MAX_WAYS ? TOO_MANY_WAYS : pattern
  } catch (error) {
    return (error as Error).message.replace(/^Invalid regular expression: /, '')
  }
}

/**
 * Fills in what an expression found.
 * @param text `$1`, `${1}` and `$<name>` stand for groups, `$$` for a dollar
 */
export function expand(text: string, found: RegExpExecArray): string {
  return text.replace(/\$(?:\$|(\d)|\{(\d)\}|<(\w{1,64})>)/g, (all, digit, braced, name) => {
    if (all === '$$') return '$'
    return (name === undefined ? found[Number(digit ?? braced)] : found.groups?.[name]) ?? ''
  })
}

/**
 * Regular expressions of the operator, on names in presentation format. Layer: rules; pure.
 * A name has at most 255 octets, some 1,000 characters when all are escaped. That alone does not bound the time of an
 * expression in which a repetition repeats a repetition, so such ones are refused; others may still be slow.
 */

/** Characters of an expression. */
const MAX_PATTERN = 512

/**
 * @param source JavaScript's syntax; Go's `(?P<name>…)` is understood too
 * @returns the expression, for letters of either case, or what is wrong with it
 */
export function compilePattern(source: string): RegExp | string {
  if (source.length > MAX_PATTERN || !/^[!-~]+$/.test(source)) {
    return `it must have 1 to ${MAX_PATTERN} characters of printable ASCII, without blanks`
  }
  const text = source.replaceAll('(?P<', '(?<')
  if (repeatsRepetition(text)) return 'a repetition of a repetition, such as (a+)+, can take for ever'
  try {
    return new RegExp(text, 'i')
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

/**
 * Whether a group that holds an unbounded repetition is itself repeated without bound, and nothing says where one round
 * ends: in `([a-z]+\.)*` the dot does, since nothing else in it matches a dot.
 */
function repeatsRepetition(source: string): boolean {
  const groups = [newGroup()]
  for (let i = 0; i < source.length; i++) {
    const group = groups.at(-1)!
    const token = tokenAt(source, i)
    i += token.length - 1
    if (token === '(') groups.push(newGroup())
    else if (token === ')') {
      groups.pop()
      const outer = groups.at(-1)
      if (outer === undefined) return false
      if (group.repeats && isRepeated(source, i + 1) && (!group.endsInDot || group.isWide)) return true
      outer.repeats ||= group.repeats || isRepeated(source, i + 1)
      outer.isWide ||= group.isWide
    } else {
      if (isRepeated(source, i + 1)) group.repeats = true
      if (token === '\\.') group.endsInDot = true
      else if (/^(\.|\||\[\^.*|\[.*\..*|\\[SWDpPnux1-9].*)$/s.test(token)) group.isWide = true
    }
  }
  return false
}

interface Group {
  repeats: boolean
  /** It has a dot that must be there. */
  endsInDot: boolean
  /** It has something else that may match a dot. */
  isWide: boolean
}

function newGroup(): Group {
  return { repeats: false, endsInDot: false, isWide: false }
}

/** A class, an escape, or one character. */
function tokenAt(source: string, at: number): string {
  return /^(\[(\\.|[^\]\\])*\]|\\.)/s.exec(source.slice(at))?.[0] ?? source[at]!
}

function isRepeated(source: string, at: number): boolean {
  return source[at] === '*' || source[at] === '+' || /^\{\d+,\}/.test(source.slice(at, at + 12))
}

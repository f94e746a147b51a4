/**
 * How many ways an expression may try before it gives up: V8 goes back to every choice that it made. Layer: rules; pure.
 *
 *   a* then b      the next character says whether to go on: no choice        a* then [ab], (.*)-     as many as characters
 *   (…)* with a choice in each round: without end                             a|b, a?                 so many each
 *
 * It is an upper bound, by the form alone: where it says too much, the expression can be written so that it says less.
 */

/** An octet of a name each, more or less. */
const ALL = 256
const CHARACTERS = Array.from({ length: 0x7f - 0x21 }, (_, i) => String.fromCharCode(0x21 + i))
const TOKEN =
  /\[(?:\\.|[^\]\\])*\]|\\(?:x[\da-f]{2}|u[\da-f]{4}|c[a-z]|k<\w+>|\d+|.)|\((?:\?(?:<?[=!]|[a-z-]*:|<\w+>))?|./gi
const QUANTIFIER = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/

interface Atom {
  readonly kind: 'atom'
  /** Characters that it matches; undefined: not known, or none at all. */
  readonly set: readonly string[] | undefined
  readonly min: number
  readonly max: number
}

interface Group {
  readonly kind: 'group'
  readonly alternatives: readonly Item[][]
  /** Looks ahead or back. */
  readonly isAssertion: boolean
  readonly min: number
  readonly max: number
}

type Item = Atom | Group

/** @param source that `RegExp` takes @returns how many ways there are, and Infinity when no name bounds them */
export function waysOf(source: string): number {
  const all = parse(source)
  const isAnchored = source.startsWith('^') && all.length === 1
  return (isAnchored ? 1 : ALL) * waysOfAlternatives(all, true)
}

/** @param mayEnd when they have matched, all has */
function waysOfAlternatives(alternatives: readonly Item[][], mayEnd: boolean): number {
  return alternatives.reduce((ways, items) => ways * waysOfItems(inLine(items), mayEnd), alternatives.length)
}

function waysOfItems(items: readonly Item[], mayEnd: boolean): number {
  let ways = 1
  for (const [i, item] of items.entries()) {
    const choices = item.max === Number.POSITIVE_INFINITY ? ALL : item.max - item.min + 1
    const isLast = mayEnd && i === items.length - 1
    if (item.kind === 'atom') ways *= isDecided(item, items[i + 1], isLast) ? 1 : choices
    else ways *= choices * waysOfRounds(item, isLast)
  }
  return ways
}

function waysOfRounds({ alternatives, max }: Group, isLast: boolean): number {
  const ways = waysOfAlternatives(alternatives, isLast && max <= 1)
  // 1 to the power of Infinity is NaN.
  return ways === 1 ? 1 : ways ** max
}

/** Whether the next character says how often an atom is there. */
function isDecided(atom: Atom, next: Item | undefined, isLast: boolean): boolean {
  if (atom.min === atom.max) return true
  if (next === undefined) return isLast
  if (next.kind === 'group' || next.min === 0 || next.set === undefined || atom.set === undefined) return false
  const { set } = next
  return atom.set.every(character => !set.includes(character))
}

/** With the items of groups that are there once in the place of the groups. */
function inLine(items: readonly Item[]): Item[] {
  return items.flatMap(item => {
    const isPlain = item.kind === 'group' && item.alternatives.length === 1 && !item.isAssertion
    return isPlain && item.min === 1 && item.max === 1 ? inLine(item.alternatives[0]!) : [item]
  })
}

function parse(source: string): Item[][] {
  const open: { readonly alternatives: Item[][]; readonly isAssertion: boolean }[] = []
  let alternatives: Item[][] = [[]]
  let isAssertion = false
  let at = 0
  while (at < source.length) {
    TOKEN.lastIndex = at
    const [token] = TOKEN.exec(source)!
    at += token.length
    if (token === '|') alternatives.push([])
    else if (token.startsWith('(')) {
      open.push({ alternatives, isAssertion })
      alternatives = [[]]
      isAssertion = /[=!]$/.test(token)
    } else {
      const quantifier = QUANTIFIER.exec(source.slice(at))
      at += quantifier?.[0].length ?? 0
      const times = timesOf(quantifier)
      if (token === ')') {
        const group: Group = { kind: 'group', alternatives, isAssertion, ...times }
        ;({ alternatives, isAssertion } = open.pop()!)
        alternatives.at(-1)!.push(group)
      } else if (token !== '$' || at < source.length) {
        alternatives.at(-1)!.push({ kind: 'atom', set: setOf(token), ...times })
      }
    }
  }
  return alternatives
}

function timesOf(quantifier: RegExpExecArray | null): { min: number; max: number } {
  if (quantifier === null) return { min: 1, max: 1 }
  const [text, least, comma, most] = quantifier
  if (least !== undefined) {
    const max = comma === undefined ? Number(least) : most === '' ? Number.POSITIVE_INFINITY : Number(most)
    return { min: Number(least), max }
  }
  return { min: text.startsWith('+') ? 1 : 0, max: text.startsWith('?') ? 1 : Number.POSITIVE_INFINITY }
}

function setOf(token: string): string[] | undefined {
  if (/^(?:\^|\$|\\[bBk1-9].*)$/.test(token)) return undefined
  const one = new RegExp(`^${token === '{' || token === '}' || token === ']' ? '\\' : ''}${token}$`, 'i')
  return CHARACTERS.filter(character => one.test(character))
}

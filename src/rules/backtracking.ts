/**
 * How many ways an expression may try before it gives up: V8 goes back to every choice that it made. Layer: rules; pure.
 *
 *   a* then b      the next character says whether to go on: no choice        a* then [ab], (.*)-     as many as characters
 *   (…)* with a choice in each round: without end                             a|b, a?                 so many each
 *
 * Where there is no choice it is walked over all the same, and back, once for each way that leads there: [^x]*$, [^x]*x.
 * It is an upper bound, by the form alone: where it says too much, the expression can be written so that it says less.
 */

/** An octet of a name each, more or less. */
const ALL = 256
const CHARACTERS = Array.from({ length: 0x7f - 0x21 }, (_, i) => String.fromCharCode(0x21 + i))
const TOKEN = /\[(?:\\.|[^\]\\])*\]|\\(?:x[\da-f]{2}|u[\da-f]{4}|c[a-z]|k<\w+>|\d+|.)|\((?:\?(?:<?[=!]|:|<\w+>))?|./gi
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

interface Effort {
  readonly ways: number
  /** As long as so many ways take, with all that is walked over; no less than `ways`. */
  readonly time: number
}

/** Behind the last item of all: when it is reached, all has matched. */
const NOTHING: Atom = { kind: 'atom', set: [], min: 0, max: 0 }
/** `$` with which all ends. */
const END: Atom = { kind: 'atom', set: [], min: 1, max: 1 }
/** Characters walked over in the time of a way. A name has at most `ALL` times as many. */
const STEPS_PER_WAY = 4

/**
 * @param source that `RegExp` takes, for letters of either case and without modifiers
 * @returns how many ways there are, and Infinity when no name bounds them
 */
export function waysOf(source: string): number {
  const all = parse(source)
  const isAnchored = source.startsWith('^') && all.length === 1
  return (isAnchored ? 1 : ALL) * effortOfAlternatives(all, NOTHING).time
}

/** @param after what follows them; undefined: not known */
function effortOfAlternatives(alternatives: readonly Item[][], after: Item | undefined): Effort {
  const efforts = alternatives.map(items => effortOfItems(inLine(items), after))
  const ways = efforts.reduce((all, each) => all * each.ways, efforts.length)
  return { ways, time: Math.max(ways, efforts.length * Math.max(...efforts.map(({ time }) => time))) }
}

function effortOfItems(items: readonly Item[], after: Item | undefined): Effort {
  let ways = 1
  let time = 1
  for (const [i, item] of items.entries()) {
    const next = items[i + 1] ?? after
    const each = item.kind === 'atom' ? effortOfAtom(item, items[i - 1], next) : effortOfGroup(item, next)
    time = Math.max(time, ways * each.time)
    ways *= each.ways
  }
  return { ways, time }
}

function effortOfAtom(atom: Atom, before: Item | undefined, next: Item | undefined): Effort {
  const isSure = next === NOTHING || (next === END && atom.set?.length === CHARACTERS.length)
  const ways = isSure || isDecided(atom, next) ? 1 : choicesOf(atom)
  // Where none of its characters stands before it, it is walked over from one place alone: together that is one walk.
  const isWalkedOnce = before?.kind === 'atom' && before.min > 0 && isApart(before, atom)
  const steps = isWalkedOnce ? 1 : isSure ? atom.min : atom.max
  return { ways, time: Math.max(ways, Math.min(Math.ceil(steps / STEPS_PER_WAY), ALL)) }
}

function effortOfGroup(group: Group, next: Item | undefined): Effort {
  const { alternatives, max } = group
  const isLast = max <= 1 && (next === NOTHING || next === END)
  const round = effortOfAlternatives(alternatives, isLast ? next : undefined)
  // 1 to the power of Infinity is NaN.
  const before = round.ways === 1 ? 1 : round.ways ** Math.max(max - 1, 0)
  const ways = choicesOf(group) * before * (max === 0 ? 1 : round.ways)
  // Rounds lie behind each other: all of them are walked over in what the name is long.
  const walked = Math.min(round.time * Math.ceil(max / STEPS_PER_WAY), Math.max(round.time, ALL))
  return { ways, time: Math.max(ways, before * walked) }
}

function choicesOf({ min, max }: Item): number {
  return max === Number.POSITIVE_INFINITY ? ALL : max - min + 1
}

/** Whether the next character, or that there is none, says how often an atom is there. */
function isDecided(atom: Atom, next: Item | undefined): boolean {
  if (atom.min === atom.max) return true
  return next?.kind === 'atom' && next.min > 0 && isApart(atom, next)
}

function isApart({ set }: Atom, { set: other }: Atom): boolean {
  return set !== undefined && other !== undefined && set.every(character => !other.includes(character))
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
      } else if (token === '$' && at === source.length) {
        alternatives.at(-1)!.push(END)
      } else {
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

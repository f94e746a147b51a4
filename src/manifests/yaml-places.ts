/**
 * Where the values of one YAML document stand in its text, noted while a parser reads it. Layer: manifests; pure.
 *
 * The parser says when it begins and ends a value, with keys as values; it also begins some that it then reads in another way.
 * What a value's children are is therefore told by what they turned out to be, not by counting them.
 *
 * The order of a mapping's keys is known here alone, and kubectl's merge keys depend on it.
 */

interface Place {
  readonly offset: number
  end: number
  isMergeKey: boolean
  result: unknown
  children: Place[]
}

type Mapping = Record<string, unknown>

/** White space and comments. */
const BLANK = /(?:\s|(?<=\s)#[^\r\n]*)*/y

export class Places {
  private readonly text: string
  private readonly opened: Place[] = []
  private root: Place | undefined

  constructor(text: string) {
    this.text = text
  }

  /** @param offset the value begins there, or behind the white space there */
  open(offset: number): void {
    const place = { offset, end: offset, isMergeKey: false, result: undefined, children: [] }
    this.opened.at(-1)?.children.push(place)
    this.opened.push(place)
  }

  /** @param end the value ends there, or before the white space there */
  close(result: unknown, end: number, isMergeKey: boolean): void {
    const place = this.opened.pop()
    if (place === undefined) return
    Object.assign(place, { result, end, isMergeKey })
    const last = place.children.at(-1)
    if (typeof result !== 'object' || result === null) place.children = []
    // Taken for a key at first, it was the value itself.
    else if (last?.result === result) place.children = last.children
    else if (place.children.some(child => child.isMergeKey)) this.mergeInOrder(place)
    this.root = place
  }

  /** @returns the offset of what stands at the path, or of the nearest thing above it */
  offsetOf(path: readonly (string | number)[]): number {
    let place = this.root
    let offset = place === undefined ? 0 : this.startOf(place)
    for (const step of path) {
      const next = place === undefined ? undefined : childOf(place, step)
      if (next === undefined) break
      place = next.value
      // Nothing written is where its key is.
      offset = this.startOf(place.result === null ? next.key : place)
    }
    return offset
  }

  /**
   * To kubectl 1.32 a merge key is one assignment among others: it writes over the keys before it. The parser merges only
   * what is not there yet, so that the mapping has the right keys, and some wrong values.
   */
  private mergeInOrder({ result, children }: Place): void {
    const mapping = result as Mapping
    // In quotes it is no merge key; behind "?" the parser did not merge it, and did not bound what that costs.
    if (Array.isArray(result) || Object.hasOwn(mapping, '<<')) return
    for (let i = 0; i < children.length; i++) {
      const key = children[i]!
      const value = this.hasValue(key) ? children[++i]?.result : null
      if (!key.isMergeKey) overwrite(mapping, String(key.result), value)
      // Of a list the first mapping counts.
      else for (const source of Array.isArray(value) ? value.toReversed() : [value]) overwriteAll(mapping, source)
    }
  }

  /** Between a key and its value there is nothing but a colon. */
  private hasValue({ end }: Place): boolean {
    return this.text[this.skipBlank(end)] === ':'
  }

  private startOf({ offset }: Place): number {
    return this.skipBlank(offset)
  }

  private skipBlank(offset: number): number {
    BLANK.lastIndex = offset
    BLANK.test(this.text)
    return BLANK.lastIndex
  }
}

function overwriteAll(mapping: Mapping, source: Mapping): void {
  for (const key of Object.keys(source)) overwrite(mapping, key, source[key])
}

/** Never adds a key, and so reaches no prototype. */
function overwrite(mapping: Mapping, key: string, value: unknown): void {
  if (Object.hasOwn(mapping, key)) mapping[key] = value
}

function childOf({ result, children }: Place, step: string | number): { key: Place; value: Place } | undefined {
  if (typeof result !== 'object' || result === null || !Object.hasOwn(result, step)) return undefined
  const value = (result as Record<string | number, unknown>)[step]
  const isIt = (child: Place) => Object.is(child.result, value)
  if (Array.isArray(result)) {
    const child = children.length === result.length ? children[Number(step)] : children.find(isIt)
    return child === undefined ? undefined : { key: child, value: child }
  }
  // Of a key given twice the last one counts.
  const at = children.findLastIndex((child, i) => i > 0 && isIt(child) && String(children[i - 1]!.result) === step)
  return at === -1 ? undefined : { key: children[at - 1]!, value: children[at]! }
}

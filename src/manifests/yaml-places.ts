/**
 * Where the values of one YAML document stand in its text, noted while a parser reads it. Layer: manifests; pure.
 *
 * The parser says when it begins and ends a value, with keys as values; it also begins some that it then reads in another way.
 * What a value's children are is therefore told by what they turned out to be, not by counting them.
 */

interface Place {
  readonly offset: number
  result: unknown
  children: Place[]
}

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
    const place = { offset, result: undefined, children: [] }
    this.opened.at(-1)?.children.push(place)
    this.opened.push(place)
  }

  close(result: unknown): void {
    const place = this.opened.pop()
    if (place === undefined) return
    place.result = result
    const last = place.children.at(-1)
    if (typeof result !== 'object' || result === null) place.children = []
    // Taken for a key at first, it was the value itself.
    else if (last?.result === result) place.children = last.children
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

  private startOf({ offset }: Place): number {
    BLANK.lastIndex = offset
    BLANK.test(this.text)
    return BLANK.lastIndex
  }
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

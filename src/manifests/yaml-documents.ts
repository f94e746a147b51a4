/**
 * Text of a YAML file → the texts of its documents. Layer: manifests; pure. YAML is not parsed here: a line that begins
 * with a document's marker is one wherever it stands, in block scalars and quotes too (YAML 1.1 §4.1.2).
 *
 * Objects in JSON may stand one behind the other with nothing between them, as tools print them and kubectl reads them.
 */

/** A line may end with CR alone. */
const MARKER = /(?<![^\r\n])(?:---|\.\.\.)(?![^ \t\r\n])/g
/** Directives and comments belong to the document whose marker follows them. */
const PROLOG = /^\uFEFF?(?:[ \t]*(?:#[^\r\n]*)?[\r\n]|%[^\r\n]*[\r\n])*$/

/** Yields parts of the text, which are the whole of it together; in each is one document, or none. */
export function* divideDocuments(text: string): Generator<string> {
  let from = 0
  for (const { 0: marker, index } of text.matchAll(MARKER)) {
    const isEnd = marker === '...'
    const to = isEnd ? endOfLine(text, index) : index
    if (to <= from || (!isEnd && PROLOG.test(text.slice(from, to)))) continue
    yield text.slice(from, to)
    from = to
  }
  if (from < text.length || text === '') yield text.slice(from)
}

const JSON_TOKEN = /\\.|["{}]/gs
const WHITE_SPACE = /\s*/y

/**
 * @param from where a JSON object may begin
 * @returns where the next one begins, or the end of the text; undefined when something else follows, or it has no end
 */
export function nextJsonObject(text: string, from: number): number | undefined {
  const end = endOfJsonObject(text, from)
  if (end === undefined) return undefined
  WHITE_SPACE.lastIndex = end
  WHITE_SPACE.test(text)
  const next = WHITE_SPACE.lastIndex
  return next === text.length || text[next] === '{' ? next : undefined
}

function endOfJsonObject(text: string, from: number): number | undefined {
  let depth = 0
  let isQuoted = false
  JSON_TOKEN.lastIndex = from
  for (let token = JSON_TOKEN.exec(text); token !== null; token = JSON_TOKEN.exec(text)) {
    if (token[0] === '"') isQuoted = !isQuoted
    else if (!isQuoted && token[0] === '{') depth++
    else if (!isQuoted && token[0] === '}' && --depth <= 0) return JSON_TOKEN.lastIndex
  }
  return undefined
}

/** @returns for an offset, how many line feeds stand before it; they are looked for once, when first asked */
export function lineCounterOf(text: string): (offset: number) => number {
  let feeds: number[] | undefined
  return offset => {
    feeds ??= lineFeedsIn(text)
    let [low, high] = [0, feeds.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (feeds[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

function lineFeedsIn(text: string): number[] {
  const feeds: number[] = []
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) feeds.push(at)
  return feeds
}

function endOfLine(text: string, from: number): number {
  const at = text.indexOf('\n', from)
  return at === -1 ? text.length : at + 1
}

/**
 * Text of a manifest file → plain values, as kubectl reads them. Layer: manifests; the one door to the package `yaml`.
 *
 * kubectl reads YAML 1.1 with some of it left out, observed on kubectl 1.32: `y`, `yes` and `on` are true; `010` is 8;
 * `1:10` and `2026-01-01` are text; of a key given twice the last one counts; a key `y` becomes the key "true".
 * JSON is tried first where the text looks like it: it is read a hundred times faster.
 */

import { Composer, isAlias, isCollection, isNode, LineCounter, Parser } from 'yaml'

export interface ParsedDocument {
  readonly value: unknown
  /**
   * @param path keys and indexes from the document's root
   * @returns the line, from 1, of what stands there, or of the nearest thing above it that stands in the text
   */
  readonly lineOf: (path: readonly (string | number)[]) => number
}

export interface SyntaxProblem {
  readonly line: number
  readonly reason: string
}

/** Of a text in JSON; it is held in memory three or four times while it is read. */
export const MAX_JSON_OCTETS = 64 * 1024 * 1024
/** Of a text in YAML: this much takes some 6 s and 700 MB (measured: 1.4 MB/s, 90 octets of heap for each octet). */
export const MAX_YAML_OCTETS = 8 * 1024 * 1024

/** In a larger JSON text every line is said to be 1. */
const MAX_JSON_CHARACTERS_WITH_LINES = 256 * 1024
/** Uses of one anchor in one document, nested uses multiplied: a bomb of aliases ends here. */
const MAX_ALIASES = 1000
/** YAML 1.1 types that kubectl does not know: it reads them as text. */
const UNKNOWN_TO_KUBECTL = new Set(['timestamp', 'binary', 'omap', 'pairs', 'set'])

const TOO_DEEP = 'it is nested too deeply'

type Path = readonly (string | number)[]

/**
 * Yields one document after the other, so that only one is held as a tree. Never throws.
 * @param text the content of one file
 */
export function* parseManifest(text: string): Generator<ParsedDocument | SyntaxProblem> {
  if (/^\uFEFF?\s*[[{]/.test(text)) {
    const value = parseJson(text)
    if (value !== undefined) {
      yield { value, lineOf: lineFinderOf(text) }
      return
    }
  }
  const octets = Buffer.byteLength(text)
  if (octets > MAX_YAML_OCTETS) {
    yield {
      line: 1,
      reason: `it has ${mebibytes(octets)} MiB, and YAML is read up to ${mebibytes(MAX_YAML_OCTETS)} MiB; write it as JSON (kubectl get -o json), which is read up to ${mebibytes(MAX_JSON_OCTETS)} MiB and far faster, or divide it`,
    }
    return
  }
  yield* parseYaml(text)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return undefined
  }
}

/** JSON is YAML: when a line is asked for, a text that is not large is read again as YAML. */
function lineFinderOf(text: string): ParsedDocument['lineOf'] {
  if (text.length > MAX_JSON_CHARACTERS_WITH_LINES) return () => 1
  let document: ParsedDocument | SyntaxProblem | undefined
  return path => {
    const found = document ?? parseYaml(text).next().value ?? { line: 1, reason: '' }
    document = found
    return 'lineOf' in found ? found.lineOf(path) : found.line
  }
}

function* parseYaml(text: string): Generator<ParsedDocument | SyntaxProblem> {
  const lines = new LineCounter()
  const parser = new Parser(lines.addNewLine)
  const composer = new Composer({
    version: '1.1',
    strict: false,
    uniqueKeys: false,
    resolveKnownTags: false,
    logLevel: 'error',
    customTags: tags => tags.filter(tag => typeof tag !== 'string' && isKnownToKubectl(tag)),
  })
  // What is missing at the end is missing on the last line that says something.
  const end = text.trimEnd().length
  const lineAt = (offset: number) => Math.max(1, lines.linePos(Math.min(offset, end)).line)
  try {
    for (const document of composer.compose(parser.parse(text))) {
      const [error] = document.errors
      if (error !== undefined) {
        const reason = error.code === 'RESOURCE_EXHAUSTION' ? TOO_DEEP : firstLine(error.message)
        yield { line: lineAt(error.pos[0]), reason }
        continue
      }
      yield toDocument(document, lineAt)
    }
  } catch (error) {
    // The parser recurses: text nested some thousand levels deep ends here.
    const reason = error instanceof RangeError ? TOO_DEEP : firstLine(String(error))
    yield { line: 1, reason }
  }
}

type YamlDocument = ReturnType<Composer['compose']> extends Generator<infer D> ? D : never

function toDocument(document: YamlDocument, lineAt: (offset: number) => number): ParsedDocument | SyntaxProblem {
  const lineOf = (path: Path) => lineAt(offsetOf(document.contents, path) ?? document.range[0])
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }), lineOf }
  } catch (error) {
    return { line: lineOf([]), reason: firstLine(error instanceof Error ? error.message : String(error)) }
  }
}

function offsetOf(root: unknown, path: Path): number | undefined {
  let node = root
  let offset: number | undefined
  for (let depth = 0; isNode(node) && !isAlias(node); depth++) {
    offset = node.range?.[0] ?? offset
    const step = path[depth]
    if (step === undefined || !isCollection(node)) break
    node = node.get(step, true)
  }
  return offset
}

function isKnownToKubectl(tag: { tag: string; format?: string }): boolean {
  return !UNKNOWN_TO_KUBECTL.has(tag.tag.replace('tag:yaml.org,2002:', '')) && tag.format !== 'TIME'
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!
}

function mebibytes(octets: number): string {
  return (octets / 1024 / 1024).toFixed(octets % (1024 * 1024) === 0 ? 0 : 1)
}

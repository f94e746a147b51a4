/**
 * Text of a manifest file → plain values, as kubectl reads them. Layer: manifests; the one door to the package `js-yaml`.
 *
 * kubectl reads YAML 1.1 with some of it left out, observed on kubectl 1.32: `y`, `yes` and `on` are true; `010` is 8;
 * `1:10` and `2026-01-01` are text; of a key given twice the last one counts, of keys that `<<` merges too; a key `y`
 * becomes the key "true".
 * JSON is tried first where the text looks like it: it is read faster still, and its objects may follow each other bare.
 */

import { FAILSAFE_SCHEMA, loadAll, type State, Type, YAMLException } from 'js-yaml'
import { divideDocuments, lineCounterOf, nextJsonObject } from './yaml-documents.ts'
import { Places } from './yaml-places.ts'

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
/** Of a text in YAML. Measured: 8 MB of documents take 0.5 s and 20 MB, 6 MB as one list 0.6 s and 300 MB. */
export const MAX_YAML_OCTETS = 8 * 1024 * 1024

/** In a larger JSON text every line is said to be the first of its object. */
const MAX_JSON_CHARACTERS_WITH_LINES = 256 * 1024
/** Values of one document that stand there by way of aliases, theirs included: a bomb of aliases ends here. */
const MAX_ALIASED_VALUES = 10_000
/** The package's own limit; a custom resource's schema, nested deepest of what people write, has some 40. */
const MAX_DEPTH = 100

const TOO_DEEP = `it is nested deeper than ${MAX_DEPTH} levels`

type Path = readonly (string | number)[]

const TRUE = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/
const FALSE = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/
const NULL = /^(?:~|null|Null|NULL|)$/
/** What kubectl's parser takes for a number, when its underscores are taken out. */
const INTEGER = /^[-+]?(?:0x[0-9a-f]+|0o[0-7]+|0[0-7]*|0b[01]+|[1-9][0-9]*)$/i
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:e[-+]?[0-9]+)?$/i
const NUMBER_FIRST = /^[-+.0-9]/
const INFINITE = /^[-+]?\.(?:inf|Inf|INF)$/
const NOT_A_NUMBER = /^\.(?:nan|NaN|NAN)$/

const MERGE_TAG = 'tag:yaml.org,2002:merge'
/** The package's types leave it out. */
type ParserState = State & { readonly tag: string | null }

const SCHEMA = FAILSAFE_SCHEMA.extend({
  implicit: [
    scalarType(
      'null',
      text => NULL.test(text),
      () => null,
    ),
    scalarType(
      'bool',
      text => TRUE.test(text) || FALSE.test(text),
      text => TRUE.test(text),
    ),
    scalarType('int', text => NUMBER_FIRST.test(text) && INTEGER.test(text.replaceAll('_', '')), integerOf),
    scalarType('float', text => NUMBER_FIRST.test(text) && isFloat(text.replaceAll('_', '')), floatOf),
    scalarType(
      'merge',
      text => text === '<<',
      text => text,
    ),
  ],
  // A tag that kubectl does not know says nothing.
  explicit: (['scalar', 'sequence', 'mapping'] as const).map(kind => new Type('', { kind, multi: true })),
})

/** @param resolve asked with null too, for a value that is not there */
function scalarType(name: string, resolve: (text: string) => boolean, construct: (text: string) => unknown): Type {
  return new Type(`tag:yaml.org,2002:${name}`, {
    kind: 'scalar',
    resolve: (text: string | null) => resolve(text ?? ''),
    construct: (text: string | null) => construct(text ?? ''),
  })
}

function integerOf(text: string): number {
  const digits = text.replaceAll(/[-+_]/g, '')
  return (text.startsWith('-') ? -1 : 1) * Number(/^0[0-7]/.test(digits) ? `0o${digits}` : digits)
}

function isFloat(text: string): boolean {
  return FLOAT.test(text) || INFINITE.test(text) || NOT_A_NUMBER.test(text)
}

function floatOf(text: string): number {
  if (INFINITE.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return NOT_A_NUMBER.test(text) ? Number.NaN : Number.parseFloat(text.replaceAll('_', ''))
}

/**
 * Yields one document after the other, so that only one is held as a tree. Never throws.
 * @param text the content of one file
 */
export function* parseManifest(text: string): Generator<ParsedDocument | SyntaxProblem> {
  let rest = text
  let line = 1
  if (/^\uFEFF?\s*[[{]/.test(text)) {
    const isLarge = text.length > MAX_JSON_CHARACTERS_WITH_LINES
    const value = parseJson(text)
    if (value !== undefined) {
      yield { value, lineOf: jsonLinesOf(text, 1, isLarge) }
      return
    }
    for (const [value, source] of parseJsonObjects(text)) {
      yield { value, lineOf: jsonLinesOf(source, line, isLarge) }
      line += lineCounterOf(source)(source.length)
      rest = rest.slice(source.length)
    }
    if (rest === '') return
  }
  const octets = Buffer.byteLength(rest)
  if (octets > MAX_YAML_OCTETS) {
    yield {
      line,
      reason: `it has ${mebibytes(octets)} MiB, and YAML is read up to ${mebibytes(MAX_YAML_OCTETS)} MiB; write it as JSON (kubectl get -o json), which is read up to ${mebibytes(MAX_JSON_OCTETS)} MiB and faster, or divide it`,
    }
    return
  }
  yield* parseYaml(rest, line)
}

/** Yields objects with their texts, up to the first that is no JSON, or that something other than an object follows. */
function* parseJsonObjects(text: string): Generator<[value: unknown, source: string]> {
  let from = 0
  for (let to = nextJsonObject(text, 0); to !== undefined && from < text.length; to = nextJsonObject(text, from)) {
    const source = text.slice(from, to)
    const value = parseJson(source)
    if (value === undefined) return
    yield [value, source]
    from = to
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return undefined
  }
}

/** JSON is YAML: when a line is asked for, a text that is not large is read again as YAML. */
function jsonLinesOf(text: string, first: number, isLarge: boolean): ParsedDocument['lineOf'] {
  if (isLarge) return () => first
  let document: ParsedDocument | SyntaxProblem | undefined
  return path => {
    const found = document ?? parseYaml(text, first).next().value ?? { line: first, reason: '' }
    document = found
    return 'lineOf' in found ? found.lineOf(path) : found.line
  }
}

function* parseYaml(text: string, firstLine: number): Generator<ParsedDocument | SyntaxProblem> {
  let line = firstLine
  for (const source of divideDocuments(text)) {
    const feedsBefore = lineCounterOf(source)
    const first = line
    const document = parseDocument(source, offset => first + feedsBefore(offset))
    if (document !== undefined) yield document
    line += feedsBefore(source.length)
  }
}

/** @returns undefined: comments alone */
function parseDocument(
  source: string,
  lineOfOffset: (offset: number) => number,
): ParsedDocument | SyntaxProblem | undefined {
  // What is missing at the end is missing on the last line that says something.
  const end = source.trimEnd().length
  const lineAt = (offset: number) => lineOfOffset(Math.min(offset, end))
  const places = new Places(source)
  const { stackTraceLimit } = Error
  try {
    // The package's errors tell all by their marks: a stack is two thirds of what one costs, and a file may hold many.
    Error.stackTraceLimit = 0
    const values = loadAll(source, null, {
      schema: SCHEMA,
      json: true,
      listener: (event, state) => {
        if (event === 'open') places.open(state.position)
        else places.close(state.result, state.position, (state as ParserState).tag === MERGE_TAG)
      },
    })
    if (values.length === 0) return undefined
    const [value] = values
    const lineOf = (path: Path) => lineAt(places.offsetOf(path))
    if (!source.includes('*') || countAliased(value) <= MAX_ALIASED_VALUES) return { value, lineOf }
    return { line: lineOf([]), reason: `its aliases stand for more than ${MAX_ALIASED_VALUES} values` }
  } catch (error) {
    if (error instanceof RangeError) return { line: lineAt(0), reason: TOO_DEEP }
    if (!(error instanceof YAMLException)) return { line: lineAt(0), reason: firstLine(String(error)) }
    const reason = error.reason.includes('maxDepth') ? TOO_DEEP : firstLine(error.reason)
    return { line: lineAt(error.mark?.position ?? 0), reason }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/**
 * An alias is the value itself, again.
 * @returns how many values stand in the tree by way of aliases; Infinity for an alias within what it is an alias of
 */
function countAliased(root: unknown): number {
  /** Values in a collection, itself included; Infinity while they are counted. */
  const sizes = new Map<object, number>()
  let aliased = 0
  count(root)
  return aliased

  function count(value: unknown): number {
    if (typeof value !== 'object' || value === null) return 1
    const known = sizes.get(value)
    if (known !== undefined) {
      aliased += known
      return known
    }
    sizes.set(value, Number.POSITIVE_INFINITY)
    let size = 1
    for (const child of Object.values(value)) size += count(child)
    sizes.set(value, size)
    return size
  }
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!
}

function mebibytes(octets: number): string {
  return (octets / 1024 / 1024).toFixed(octets % (1024 * 1024) === 0 ? 0 : 1)
}

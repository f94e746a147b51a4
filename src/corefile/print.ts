/**
 * The draft → YAML, each value with the line it came from, and what has no equivalent as comments. Layer: corefile; pure.
 */

import type { Directive } from './directive.ts'
import { textOf } from './directive.ts'
import type { Draft, Entry, Scalar } from './draft.ts'
import type { Finding, Verdict } from './finding.ts'

export const VERDICTS: Readonly<Record<Verdict, string>> = {
  changesAnswers: 'changes answers',
  leftOut: 'left out',
  builtIn: 'built in',
}

const MAX_COMMENT = 100
/** That of config/README.md. */
const ORDER = [
  ...[
    'zones',
    'reverseZones',
    'listen',
    'admin',
    'health',
    'ready',
    'workers',
    'source',
    'records',
    'answers',
    'fallthrough',
    'forward',
  ],
  ...[
    'cache',
    'hosts',
    'rewrite',
    'template',
    'acl',
    'dns64',
    'localhost',
    'autopath',
    'transfer',
    'limits',
    'lameduck',
    'log',
  ],
]

export function formatConfig(file: string, { root }: Draft, findings: readonly Finding[]): string {
  const counts = (Object.keys(VERDICTS) as Verdict[]).map(
    verdict => `${findings.filter(finding => finding.verdict === verdict).length} ${VERDICTS[verdict]}`,
  )
  const head = [
    `Made from ${file} by headless-dns import-corefile.`,
    `Directives without a key of their own: ${counts.join(', ')}.`,
  ]
  return [
    ...head.map(line => `# ${oneLine(line, 300)}\n`),
    ...mapping(new Map([...root].toSorted(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))), '', ''),
    ...(Object.keys(VERDICTS) as Verdict[]).flatMap(verdict => remarks(verdict, findings)),
  ].join('')
}

/** The same said of several lines. */
export interface Remarks {
  /** `FILE:LINE, LINE, …` */
  readonly where: string
  readonly finding: Finding
}

const MAX_PLACES = 8

/** Findings that say the same of the same text, as one. */
export function group(findings: readonly Finding[]): Remarks[] {
  // Lines may be long, and much be said of each: what is compared are numbers of texts.
  const numbers = new Map<string, number>()
  const numberOf = (text: string) => {
    const number = numbers.get(text) ?? numbers.size
    numbers.set(text, number)
    return number
  }
  const groups = Map.groupBy(findings, ({ text, verdict, did, instead }) =>
    [text, verdict, did, instead].map(numberOf).join(' '),
  )
  return [...groups.values()].map(all => {
    const these = [...new Map(all.map(finding => [`${finding.file}:${finding.line}`, finding])).values()]
    const shown = these.slice(0, MAX_PLACES)
    const places = shown.map((finding, i) =>
      finding.file === shown[i - 1]?.file ? String(finding.line) : where(finding),
    )
    const rest = these.length > shown.length ? ` and ${these.length - shown.length} more` : ''
    return { where: `${places.join(', ')}${rest}`, finding: these[0]! }
  })
}

function remarks(verdict: Verdict, findings: readonly Finding[]): string[] {
  const these = group(findings.filter(finding => finding.verdict === verdict))
  if (these.length === 0) return []
  const blocks = these.map(({ where, finding: { text, did, instead } }) => {
    return `#\n#   ${where} ${oneLine(text, MAX_COMMENT)}\n#     ${oneLine(did)}\n#     ${oneLine(instead)}\n`
  })
  return [`\n# ${VERDICTS[verdict]}:\n`, ...blocks]
}

function mapping(map: ReadonlyMap<string, Entry>, indent: string, inherited: string): string[] {
  return [...map].flatMap(([key, entry]) => entryLines(`${indent}${key}:`, entry, `${indent}  `, inherited))
}

/** @param inherited the comment of the line above it that says the same */
function entryLines(head: string, { origins, value }: Entry, indent: string, inherited: string): string[] {
  const from = comment(origins)
  const shown = from === inherited ? '' : from
  if (typeof value !== 'object') return [`${head} ${scalar(value)}${shown}\n`]
  if (Array.isArray(value) && value.length === 0) return [`${head} []${shown}\n`]
  if (value instanceof Map) return [`${head}\n`, ...mapping(value, indent, inherited)]
  return [`${head}\n`, ...value.flatMap(each => item(each, indent, inherited))]
}

function item(entry: Entry, indent: string, inherited: string): string[] {
  if (!(entry.value instanceof Map)) return entryLines(`${indent}-`, entry, `${indent}  `, inherited)
  const from = comment(entry.origins)
  const [first = '', ...rest] = mapping(entry.value, `${indent}  `, from)
  const line = `${indent}- ${first.slice(indent.length + 2)}`
  return [from === '' ? line : line.replace(/(?= # |\n$)/, from), ...rest]
}

/** Nearly every value comes from one directive, and many from the same. */
const commentOfOne = new WeakMap<Directive, string>()

function comment(origins: readonly Directive[]): string {
  if (origins.length !== 1) return commentOf(origins)
  const known = commentOfOne.get(origins[0]!)
  if (known !== undefined) return known
  const made = commentOf(origins)
  commentOfOne.set(origins[0]!, made)
  return made
}

function commentOf(origins: readonly Directive[]): string {
  if (origins.length === 0) return ''
  const shown = [...new Map(origins.map(origin => [`${origin.file}:${origin.line}`, origin])).values()]
  const [first] = shown
  const more = shown.slice(1, 4).map(where)
  const text = [`${where(first!)} ${textOf(first!)}`, ...more].join(', ')
  return ` # ${oneLine(text, MAX_COMMENT)}${shown.length > 4 ? ` and ${shown.length - 4} more` : ''}`
}

function where({ file, line }: { readonly file: string; readonly line: number }): string {
  return `${oneLine(file.replace(/^.*\//, ''), 60)}:${line}`
}

/** What is not words of ASCII with a space between them; nearly all is. */
const NOT_PLAIN = /[^ -~]| {2}/

/** Nothing in it ends the line, moves the cursor, or is no character of YAML. */
export function oneLine(text: string, most = 1000): string {
  const line = NOT_PLAIN.test(text)
    ? text
        .replace(/\s{2,}|[^\S ]/g, ' ')
        .replace(/[^\x20-\x7e\u00a1-\u200a\u2010-\u2027\u2030-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe\uff00-\uffef]/g, '?')
    : text
  return line.length > most ? `${line.slice(0, most)}…` : line
}

/** A JSON string is a YAML string; what could be read as something else, or is no character of YAML, is quoted or escaped. */
function scalar(value: Scalar): string {
  if (typeof value !== 'string') return String(value)
  if (/^\d{1,9}(ms|s|m)$/.test(value)) return value
  if (/^(?!(y|n|yes|no|on|off|true|false|null)$)[a-z/][\w./-]*$/i.test(value)) return value
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/**
 * The plugin rewrite → `rewrite`. Layer: corefile.
 * Of names and types it is carried over; records are given under the name that was asked for, whatever `answer` said.
 */

import type { Directive } from '../directive.ts'
import { entryOf } from '../draft.ts'
import type { Remark } from '../finding.ts'
import type { MapPlugin, Mapping } from '../mapping.ts'
import { isWithin, normalZone } from '../zones.ts'
import { GO_SYNTAX, patternOf, quotePattern, quoteReplacement } from './patterns.ts'

type Rule = { readonly match?: string; readonly from: string; readonly to: string; readonly continue?: boolean }

const KINDS = ['exact', 'prefix', 'suffix', 'substring', 'regex']

export const mapRewrite: MapPlugin = (directive, mapping) => {
  const goesOn = directive.args[0] === 'continue'
  const words = /^(continue|stop)$/.test(directive.args[0] ?? '') ? directive.args.slice(1) : directive.args
  if (words.length > 0) carryRule(directive, words, goesOn, mapping)
  const [rule, ...answers] = directive.body
  if (rule !== undefined && words.length === 0) {
    mapping.cover(directive)
    carryRule(rule, [rule.name, ...rule.args], goesOn, mapping)
  }
  for (const line of words.length === 0 ? answers : directive.body) {
    if (line.name === 'answer') noteAnswer(line, line.args, mapping)
  }
}

function carryRule(
  line: Directive,
  [field = '', ...words]: readonly string[],
  goesOn: boolean,
  mapping: Mapping,
): void {
  const more = goesOn ? { continue: true } : {}
  if (field === 'type' && words.length >= 2) {
    const [from = '', to = ''] = words
    addRule({ match: 'type', from: from.toUpperCase(), to: to.toUpperCase(), ...more }, line, mapping)
    noteZones(line, undefined, mapping)
    return
  }
  const remark = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined
  if (remark !== undefined) mapping.note(line, remark)
  if (field !== 'name') return
  const isKind = KINDS.includes(words[0] ?? '') && words.length >= 3
  const kind = isKind ? words[0]! : 'exact'
  const [from = '', to = '', ...options] = isKind ? words.slice(1) : words
  const rule = ruleOf(kind, from, to)
  if (rule === undefined) {
    mapping.note(line, ['changesAnswers', 'It turned names into others.', `${GO_SYNTAX} in rewrite.`])
    return
  }
  const { zones } = mapping.block
  if (kind === 'exact' && !zones.some(zone => isWithin(normalZone(from), zone))) {
    const did = `Nothing: ${from} does not lie in the zones of its server block.`
    mapping.note(line, ['leftOut', did, 'Nothing needs to be done.'])
    return
  }
  addRule({ ...rule, ...more }, line, mapping)
  noteZones(line, kind === 'exact' || kind === 'suffix' ? from : undefined, mapping)
  noteKind(line, kind, from, mapping)
  if (options[0] === 'answer') noteAnswer(line, options.slice(1), mapping)
  else if (kind !== 'exact') noteUnanswered(line, mapping)
}

/** A rule in a block of its own comes from two lines. */
function addRule({ match, from, to, continue: goesOn }: Rule, line: Directive, mapping: Mapping): void {
  const holder = mapping.block.plugins.find(({ body }) => body[0] === line) ?? line
  const words = { match, from, to, continue: goesOn }
  const entries = Object.entries(words).map(([key, word]) => [
    key,
    word === undefined || key === 'match' ? word : entryOf(word, line),
  ])
  mapping.add('rewrite', Object.fromEntries(entries), holder)
}

/** @returns undefined: it cannot be said */
function ruleOf(kind: string, from: string, to: string): Rule | undefined {
  if (kind === 'exact') return { from: normalZone(from), to: normalZone(to) }
  if (kind === 'prefix') return { match: kind, from: from.toLowerCase(), to: to.toLowerCase() }
  if (kind === 'suffix') {
    if (from.startsWith('.') === to.startsWith('.')) return { match: kind, from: normalZone(from), to: normalZone(to) }
    return {
      match: 'regex',
      from: `^(.*)${quotePattern(absolute(from))}$`,
      to: `$1${quoteReplacement(absolute(to))}`,
    }
  }
  if (kind === 'substring') {
    const found = quotePattern(from.toLowerCase())
    return { match: 'regex', from: `^(.*?)${found}(.*)$`, to: `$1${quoteReplacement(to.toLowerCase())}$2` }
  }
  const pattern = patternOf(from)
  const made = quoteReplacement(absolute(to)).replace(/\{(\d)\}/g, '$$$1')
  return pattern === undefined ? undefined : { match: 'regex', from: pattern, to: made }
}

/** CoreDNS compares names with the final dot. */
function absolute(text: string): string {
  return `${text.toLowerCase().replace(/\.$/, '')}.`
}

function noteKind(line: Directive, kind: string, from: string, mapping: Mapping): void {
  if (kind === 'suffix' && !from.startsWith('.')) {
    const did = `It fitted names too that only end in these letters, such as other${normalZone(from)}.`
    const instead = 'Here it fits the name and what lies below it: if those others are meant, use match: regex.'
    mapping.note(line, ['changesAnswers', did, instead])
  }
  if (kind === 'substring') {
    const did = `It replaced ${from} wherever it stood in a name.`
    mapping.note(line, ['changesAnswers', did, 'Here the first of them is replaced: write an expression for more.'])
  }
}

/** @param from the name that all concerned lie below, if there is one */
function noteZones(line: Directive, from: string | undefined, mapping: Mapping): void {
  const { zones } = mapping.block
  if (zones.includes('.')) return
  if (from !== undefined && zones.some(zone => isWithin(normalZone(from).replace(/^\./, ''), zone))) return
  const did = `It held for names in ${zones.slice(0, 3).join(', ')} alone.`
  mapping.note(line, [
    'changesAnswers',
    did,
    'Here it holds for all names: narrow it to them with match: suffix or regex.',
  ])
}

function noteAnswer(line: Directive, words: readonly string[], mapping: Mapping): void {
  const isValue = words.includes('value')
  if (isValue) {
    const did = 'It turned names inside records (CNAME, SRV) back as well.'
    mapping.note(line, [
      'changesAnswers',
      did,
      'They stay as they are here: have the other server give the names meant.',
    ])
  } else {
    const did = 'It gave records of the answer another name.'
    mapping.note(line, ['builtIn', did, 'They always have the name that was asked for; names inside them stay.'])
  }
}

function noteUnanswered(line: Directive, mapping: Mapping): void {
  const hasAnswers = mapping.block.plugins.some(({ body }) => body[0] === line && body.length > 1)
  if (hasAnswers) return
  const did = 'Without answer, records kept the name it was turned into, which most clients refuse.'
  mapping.note(line, ['builtIn', did, 'They have the name that was asked for.'])
}

const FIELDS: Readonly<Record<string, Remark>> = {
  class: [
    'changesAnswers',
    'It turned queries of one class into another.',
    'Only the class IN is answered: ask in that.',
  ],
  edns0: [
    'changesAnswers',
    'It set EDNS options of queries (NSID, client subnet, local ones) for those who were forwarded to.',
    'Upstreams are asked without options of the client: have them decide by the address that asks.',
  ],
  ttl: [
    'changesAnswers',
    'It changed the TTL of answers.',
    'Set records.ttl, hosts.ttl or template.ttl; a forwarded TTL stays as the upstream says.',
  ],
  cname: [
    'changesAnswers',
    'It turned the targets of CNAME records into others and asked for those.',
    'Turn the name that has the CNAME record into the one wanted: {from: NAME, to: TARGET} in rewrite.',
  ],
  rcode: [
    'changesAnswers',
    'It turned the rcode of answers into another.',
    'Rcodes stay as they are; template gives a zone one rcode.',
  ],
}

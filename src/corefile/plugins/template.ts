/**
 * The plugin template → `template`. Layer: corefile.
 * One whose answer cannot be said is left out as a whole: without its answer it would say that there is none.
 */

import type { Directive } from '../directive.ts'
import { type Entry, entryOf, type Value } from '../draft.ts'
import type { Remark } from '../finding.ts'
import type { MapPlugin, Mapping } from '../mapping.ts'
import { isWithin, normalZone } from '../zones.ts'
import { keptFor } from './cache.ts'
import { GO_SYNTAX, patternOf } from './patterns.ts'
import { numberOf } from './values.ts'

const WHOLE =
  'template is left out as a whole: serve these names with a name server of their own, and forward them to it.'

export const mapTemplate: MapPlugin = (directive, mapping) => {
  const [queryClass = '', type = '', ...names] = directive.args
  const zones = mapping.zones(names)
  const made = answerOf(directive, mapping)
  mapping.options(directive, {
    ...OPTIONS,
    authority: option => mapping.note(option, negativeTtlOf(option) === undefined ? AUTHORITY : AUTHORITY_SOA),
    match: option => mapping.handle(option),
    answer: option => mapping.handle(option),
    rcode: option => mapping.handle(option),
  })
  if (!/^(IN|ANY)$/i.test(queryClass)) {
    const did = `It answered queries of the class ${queryClass}.`
    mapping.note(directive, ['changesAnswers', did, 'Only the class IN is answered: ask in that.'])
    return
  }
  if (made === undefined) {
    mapping.note(directive, ['changesAnswers', 'It made answers from patterns.', `This ${WHOLE}`])
    return
  }
  const types = /^ANY$/i.test(type) ? {} : { types: [type.toUpperCase()] }
  for (const zone of zones) {
    for (const match of made.matches) mapping.add('template', { zone, ...match, ...types, ...made.value }, directive)
    if (made.matches.some(each => 'match' in each)) closeZone(zone, types, directive, mapping)
  }
  noteCluster(zones, made.matches, directive, mapping)
}

interface Made {
  /** One for each expression, or one without. */
  readonly matches: readonly { readonly match?: Entry }[]
  readonly value: { readonly [key: string]: Value }
}

/** @returns undefined: it cannot be said, and why is noted */
function answerOf({ body }: Directive, mapping: Mapping): Made | undefined {
  let canBeSaid = true
  const refuse = (line: Directive, why: string) => {
    canBeSaid = false
    mapping.note(line, ['changesAnswers', 'It was a part of the answers made here.', why])
  }
  const matches: { match: Entry }[] = []
  const answers: Entry[] = []
  const value: Record<string, Value> = {}
  let ttl: Entry | undefined
  for (const line of body) {
    if (line.name === 'match') {
      for (const word of line.args) {
        const pattern = patternOf(word)
        if (pattern === undefined) refuse(line, `${GO_SYNTAX}; until then this ${WHOLE}`)
        else if (pattern !== '.*') matches.push({ match: entryOf(pattern, line) })
      }
    } else if (line.name === 'answer') {
      const record = recordOf(line.args.join(' '), !body.some(({ name }) => name === 'match'))
      if (record === undefined)
        refuse(line, `Records here are A, AAAA, PTR and TXT of the name that is asked for; this ${WHOLE}`)
      else {
        answers.push(entryOf(record.text, line))
        if (ttl !== undefined && ttl.value !== record.ttl) {
          const did = `Its record had a TTL of ${record.ttl}.`
          mapping.note(line, ['leftOut', did, `A template has one TTL here: ${ttl.value} was kept.`])
        }
        ttl ??= entryOf(record.ttl, line)
      }
    } else if (line.name === 'rcode') value['rcode'] = entryOf((line.args[0] ?? '').toUpperCase(), line)
    else if (line.name === 'authority') ttl ??= negativeTtlOf(line)
  }
  const bound = keptFor(mapping.block)
  if (ttl !== undefined && bound !== undefined && Number(ttl.value) > bound.seconds) {
    // Its block's cache bounded the TTLs of templates too, which are not kept here.
    ttl = { origins: [...ttl.origins, bound.directive], value: bound.seconds }
  }
  if (answers.length > 0) value['answer'] = answers
  if (ttl !== undefined) value['ttl'] = ttl
  return canBeSaid ? { matches: matches.length === 0 ? [{}] : matches, value } : undefined
}

const RECORD = /^\{\{\s*\.Name\s*\}\}\s+(?:(\d{1,9})\s+)?(?:IN\s+)?(?:(\d{1,9})\s+)?(A|AAAA|PTR|TXT)\s+(.+)$/i

/** `{{ .Name }} 60 IN A 10.0.0.{{ .Group.a }}` is `A 10.0.0.$<a>` and 60. */
function recordOf(text: string, isFixed: boolean): { text: string; ttl: number } | undefined {
  const [, before, after, type = '', data = ''] = RECORD.exec(text.trim()) ?? []
  const ttl = before ?? after ?? '3600'
  if (type === '') return undefined
  const filled = data
    .replaceAll('$', isFixed ? '$$' : '$$$$')
    .replace(/\{\{-?\s*\.Group\.(\w{1,64})\s*-?\}\}/g, '$$<$1>')
    .replace(/\{\{-?\s*index\s+\.Match\s+(\d)\s*-?\}\}/g, '$$$1')
  return filled.includes('{{') ? undefined : { text: `${type.toUpperCase()} ${filled}`, ttl: Number(ttl) }
}

/** RFC 2308 §5: the lesser of the SOA's own TTL and its last number. */
function negativeTtlOf({ args }: Directive): Entry | undefined {
  const [, ttl, minimum] = /^\S.*?\s(\d{1,9})\s+(?:IN\s+)?SOA\s.*?(\d{1,9})\s*\)?$/i.exec(args.join(' ')) ?? []
  if (ttl === undefined) return undefined
  return { origins: [], value: Math.min(Number(numberOf(ttl)), Number(numberOf(minimum))) }
}

/** What its expressions did not fit was SERVFAIL, unless it fell through. */
function closeZone(zone: string, types: { types?: string[] }, directive: Directive, mapping: Mapping): void {
  const open = directive.body.filter(({ name }) => name === 'fallthrough')
  const isOpen = open.some(
    ({ args }) => args.length === 0 || mapping.namesOf(args).some(each => isWithin(zone, each) || isWithin(each, zone)),
  )
  if (isOpen) return
  if (zone !== '.') {
    mapping.add('template', { zone, ...types, rcode: 'SERVFAIL' }, directive)
    return
  }
  const did = 'For lack of fallthrough all names that its expressions did not fit were SERVFAIL.'
  mapping.note(directive, ['changesAnswers', did, 'Here they are looked for further.'])
}

/** Names of the cluster are concerned only where the zone lies in theirs. */
function noteCluster(zones: readonly string[], matches: Made['matches'], directive: Directive, mapping: Mapping): void {
  if (!zones.includes('.')) return
  const own = mapping.block.plugins
    .filter(({ name }) => name === 'kubernetes')
    .flatMap(({ args }) => args.map(normalZone))
  const texts = matches.map(({ match }) => String(match?.value ?? '').replace(/\\|\.?\$$/g, ''))
  const concerned = own.filter(zone => texts.some(text => text === '' || text.replace(/\.$/, '').endsWith(zone)))
  if (concerned.length === 0) return
  const did = 'It answered names of the cluster too, before the cluster did.'
  const instead = `Here it is not asked for them: if they are meant, set zone to ${concerned[0]} or what lies below.`
  mapping.note(directive, ['changesAnswers', did, instead])
}

const AUTHORITY_SOA: Remark = [
  'builtIn',
  'It put a SOA into the authority section.',
  'One that says how long "there is none" may be kept (template.ttl) is made here.',
]

const AUTHORITY: Remark = [
  'changesAnswers',
  'It put records into the authority section.',
  'Only a SOA is made here, beside "there is none"; others are left out.',
]

const OPTIONS: Readonly<Record<string, Remark>> = {
  fallthrough: [
    'builtIn',
    'What its expressions did not fit was looked for further.',
    'It is, unless a rule that ends all follows in template.',
  ],
  additional: [
    'changesAnswers',
    'It put records beside the answer.',
    'They are left out: clients that read them there have to ask for them.',
  ],
  ederror: ['leftOut', 'It gave an extended error (RFC 8914) with the answer.', 'Answers of template have none.'],
  upstream: ['builtIn', 'It had targets of CNAME records looked up.', 'template has no CNAME records here.'],
}

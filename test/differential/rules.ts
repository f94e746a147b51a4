/**
 * Where our replies may differ from those of Knot and NSD, and why. What no rule explains is a defect until it is shown
 * to be none; a rule that nothing needs is a mistake in this list.
 */

import { nameOf, RCODES, TYPES } from '../support/messages.ts'
import type { DifferentialQuery } from './queries.ts'
import type { Reference } from './reference-servers.ts'
import { type PlainReply, printable } from './reply.ts'
import { REVERSE_ZONES, ZONES } from './zone-model.ts'

export interface Comparison {
  readonly query: DifferentialQuery
  readonly ours: PlainReply
  readonly theirs: PlainReply
  readonly reference: Reference['name']
}

export const ASPECTS = [
  'rcode',
  'opcode',
  'flags',
  'tc',
  'question',
  'answer',
  'authority',
  'additional',
  'opt',
  'options',
] as const
export type Aspect = (typeof ASPECTS)[number]

export interface Rule {
  readonly name: string
  readonly reason: string
  /** What may differ where the rule applies. */
  readonly aspects: readonly Aspect[]
  applies(comparison: Comparison): boolean
}

/** The largest reply over UDP that each of the three is configured to send. */
const PAYLOAD = 1232
const MIN_PAYLOAD = 512
/** A name that starts further on cannot be pointed to (RFC 1035 §4.1.4). */
const MAX_POINTER_TARGET = 0x3fff
const EDE = '15:'
const TYPE_RRSIG = 46

export const RULES: readonly Rule[] = [
  {
    name: 'ANY',
    reason: 'RFC 8482 §4.2: one HINFO; they give every record of the name, the marker of an empty one included',
    aspects: ['answer', 'authority', 'additional', 'tc'],
    applies: ({ query, ours }) =>
      query.type === TYPES['ANY'] &&
      (ours.answer.length === 0 || ours.answer.at(-1)!.endsWith(' 13 075246433834383200')),
  },
  {
    name: 'class',
    reason:
      'RFC 8906 §4: REFUSED, with OPT and question; they answer class ANY from IN, and NSD sends the header alone',
    aspects: ['rcode', 'flags', 'tc', 'question', 'answer', 'authority', 'additional', 'opt', 'options'],
    applies: ({ query, ours }) => query.qclass !== 1 && ours.rcode === RCODES.REFUSED && ours.answer.length === 0,
  },
  {
    name: 'opcode',
    reason: 'RFC 8906 §3.1.4: NOTIMP, the header alone; they have NOTIFY and UPDATE, and send the question back',
    aspects: ['rcode', 'flags', 'tc', 'question', 'opt', 'options'],
    applies: ({ query, ours }) => query.opcode !== 0 && ours.rcode === RCODES.NOTIMP && ours.length === 12,
  },
  {
    name: 'transfer',
    reason: 'RFC 5936 §2.2.1: REFUSED over either transport; they say NOTAUTH, NOTIMP or FORMERR, as the case may be',
    aspects: ['rcode', 'flags', 'answer', 'authority', 'opt', 'options'],
    applies: ({ query, ours }) => [TYPES['AXFR'], TYPES['IXFR']].includes(query.type) && ours.rcode === RCODES.REFUSED,
  },
  {
    name: 'OPT',
    reason: 'RFC 8914 §2: they add error 20 to REFUSED, we add none',
    aspects: ['opt', 'options'],
    applies: ({ ours, theirs }) =>
      ours.opt === theirs.opt && ours.options.length === 0 && theirs.options.every(option => option.startsWith(EDE)),
  },
  {
    name: 'Knot alone',
    reason:
      'RFC 6891 §6.2.3: a size under 512 is read as 512, where Knot says FORMERR; type 0 it does not know, of RRSIG it sees no alias',
    aspects: ['rcode', 'flags', 'tc', 'answer', 'authority', 'additional', 'opt', 'options'],
    applies: ({ query, ours, theirs, reference }) =>
      reference === 'Knot' &&
      (((query.opt?.size ?? MIN_PAYLOAD) < MIN_PAYLOAD && theirs.rcode === RCODES.FORMERR) ||
        (query.type === 0 && theirs.rcode === RCODES.NOTIMP) ||
        (query.type === TYPE_RRSIG && ours.answer.length > 0)),
  },
  {
    name: 'flags of BADVERS',
    reason: 'RFC 8906 §8.2.5: no flag but RD is copied, and DO (RFC 3225 §3); NSD copies all but DO',
    aspects: ['flags', 'tc', 'opt'],
    applies: ({ query, ours, reference }) =>
      reference === 'NSD' && (query.opt?.version ?? 0) > 0 && ours.rcode === RCODES.BADVERS,
  },
  {
    name: 'zonal names',
    reason:
      'they exist for every topology zone, of several labels too; a wildcard of a master file stops below those it has',
    aspects: ['rcode', 'answer', 'authority', 'tc'],
    applies: ({ query, ours }) => ours.rcode === RCODES.NOERROR && isBelowZonal(query),
  },
  {
    name: 'addresses of targets',
    reason:
      'RFC 2782, RFC 2181 §9: a courtesy where there is room; Knot adds those of the name asked for, a minimal NSD has none',
    aspects: ['additional'],
    applies({ query, ours, theirs, reference }) {
      const ofOthers = theirs.additional.filter(record => !isOf(record, query.labels))
      return (
        query.type === TYPES['SRV'] &&
        isFullWithout(ofOthers, ours, limitOf(query)) &&
        (reference === 'NSD' || isFullWithout(ours.additional, theirs, limitOf(query)))
      )
    },
  },
  {
    name: 'alias into another zone',
    reason: 'RFC 1034 §3.6.2: we follow a CNAME into every zone we serve; they stop at the border of the first',
    aspects: ['rcode', 'answer', 'authority', 'additional', 'tc'],
    applies: ({ query, ours, theirs }) =>
      theirs.answer.some(record => leaves(record, query.labels)) &&
      theirs.answer.every(each => ours.answer.includes(each)),
  },
  {
    name: 'truncated',
    reason:
      'RFC 2181 §9: with TC set the client asks again over TCP; we give a fair sample, they what came first or nothing; ' +
      'RFC 1035 §4.1.4: compression is optional, we write the target of an alias whole, and may be the first to cut',
    aspects: ['tc', 'answer', 'authority', 'additional'],
    applies: ({ query, ours, theirs }) =>
      ours.tc && (theirs.tc || theirs.length + savedInAliases(theirs.answer) > limitOf(query)),
  },
]

/** What differs and no rule explains. @param used gets the names of the rules that were needed */
export function unexplained(comparison: Comparison, used: Map<string, number>): Aspect[] {
  const { ours, theirs } = comparison
  const differing = ASPECTS.filter(aspect => JSON.stringify(ours[aspect]) !== JSON.stringify(theirs[aspect]))
  if (differing.length === 0) return []
  const rules = RULES.filter(rule => rule.applies(comparison))
  for (const { name, aspects } of rules) {
    if (aspects.some(aspect => differing.includes(aspect))) used.set(name, (used.get(name) ?? 0) + 1)
  }
  return differing.filter(aspect => !rules.some(rule => rule.aspects.includes(aspect)))
}

function limitOf({ opt, stream }: DifferentialQuery): number {
  if (stream) return 65_535
  return opt === undefined ? MIN_PAYLOAD : Math.min(PAYLOAD, Math.max(MIN_PAYLOAD, opt.size ?? PAYLOAD))
}

/** Two labels or more below `pin._zone` or `prefer._zone`. */
export function isBelowZonal({ labels }: DifferentialQuery): boolean {
  const at = labels.findLastIndex(label => label.toLowerCase() === '_zone')
  return at > 2 && ['pin', 'prefer'].includes(labels[at - 1]!.toLowerCase())
}

/** @param record as plainReply writes it */
function isOf(record: string, labels: readonly string[]): boolean {
  const owner = nameOf(...labels.map(label => label.toLowerCase()))
  return record.startsWith(`${printable(owner.toString('latin1'))} `)
}

/** A CNAME at a name of one zone to a name of another. @param record as plainReply writes it */
export function leaves(record: string, labels: readonly string[]): boolean {
  const [, , , type, target = ''] = record.split(' ')
  const zone = [...ZONES, ...REVERSE_ZONES].find(zone => `.${target.replaceAll(/\\\d+/g, '.')}`.endsWith(`.${zone}.`))
  return type === '5' && zone !== undefined && !labels.join('.').toLowerCase().endsWith(zone)
}

/** Octets that compression of their targets may have saved, at most: a pointer takes two. @param records as plainReply writes them */
function savedInAliases(records: readonly string[]): number {
  const targets = records.map(record => record.split(' ')).filter(([, , , type]) => type === '5')
  return targets.reduce((octets, [, , , , target = '']) => octets + target.replaceAll(/\\\d+/g, '.').length - 2, 0)
}

/** Whether `reply` has all of these addresses, or no room for those of any target that it lacks. */
function isFullWithout(addresses: readonly string[], reply: PlainReply, limit: number): boolean {
  const missing = addresses.filter(record => !reply.additional.includes(record))
  return reply.length + smallestGroup(missing) > limit || reply.length > MAX_POINTER_TARGET
}

/** Octets of the smallest set of addresses of one target; of none: infinite. */
function smallestGroup(records: readonly string[]): number {
  const groups = new Map<string, number>()
  for (const record of records) {
    const [owner = '', , , type] = record.split(' ')
    groups.set(owner, (groups.get(owner) ?? 0) + (type === '1' ? 16 : 28))
  }
  return Math.min(...groups.values())
}

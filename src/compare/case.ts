/**
 * One question that two servers answered differently, and what can be seen in it: the words that causes.ts is written in.
 * Layer: compare; pure.
 */

import { isIPv4, isIPv6 } from 'node:net'
import { parseIPv4, parseIPv6, reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import { formatName } from '../wire/name.ts'
import { type Answer, isNoData, type RecordText } from './answers.ts'
import { labelsBefore, type Names } from './names.ts'
import type { Question } from './questions.ts'

/** One question and what came back. */
export interface Case {
  readonly question: Question
  readonly names: Names
  /** The zone the question is in, and the labels before it; undefined and none: outside of all zones. */
  readonly zone: string | undefined
  readonly labels: readonly string[]
  readonly here: Answer
  readonly there: Answer
  /** What the other server says to the question that a cause wants for its proof, once it was asked. */
  readonly proof?: Answer
}

export function caseOf(question: Question, names: Names, here: Answer, there: Answer, proof?: Answer): Case {
  const zone = names.zoneOf(question.name)
  const labels = zone === undefined ? [] : labelsBefore(question.name, zone)
  return { question, names, zone, labels, here, there, ...(proof && { proof }) }
}

/** The name is in the index: what is denied there has names below it or data of other types. */
export function isDeniedThere({ question, names, here, there }: Case): boolean {
  return names.has(question.name) && isNoData(here) && there.rcode === 'NXDOMAIN' && there.answers.length === 0
}

/** Nothing but aliases. */
export function isAlias({ answers }: Answer): boolean {
  return answers.length > 0 && answers.every(({ type }) => type === 'CNAME')
}

export function hasAlias({ answers }: Answer): boolean {
  return answers.some(({ type }) => type === 'CNAME')
}

/** An alias of ours was followed by another server. */
export function isOutside({ answers }: Answer): boolean {
  return answers[0]?.type === 'CNAME' && answers.length > 1
}

export function isPointerToUnknown({ question, here, there, names }: Case): boolean {
  const { answers } = there
  const isUnknown = question.type === 'PTR' && here.rcode === 'NXDOMAIN' && answers.length > 0
  return isUnknown && answers.every(({ data }) => !names.has(data))
}

/** `SVC.NS.svc.ZONE` */
export function isServiceName(name: string, names: Names): boolean {
  const zone = names.zoneOf(name)
  const labels = zone === undefined ? [] : labelsBefore(name, zone)
  return labels.length === 3 && labels[2] === 'svc'
}

/** Of a Service's endpoints, and not one label: as pods' names with dots come out. */
export function isDotted({ data }: RecordText, { names }: Case): boolean {
  const target = data.split(' ').at(-1)!
  const zone = names.zoneOf(target)
  const labels = zone === undefined ? [] : labelsBefore(target, zone)
  return labels.length > 4 && labels.at(-1) === 'svc' && !names.has(target)
}

/** As many records, the same but for those of dotted names. */
export function hasDottedInstead(one: Case): boolean {
  const { here, there } = one
  const ours = new Set(here.answers.map(withoutWeight))
  const others = there.answers.filter(record => !ours.has(withoutWeight(record)))
  return (
    here.answers.length === there.answers.length && others.length > 0 && others.every(record => isDotted(record, one))
  )
}

/** The name of an endpoint that is made of its address, with records here and none there. */
export function isAddressName({ question, labels, here, there, names }: Case): boolean {
  const isEndpoint = labels.length === 4 && labels[3] === 'svc' && reverseNameOf(labels[0]!) !== undefined
  return isEndpoint && names.has(question.name) && here.answers.length > 0 && there.rcode === 'NXDOMAIN'
}

/** `10-1-0-5`, `fd00--5` → the name for its PTR. */
export function reverseNameOf(label: string): string | undefined {
  const [v4, v6] = [label.replaceAll('-', '.'), label.replaceAll('-', ':')]
  if (isIPv4(v4)) return formatName(reverseNameOfIPv4(parseIPv4(v4)))
  return isIPv6(v6) ? formatName(reverseNameOfIPv6(parseIPv6(v6))) : undefined
}

/** The name without its first labels. */
export function nameFrom(name: string, labels: number): string {
  return name.split('.').slice(labels).join('.')
}

export function hasSame(here: Answer, there: Answer, text: (record: RecordText) => string): boolean {
  const [a, b] = [here, there].map(({ answers }) => [...new Set(answers.map(text))].sort().join('\n'))
  return here.answers.length > 0 && a === b
}

/** RFC 2782: PRIORITY WEIGHT PORT TARGET */
export function withoutWeight({ owner, type, data }: RecordText): string {
  return `${owner} ${type} ${type === 'SRV' ? data.replace(/^(\d+) \d+/, '$1') : data}`
}

export function hasEqualWeights(records: readonly RecordText[]): boolean {
  return new Set(records.filter(({ type }) => type === 'SRV').map(({ data }) => data.split(' ')[1])).size <= 1
}

/** Of SRV: the port and what the target lies in; of PTR: what it lies in. */
export function dataWithoutLabel({ owner, type, data }: RecordText): string {
  const words = data.split(' ')
  const target = nameFrom(words.at(-1)!, 1)
  return `${owner} ${type} ${words.slice(2, -1).join(' ')} ${target}`
}

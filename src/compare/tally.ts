/**
 * What a comparison has found so far: counts, causes with examples, TTLs. Layer: compare; pure. Its size does not grow with
 * the questions.
 */

import { type Answer, differencesOf, isSilence, type Outcome, type RecordText } from './answers.ts'
import { caseOf } from './case.ts'
import { type Cause, causeOf } from './causes.ts'
import type { Names } from './names.ts'
import type { Question } from './questions.ts'

export type Verdict = 'same' | 'explained' | 'unexplained'

export interface Example {
  readonly question: Question
  readonly here: Outcome
  readonly there: Outcome
}

export interface Group {
  readonly name: string
  readonly kind: Cause['kind'] | 'unexplained'
  readonly says: string
  readonly because: string
  count: number
  readonly examples: Example[]
}

/** Seconds, of answers from the zones. */
export interface TtlRange {
  least: number
  most: number
}

export interface Judged {
  readonly verdict: Verdict
  readonly groups: readonly Omit<Group, 'count' | 'examples'>[]
  /** To be asked of the other server, and its answer judged together with these. */
  readonly proof?: Question
}

/** Further kinds of differences that nothing explains are told together. */
const MAX_GROUPS = 100
const SIDES = ['here', 'there'] as const

export class Tally {
  readonly asked: Record<Question['origin'], number> = { index: 0, 'search path': 0, list: 0 }
  readonly verdicts: Record<Verdict, number> = { same: 0, explained: 0, unexplained: 0 }
  /** Differed once, and not when asked again. */
  settled = 0
  /** Differ, and will be asked again. */
  waiting = 0
  readonly groups = new Map<string, Group>()
  readonly ttls: Record<'here' | 'there', { answers: TtlRange | undefined; negative: TtlRange | undefined }> = {
    here: { answers: undefined, negative: undefined },
    there: { answers: undefined, negative: undefined },
  }
  private readonly names: Names
  private readonly maxExamples: number

  constructor(names: Names, maxExamples: number) {
    this.names = names
    this.maxExamples = maxExamples
  }

  /**
   * Changes nothing but the TTLs seen.
   * @param proof what came back to the question that the judgement before wanted
   */
  judge(question: Question, here: Outcome, there: Outcome, proof?: Outcome): Judged {
    if (isSilence(here) || isSilence(there)) return judgeSilence(here, there)
    if (this.names.zoneOf(question.name) !== undefined) this.noteTtls(here, there)
    const differences = differencesOf(here, there)
    if (differences.length === 0) return { verdict: 'same', groups: [] }
    const proven = proof === undefined || isSilence(proof) ? undefined : proof
    const one = caseOf(question, this.names, here, there, proven)
    const causes = differences.map(difference => causeOf(one, difference))
    const wanted = causes.find(cause => cause?.proof !== undefined)?.proof?.(one)
    if (wanted !== undefined && proven === undefined) {
      // Nothing is proven by silence.
      const parts = differences.map(({ part }) => part)
      return {
        verdict: 'unexplained',
        groups: [unexplained(question, here, there, parts)],
        ...(proof === undefined && { proof: wanted }),
      }
    }
    const isOpen = (cause: Cause | undefined) => cause === undefined || cause.kind === 'advice'
    if (!causes.some(isOpen)) return { verdict: 'explained', groups: [...new Set(causes as Cause[])] }
    const advice = causes.filter((cause): cause is Cause => cause?.kind === 'advice')
    if (!causes.includes(undefined)) return { verdict: 'unexplained', groups: [...new Set(advice)] }
    const parts = differences.filter((_, i) => causes[i] === undefined).map(({ part }) => part)
    return { verdict: 'unexplained', groups: [unexplained(question, here, there, parts)] }
  }

  add(question: Question, here: Outcome, there: Outcome, { verdict, groups }: Judged): void {
    this.asked[question.origin]++
    this.verdicts[verdict]++
    for (const { name, kind, says, because } of groups) {
      const isFull = kind === 'unexplained' && !this.groups.has(name) && this.groups.size >= MAX_GROUPS
      const key = isFull ? 'more' : name
      const words = isFull
        ? { name: key, kind, says: 'more kinds of differences', because: '' }
        : { name, kind, says, because }
      const group = this.groups.get(key) ?? { ...words, count: 0, examples: [] }
      this.groups.set(key, group)
      group.count++
      if (group.examples.length < this.maxExamples) group.examples.push({ question, here, there })
    }
  }

  private noteTtls(here: Answer, there: Answer): void {
    for (const [side, { answers, authority }] of [
      ['here', here],
      ['there', there],
    ] as const) {
      const seen = this.ttls[side]
      // TXT: dns-version has a TTL of its own, as the schema does not change with the cluster.
      for (const { ttl, type } of answers) if (type !== 'TXT') seen.answers = widen(seen.answers, ttl)
      for (const record of authority)
        if (record.type === 'SOA') seen.negative = widen(seen.negative, negativeTtl(record))
    }
  }
}

/** Seconds for which a cache may go on saying what the reply says; at most `limit`. */
export function lifetimeOf(outcome: Outcome, limit: number): number {
  if (isSilence(outcome)) return 0
  const { answers, authority } = outcome
  const negative = authority.filter(({ type }) => type === 'SOA').map(negativeTtl)
  return Math.min(limit, Math.max(0, ...answers.map(({ ttl }) => ttl), ...negative))
}

/** RFC 2308 §5: the lesser of the SOA's TTL and its MINIMUM. */
function negativeTtl({ ttl, data }: RecordText): number {
  return Math.min(ttl, Number(data.split(' ')[6] ?? 0))
}

function widen(range: TtlRange | undefined, ttl: number): TtlRange {
  return range === undefined
    ? { least: ttl, most: ttl }
    : { least: Math.min(range.least, ttl), most: Math.max(range.most, ttl) }
}

function judgeSilence(here: Outcome, there: Outcome): Judged {
  const silent = SIDES.filter((_, i) => isSilence([here, there][i]!))
  const name = `silence-${silent.join('-and-')}`
  const because = 'asked three times; look whether it is overloaded, or lower --rate'
  return {
    verdict: 'unexplained',
    groups: [{ name, kind: 'advice', says: `no reply ${silent.join(' and ')}`, because }],
  }
}

function unexplained(
  { type }: Question,
  here: Answer,
  there: Answer,
  parts: readonly string[],
): Judged['groups'][number] {
  const words = ({ rcode, answers }: Answer) =>
    rcode !== 'NOERROR' ? rcode : answers.length === 0 ? 'no data' : 'records'
  const seen =
    parts.includes('rcode') || parts.includes('answer')
      ? `${words(here)} here, ${words(there)} there`
      : 'the same answer'
  const says = `${type}: ${seen}, the ${parts.join(', ')} differ`
  return { name: says, kind: 'unexplained', says, because: 'nothing known explains it' }
}

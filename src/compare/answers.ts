/**
 * Two replies to one question, and in what they differ. Layer: compare; pure.
 *
 * Compared as sets, since the order of records means nothing (RFC 2181 §5). Left out, since two servers that are both right
 * differ in them: TTLs (a cache counts down), the SOA's serial and minimum, RA and AD, and all of EDNS.
 */

/** A record as text: names in lower case with the final dot, types as mnemonics. */
export interface RecordText {
  readonly owner: string
  readonly type: string
  readonly ttl: number
  /** Presentation format of RDATA. */
  readonly data: string
}

export interface Answer {
  readonly rcode: string
  readonly isAuthoritative: boolean
  /** After it was asked over TCP. */
  readonly isTruncated: boolean
  readonly answers: readonly RecordText[]
  readonly authority: readonly RecordText[]
  /** Without OPT. */
  readonly additional: readonly RecordText[]
}

/** No reply, and why. */
export interface Silence {
  readonly silence: string
}

export type Outcome = Answer | Silence

export type Part = 'rcode' | 'authoritative' | 'answer' | 'authority' | 'additional'

export interface Difference {
  readonly part: Part
  /** What only this server, and only that one, says. */
  readonly here: readonly string[]
  readonly there: readonly string[]
}

export function isSilence(outcome: Outcome): outcome is Silence {
  return 'silence' in outcome
}

/** No such data at a name that exists (RFC 2308 §2.2). */
export function isNoData({ rcode, answers }: Answer): boolean {
  return rcode === 'NOERROR' && answers.length === 0
}

export function differencesOf(here: Answer, there: Answer): Difference[] {
  const texts = (part: Part, a: readonly string[], b: readonly string[]): Difference => ({
    part,
    here: without(a, b),
    there: without(b, a),
  })
  const found = [
    texts('rcode', [here.rcode], [there.rcode]),
    texts('authoritative', [aaOf(here)], [aaOf(there)]),
    texts('answer', here.answers.map(formatText), there.answers.map(formatText)),
    texts('authority', here.authority.map(formatAuthority), there.authority.map(formatAuthority)),
    texts('additional', here.additional.map(formatText), there.additional.map(formatText)),
  ]
  return found.filter(difference => difference.here.length > 0 || difference.there.length > 0)
}

/** `owner TYPE data`, what is not compared left out. */
export function formatText({ owner, type, data }: RecordText): string {
  return `${owner} ${type} ${type === 'SOA' ? soaData(data) : data}`
}

/** RFC 2308 §2: that there is a SOA, and of which zone, is what a negative answer says. */
function formatAuthority(record: RecordText): string {
  return record.type === 'SOA' ? `${record.owner} SOA` : formatText(record)
}

/** RFC 1035 §3.3.13: MNAME RNAME SERIAL REFRESH RETRY EXPIRE MINIMUM */
function soaData(data: string): string {
  const [mname, rname, , refresh, retry, expire] = data.split(' ')
  return [mname, rname, '-', refresh, retry, expire, '-'].join(' ')
}

function aaOf({ isAuthoritative }: Answer): string {
  return isAuthoritative ? 'AA' : 'no AA'
}

function without(all: readonly string[], others: readonly string[]): string[] {
  return [...new Set(all)].filter(text => !others.includes(text)).sort()
}

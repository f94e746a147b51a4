/**
 * DNS messages → what tests compare: small and quick, for thousands of replies a second, with nothing of the server's.
 * Layer: test support. RFC 1035 §4.1, RFC 2782, RFC 6891 §6.1, RFC 8914 §2.
 */

import { canonical } from './cluster-model.ts'

export interface Reply {
  readonly rcode: string
  readonly isAuthoritative: boolean
  readonly isTruncated: boolean
  /** `owner TYPE data` in lower case, sorted; for SRV `port target` is the data. */
  readonly answers: readonly string[]
  /** As it came first. */
  readonly first: string | undefined
  readonly ttls: ReadonlySet<number>
  readonly weights: readonly number[]
  /** Of the SOA in the authority section. */
  readonly negativeTtl: number | undefined
  /** Addresses in the additional section, `owner TYPE data`. */
  readonly glue: readonly string[]
  readonly opts: number
  /** Extended DNS Error, RFC 8914. */
  readonly extendedError: number | undefined
}

const RCODES: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
}

const HEADER = 12
const OPT = 41
const SOA = 6

/** @throws RangeError when the message ends too soon; Error for types that no test asks for */
export function decodeReply(message: Buffer): Reply {
  const flags = message.readUInt16BE(2)
  let at = HEADER
  for (let left = message.readUInt16BE(4); left > 0; left--) at = nameAt(message, at).end + 4
  const answers: string[] = []
  const ttls = new Set<number>()
  const weights: number[] = []
  const glue: string[] = []
  let opts = 0
  let negativeTtl: number | undefined
  let extendedError: number | undefined
  for (const section of ['answer', 'authority', 'additional'] as const) {
    const count = message.readUInt16BE(section === 'answer' ? 6 : section === 'authority' ? 8 : 10)
    for (let i = 0; i < count; i++) {
      const owner = nameAt(message, at)
      const type = message.readUInt16BE(owner.end)
      const data = owner.end + 10
      const end = data + message.readUInt16BE(owner.end + 8)
      if (end > message.length) throw new RangeError('a record is longer than the message')
      if (section === 'answer') {
        ttls.add(message.readUInt32BE(owner.end + 4))
        if (type === 33) weights.push(message.readUInt16BE(data + 2))
        answers.push(`${owner.name} ${dataOf(message, type, data, end)}`)
      } else if (type === SOA) negativeTtl = message.readUInt32BE(end - 4)
      else if (type === OPT) {
        opts++
        extendedError = errorIn(message.subarray(data, end))
      } else if (section === 'additional') glue.push(`${owner.name} ${dataOf(message, type, data, end)}`)
      at = end
    }
  }
  if (at !== message.length) throw new RangeError('octets after the last record')
  return {
    rcode: RCODES[flags & 15] ?? String(flags & 15),
    isAuthoritative: (flags & 0x400) !== 0,
    isTruncated: (flags & 0x200) !== 0,
    first: answers[0],
    answers: answers.sort(),
    ttls,
    weights,
    negativeTtl,
    glue,
    opts,
    extendedError,
  }
}

function dataOf(message: Buffer, type: number, at: number, end: number): string {
  switch (type) {
    case 1:
      return `A ${message[at]}.${message[at + 1]}.${message[at + 2]}.${message[at + 3]}`
    case 28:
      return `AAAA ${addressV6(message.subarray(at, at + 16))}`
    case 33:
      return `SRV ${message.readUInt16BE(at + 4)} ${nameAt(message, at + 6).name}`
    case 12:
      return `PTR ${nameAt(message, at).name}`
    case 5:
      return `CNAME ${nameAt(message, at).name}`
    case 16:
      return `TXT ${message.toString('latin1', at + 1, end)}`
    default:
      throw new Error(`no test asks for type ${type}`)
  }
}

/** Texts of addresses seen, since they come again and again; bounded by starting afresh. */
const textsV6 = new Map<string, string>()

function addressV6(octets: Buffer): string {
  const hex = octets.toString('hex')
  let text = textsV6.get(hex)
  if (text === undefined) {
    if (textsV6.size > 10_000) textsV6.clear()
    text = canonical(hex.match(/.{4}/g)!.join(':'))
    textsV6.set(hex, text)
  }
  return text
}

function nameAt(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = []
  let at = start
  let end = -1
  for (let steps = 0; steps < 130; steps++) {
    const length = message[at]
    if (length === undefined) throw new RangeError('a name is longer than the message')
    if (length >= 0xc0) {
      if (end < 0) end = at + 2
      at = message.readUInt16BE(at) & 0x3fff
    } else if (length === 0) {
      return { name: labels.join('.').toLowerCase(), end: end < 0 ? at + 1 : end }
    } else {
      labels.push(message.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
  }
  throw new RangeError('a name never ends')
}

function errorIn(options: Buffer): number | undefined {
  for (let at = 0; at + 4 <= options.length; at += 4 + options.readUInt16BE(at + 2)) {
    if (options.readUInt16BE(at) === 15) return options.readUInt16BE(at + 4)
  }
  return undefined
}

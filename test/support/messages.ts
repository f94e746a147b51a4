/**
 * DNS messages for tests: queries built octet by octet, replies read by a decoder that forgives nothing.
 * It shares no code with src/, so that it can be a second opinion.
 */

export const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  DNSKEY: 48,
  HTTPS: 65,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
}

export const RCODES = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
}
export type RcodeName = keyof typeof RCODES

export const QR = 0x8000
export const AA = 0x0400
export const TC = 0x0200
export const RD = 0x0100
export const RA = 0x0080
export const Z = 0x0040
export const AD = 0x0020
export const CD = 0x0010

/** Labels as they are, letter case kept; each a string (latin1) or octets. */
export function nameOf(...labels: (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = []
  for (const label of labels) {
    const octets = typeof label === 'string' ? Buffer.from(label, 'latin1') : Buffer.from(label)
    parts.push(Buffer.from([octets.length]), octets)
  }
  return Buffer.concat([...parts, Buffer.from([0])])
}

/** Presentation format without escapes → wire form, letter case kept. */
export function wireName(text: string): Buffer {
  const trimmed = text.replace(/\.$/, '')
  return trimmed === '' ? Buffer.from([0]) : nameOf(...trimmed.split('.'))
}

export function u16(value: number): Buffer {
  return Buffer.from([(value >>> 8) & 255, value & 255])
}

export interface OptFields {
  readonly size?: number
  readonly version?: number
  /** DO and Z, 16 bits. */
  readonly flags?: number
  readonly options?: readonly { readonly code: number; readonly data?: Uint8Array }[]
  readonly owner?: Uint8Array
  /** RDATA as it is, in place of `options`. */
  readonly rdata?: Uint8Array
  readonly rdlength?: number
}

export function optRecord(fields: OptFields = {}): Buffer {
  const { size = 1232, version = 0, flags = 0, options = [], owner = Buffer.from([0]) } = fields
  const rdata =
    fields.rdata ??
    Buffer.concat(
      options.map(({ code, data = Buffer.alloc(0) }) =>
        Buffer.concat([u16(code), u16(data.length), Buffer.from(data)]),
      ),
    )
  return Buffer.concat([
    Buffer.from(owner),
    u16(41),
    u16(size),
    Buffer.from([0, version]),
    u16(flags),
    u16(fields.rdlength ?? rdata.length),
    Buffer.from(rdata),
  ])
}

export function recordOf(owner: Uint8Array, type: number, rdata: Uint8Array, qclass = 1, ttl = 0): Buffer {
  const time = Buffer.alloc(4)
  time.writeUInt32BE(ttl)
  return Buffer.concat([owner, u16(type), u16(qclass), time, u16(rdata.length), rdata])
}

export interface MessageFields {
  readonly id?: number
  /** All 16 bits of flags. */
  readonly flags?: number
  readonly counts?: readonly [qd: number, an: number, ns: number, ar: number]
  readonly parts?: readonly Uint8Array[]
}

/** Header and parts, nothing checked. */
export function message({ id = 0x1234, flags = 0, counts = [1, 0, 0, 0], parts = [] }: MessageFields): Buffer {
  return Buffer.concat([u16(id), u16(flags), ...counts.map(u16), ...parts.map(part => Buffer.from(part))])
}

export function questionOf(qname: string | Uint8Array, qtype: number | string, qclass = 1): Buffer {
  const type = typeof qtype === 'string' ? TYPES[qtype]! : qtype
  return Buffer.concat([typeof qname === 'string' ? wireName(qname) : Buffer.from(qname), u16(type), u16(qclass)])
}

export interface QueryFields {
  readonly id?: number
  readonly flags?: number
  readonly qclass?: number
  /** An OPT, or false for none. */
  readonly opt?: OptFields | false
  /** More of the additional section, after the OPT. */
  readonly more?: readonly Uint8Array[]
}

export function queryOf(qname: string | Uint8Array, qtype: number | string, fields: QueryFields = {}): Buffer {
  const { id, flags, qclass, opt = false, more = [] } = fields
  const additional = [...(opt === false ? [] : [optRecord(opt)]), ...more]
  return message({
    ...(id === undefined ? {} : { id }),
    ...(flags === undefined ? {} : { flags }),
    counts: [1, 0, 0, additional.length],
    parts: [questionOf(qname, qtype, qclass), ...additional],
  })
}

export interface ReplyRecord {
  /** Owner in wire form without pointers, letter case kept, as latin1. */
  readonly owner: string
  readonly type: number
  readonly class: number
  readonly ttl: number
  readonly rdata: Buffer
  /** Names in the RDATA, in order, without pointers, lower case. */
  readonly names: readonly string[]
}

export interface Reply {
  readonly id: number
  readonly flags: number
  readonly opcode: number
  /** Extended by the OPT when there is one. */
  readonly rcode: number
  readonly question: Buffer | undefined
  readonly answers: ReplyRecord[]
  readonly authority: ReplyRecord[]
  readonly additional: ReplyRecord[]
  readonly opt: { size: number; version: number; flags: number; options: { code: number; data: Buffer }[] } | undefined
  readonly tsig: ReplyRecord | undefined
  readonly length: number
}

/**
 * Reads a reply. Throws for anything a strict reader may object to: counts that do not fill the message exactly,
 * pointers that do not point strictly backwards to a label, names over 255 octets, RDATA that its type does not fill,
 * an OPT that is not alone or not at the root, the same record twice in a section (unless it is a server's that does so).
 */
export function strictDecode(octets: Uint8Array, { mayRepeat = false } = {}): Reply {
  const buffer = Buffer.from(octets)
  if (buffer.length < 12) throw new Error(`${buffer.length} octets are no message`)
  const flags = buffer.readUInt16BE(2)
  const [qd, an, ns, ar] = [4, 6, 8, 10].map(at => buffer.readUInt16BE(at)) as [number, number, number, number]
  if (qd > 1) throw new Error('more than one question')
  let at = 12
  let question: Buffer | undefined
  if (qd === 1) {
    const { end } = readName(buffer, at)
    if (end + 4 > buffer.length) throw new Error('question cut')
    question = buffer.subarray(at, end + 4)
    at = end + 4
  }
  const read = (count: number): ReplyRecord[] => {
    const records: ReplyRecord[] = []
    const seen = new Set<string>()
    for (let i = 0; i < count; i++) {
      const owner = readName(buffer, at)
      if (owner.end + 10 > buffer.length) throw new Error('record cut')
      const type = buffer.readUInt16BE(owner.end)
      const rdlength = buffer.readUInt16BE(owner.end + 8)
      const from = owner.end + 10
      const end = from + rdlength
      if (end > buffer.length) throw new Error('RDATA cut')
      const names = namesIn(buffer, type, from, end)
      const rdata = buffer.subarray(from, end)
      const key = `${owner.name.toLowerCase()}|${type}|${names.length > 0 ? names.join() + rdata.subarray(-20).toString('latin1') : rdata.toString('latin1')}`
      if (seen.has(key) && !mayRepeat) throw new Error(`the same record twice: ${key}`)
      seen.add(key)
      records.push({
        owner: owner.name,
        type,
        class: buffer.readUInt16BE(owner.end + 2),
        ttl: buffer.readUInt32BE(owner.end + 4),
        rdata,
        names,
      })
      at = end
    }
    return records
  }
  const answers = read(an)
  const authority = read(ns)
  const all = read(ar)
  if (at !== buffer.length) throw new Error(`${buffer.length - at} octets after the last record`)
  if ([...answers, ...authority].some(({ type }) => type === 41)) throw new Error('OPT outside the additional section')
  const opts = all.filter(({ type }) => type === 41)
  if (opts.length > 1) throw new Error('two OPTs')
  const [opt] = opts
  if (opt !== undefined && opt.owner !== '\0') throw new Error('OPT not at the root')
  const extended = opt === undefined ? 0 : opt.ttl >>> 24
  return {
    id: buffer.readUInt16BE(0),
    flags: flags & 0x87f0,
    opcode: (flags >>> 11) & 15,
    rcode: (extended << 4) | (flags & 15),
    question,
    answers,
    authority,
    additional: all.filter(({ type }) => type !== 41 && type !== 250),
    opt:
      opt === undefined
        ? undefined
        : { size: opt.class, version: (opt.ttl >>> 16) & 255, flags: opt.ttl & 0xffff, options: optionsIn(opt.rdata) },
    tsig: all.find(({ type }) => type === 250),
    length: buffer.length,
  }
}

function readName(buffer: Buffer, start: number): { name: string; end: number } {
  let at = start
  let end = 0
  let lowest = start
  let name = ''
  for (;;) {
    if (at >= buffer.length) throw new Error('name runs out of the message')
    const length = buffer[at]!
    if (length >= 0xc0) {
      if (at + 2 > buffer.length) throw new Error('pointer cut')
      const target = buffer.readUInt16BE(at) & 0x3fff
      if (end === 0) end = at + 2
      if (target >= lowest || target < 12) throw new Error(`pointer at ${at} to ${target} does not point back`)
      lowest = target
      at = target
      continue
    }
    if (length > 63) throw new Error(`label type ${length >>> 6}`)
    if (at + 1 + length > buffer.length) throw new Error('label runs out of the message')
    name += buffer.toString('latin1', at, at + 1 + length)
    if (name.length > 255) throw new Error('name of more than 255 octets')
    at += 1 + length
    if (length === 0) return { name, end: end === 0 ? at : end }
  }
}

const FIXED_OCTETS: Readonly<Record<number, number>> = { 1: 4, 28: 16 }

function namesIn(buffer: Buffer, type: number, from: number, end: number): string[] {
  const fixed = FIXED_OCTETS[type]
  if (fixed !== undefined && end - from !== fixed) throw new Error(`RDLENGTH ${end - from} for type ${type}`)
  const names: string[] = []
  let at = from
  const take = (): void => {
    const { name, end: next } = readName(buffer, at)
    names.push(name.toLowerCase())
    at = next
  }
  if (type === 2 || type === 5 || type === 12) take()
  else if (type === 33) {
    at += 6
    const before = at
    take()
    if (at - before !== names[0]!.length) throw new Error('SRV target is compressed')
    names.push(buffer.toString('latin1', from, before))
  } else if (type === 6) {
    take()
    take()
    at += 20
  } else if (type === 13 || type === 16) while (at < end) at += 1 + buffer[at]!
  else if (type === 250) {
    const before = at
    take()
    if (at - before !== names[0]!.length) throw new Error('TSIG algorithm is compressed')
    at += 8
    at += 2 + buffer.readUInt16BE(at)
    at += 4
    at += 2 + buffer.readUInt16BE(at)
  } else return names
  if (at !== end) throw new Error(`RDATA of type ${type} is not filled: ${at} instead of ${end}`)
  return names
}

function optionsIn(rdata: Buffer): { code: number; data: Buffer }[] {
  const options: { code: number; data: Buffer }[] = []
  let at = 0
  while (at < rdata.length) {
    if (at + 4 > rdata.length) throw new Error('EDNS option cut')
    const length = rdata.readUInt16BE(at + 2)
    if (at + 4 + length > rdata.length) throw new Error('EDNS option cut')
    options.push({ code: rdata.readUInt16BE(at), data: rdata.subarray(at + 4, at + 4 + length) })
    at += 4 + length
  }
  return options
}

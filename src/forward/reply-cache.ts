/**
 * Upstreams' replies ↔ entries of the answer cache: what may be kept of a reply (RFC 2308, RFC 2181 §5), and a client's
 * reply made of what was kept. Layer: forward. Runs on the main thread.
 */

import { copyEntry } from '../cache/copy.ts'
import { ENTRY_AD, ENTRY_DENIAL, ENTRY_FLAGS, ENTRY_RCODE_MASK, firstRecordAt } from '../cache/layout.ts'
import type { Entry } from '../cache/region.ts'
import type { CacheStore, Question } from '../cache/store.ts'
import {
  EDE_CACHED_ERROR,
  EDE_OCTETS,
  EDE_STALE,
  EDE_STALE_NXDOMAIN,
  FLAG_AD,
  FLAG_TC,
  HEADER_OCTETS,
  MAX_STREAM_MESSAGE,
  RCODE_NXDOMAIN,
  RCODE_SERVFAIL,
  STALE_TTL,
  TYPE_A,
  TYPE_AAAA,
  TYPE_ANY,
  TYPE_SOA,
} from '../wire/constants.ts'
import { lowerCase } from '../wire/name.ts'
import { askedAt, type ClientQuery, ReplyWriter } from './client-query.ts'
import type { UpstreamQuestion } from './question.ts'
import { RDATA_SHAPES } from './rdata.ts'
import type { Response } from './response.ts'
import { SCRUBBED, Scrubber } from './scrub.ts'

/** RFC 2181 §8: greater ones have the uppermost bit set. */
const MOST_TTL = 0x7fff_ffff

export class ReplyCache {
  private readonly store: CacheStore
  private readonly writer: ReplyWriter
  private readonly scrubber = new Scrubber()

  constructor(store: CacheStore, maxUdpSize: number) {
    this.store = store
    this.writer = new ReplyWriter(maxUdpSize)
  }

  /** To be noted when a question is asked, and given with what comes of it. */
  get generation(): number {
    return this.store.generation
  }

  /** @returns the reply, valid until the next call; undefined: nothing fresh is kept */
  find(key: string, query: ClientQuery): Uint8Array | undefined {
    const block = this.store.findFresh(key)
    return block === 0 ? undefined : this.write(query, block, this.store.ttlOf(block), -1)
  }

  /** Whether `findStale` has something. */
  hasStale(key: string): boolean {
    return this.store.findStale(key) !== 0
  }

  /** The same of what has expired: RFC 8767 §4, when nobody can be asked. */
  findStale(key: string, query: ClientQuery): Uint8Array | undefined {
    const block = this.store.findStale(key)
    if (block === 0) return undefined
    const rcode = this.store.region.words[block + ENTRY_FLAGS]! & ENTRY_RCODE_MASK
    this.store.counts.staleServed++
    // RFC 8914 §4.4, §4.20
    return this.write(query, block, STALE_TTL, rcode === RCODE_NXDOMAIN ? EDE_STALE_NXDOMAIN : EDE_STALE)
  }

  /**
   * Bounds the TTLs of a reply as they will be when it is kept: whoever asked first keeps it no longer than those who ask later.
   * RFC 2181 §8: 0, and what stands for it, is left alone.
   */
  boundTtls({ rcode, answers, records, ttl, type }: Response, asked: number): void {
    let isDenial = rcode === RCODE_NXDOMAIN
    if (!isDenial && asked !== TYPE_ANY) isDenial = !type.subarray(0, answers).includes(asked)
    for (let i = 0; i < records; i++) {
      const seconds = ttl[i]!
      if (seconds > 0 && seconds <= MOST_TTL) ttl[i] = this.store.boundTtl(seconds, isDenial)
    }
  }

  /**
   * Keeps what an upstream said, if it may be kept; if not, what was kept before goes all the same.
   * @param response read, with RCODE NOERROR or NXDOMAIN
   * @param generation when it was asked for: when something was forgotten since then, the answer is of before
   */
  keep(key: string, question: UpstreamQuestion, response: Response, flags: number, generation = this.generation): void {
    const { scrubber, writer, store } = this
    const { type, dnssecOk } = question
    // RFC 8482: an answer to ANY is some of what there is
    if (type === TYPE_ANY) return
    const at = firstRecordAt(question.name.length)
    writer.octets.set(question.name, HEADER_OCTETS)
    const put = scrubber.scrub(response, type, dnssecOk, writer.octets, at, HEADER_OCTETS, MAX_STREAM_MESSAGE)
    if (put !== SCRUBBED) return
    // RFC 2181 §9: what is truncated, over TCP too, is not kept
    const isKept = generation === this.generation && (flags & FLAG_TC) === 0 && !scrubber.truncated
    const entry = isKept ? this.entryOf(question, at, response.rcode, flags) : undefined
    // RFC 8767 §4: NOERROR and NXDOMAIN have refreshed the data, whether or not they may be kept
    if (entry === undefined) store.forget(key)
    else store.put(key, entry)
  }

  /** @returns the entry of what was scrubbed; undefined: it may not be kept */
  private entryOf(question: UpstreamQuestion, at: number, rcode: number, flags: number): Entry | undefined {
    const { scrubber, writer } = this
    const { type, dnssecOk, checkingDisabled } = question
    const { answers, authority } = scrubber
    const read = readRecords(writer.octets, at, scrubber.ends.subarray(0, answers + authority), answers, type)
    if (read === undefined) return undefined
    const isDenial = rcode === RCODE_NXDOMAIN || !read.hasType
    // RFC 2308 §5: negative answers without SOA are not kept
    if (isDenial && !read.hasSoa) return undefined
    return {
      // RFC 2308 §5: SOA's own TTL or MINIMUM, whichever is less; of no record may more be said than it says itself
      ...read,
      name: question.name.map(lowerCase),
      type,
      dnssecOk,
      checkingDisabled,
      answers,
      authority,
      octets: writer.octets.subarray(at, scrubber.at),
      flags: rcode | (isDenial ? ENTRY_DENIAL : 0) | ((flags & FLAG_AD) === 0 ? 0 : ENTRY_AD),
    }
  }

  /** A question could not be answered. */
  fail(key: string, { name, type, dnssecOk, checkingDisabled }: UpstreamQuestion, generation = this.generation): void {
    if (generation !== this.generation) return
    const question: Question = { name: name.map(lowerCase), type, dnssecOk, checkingDisabled }
    this.store.fail(key, question)
  }

  private write(query: ClientQuery, block: number, ttl: number, ede: number): Uint8Array | undefined {
    const { writer, store } = this
    const { words, octets } = store.region
    const flags = words[block + ENTRY_FLAGS]!
    const rcode = flags & ENTRY_RCODE_MASK
    if (rcode === RCODE_SERVFAIL) return writer.refuse(query, rcode, EDE_CACHED_ERROR)
    const room = ede < 0 || query.payloadSize === 0 ? 0 : EDE_OCTETS
    const reply = {
      octets: writer.octets,
      view: writer.view,
      start: 0,
      at: writer.begin(query),
      end: writer.limit(query) - room,
      answers: query.aliases,
      authority: 0,
      truncated: false,
    }
    if (!copyEntry(words, octets, block, reply, askedAt(query), ttl, undefined)) return undefined
    const bits = (reply.truncated ? FLAG_TC : 0) | ((flags & ENTRY_AD) === 0 ? 0 : FLAG_AD)
    return writer.finish(query, reply.at, reply.answers, reply.authority, rcode, bits, ede)
  }
}

interface RecordsRead extends Pick<Entry, 'starts' | 'ttls' | 'pointers' | 'set'> {
  /** The least of all. */
  readonly ttl: number
  readonly hasType: boolean
  readonly hasSoa: boolean
}

/**
 * What is where in records that the scrubber wrote, from the first of them.
 * @param ends of each record, from the message's first octet
 */
function readRecords(
  octets: Uint8Array,
  at: number,
  ends: Uint16Array,
  answers: number,
  type: number,
): RecordsRead | undefined {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
  const starts: number[] = []
  const ttls: number[] = []
  const pointers: number[] = []
  let ttl = Number.POSITIVE_INFINITY
  let hasType = false
  let hasSoa = false
  let set = { first: 0, count: 0, stride: 0 }
  /** @returns the name's end */
  const readName = (from: number): number => {
    let next = from
    for (; octets[next] !== 0; next += 1 + octets[next]!) {
      if (octets[next]! < 0xc0) continue
      pointers.push(next - at)
      return next + 2
    }
    return next + 1
  }
  let start = at
  for (const [i, end] of ends.entries()) {
    const fixed = readName(start)
    const recordType = view.getUint16(fixed)
    starts.push(start - at)
    ttls.push(fixed + 4 - at)
    ttl = Math.min(ttl, view.getUint32(fixed + 4))
    const before = pointers.length
    const shape = RDATA_SHAPES.get(recordType)
    if (shape !== undefined && shape.names > 0) {
      let name = fixed + 10 + shape.before
      for (let n = 0; n < shape.strings; n++) name += 1 + octets[name]!
      for (let n = 0; n < shape.names; n++) name = readName(name)
    }
    if (i < answers && recordType === type) {
      hasType = true
      const length = end - start
      const isPlain = before === pointers.length && (type === TYPE_A || type === TYPE_AAAA) && fixed === start + 2
      if (isPlain && set.count === 0) set = { first: i, count: 1, stride: length }
      else if (isPlain && set.first + set.count === i && set.stride === length) set.count++
    }
    if (i >= answers && recordType === TYPE_SOA) {
      hasSoa = true
      ttl = Math.min(ttl, view.getUint32(end - 4))
    }
    start = end
  }
  return ends.length === 0 ? undefined : { starts, ttls, pointers, set, ttl, hasType, hasSoa }
}

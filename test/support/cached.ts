/**
 * The answer cache without sockets and with a clock that a test moves: upstreams' replies in, a data-plane thread's
 * answers out. Layer: test support.
 */

import assert from 'node:assert/strict'
import { Answerer, DEFERRED } from '../../src/answer/answer.ts'
import { CACHE_COUNTS, CachedAnswers } from '../../src/answer/cached.ts'
import { Order, type OrderName } from '../../src/answer/order.ts'
import { CacheReader } from '../../src/cache/reader.ts'
import type { Entry } from '../../src/cache/region.ts'
import { type CacheOptions, CacheStore } from '../../src/cache/store.ts'
import { keyOf } from '../../src/forward/flight.ts'
import { NameBuffer } from '../../src/forward/names.ts'
import { ReplyCache } from '../../src/forward/reply-cache.ts'
import { Response } from '../../src/forward/response.ts'
import { createSharedMemory, type SharedMemory } from '../../src/table/memory.ts'
import { TableReader } from '../../src/table/reader.ts'
import { recordOf, replyTo } from './fake-upstream.ts'
import { type Answer, readAnswer } from './forwarding.ts'
import { AD, CD, queryOf, RD, wireName } from './messages.ts'
import { createTable } from './table-lookup.ts'

export const CACHE: CacheOptions = {
  success: { capacity: 1000, ttl: 3600, minTtl: 5 },
  denial: { capacity: 1000, ttl: 1800, minTtl: 5 },
  servfailTtl: 5,
  maxOctets: 1 << 20,
  keepTtl: false,
  serveStale: 0,
  prefetch: { amount: 0, duration: 60, percentage: 10 },
}

export interface Asking {
  readonly opt?: { readonly size?: number; readonly do?: boolean } | false
  readonly cd?: boolean
  readonly ad?: boolean
  readonly rd?: boolean
  readonly stream?: boolean
}

export interface Hearing {
  readonly answers?: readonly Uint8Array[]
  readonly authority?: readonly Uint8Array[]
  readonly rcode?: number
  readonly ad?: boolean
  readonly dnssecOk?: boolean
  readonly cd?: boolean
}

export class CachedWorld {
  /** Seconds. */
  now = 1000
  readonly memory: SharedMemory = createSharedMemory(1)
  readonly store: CacheStore
  readonly replies: ReplyCache
  readonly counts = new Float64Array(CACHE_COUNTS)
  readonly reader: CacheReader
  readonly table = createTable(['cluster.local'])
  private readonly tableReader: TableReader
  private readonly cached: CachedAnswers
  private readonly answerer: Answerer
  private readonly response = new Response()
  private readonly octets = new Uint8Array(65_535)

  constructor(options: Partial<CacheOptions> = {}, order: OrderName = 'stable') {
    const all = { ...CACHE, ...options }
    this.tableReader = new TableReader(this.table.memory, 1)
    this.store = new CacheStore(this.memory, this.tableReader.seed, all, () => this.now)
    this.replies = new ReplyCache(this.store, 1232)
    this.reader = new CacheReader(this.memory, 1, () => this.now)
    const orders = new Order(order, 1)
    this.cached = new CachedAnswers(this.reader, orders, this.counts, all.prefetch.duration)
    this.answerer = new Answerer(this.tableReader, orders, 1232, { fallthrough: [] }, this.cached)
  }

  /** An upstream has answered. */
  hear(
    name: string,
    type: number,
    { rcode = 0, ad = false, dnssecOk = false, cd = false, ...sections }: Hearing,
  ): void {
    const query = queryOf(name, type, { flags: RD, opt: {} })
    const questionEnd = 12 + wireName(name).length + 4
    const asked = { id: 1, question: query.subarray(12, questionEnd), hasOpt: false } as never
    const octets = replyTo(asked, { flags: rcode | (ad ? AD : 0), ...sections })
    assert.ok(this.response.read(octets, questionEnd), 'the upstream’s reply is well formed')
    const question = { name: Uint8Array.from(wireName(name)), type, dnssecOk, checkingDisabled: cd }
    this.replies.keep(this.keyOf(name, type, dnssecOk, cd), question, this.response, octets.readUInt16BE(2))
  }

  /** A question failed. */
  fail(name: string, type: number): void {
    const question = { name: Uint8Array.from(wireName(name)), type, dnssecOk: false, checkingDisabled: false }
    this.replies.fail(this.keyOf(name, type), question)
  }

  keyOf(name: string, type: number, dnssecOk = false, cd = false): string {
    const buffer = new NameBuffer()
    const wire = wireName(name)
    buffer.read(wire, 0, 0, wire.length)
    return keyOf(buffer, type, dnssecOk, cd)
  }

  /** @returns the octets of the reply; undefined: the query is the forwarder's */
  exchange(
    name: string | Uint8Array,
    type: number,
    { opt = {}, cd = false, ad = false, rd = true, stream = false }: Asking = {},
  ): Buffer | undefined {
    const fields =
      opt === false ? {} : { opt: { ...(opt.size && { size: opt.size }), ...(opt.do && { flags: 0x8000 }) } }
    const query = queryOf(name, type, { flags: (rd ? RD : 0) | (cd ? CD : 0) | (ad ? AD : 0), ...fields })
    const { octets } = this
    octets.fill(0xee, 0, 2048)
    octets.set(query)
    this.tableReader.begin()
    const length = this.answerer.answer(
      octets,
      new DataView(octets.buffer),
      0,
      query.length,
      stream ? 65_535 : 4096,
      stream,
    )
    const reply = length === DEFERRED ? undefined : Buffer.from(octets.subarray(0, length))
    this.tableReader.end()
    this.cached.end()
    return reply
  }

  ask(name: string | Uint8Array, type: number, asking: Asking = {}): Answer | undefined {
    const octets = this.exchange(name, type, asking)
    return octets && readAnswer(octets)
  }
}

/** @param minimum of negative answers */
export function soaOf(zone: string, ttl: number, minimum: number): Buffer {
  const numbers = Buffer.alloc(20)
  numbers.writeUInt32BE(1)
  numbers.writeUInt32BE(minimum, 16)
  return recordOf(zone, 6, Buffer.concat([wireName(`ns.${zone}`), wireName(`host.${zone}`), numbers]), ttl)
}

/** An entry with one address, which is not written as an upstream's reply first. */
export function entryOf(name: Uint8Array, address: number, ttl: number, flags = 0): Entry {
  const octets = Uint8Array.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0)
  new DataView(octets.buffer).setUint32(12, address)
  return {
    name,
    type: 1,
    dnssecOk: false,
    checkingDisabled: false,
    flags,
    ttl,
    answers: 1,
    authority: 0,
    octets,
    starts: [0],
    ttls: [6],
    pointers: [0],
    set: { first: 0, count: 1, stride: 16 },
  }
}

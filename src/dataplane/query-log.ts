/**
 * Queries on their way into the log: a ring in shared memory with one writer, the thread that answered, and one reader, the
 * main thread. Layer: dataplane. The writer never waits: what finds no room is counted, and the reply has left by then.
 *
 *   word 0  entries written   word 1  entries read   word 2  entries that found no room   … 64 octets
 *   entry   ┌────┬──────┬───────┬────────┬────────┬─────────┬──────┬─────────┬─────────┬────────────┐
 *    (320)  │ ID │ type │ flags │ query  │ reply  │ answers │ bits │ payload │ address │ name, wire │
 *           │ 2  │  2   │   2   │ octets │ octets │    2    │  2   │ size 2  │   16    │  form, 256 │
 *           └────┴──────┴───────┴────────┴────────┴─────────┴──────┴─────────┴─────────┴────────────┘
 */

import type { Peers } from '../transport/handler.ts'
import { FLAG_TC, OFFSET_ANCOUNT, OFFSET_FLAGS, RCODE_NOERROR, RCODE_NXDOMAIN } from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import { Query } from '../wire/query.ts'

/** Classes of replies, as CoreDNS's plugin `log` has them; bits. */
export const LOG_SUCCESS = 1
/** NXDOMAIN and NODATA. */
export const LOG_DENIAL = 2
export const LOG_ERROR = 4

/** Plain values, so that they can be sent to a thread. */
export interface QueryLogRules {
  /** LOG_… bits. */
  readonly classes: number
  /** 0..1 of the queries, at random. */
  readonly sample: number
  /** In lower case; names in them and below. Empty: all. */
  readonly zones: readonly WireName[]
}

export interface LoggedQuery {
  readonly id: number
  readonly type: number
  readonly rcode: number
  /** Of the reply: the header's second word. */
  readonly flags: number
  readonly queryOctets: number
  readonly replyOctets: number
  readonly answers: number
  readonly isStream: boolean
  readonly dnssecOk: boolean
  readonly isIPv6: boolean
  readonly payloadSize: number
  /** 4 or 16 octets. */
  readonly address: Uint8Array
  /** Wire form; empty: there was no question that could be read. */
  readonly name: Uint8Array
}

const WRITTEN = 0
const READ = 1
const LOST = 2
const HEAD_OCTETS = 64
const ENTRY_OCTETS = 320
const ENTRIES = 1024
const ADDRESS_AT = 16
const NAME_AT = 32
const BIT_STREAM = 1
const BIT_DO = 2
const BIT_IPV6 = 4
/** The upper bits of the RCODE. */
const RCODE_SHIFT = 4

export function createQueryRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_OCTETS + ENTRIES * ENTRY_OCTETS)
}

/** Which class a reply is of. @param flags of its header */
export function classOf(rcode: number, flags: number, answers: number): number {
  if (rcode === RCODE_NXDOMAIN) return LOG_DENIAL
  if (rcode !== RCODE_NOERROR) return LOG_ERROR
  // A truncated reply may have no answers and be no denial.
  return answers > 0 || (flags & FLAG_TC) !== 0 ? LOG_SUCCESS : LOG_DENIAL
}

/** Decides which queries are logged. */
export class QueryChoice {
  private readonly classes: number
  private readonly most: number
  private readonly zones: ReadonlySet<number> | undefined
  private random: number

  /** @param seed of the table's hash @param random 32 bits */
  constructor({ classes, sample, zones }: QueryLogRules, seed: number, random: number) {
    this.classes = classes
    this.most = sample * 2 ** 32
    this.random = random | 1
    const name = new Query(seed)
    const hashes = zones.map(zone => {
      name.readName(zone, 0, zone.length)
      return name.suffixHash[0]!
    })
    this.zones = zones.length === 0 ? undefined : new Set(hashes)
  }

  wants(query: Query, rcode: number, flags: number, answers: number): boolean {
    if ((classOf(rcode, flags, answers) & this.classes) === 0) return false
    // xorshift
    let { random } = this
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    this.random = random
    if (random >>> 0 >= this.most) return false
    if (this.zones === undefined) return true
    if (query.questionEnd === 0) return false
    for (let label = 0; label <= query.labels; label++) if (this.zones.has(query.suffixHash[label]!)) return true
    return false
  }
}

export class QueryLogWriter {
  private readonly choice: QueryChoice
  private readonly words: Int32Array
  private readonly octets: Uint8Array
  private readonly view: DataView
  private written = 0
  private peers: Peers | undefined
  private isIPv6 = false

  constructor(ring: SharedArrayBuffer, choice: QueryChoice) {
    this.choice = choice
    this.words = new Int32Array(ring, 0, HEAD_OCTETS / 4)
    this.octets = new Uint8Array(ring)
    this.view = new DataView(ring)
  }

  begin(peers: Peers | undefined, isIPv6: boolean): void {
    this.peers = peers
    this.isIPv6 = isIPv6
  }

  /**
   * @param query as it was read
   * @param rcode extended, RFC 6891 §6.1.3
   * @param from  the message in which the reply stands, from `start` on
   */
  note(
    query: Query,
    rcode: number,
    from: DataView,
    start: number,
    queryOctets: number,
    replyOctets: number,
    isStream: boolean,
  ): void {
    const { octets, view, words, written } = this
    const flags = from.getUint16(start + OFFSET_FLAGS)
    const answers = from.getUint16(start + OFFSET_ANCOUNT)
    if (!this.choice.wants(query, rcode, flags, answers)) return
    if (((written - Atomics.load(words, READ)) | 0) >= ENTRIES) {
      words[LOST]!++
      return
    }
    const at = HEAD_OCTETS + (written & (ENTRIES - 1)) * ENTRY_OCTETS
    const hasQuestion = query.questionEnd > 0
    view.setUint16(at, from.getUint16(start))
    view.setUint16(at + 2, hasQuestion ? query.type : 0)
    view.setUint16(at + 4, flags)
    view.setUint16(at + 6, queryOctets)
    view.setUint16(at + 8, replyOctets)
    view.setUint16(at + 10, answers)
    const bits = (isStream ? BIT_STREAM : 0) | (query.dnssecOk ? BIT_DO : 0) | (this.isIPv6 ? BIT_IPV6 : 0)
    octets[at + 12] = bits | ((rcode >>> 4) << RCODE_SHIFT)
    const length = hasQuestion ? query.nameLength : 0
    octets[at + 13] = length
    view.setUint16(at + 14, query.payloadSize)
    const address = octets.subarray(at + ADDRESS_AT, at + NAME_AT)
    if (this.peers === undefined) address.fill(0)
    else this.peers.copyAddress(start, address)
    for (let i = 0; i < length; i++) octets[at + NAME_AT + i] = query.name[i]!
    this.written = (written + 1) | 0
    Atomics.store(words, WRITTEN, this.written)
  }
}

export class QueryLogReader {
  private readonly words: Int32Array
  private readonly octets: Uint8Array
  private readonly view: DataView
  private read = 0
  private known = 0

  constructor(ring: SharedArrayBuffer) {
    this.words = new Int32Array(ring, 0, HEAD_OCTETS / 4)
    this.octets = new Uint8Array(ring)
    this.view = new DataView(ring)
  }

  /** @returns entries that found no room since the last call */
  takeLost(): number {
    const lost = Atomics.load(this.words, LOST)
    const more = (lost - this.known) >>> 0
    this.known = lost
    return more
  }

  /** @returns undefined: there is nothing new */
  next(): LoggedQuery | undefined {
    const { words, octets, view, read } = this
    if (read === Atomics.load(words, WRITTEN)) return undefined
    const at = HEAD_OCTETS + (read & (ENTRIES - 1)) * ENTRY_OCTETS
    const bits = octets[at + 12]!
    const isIPv6 = (bits & BIT_IPV6) !== 0
    const query = {
      id: view.getUint16(at),
      type: view.getUint16(at + 2),
      rcode: ((bits >>> RCODE_SHIFT) << 4) | (view.getUint16(at + 4) & 15),
      flags: view.getUint16(at + 4),
      queryOctets: view.getUint16(at + 6),
      replyOctets: view.getUint16(at + 8),
      answers: view.getUint16(at + 10),
      isStream: (bits & BIT_STREAM) !== 0,
      dnssecOk: (bits & BIT_DO) !== 0,
      isIPv6,
      payloadSize: view.getUint16(at + 14),
      address: octets.slice(at + ADDRESS_AT, at + ADDRESS_AT + (isIPv6 ? 16 : 4)),
      name: octets.slice(at + NAME_AT, at + NAME_AT + octets[at + 13]!),
    }
    this.read = (read + 1) | 0
    Atomics.store(words, READ, this.read)
    return query
  }
}

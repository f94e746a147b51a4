/**
 * THE hot path: a query's octets in, the reply's octets out, written over the query. Layer: answer.
 * No I/O, no clock, no allocation, no exception. `npm run bench` guards it: run it before and after any change here.
 *
 *   read ─▶ find ─┬─▶ CNAME ─▶ find its target …
 *                 ├─▶ records of the type ─────────────▶ finish
 *                 ├─▶ none of that type: NODATA + SOA ─▶ finish
 *                 └─▶ no such name: closest encloser ─▶ made from the label, or NXDOMAIN + SOA, or REFUSED,
 *                                                       or DEFERRED: the forwarder's, or autopath's
 */

import { HAS_CNAME, STATE_STALE, STATE_SYNCED } from '../table/layout.ts'
import type { TableReader } from '../table/reader.ts'
import { flagsOf, zoneOf } from '../table/sections.ts'
import {
  EDE_CACHED_ERROR,
  EDE_FILTERED,
  EDE_NOT_READY,
  EDE_OCTETS,
  EDE_PROHIBITED,
  EDE_STALE,
  EDE_STALE_NXDOMAIN,
  FLAG_AA,
  FLAG_RD,
  HEADER_OCTETS,
  MIN_UDP_PAYLOAD,
  OFFSET_FLAGS,
  OPT_OCTETS,
  RCODE_NOERROR,
  RCODE_NOTAUTH,
  RCODE_NXDOMAIN,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  TYPE_AAAA,
  TYPE_ANY,
  TYPE_AXFR,
  TYPE_CNAME,
  TYPE_IXFR,
  TYPE_SOA,
} from '../wire/constants.ts'
import { NAME_APEX } from '../wire/owner-records.ts'
import { DROP, Query } from '../wire/query.ts'
import { CACHED, CACHED_FAILURE, type CachedAnswers } from './cached.ts'
import {
  type Fallthrough,
  type Forwarding,
  type Misses,
  SCREEN_BLOCK,
  SCREEN_DEFER,
  SCREEN_DROP,
  SCREEN_PASS,
  type Screen,
  type TransferAccess,
} from './elsewhere.ts'
import { putMade } from './made-names.ts'
import { putName } from './name-records.ts'
import type { Order } from './order.ts'
import { putRaw } from './raw-sets.ts'
import { ReadAhead } from './read-ahead.ts'
import { Reply } from './reply.ts'
import { putSoa } from './soa.ts'
import { refuseTsig } from './tsig.ts'

/** CNAMEs followed for one query; a longer chain is taken for a loop. */
const MAX_CHAIN = 8

/** Queries of a batch that are read before the first of them is answered. */
export const AHEAD = 8

/** What `answer` returns for a query that another has to answer: nothing of it was overwritten. */
export const DEFERRED = -1

export class Answerer {
  /** What was asked and what is answered: read by the counters and the log, after `answer`. */
  query: Query
  readonly reply: Reply
  /** The query is the forwarder's. What it is to ask for stands at `targetAt`: the end of a chain of CNAMEs; 0: QNAME. */
  deferred = false
  targetAt = 0
  /** Number of the zone the question lies in; -1: none, or it was not looked for. */
  zone = -1
  /** Set before the first query; undefined: all pass. */
  screen: Screen | undefined
  readonly ahead: ReadAhead
  /** Set before the first query; undefined: transfers are refused to all. */
  transfers: TransferAccess | undefined
  /** Set before the first query; undefined: what does not exist is answered so. */
  misses: Misses | undefined
  /** Block of the closest encloser of the name that was left to `misses`, when its answer is known without them; else 0. */
  private missed = 0
  /** The question at hand: `query`, or the same of the name that an alias led to. */
  private asked: Query
  private readonly led: Query
  private readonly table: TableReader
  private readonly order: Order
  private readonly maxUdpSize: number
  private readonly forwards: boolean
  private readonly defersAll: boolean
  private readonly dns64: boolean
  /** By zone number: where what does not exist is asked elsewhere. */
  private readonly fallthrough: (Fallthrough | undefined)[] = []
  private readonly cached: CachedAnswers | undefined

  /**
   * @param maxUdpSize largest reply over UDP and the payload size advertised, 512..4096 octets
   * @param forwarding undefined: `answer` never returns DEFERRED
   * @param cached     undefined: nothing that was forwarded is kept
   */
  constructor(table: TableReader, order: Order, maxUdpSize: number, forwarding?: Forwarding, cached?: CachedAnswers) {
    this.cached = cached
    this.forwards = forwarding !== undefined
    for (const each of forwarding?.fallthrough ?? []) this.fallthrough[each.zone] = each
    this.defersAll = forwarding?.withoutRd === true
    this.dns64 = forwarding?.dns64 === true
    this.reply = new Reply(this.forwards && forwarding?.recursion !== false)
    this.table = table
    this.order = order
    this.maxUdpSize = maxUdpSize
    this.query = new Query(table.seed)
    this.asked = this.query
    this.led = new Query(table.seed)
    this.ahead = new ReadAhead(table, AHEAD)
  }

  /**
   * See transport/handler.ts; or DEFERRED. Between `table.begin()` and `table.end()` only.
   * @param place where in `ahead` the query was read already; −1: it was not
   */
  answer(
    octets: Uint8Array,
    view: DataView,
    start: number,
    length: number,
    capacity: number,
    stream: boolean,
    place = -1,
  ): number {
    const { reply, ahead } = this
    this.zone = -1
    this.deferred = false
    this.missed = 0
    let verdict: number
    if (place < 0) verdict = this.query.read(octets, view, start, length)
    else {
      this.query = ahead.queries[place]!
      verdict = ahead.verdicts[place]!
    }
    const { query } = this
    if (verdict === DROP) return 0
    const payload = query.payloadSize > 0 ? this.maxUdpSize : 0
    // RFC 6891 §6.2.3, §6.2.5: the requestor's size, 512 without OPT; never more than ours
    const limit = stream ? capacity : Math.min(query.payloadSize || MIN_UDP_PAYLOAD, this.maxUdpSize)
    const at = start + query.questionEnd
    reply.begin(octets, view, start, at, start + limit - (payload > 0 ? OPT_OCTETS : 0))
    reply.dnssecOk = query.dnssecOk
    if (verdict !== RCODE_NOERROR || query.tsigAt > 0 || query.type === TYPE_AXFR || query.type === TYPE_IXFR) {
      return this.refuse(verdict, length, payload, stream)
    }
    if (this.screen !== undefined) {
      const outcome = this.screen.judge(query, start)
      if (outcome !== SCREEN_PASS) return this.screened(outcome, payload)
    }
    this.find()
    return this.deferred ? DEFERRED : reply.finish(payload)
  }

  /**
   * After DEFERRED, when there is nobody to take the query: what the table says, or SERVFAIL.
   * @returns octets of the reply
   */
  failDeferred(): number {
    if (this.missed !== 0) this.deny(this.missed, HEADER_OCTETS)
    else this.fail(-1)
    return this.reply.finish(this.query.payloadSize > 0 ? this.maxUdpSize : 0)
  }

  /** What is not answered from the table at all. */
  private refuse(verdict: number, length: number, payload: number, stream: boolean): number {
    const { query, reply, screen } = this
    reply.rcode = verdict
    if (query.questionEnd === 0) return screen?.drops(reply.start) === true ? 0 : reply.finishHeader()
    if (verdict === RCODE_NOERROR && query.tsigAt === 0) return this.transfer(payload, stream)
    if (screen !== undefined && screen.judge(query, reply.start) === SCREEN_DROP) return 0
    return verdict === RCODE_NOERROR ? refuseTsig(reply, query, length, payload) : reply.finish(payload)
  }

  /** AXFR and IXFR: only over TCP the zone is sent, by whoever takes what is DEFERRED. */
  private transfer(payload: number, stream: boolean): number {
    const { query, reply, table } = this
    const { start } = reply
    const outcome = this.screen?.judge(query, start) ?? SCREEN_PASS
    if (outcome === SCREEN_DROP) return 0
    // RFC 5936 §2.2.1, §4.2: a transfer that is not allowed is REFUSED, and so is AXFR over UDP
    const isServed = stream || query.type === TYPE_IXFR
    if (!isServed || this.transfers?.allows(query, start) !== true) {
      reply.rcode = RCODE_REFUSED
      return reply.finish(payload)
    }
    if (outcome !== SCREEN_PASS && outcome !== SCREEN_DEFER) return this.screened(outcome, payload)
    const block = table.find(query.suffixHash[0]!, query.nameView, 0, query.nameLength)
    if (block === 0 || (flagsOf(table.words, block) & NAME_APEX) === 0) {
      // RFC 5936 §2.2.1: NotAuth for what is no zone of ours
      reply.rcode = RCODE_NOTAUTH
      return reply.finish(payload)
    }
    this.zone = zoneOf(table.words, block)
    if (table.state === STATE_SYNCED || this.mayAnswer(this.zone)) {
      if (stream) {
        this.targetAt = 0
        return DEFERRED
      }
      // RFC 1995 §2: where the answer does not fit, the SOA alone tells the client to ask over TCP
      reply.aa = FLAG_AA
      putName(reply, table, query, block, TYPE_SOA, HEADER_OCTETS, this.order, this.led)
    }
    return reply.finish(payload)
  }

  private screened(outcome: number, payload: number): number {
    const { reply } = this
    if (outcome === SCREEN_DROP) return 0
    if (outcome === SCREEN_DEFER) {
      this.targetAt = 0
      return DEFERRED
    }
    const isBlocked = outcome === SCREEN_BLOCK
    if (isBlocked) reply.rcode = RCODE_REFUSED
    // RFC 8914 §4.19, §4.18
    reply.ede = isBlocked ? EDE_PROHIBITED : EDE_FILTERED
    return reply.finish(payload)
  }

  private find(): void {
    const { query, reply, table } = this
    let asked = query
    this.asked = query
    let owner = HEADER_OCTETS
    for (let chain = 0; ; chain++) {
      const block = table.find(asked.suffixHash[0]!, asked.nameView, 0, asked.nameLength)
      if (block === 0) {
        this.answerMissing(owner)
        return
      }
      if (chain === 0) this.zone = zoneOf(table.words, block)
      if (table.state !== STATE_SYNCED && !this.mayAnswer(zoneOf(table.words, block))) return
      reply.aa = FLAG_AA
      const isAlias = (flagsOf(table.words, block) & HAS_CNAME) !== 0
      if (!isAlias || query.type === TYPE_CNAME || query.type === TYPE_ANY) {
        this.answerName(block, isAlias ? TYPE_CNAME : query.type, owner)
        return
      }
      // RFC 1034 §3.6.2: the CNAME is in the answer, the query is restarted at its target
      const target = putRaw(reply, table, block, TYPE_CNAME, owner, this.order, 0)
      if (target <= 0) return
      if (chain === MAX_CHAIN) {
        this.fail(-1)
        return
      }
      asked = this.follow(target)
      owner = target
    }
  }

  /** The same question of an alias's target. @param target offset of its name in the message */
  private follow(target: number): Query {
    const { led, query, reply } = this
    led.readName(reply.octets, reply.start + target, reply.at)
    led.type = query.type
    led.payloadSize = query.payloadSize
    led.dnssecOk = query.dnssecOk
    this.asked = led
    return led
  }

  /** The name exists: its records of the type, or NODATA. */
  private answerName(block: number, type: number, owner: number): void {
    const { asked, reply, table, order } = this
    const before = reply.answers
    putName(reply, table, asked, block, type, owner, order, this.led)
    if (reply.answers === before && !reply.truncated) this.addNegativeSoa(block, owner)
  }

  /** RFC 1034 §4.3.2 step 3c: no such name; what the closest encloser says decides. */
  private answerMissing(owner: number): void {
    const { asked, reply, table } = this
    let below = 1
    let encloser = 0
    for (; below <= asked.labels; below++) {
      const at = asked.labelStart[below]!
      encloser = table.find(asked.suffixHash[below]!, asked.nameView, at, asked.nameLength - at)
      if (encloser !== 0) break
    }
    if (encloser === 0) {
      if (this.forwards && this.defer(owner)) return
      // A CNAME that leaves the zones is answered as far as it goes; any other name outside them is REFUSED.
      if (owner === HEADER_OCTETS) reply.rcode = RCODE_REFUSED
      return
    }
    if (owner === HEADER_OCTETS) this.zone = zoneOf(table.words, encloser)
    if (table.state !== STATE_SYNCED && !this.mayAnswer(zoneOf(table.words, encloser))) return
    reply.aa = FLAG_AA
    const before = reply.answers
    if (putMade(reply, table, asked, encloser, below, owner, this.order)) {
      if (reply.answers === before && !reply.truncated) this.addNegativeSoa(encloser, owner)
      return
    }
    const fallsThrough = this.forwards && this.fallsThrough(zoneOf(table.words, encloser))
    if (owner === HEADER_OCTETS && this.misses?.wants(asked, this.zone, below, reply.start)) {
      this.missed = fallsThrough ? 0 : encloser
      this.targetAt = 0
      this.deferred = true
      return
    }
    if (fallsThrough && this.defer(owner)) return
    this.deny(encloser, owner)
  }

  /** NXDOMAIN. */
  private deny(encloser: number, owner: number): void {
    const { reply } = this
    reply.rcode = RCODE_NXDOMAIN
    // RFC 8914 §4.20: a stale NXDOMAIN has a code of its own
    if (reply.ede === EDE_STALE) reply.ede = EDE_STALE_NXDOMAIN
    if (!reply.truncated) this.addNegativeSoa(encloser, owner)
  }

  /** Whether the name at hand, which the zone does not have, is to be asked for elsewhere. */
  private fallsThrough(zone: number): boolean {
    const fallthrough = this.fallthrough[zone]
    if (fallthrough === undefined) return false
    const { below } = fallthrough
    if (below === undefined) return true
    for (let i = 0; i < below.length; i++) if (this.asked.liesIn(below[i]!)) return true
    return false
  }

  /**
   * Answers from what the forwarder was told before, or leaves the query to it. A chain that did not fit is answered cut.
   * @returns false: it does not ask for that (RFC 1035 §4.1.1, RD)
   */
  private defer(owner: number): boolean {
    const { asked, reply, cached } = this
    const isRecursive = (reply.view.getUint16(reply.start + OFFSET_FLAGS) & FLAG_RD) !== 0
    if (!this.defersAll && !isRecursive) return false
    if (cached !== undefined && isRecursive && !(this.dns64 && asked.type === TYPE_AAAA)) {
      const outcome = cached.answer(asked, reply, owner)
      // RFC 9520 §3.2; RFC 8914 §4.14: it failed a moment ago
      if (outcome === CACHED_FAILURE) this.fail(EDE_CACHED_ERROR)
      if (outcome === CACHED || outcome === CACHED_FAILURE) return true
    }
    this.targetAt = owner === HEADER_OCTETS ? 0 : owner
    this.deferred = true
    return true
  }

  /**
   * RFC 2308 §2.1, §2.2: a negative answer carries the zone's SOA, with the negative TTL; §3: it must. RFC 2181 §9: where
   * aliases have left no room for it, TC says so.
   */
  private addNegativeSoa(block: number, owner: number): void {
    const { asked, reply, table } = this
    if (putSoa(reply, table, zoneOf(table.words, block), owner + asked.nameLength, -1)) reply.authority++
    else reply.truncated = true
  }

  /** Not synced: SERVFAIL. Stale: RFC 8914 §4.4, the answer says so; nothing has been written yet but CNAMEs that said so. */
  private mayAnswer(zone: number): boolean {
    const { reply, query, table } = this
    if ((table.state & STATE_SYNCED) === 0 || table.waits(zone)) {
      this.fail(EDE_NOT_READY)
      return false
    }
    if ((table.state & STATE_STALE) === 0 || reply.ede >= 0) return true
    reply.ede = EDE_STALE
    if (query.payloadSize > 0) reply.end -= EDE_OCTETS
    return true
  }

  /** SERVFAIL, with an extended error unless `ede` is -1. */
  private fail(ede: number): void {
    const { query, reply } = this
    reply.rewind(reply.start + query.questionEnd)
    reply.rcode = RCODE_SERVFAIL
    reply.aa = 0
    reply.ede = ede
  }
}

/**
 * The search path of a client walked for it, where CoreDNS has its plugin autopath. Layer: local.
 *
 *   db.example.com.shop.svc.cluster.local ─ NXDOMAIN ─▶ db.example.com.svc.cluster.local ─ NXDOMAIN ─▶ … ─▶ db.example.com
 *                                                                                                            │ exists
 *   the reply:  db.example.com.shop.svc.cluster.local CNAME db.example.com, and the records of that ◀────────┘
 *
 * Each name is asked for as the client itself would have it: access rules, rewriting, rules, the table, the forwarder. The first
 * that exists is the answer, of whatever type it has records: were it the first with records of the type, A and AAAA could
 * come from two names, and NXDOMAIN for one type would deny the other (RFC 8020). Where none exists, or one cannot be asked
 * for, the client is told the plain truth about the name it asked for, and goes on by itself.
 *
 * All that is said of the client's name holds no longer than `records.negativeTtl`: it may come to exist at any moment.
 */

import { type ClientQuery, type ReplyPath, ReplyWriter } from '../forward/client-query.ts'
import type { AskedName } from '../rules/asked-name.ts'
import { HEADER_OCTETS, MAX_NAME_OCTETS, RCODE_NOERROR, RCODE_NXDOMAIN, TYPE_SOA } from '../wire/constants.ts'
import { prependLabels, type WireName } from '../wire/name.ts'
import { type Change, Composer } from './compose.ts'
import type { DeskQuery } from './desk.ts'

export interface AutopathOptions {
  /** Zones in which search paths begin, in lower case. */
  readonly zones: readonly WireName[]
  /** What a search path goes on with behind the cluster's names: the Node's search list. */
  readonly search: readonly WireName[]
  /** Seconds. */
  readonly negativeTtl: number
  readonly maxUdpSize: number
  /** Where the client's pod is; undefined: not known, or not for sure. */
  readonly namespaceOf: (query: DeskQuery) => string | undefined
  /** Whether the cluster has the name, or one below it. */
  readonly exists: (name: WireName) => boolean
  /** What a data-plane thread makes of a query that has just come, autopath aside: a reply, empty when there is none, or what is left to the desk. */
  readonly judge: (query: DeskQuery) => Uint8Array | ClientQuery
  readonly nowMs: () => number
}

/** A name at the beginning of a client's search path. */
export interface Search {
  /** What the client looks for: labels, without a root. */
  readonly base: Uint8Array
  /** What it is to be tried with, in order. */
  readonly suffixes: readonly WireName[]
}

type Ask = (query: ClientQuery) => void

/** So late no other name is asked for: with 4.4 s for the last one, a client of glibc has its answer before it asks again. */
const LAST_STEP_MS = 500
const ROOT: WireName = new Uint8Array(1)

export class Autopath {
  /** Replies for which the client need not search. */
  found = 0
  private readonly options: AutopathOptions
  private readonly composer: Composer
  /** By zone: what follows NAMESPACE.svc.ZONE. */
  private readonly suffixes: readonly (readonly WireName[])[]

  constructor(options: AutopathOptions) {
    this.options = options
    this.composer = new Composer(new ReplyWriter(options.maxUdpSize))
    this.suffixes = options.zones.map(zone => {
      const all = [prependLabels(['svc'], zone)!, zone, ...options.search, ROOT]
      const keys = all.map(name => name.toString())
      return all.filter((_, i) => keys.indexOf(keys[i]!) === i)
    })
  }

  /** @returns undefined: the query is not the first one of somebody who searches */
  searchOf(query: DeskQuery, name: AskedName): Search | undefined {
    const { zones, namespaceOf, exists } = this.options
    const { wire } = name
    for (const [i, zone] of zones.entries()) {
      if (!endsWith(wire, zone)) continue
      const namespace = namespaceOf(query)
      const first = namespace === undefined ? undefined : prependLabels([namespace, 'svc'], zone)
      if (first === undefined || !endsWith(wire, first) || wire.length === first.length) continue
      const at = wire.length - first.length
      const label = name.labelAt.findLast(each => each < at)
      // RFC 1034 §3.1: only whole labels
      if (!name.labelAt.includes(at) || label === undefined) continue
      // A Service of that name is there: its pods are meant, and whoever lacks one of them is not to get another host.
      if (exists(wire.subarray(label))) continue
      const base = query.message.slice(HEADER_OCTETS, HEADER_OCTETS + at)
      return { base, suffixes: this.suffixes[i]! }
    }
    return undefined
  }

  /** As the option. */
  judge(query: DeskQuery): Uint8Array | ClientQuery {
    return this.options.judge(query)
  }

  /**
   * Answers the query, now or later, once.
   * @param ask answers a query as if it had just come, now or later, once
   */
  walk(query: ClientQuery, search: Search, ask: Ask): void {
    new Walk(this.options, this.composer, query, search, ask, () => this.found++).first()
  }
}

class Walk {
  private readonly options: AutopathOptions
  private readonly composer: Composer
  private readonly query: ClientQuery
  private readonly search: Search
  private readonly answer: Ask
  private readonly onFound: () => void
  private readonly startedMs: number
  /** What is true of the name that the client asked for. */
  private plain: Uint8Array = new Uint8Array(0)

  constructor(
    options: AutopathOptions,
    composer: Composer,
    query: ClientQuery,
    search: Search,
    answer: Ask,
    onFound: () => void,
  ) {
    this.options = options
    this.composer = composer
    this.query = query
    this.search = search
    this.answer = answer
    this.onFound = onFound
    this.startedMs = options.nowMs()
  }

  first(): void {
    this.ask(this.query, reply => {
      if (rcodeOf(reply) !== RCODE_NXDOMAIN) {
        this.query.path.send(reply)
        return
      }
      this.plain = reply.slice()
      this.step(0)
    })
  }

  private step(i: number): void {
    const { query, search, options } = this
    const suffix = search.suffixes[i]
    if (suffix === undefined || options.nowMs() - this.startedMs > LAST_STEP_MS) {
      query.path.send(this.plain)
      return
    }
    const target = new Uint8Array(search.base.length + suffix.length)
    target.set(search.base)
    target.set(suffix, search.base.length)
    if (target.length > MAX_NAME_OCTETS) {
      this.step(i + 1)
      return
    }
    const questionEnd = HEADER_OCTETS + target.length + 4
    const message = new Uint8Array(questionEnd)
    message.set(query.message.subarray(0, HEADER_OCTETS))
    message.set(target, HEADER_OCTETS)
    message.set(query.message.subarray(query.questionEnd - 4, query.questionEnd), questionEnd - 4)
    // Its length is judged when the alias is in front of it.
    this.ask({ ...query, message, questionEnd, stream: true }, reply => {
      const rcode = rcodeOf(reply)
      if (rcode === RCODE_NXDOMAIN) this.step(i + 1)
      else this.end(rcode === RCODE_NOERROR ? this.aliased(reply, questionEnd, target) : undefined)
    })
  }

  /** @param reply undefined: nobody could say whether that name exists, so no other one may be told */
  private end(reply: Uint8Array | undefined): void {
    if (reply !== undefined) this.onFound()
    this.query.path.send(reply ?? this.plain)
  }

  private aliased(reply: Uint8Array, questionEnd: number, target: Uint8Array): Uint8Array | undefined {
    const { composer, options, query } = this
    if (!composer.read(reply, questionEnd)) return undefined
    const { response } = composer
    const ttl = options.negativeTtl
    // RFC 2308 §2.2, §5: NODATA behind an alias is kept for the SOA's TTL, by some under the name that was asked for
    const change = (_: unknown, i: number): Change | undefined =>
      response.type[i] === TYPE_SOA && i >= response.answers && response.ttl[i]! > ttl
        ? { type: TYPE_SOA, ttl }
        : undefined
    return composer.compose(query, { change, isOurs: true, alias: { target, ttl } })
  }

  private ask(query: ClientQuery, then: (reply: Uint8Array) => void): void {
    const path: ReplyPath = { send: then }
    this.answer({ ...query, path })
  }
}

/** @returns −1: there is no reply */
function rcodeOf(reply: Uint8Array): number {
  return reply.length < HEADER_OCTETS ? -1 : reply[3]! & 15
}

function endsWith(name: WireName, suffix: WireName): boolean {
  const at = name.length - suffix.length
  return at >= 0 && suffix.every((octet, i) => name[at + i] === octet)
}

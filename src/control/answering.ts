/**
 * What answers a query besides the table: the forwarder and its cache, names from rules, zone transfers, and the way of a
 * query to them.
 * Layer: control. Nothing is opened before `start`. A reload makes another, which keeps what is as it was and takes over.
 */

import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Answerer } from '../answer/answer.ts'
import type { Forwarding } from '../answer/elsewhere.ts'
import { Order } from '../answer/order.ts'
import { type CacheCounts, createCacheCounts } from '../cache/store.ts'
import { TableAnswers } from '../local/from-table.ts'
import type { TableReader } from '../table/reader.ts'
import { formatName, type WireName } from '../wire/name.ts'
import { AnswerCache } from './answer-cache.ts'
import { DeferredLimits } from './deferred-limits.ts'
import { createDeferredRows, DeferredQueries, type DeferredRows } from './deferred-queries.ts'
import { fallthroughOf } from './fallthrough.ts'
import { ForwardService, readAuthorities } from './forwarding.ts'
import type { Log } from './log.ts'
import { hasLocalNames } from './name-rules.ts'
import { NameService } from './name-service.ts'
import { QueryDesk } from './query-desk.ts'
import type { ServerOptions } from './server-options.ts'
import type { Serving } from './serving.ts'
import { TransferService } from './transfer-service.ts'

/** What is answered from the table. */
export interface OwnZones {
  /** Apexes by zone number. */
  readonly apexes: readonly WireName[]
  readonly serving: Serving
  /** Read on the main thread, for the desk. */
  readonly table: TableReader
  /** @returns an SOA serial later than all before it */
  readonly nextSerial: () => number
}

/** Whose place is taken, and what of it is as it was. */
export interface Predecessor {
  readonly answering: Answering
  /** Forwarding, cache and rules: they go on. */
  readonly keepsNames: boolean
  readonly keepsTransfers: boolean
}

/** After so long a query has been answered, or never will be. */
const LONGEST_PENDING_MS = 10_000
const PENDING_LOOK_MS = 50

export class Answering {
  /** Undefined: nothing of what was forwarded is kept. */
  readonly cache: AnswerCache | undefined
  /** Undefined: names that are not ours are REFUSED. */
  readonly forward: ForwardService | undefined
  /** Undefined: there are no rules, and nobody to forward to. */
  readonly names: NameService | undefined
  /** Undefined: zone transfers are REFUSED. */
  readonly transfers: TransferService | undefined
  /** What of the names that are not answered from the table is somebody else's; undefined: nothing. */
  readonly forwarding: Forwarding | undefined
  /** Takes what is not answered from the table; undefined: nobody does. */
  readonly deferred: DeferredQueries | undefined
  /** What was counted of deferred queries: goes on where for a time there are none, since what threads count of their zones does. */
  readonly deferredRows: DeferredRows
  /** Go on where a cache is taken away and made again: what threads have counted of it does. */
  private readonly cacheCounts: CacheCounts
  /** Until that one has ended. */
  private kept: Predecessor | undefined

  constructor(options: ServerOptions, own: OwnZones, log: Log, before?: Predecessor) {
    this.kept = before
    const old = before?.answering
    this.deferredRows = old?.deferredRows ?? createDeferredRows()
    this.cacheCounts = old?.cacheCounts ?? createCacheCounts()
    if (before?.keepsNames === true) {
      this.cache = old!.cache
      this.forward = old!.forward
      this.names = old!.names
      this.forwarding = old!.forwarding
    } else {
      const { rules, order, maxUdpSize, forwarding } = options
      const { table } = own
      const zones = own.apexes.map(apex => formatName(apex))
      if (forwarding !== undefined) {
        // A reload that fails is tried again every few seconds: each would leave the memory of a cache.
        const authorities = readAuthorities(forwarding)
        this.cache = options.cache && new AnswerCache(options.cache, table.seed, maxUdpSize, this.cacheCounts)
        const answers = new TableAnswers(table, new Answerer(table, new Order(order, randomInt(2 ** 31)), maxUdpSize))
        const replies = this.cache?.replies
        this.forward = new ForwardService(forwarding, maxUdpSize, answers, log, replies, old?.forward, authorities)
      }
      const hasNames = rules !== undefined && hasLocalNames(rules)
      if (this.forward !== undefined || hasNames || options.autopath !== undefined) {
        // Addresses that nobody here has may be known to whoever is asked for the rest.
        const { reverseZones } = options.records
        const named = [...(forwarding?.fallthrough ?? []), ...(rules?.fallthrough ?? []), ...reverseZones]
        const fallthrough = fallthroughOf(
          zones,
          named.map(zone => formatName(zone)),
        )
        this.forwarding = {
          fallthrough,
          recursion: this.forward !== undefined,
          withoutRd: hasNames,
          dns64: rules?.dns64 !== undefined,
        }
      }
      if (rules !== undefined && this.forwarding !== undefined) {
        const { forward, forwarding } = this
        const { negativeTtl } = options.records
        this.names = new NameService(
          {
            rules,
            forward,
            forwarding,
            autopath: options.autopath && { ...options.autopath, negativeTtl },
            table,
            zones: own.apexes,
            order,
            maxUdpSize,
            row: this.deferredRows.udp,
            onHosts: () => void this.cache?.purge(undefined),
            before: old?.names,
          },
          log,
        )
      }
    }
    this.transfers = before?.keepsTransfers === true ? old!.transfers : transfersOf(options, own, log)
    const named = this.names ?? this.forward
    if (this.transfers === undefined && named === undefined) return
    const desk = new QueryDesk(this.transfers, named, options.maxUdpSize)
    const limits = new DeferredLimits(options.replyLimits, options.maxUdpSize, own.table.seed)
    const kept = before?.keepsNames === true ? old?.deferred : undefined
    this.deferred = new DeferredQueries(desk, limits, () => performance.now(), this.deferredRows, kept)
  }

  /** Resolves when the files of hosts have been read. */
  async start(): Promise<void> {
    if (this.kept?.keepsNames !== true) await this.names?.start()
  }

  /** From now on it is this that answers, and what is not kept of the one before answers what is under way. */
  takeOver(): void {
    const { kept, cache, forward, transfers } = this
    if (kept?.keepsNames !== true) {
      kept?.answering.stopNames()
      cache?.start(question => forward?.refresh(question))
    }
    if (kept?.keepsTransfers === true) return
    kept?.answering.transfers?.stop()
    transfers?.start()
  }

  /** Ends what was begun of one that does not take over. */
  abandon(): void {
    if (this.kept?.keepsNames === true) return
    this.names?.stop()
    this.close()
  }

  /** Closes what `next` has not kept, when all is answered. No thread defers to it any more. */
  async retire(next: Answering): Promise<void> {
    const endMs = performance.now() + LONGEST_PENDING_MS
    while ((this.deferred?.pending ?? 0) > 0 && performance.now() < endMs) {
      await delay(PENDING_LOOK_MS, undefined, { ref: false })
    }
    if (next.kept?.keepsNames !== true) this.close()
    next.kept = undefined
  }

  /** No new work is begun; what is under way is answered. */
  stop(): void {
    this.stopNames()
    this.transfers?.stop()
  }

  close(): void {
    this.cache?.close()
    this.forward?.close()
  }

  private stopNames(): void {
    this.names?.stop()
    this.cache?.close()
  }
}

function transfersOf(options: ServerOptions, own: OwnZones, log: Log): TransferService | undefined {
  const { transfer: rules, maxUdpSize } = options
  if (rules === undefined) return undefined
  const { ttl } = options.records
  const { serving, nextSerial, apexes: zones } = own
  return new TransferService({ rules, zones, ttl, serving, nextSerial, maxUdpSize }, log)
}

/**
 * What answers a query besides the table: the forwarder and its cache, names from rules, zone transfers, and the way of a
 * query to them.
 * Layer: control. Nothing is opened before `start`.
 */

import { randomInt } from 'node:crypto'
import { Answerer, type Forwarding } from '../answer/answer.ts'
import { Order } from '../answer/order.ts'
import { TableAnswers } from '../local/from-table.ts'
import type { TableReader } from '../table/reader.ts'
import { formatName, type WireName } from '../wire/name.ts'
import { AnswerCache } from './answer-cache.ts'
import { DeferredQueries } from './deferred-queries.ts'
import { fallthroughOf } from './fallthrough.ts'
import { ForwardService } from './forwarding.ts'
import type { Log } from './log.ts'
import { hasLocalNames } from './name-rules.ts'
import { NameService } from './name-service.ts'
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

  constructor(options: ServerOptions, own: OwnZones, log: Log) {
    const { rules, order, maxUdpSize, forwarding } = options
    const { table, apexes } = own
    const zones = apexes.map(apex => formatName(apex))
    if (forwarding !== undefined) {
      this.cache = options.cache && new AnswerCache(options.cache, table.seed, maxUdpSize)
      const answers = new TableAnswers(table, new Answerer(table, new Order(order, randomInt(2 ** 31)), maxUdpSize))
      this.forward = new ForwardService(forwarding, maxUdpSize, answers, log, this.cache?.replies)
    }
    const hasNames = rules !== undefined && hasLocalNames(rules)
    if (this.forward !== undefined || hasNames) {
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
      const { fallthrough } = this.forwarding
      const onHosts = () => void this.cache?.purge(undefined)
      this.names = new NameService(
        { rules, forward: this.forward, fallthrough, table, order, maxUdpSize, onHosts },
        log,
      )
    }
    const others = this.names ?? this.forward
    if (options.transfer !== undefined) {
      const { ttl } = options.records
      const { serving, nextSerial } = own
      this.transfers = new TransferService(
        { rules: options.transfer, zones: apexes, ttl, serving, nextSerial, maxUdpSize, others },
        log,
      )
    }
    const desk = this.transfers ?? others
    if (desk !== undefined) this.deferred = new DeferredQueries(desk, () => performance.now())
  }

  /** Resolves when the files of hosts have been read. */
  async start(): Promise<void> {
    await this.names?.start()
    this.cache?.start(question => this.forward?.refresh(question))
  }

  /** No new work is begun; what is under way is answered. */
  stop(): void {
    this.names?.stop()
    this.transfers?.stop()
  }

  close(): void {
    this.cache?.close()
    this.forward?.close()
  }
}

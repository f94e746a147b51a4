/**
 * Zone transfers wired up: who may have them, from the configuration; queries from TCP; NOTIFY to secondaries. Layer: control.
 */

import { randomInt } from 'node:crypto'
import type { Family, Sample } from '../admin/prometheus.ts'
import type { DeferredQuery } from '../dataplane/deferred.ts'
import type { TransferRule } from '../dataplane/transfer-gate.ts'
import { STATE_SYNCED } from '../table/layout.ts'
import { TableReader } from '../table/reader.ts'
import { Journal } from '../transfer/journal.ts'
import { Notifier, type Secondary } from '../transfer/notifier.ts'
import { soaRecord } from '../transfer/soa.ts'
import { type TransferLimits, Transfers } from '../transfer/transfers.ts'
import type { ZoneRecord } from '../transfer/zone-records.ts'
import { formatIPv6, parseIPv6 } from '../wire/address.ts'
import { TYPE_AXFR, TYPE_IXFR } from '../wire/constants.ts'
import { formatName, type WireName } from '../wire/name.ts'
import { formatSocketAddress, type SocketAddress } from './config.ts'
import type { Desk, SendReply } from './deferred-queries.ts'
import { liesIn } from './fallthrough.ts'
import type { Log } from './log.ts'
import { NotifySockets } from './notify-sockets.ts'
import { type Serving, WRITER_ROW } from './serving.ts'

/** One entry of `transfer`. */
export interface TransferOptions extends TransferRule {
  /** Secondaries that are told of changes of its zones. */
  readonly notify: readonly SocketAddress[]
}

export interface TransferServiceOptions {
  readonly rules: readonly TransferOptions[]
  /** Apexes by zone number, and the TTL of their SOA in seconds. */
  readonly zones: readonly WireName[]
  readonly ttl: number
  readonly serving: Serving
  /** Later at each call (Serials). */
  readonly nextSerial: () => number
  /** Advertised over TCP. */
  readonly maxUdpSize: number
  readonly limits?: Partial<TransferLimits>
}

const LIMITS: TransferLimits = { concurrent: 10, imageOctets: 4 << 20, totalMs: 300_000 }
/** Of what was at names before they changed, of all zones. */
const JOURNAL_OCTETS = 4 << 20
/** Serials of zones that do not change are looked at (TableWriter.setSerial). */
const KEEP_SERIALS_MS = 86_400_000
/** A secondary that is not there is spoken of once in so long. */
const NOTIFY_SILENCE_MS = 3_600_000
const DEFECT_SILENCE_MS = 60_000

export class TransferService implements Desk {
  readonly transfers: Transfers
  readonly notifier: Notifier
  private readonly options: TransferServiceOptions
  private readonly log: Log
  private readonly journal: Journal
  private readonly sockets: NotifySockets
  /** Used within a turn of the event loop, on the thread of the writer, which never is in the middle of anything then. */
  private readonly table: TableReader
  private keeping: NodeJS.Timeout | undefined

  constructor(options: TransferServiceOptions, log: Log) {
    this.options = options
    this.log = log
    const { rules, zones, serving, limits } = options
    const names = zones.map(zone => formatName(zone))
    const covered = (rule: TransferOptions): number[] =>
      [...names.keys()].filter(
        zone => rule.zones.length === 0 || rule.zones.some(each => liesIn(names[zone]!, formatName(each))),
      )
    this.table = new TableReader(serving.memory, WRITER_ROW)
    this.journal = new Journal([...new Set(rules.flatMap(covered))], JOURNAL_OCTETS, zone =>
      this.notifier.changed(zone),
    )
    const allLimits = { ...LIMITS, ...limits }
    this.transfers = new Transfers(serving.memory, this.table, this.journal, allLimits, nowMs, error => {
      const { message, stack } = error as Error
      log.oncePer('transfer', DEFECT_SILENCE_MS).error(`a transfer could not be made whole: ${message}`, { stack })
    })
    this.notifier = new Notifier(secondariesOf(rules, covered), {
      soaOf: zone => this.soaOf(zone),
      send: (message, to) => this.sockets.send(message, to),
      after(ms, run) {
        const timer = setTimeout(run, ms).unref()
        return () => clearTimeout(timer)
      },
      nowMs,
      randomId: () => randomInt(65_536),
      onFailure(to, rcode) {
        const secondary = formatSocketAddress(to)
        const fields = { secondary, zone: names[to.zone]! }
        const why = rcode === undefined ? 'does not answer NOTIFY' : `answers NOTIFY with RCODE ${rcode}`
        log.oncePer(`notify ${secondary}`, NOTIFY_SILENCE_MS).warn(`a secondary ${why}`, fields)
      },
    })
    this.sockets = new NotifySockets((message, address, port) => this.notifier.received(message, address, port))
  }

  /** From now on changes are followed: not before whoever did so ends. */
  start(): void {
    const { serving, zones } = this.options
    serving.table.watcher = this.journal
    this.keeping = setInterval(() => this.keepSerials(), KEEP_SERIALS_MS).unref()
    // A process that begins may serve another state than the one before it.
    for (const zone of zones.keys()) this.notifier.changed(zone)
  }

  private keepSerials(): void {
    const { serving, nextSerial } = this.options
    try {
      serving.table.setSerial(nextSerial())
    } catch (error) {
      // It is tried again with the next change, and in a day.
      this.log.warn(`the serials of zones stay as they are: ${(error as Error).message}`)
    }
  }

  /** @param query isTransfer */
  take({ message, questionEnd, payloadSize, zone, path }: DeferredQuery, reply: SendReply): void {
    const advertised = payloadSize > 0 ? this.options.maxUdpSize : 0
    const { client } = path.stream!
    const { first, more } = this.transfers.answer({ message, questionEnd, payloadSize: advertised, zone, client })
    try {
      reply(first, more)
    } catch (error) {
      more?.end(false)
      throw error
    }
  }

  stop(): void {
    clearInterval(this.keeping)
    this.transfers.stop()
    this.notifier.stop()
    this.sockets.close()
    const { table } = this.options.serving
    if (table.watcher === this.journal) table.watcher = undefined
  }

  families(server: string): Family[] {
    const { transfers, notifier, journal } = this
    const { axfr, ixfr, soa, finished, failed, rejected, messages, active } = transfers.stats
    const by = (label: string, values: Record<string, number>): Sample[] =>
      Object.entries(values).map(([key, value]) => ({ labels: { server, [label]: key }, value }))
    const family = (type: 'counter' | 'gauge', name: string, help: string, samples: Sample[]): Family => ({
      name: `headless_dns_${name}`,
      help,
      type,
      samples,
    })
    const one = (value: number): Sample[] => [{ labels: { server }, value }]
    return [
      family(
        'counter',
        'transfers_total',
        'Transfers begun: of a whole zone, of what has changed, or of the SOA alone to who has the latest.',
        by('sent', { zone: axfr, changes: ixfr, soa }),
      ),
      family(
        'counter',
        'transfers_ended_total',
        'Transfers of more than the SOA by their end; rejected: too many were under way.',
        by('result', { finished, failed, rejected }),
      ),
      family('counter', 'transfer_messages_total', 'Messages of transfers.', one(messages)),
      family('gauge', 'transfers_active', 'Transfers under way.', one(active)),
      family('gauge', 'transfer_journal_octets', 'Memory of what zones held before they changed.', one(journal.octets)),
      family('counter', 'notifies_total', 'NOTIFY to secondaries.', by('result', { ...notifier.stats })),
    ]
  }

  /** @returns undefined until there is something to transfer */
  private soaOf(zone: number): ZoneRecord | undefined {
    const { table, options } = this
    table.begin()
    const isSynced = (table.state & STATE_SYNCED) !== 0
    const soa = isSynced ? soaRecord(table, zone, options.zones[zone]!, options.ttl) : undefined
    table.end()
    return soa
  }
}

function nowMs(): number {
  return performance.now()
}

/** Over UDP nothing is transferred. */
export function isTransfer({ message, questionEnd, path }: DeferredQuery): boolean {
  const type = (message[questionEnd - 4]! << 8) | message[questionEnd - 3]!
  return path.stream !== undefined && (type === TYPE_AXFR || type === TYPE_IXFR)
}

/** Each once for each zone. */
function secondariesOf(
  rules: readonly TransferOptions[],
  covered: (rule: TransferOptions) => readonly number[],
): Secondary[] {
  const all = new Map<string, Secondary>()
  for (const rule of rules) {
    for (const { address, port } of rule.notify) {
      // As Node writes the sender of a reply.
      const plain = address.includes(':') && !address.includes('%') ? formatIPv6(parseIPv6(address)) : address
      for (const zone of covered(rule)) all.set(`${zone} ${plain} ${port}`, { zone, address: plain, port })
    }
  }
  return [...all.values()]
}

/**
 * The running server: opens what listens, starts what feeds the table, and takes both down in order. Layer: control.
 *
 *   start   table ─▶ admin ─▶ TCP ─▶ UDP workers, sources       (a port that cannot be had is known before anything else)
 *           when another process has the port: admin ─▶ sources ─▶ synced ─▶ TCP ─▶ UDP workers
 *   stop    not ready ─▶ lameduck: answers go on ─▶ TCP, workers: what is queued is answered ─▶ sources ─▶ admin
 */

import { randomBytes, randomInt } from 'node:crypto'
import { type AdminServer, openAdmin } from '../admin/http.ts'
import type { Family } from '../admin/prometheus.ts'
import { Answerer, type Forwarding } from '../answer/answer.ts'
import { Order, type OrderName } from '../answer/order.ts'
import type { CacheOptions } from '../cache/store.ts'
import type { Changes, ClusterState } from '../cluster/state.ts'
import { openCached } from '../dataplane/cache-access.ts'
import { NOT_DEFERRED, ROW_FIELDS } from '../dataplane/counters.ts'
import { QueryHandler } from '../dataplane/query-handler.ts'
import { openScreen } from '../dataplane/query-screen.ts'
import type { ReplyLimits } from '../dataplane/reply-limits.ts'
import { TableAnswers } from '../local/from-table.ts'
import type { RecordOptions } from '../records/options.ts'
import { zoneApexes } from '../records/zone-names.ts'
import { TableReader } from '../table/reader.ts'
import { checkBatch } from '../transport/batch-check.ts'
import type { ListenAddress } from '../transport/datagram.ts'
import { openTcp, type TcpOptions, type TcpServer } from '../transport/tcp.ts'
import { formatName } from '../wire/name.ts'
import { AnswerCache } from './answer-cache.ts'
import { DeferredQueries } from './deferred-queries.ts'
import { fallthroughOf } from './fallthrough.ts'
import { forwardFamilies } from './forward-metrics.ts'
import { type ForwardingOptions, ForwardService } from './forwarding.ts'
import { type Condition, formatCondition, healthConditions } from './health.ts'
import { whileListing } from './heap.ts'
import { isAnyTaken, untilJoinable } from './joining.ts'
import type { Log } from './log.ts'
import { DurationHistogram, metricFamilies, type Observed } from './metrics.ts'
import { nameList } from './name-list.ts'
import { nameFamilies } from './name-metrics.ts'
import { hasLocalNames, type NameRules } from './name-rules.ts'
import { NameService } from './name-service.ts'
import { ownAddresses } from './own-addresses.ts'
import { ReaderWatch } from './reader-watch.ts'
import { serverMetrics } from './server-metrics.ts'
import { createServing, type Serving, WRITER_ROW } from './serving.ts'
import { UncaughtErrors } from './uncaught.ts'
import { Workers } from './workers.ts'

/** Something that feeds the cluster's state: the API server, or files. */
export interface Source {
  stop(): Promise<void>
  /** Its own metrics: families of gauges and counters. */
  metrics?(): Pick<Observed, 'gauges' | 'counters'>
  /** Sentences on what should be known while all is ready. */
  notes?(): string[]
}

export interface ServerOptions {
  readonly version: string
  readonly listen: readonly ListenAddress[]
  readonly admin: ListenAddress | undefined
  readonly workers: number
  readonly transport: 'auto' | 'batch' | 'portable'
  readonly records: Omit<RecordOptions, 'ownV4' | 'ownV6'>
  readonly namespaces: readonly string[]
  /** How long an endpoint that leaves a slice is held; 0: not at all. */
  readonly moveWindowMs: number
  readonly order: OrderName
  readonly maxUdpSize: number
  readonly tcp: Omit<TcpOptions, 'sockets'>
  readonly replyLimits: ReplyLimits
  /** Who is asked for names that are not ours; undefined: nobody, they are REFUSED. */
  readonly forwarding?: ForwardingOptions
  /** Names besides the cluster's, and rules for all; undefined: there are none. */
  readonly rules?: NameRules
  /** What is kept of forwarded answers; undefined: nothing. Without `forwarding` it does nothing. */
  readonly cache?: CacheOptions
  readonly lameduckMs: number
  /** What a worker runs, in tests. */
  readonly workerEntry?: URL
  /** Whether answers from a snapshot say that they may be old (EDE 3). */
  readonly staleError: boolean
  /**
   * Opens its sinks before it returns, so that the server cannot think itself synced before.
   * @param setStale whether what is served may be old
   */
  readonly startSources: (cluster: ClusterState, setStale: (isStale: boolean) => void) => Promise<Source[]>
}

export interface RunningServer {
  readonly addresses: readonly ListenAddress[]
  readonly adminAddress: ListenAddress | undefined
  readonly serving: Serving
  readonly workers: Workers
  /** Told of errors that nobody caught: `/healthz` and `/metrics` count on it. */
  readonly uncaught: UncaughtErrors
  /** Undefined: names that are not ours are REFUSED. */
  readonly forward: ForwardService | undefined
  /** Undefined: there are no rules, and nobody to forward to. */
  readonly names: NameService | undefined
  /** @param lameduckMs overrides the configured time of answering on */
  stop(lameduckMs?: number): Promise<void>
}

/** Rows among the table's readers: the writer's, TCP's, the desk's, then one per worker. */
const TCP_READER = WRITER_ROW + 1
const DESK_READER = TCP_READER + 1
const FIRST_WORKER_READER = DESK_READER + 1
/** Blocks that a reader held at the last change are given back this soon after. */
const RECLAIM_MS = 200
/** A set that no message holds is spoken of once in so long. */
const CUT_SILENCE_MS = 3_600_000
/** Changes that cannot be served are spoken of once in so long. */
const UNPUBLISHED_SILENCE_MS = 60_000
/** What TCP clients have to finish in at the end. */
const TCP_GRACE_MS = 1000

/** @throws what could not be opened, with a stable `code`; everything opened before it is closed again */
export async function startServer(options: ServerOptions, log: Log): Promise<RunningServer> {
  const server = new Server(options, log)
  try {
    await server.start()
    return server
  } catch (error) {
    await server.stop(0)
    throw error
  }
}

class Server implements RunningServer {
  readonly serving: Serving
  readonly uncaught: UncaughtErrors
  readonly forward: ForwardService | undefined
  readonly names: NameService | undefined
  private readonly cache: AnswerCache | undefined
  private readonly readers: ReaderWatch
  private unpublishedErrors = 0
  private readonly options: ServerOptions
  private readonly log: Log
  private readonly zones: readonly string[]
  private readonly tcpRow = new Float64Array(ROW_FIELDS)
  private readonly programming = new Map<string, DurationHistogram>()
  private admin: AdminServer | undefined
  private tcp: TcpServer | undefined
  private data: Workers | undefined
  /** What of the names that are not answered here is forwarded; undefined: nothing. */
  private readonly forwarding: Forwarding | undefined
  /** Takes what is not answered from the table; undefined: nobody does. */
  private readonly deferred: DeferredQueries | undefined
  private sources: Source[] = []
  private reclaim: NodeJS.Timeout | undefined
  private stopping = false
  private isStale = false

  constructor(options: ServerOptions, log: Log) {
    this.options = options
    this.log = log
    this.uncaught = new UncaughtErrors(log)
    const own = ownAddresses(options.listen.map(({ address }) => address))
    const records: RecordOptions = { ...options.records, ownV4: own.v4, ownV6: own.v6 }
    this.zones = zoneApexes(records).map(({ owner }) => formatName(owner))
    const seed = randomBytes(4).readInt32LE()
    if (options.forwarding !== undefined) {
      this.cache = options.cache && new AnswerCache(options.cache, seed, options.maxUdpSize)
    }
    this.serving = createServing({
      records,
      namespaces: options.namespaces,
      moves: {
        windowMs: options.moveWindowMs,
        now: () => performance.now(),
        wake: afterMs => setTimeout(() => this.serving.cluster.expire(), afterMs).unref(),
      },
      seed,
      serial: Math.floor(Date.now() / 1000) >>> 0,
      onPublished: changes => this.published(changes),
      onUnpublished: error => this.unpublished(error),
      onListing: whileListing,
    })
    const table = new TableReader(this.serving.memory, DESK_READER)
    const { rules, order, maxUdpSize } = options
    if (options.forwarding !== undefined) {
      const answerer = new Answerer(table, new Order(order, randomInt(2 ** 31)), maxUdpSize)
      this.forward = new ForwardService(
        options.forwarding,
        maxUdpSize,
        new TableAnswers(table, answerer),
        log,
        this.cache?.replies,
      )
    }
    const hasNames = rules !== undefined && hasLocalNames(rules)
    if (this.forward !== undefined || hasNames) {
      // Addresses that nobody here has may be known to whoever is asked for the rest.
      const named = [...(options.forwarding?.fallthrough ?? []), ...(rules?.fallthrough ?? []), ...records.reverseZones]
      const fallthrough = fallthroughOf(
        this.zones,
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
      this.names = new NameService(
        {
          rules,
          forward,
          fallthrough: forwarding.fallthrough,
          table,
          order,
          maxUdpSize,
          onHosts: () => void this.cache?.purge(undefined),
        },
        log,
      )
    }
    const desk = this.names ?? this.forward
    if (desk !== undefined) this.deferred = new DeferredQueries(desk, () => performance.now())
    this.readers = new ReaderWatch(this.serving.memory, reader => this.nameOfReader(reader), log)
  }

  get addresses(): readonly ListenAddress[] {
    return this.tcp?.addresses ?? []
  }

  get adminAddress(): ListenAddress | undefined {
    return this.admin
  }

  get workers(): Workers {
    return this.data!
  }

  async start(): Promise<void> {
    const { options, log } = this
    if (options.admin !== undefined) {
      const routes = {
        unhealthy: () => this.conditions().flatMap(({ bad = [] }) => bad),
        conditions: () => this.conditions().map(formatCondition),
        unready: () => this.unready(),
        notes: () => this.notes(),
        metrics: () => this.metrics(),
        names: () => ({ count: this.serving.table.stats().names, text: nameList(this.serving.memory) }),
        ...(this.cache && { purge: (name: string | undefined) => this.cache?.purge(name) }),
      }
      this.admin = await openAdmin(options.admin, routes)
    }
    this.reclaim = setInterval(() => {
      this.serving.table.commit()
      this.cache?.commit()
      this.readers.look()
    }, RECLAIM_MS)
    await this.names?.start()
    this.cache?.start(question => this.forward?.refresh(question))
    if (await isAnyTaken(options.listen)) {
      log.info('another process has the port: it is joined when there is something to answer')
      await this.feed()
      await untilJoinable(options.listen, () => this.isCurrent())
      await this.listenTcp()
      await this.startWorkers()
      return
    }
    await this.listenTcp()
    // What the table is filled with comes in while the workers start; a port that another has taken meanwhile ends both.
    await all([this.startWorkers(), this.feed()])
  }

  private async listenTcp(): Promise<void> {
    const { options } = this
    const table = new TableReader(this.serving.memory, TCP_READER)
    const order = new Order(options.order, randomInt(2 ** 31))
    const cached = this.cache && openCached(this.cache.access, TCP_READER, order, this.tcpRow)
    const handler = new QueryHandler({
      table,
      answerer: new Answerer(table, order, options.maxUdpSize, this.forwarding, cached),
      row: this.tcpRow,
      cached,
      families: options.listen.map(({ address }) => (address.includes(':') ? 1 : 0)),
      now: () => performance.now(),
      onCut: name => this.cut(name),
      ...(this.deferred && { deferred: this.deferred }),
      screen: openScreen(options.rules, table.seed, this.tcpRow),
    })
    this.tcp = await openTcp({ ...options.tcp, sockets: options.listen, reusePort: true }, handler)
  }

  private async startWorkers(): Promise<void> {
    const { options, log, deferred } = this
    this.data = await Workers.start({
      memory: this.serving.memory,
      count: options.workers,
      firstReader: FIRST_WORKER_READER,
      transport: this.chooseTransport(),
      // The port that TCP got, where any would do.
      sockets: this.addresses,
      order: options.order,
      maxUdpSize: options.maxUdpSize,
      replyLimits: options.replyLimits,
      log,
      screen: options.rules && { acl: options.rules.acl, handOver: options.rules.handOver },
      cache: this.cache?.access,
      ...(deferred && { forwarding: { ...this.forwarding!, take: (query, reply) => deferred.take(query, reply) } }),
      ...(options.workerEntry === undefined ? {} : { entry: options.workerEntry }),
    })
    for (const warning of new Set(this.data.reports.flatMap(({ warnings }) => warnings))) log.warn(warning)
  }

  private async feed(): Promise<void> {
    const { serving, options } = this
    this.sources = await options.startSources(serving.cluster, isStale => {
      this.isStale = isStale
      if (options.staleError) serving.table.setStale(isStale)
    })
  }

  /** Whether every source has said all there is, and not from a snapshot. */
  private isCurrent(): boolean {
    const states = this.serving.cluster.states()
    return states.length > 0 && states.every(({ synced }) => synced) && !this.isStale
  }

  async stop(lameduckMs = this.options.lameduckMs): Promise<void> {
    if (this.stopping) return
    this.stopping = true
    if (lameduckMs > 0) await new Promise(resolve => setTimeout(resolve, lameduckMs))
    this.names?.stop()
    this.data?.finishDeferred()
    this.cache?.close()
    this.forward?.close()
    await Promise.all([this.tcp?.close(TCP_GRACE_MS), this.data?.stop()])
    await Promise.all(this.sources.map(source => source.stop()))
    clearInterval(this.reclaim)
    await this.admin?.close()
  }

  private chooseTransport(): 'batch' | 'portable' {
    const { transport } = this.options
    if (transport === 'portable') return 'portable'
    const problem = checkBatch()
    if (problem === undefined) {
      this.log.info('UDP by recvmmsg and sendmmsg', { transport: 'batch' })
      return 'batch'
    }
    if (transport === 'batch') {
      const message = `transport "batch" does not work on this machine: ${problem}; use "auto" or "portable"`
      throw Object.assign(new Error(message), { code: 'ERR_TRANSPORT_UNAVAILABLE' })
    }
    this.log.warn('UDP by node:dgram, about three times the CPU per query', { transport: 'portable', because: problem })
    return 'portable'
  }

  private published({ first, slices }: Changes): void {
    if (first) this.log.info('synced: names are answered', this.serving.cluster.counts())
    const now = Date.now()
    for (const { namespace, serviceName, lastChangeTriggerTime } of slices) {
      const view = this.serving.cluster.find(namespace, serviceName)
      if (view === undefined) continue
      const kind = view.service.kind === 'headless' ? 'headless_with_selector' : 'cluster_ip'
      const histogram = this.programming.get(kind) ?? new DurationHistogram()
      this.programming.set(kind, histogram)
      histogram.observe(Math.max(0, now - lastChangeTriggerTime) / 1000)
    }
  }

  private unpublished(error: unknown): void {
    this.unpublishedErrors++
    const services = this.serving.unpublished()
    const log = this.log.oncePer('unpublished', UNPUBLISHED_SILENCE_MS)
    const { message, stack } = error as Error
    log.error(`not all changes are served, what was served stays: ${message}`, { waiting: services, stack })
  }

  private nameOfReader(reader: number): string {
    if (reader === TCP_READER) return 'TCP'
    if (reader === DESK_READER) return 'the desk'
    return this.data?.nameOf(reader) ?? `row ${reader}`
  }

  private conditions(): Condition[] {
    const { data, serving, stopping } = this
    return healthConditions({
      lostWorkers: data?.lost ?? 0,
      silentMs: stopping ? 0 : (data?.silentMs ?? 0),
      errors: this.uncaught.problem(),
      unpublished: serving.unpublished(),
      table: serving.table.stats(),
    })
  }

  private cut(name: Uint8Array): void {
    const text = formatName(name)
    const log = this.log.oncePer(`cut ${text}`, CUT_SILENCE_MS)
    log.warn('an answer over TCP left records out: no DNS message can hold them all', { name: text })
  }

  private unready(): string[] {
    const missing: string[] = []
    if (this.stopping) missing.push('the server is shutting down')
    if (this.data === undefined || this.data.serving === 0) missing.push('no worker answers yet')
    const states = this.serving.cluster.states()
    if (states.length === 0) missing.push('no source has been opened yet')
    for (const { kind, partition, synced, stale } of states) {
      const where = partition === '' ? kind : `${kind} of ${partition}`
      if (!synced) missing.push(`the first list of ${where} is not complete${stale === undefined ? '' : `: ${stale}`}`)
    }
    return missing
  }

  private notes(): string[] {
    return this.sources.flatMap(source => source.notes?.() ?? [])
  }

  private metrics(): Family[] {
    const { serving, data, tcp, options } = this
    const first = this.addresses[0] ?? options.listen[0]!
    const isWildcard = first.address === '0.0.0.0' || first.address === '::'
    const process = serverMetrics({
      data,
      tcp,
      readerLag: this.readers.lag(),
      unpublished: serving.unpublished(),
      unpublishedErrors: this.unpublishedErrors,
      uncaughtErrors: this.uncaught.count,
    })
    const all = [process, ...this.sources.flatMap(source => source.metrics?.() ?? [])]
    const forwarded =
      this.forward === undefined ? [] : forwardFamilies(this.forward, this.notDeferred(), data?.lostReplies ?? 0)
    const server = `dns://${isWildcard ? '' : first.address}:${first.port}`
    const rows = [...(data?.rows ?? []), this.tcpRow]
    const named = options.rules === undefined ? [] : nameFamilies(options.rules, this.names, server, rows)
    const families = metricFamilies({
      version: options.version,
      server,
      zones: this.zones,
      udp: data?.rows ?? [],
      tcp: this.tcpRow,
      deferred: this.deferred,
      table: serving.table.stats(),
      counts: serving.cluster.counts(),
      sources: serving.cluster.states(),
      programming: this.programming,
      gauges: all.flatMap(({ gauges }) => gauges),
      counters: all.flatMap(({ counters }) => counters),
    })
    return [...families, ...forwarded, ...named, ...(this.cache?.families(server, rows) ?? [])]
  }

  private notDeferred(): number {
    return [...(this.data?.rows ?? []), this.tcpRow].reduce((sum, row) => sum + row[NOT_DEFERRED]!, 0)
  }
}

/** Waits for both, then throws what the first that failed threw: what is half open can be closed. */
async function all(tasks: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(tasks)) if (outcome.status === 'rejected') throw outcome.reason
}

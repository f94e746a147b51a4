/**
 * The running server: opens what listens, starts what feeds the table, and takes both down in order. Layer: control.
 *
 *   start   table ─▶ admin ─▶ TCP ─▶ UDP workers, sources       (a port that cannot be had is known before anything else)
 *           when another process has the port: admin ─▶ sources ─▶ synced ─▶ TCP ─▶ UDP workers
 *   reload  what answers names, made anew ─▶ workers beside those of before ─▶ TCP turns to it ─▶ those of before end
 *   stop    not ready ─▶ lameduck: answers go on ─▶ TCP, workers: what is queued is answered ─▶ sources ─▶ admin
 */

import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type AdminServer, openAdmin, openProbe } from '../admin/http.ts'
import { Answerer } from '../answer/answer.ts'
import { Order } from '../answer/order.ts'
import { openCached } from '../dataplane/cache-access.ts'
import { ROW_FIELDS } from '../dataplane/counters.ts'
import { QueryHandler } from '../dataplane/query-handler.ts'
import { QueryChoice, QueryLogWriter } from '../dataplane/query-log.ts'
import { openScreen } from '../dataplane/query-screen.ts'
import { SearchGate, type SearchGateSetup } from '../dataplane/search-gate.ts'
import { TransferGate } from '../dataplane/transfer-gate.ts'
import type { RecordOptions } from '../records/options.ts'
import { zoneApexes } from '../records/zone-names.ts'
import { MAX_READERS } from '../table/layout.ts'
import { TableReader } from '../table/reader.ts'
import { Serials } from '../transfer/serial.ts'
import { checkBatch } from '../transport/batch-check.ts'
import type { ListenAddress } from '../transport/datagram.ts'
import type { MessageHandler } from '../transport/handler.ts'
import { LAST_QUERIES_MS, openTcp, type TcpServer } from '../transport/tcp.ts'
import { formatName } from '../wire/name.ts'
import { Answering, type OwnZones } from './answering.ts'
import { openGate } from './autopath.ts'
import type { ForwardService } from './forwarding.ts'
import { giveMemoryBack, shareArenas, useFlags, whileListing } from './heap.ts'
import { isAnyTaken, untilJoinable } from './joining.ts'
import type { Log } from './log.ts'
import type { NameService } from './name-service.ts'
import { ownAddresses } from './own-addresses.ts'
import { PublishWatch } from './publish-watch.ts'
import { QueryLog } from './query-log.ts'
import { ReaderWatch } from './reader-watch.ts'
import type { ReloadedParts, RunningServer, ServerOptions, Source } from './server-options.ts'
import { type ServerParts, ServerReport } from './server-report.ts'
import { createServing, type Serving, WRITER_ROW } from './serving.ts'
import type { TransferService } from './transfer-service.ts'
import { UncaughtErrors } from './uncaught.ts'
import { Workers } from './workers.ts'

/** Rows among the table's readers: the writer's, TCP's, the desk's, then the workers'. */
const TCP_READER = WRITER_ROW + 1
const DESK_READER = TCP_READER + 1
const FIRST_WORKER_READER = DESK_READER + 1
/** Blocks that a reader held at the last change are given back this soon after. */
const RECLAIM_MS = 200
/** What found no room in the table is tried again, besides with every change. */
const RETRY_MS = 5000
/** A set that no message holds is spoken of once in so long. */
const CUT_SILENCE_MS = 3_600_000
/** A port is joined without the zones of a clusterset after so long: the API of ServiceImports may not be there. */
const IMPORTS_WAIT_MS = 10_000
/** With a port of the kernel's choice. */
const MOST_ATTEMPTS = 5
/** A reload that reads from what does not answer is not waited for any longer. */
const RELOAD_GRACE_MS = 5000
/** What TCP clients have to finish in at the end. */
const TCP_GRACE_MS = 1000

/**
 * @param ending aborted: the start is given up
 * @throws what could not be opened, with a stable `code`, or the reason of `ending`; everything opened before it is closed again
 */
export async function startServer(
  options: ServerOptions,
  log: Log,
  ending = new AbortController().signal,
): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    const server = new Server(options, log)
    try {
      await server.start(ending)
      ending.throwIfAborted()
      return server
    } catch (error) {
      await server.stop(0)
      // The port that the kernel chose for TCP is not always free for UDP.
      const isAnyPort = options.listen.some(({ port }) => port === 0)
      const { code } = error as { code?: string }
      if (!isAnyPort || code !== 'ERR_LISTEN_IN_USE' || attempt === MOST_ATTEMPTS) throw error
    }
  }
}

class Server implements RunningServer, ServerParts {
  options: ServerOptions
  readonly serving: Serving
  readonly zones: readonly string[]
  answering: Answering
  readonly publishing: PublishWatch
  readonly readers: ReaderWatch
  readonly uncaught: UncaughtErrors
  readonly tcpRow = new Float64Array(ROW_FIELDS)
  tcp: TcpServer | undefined
  data: Workers | undefined
  sources: Source[] = []
  stopping = false
  /** Undefined: nobody's search path is walked. */
  private readonly gate: SearchGateSetup | undefined
  private readonly log: Log
  private readonly serials = new Serials()
  /** What every Answering is made of. */
  private readonly own: OwnZones
  /** Rows that no worker has. */
  private readonly readerRows = Array.from({ length: MAX_READERS - FIRST_WORKER_READER }, (_, i) => MAX_READERS - 1 - i)
  /** Answering that gives way to another, and answers what it has begun. */
  private readonly retiring = new Set<Answering>()
  private reloading: Promise<void> | undefined
  private admin: AdminServer | undefined
  private readonly probes: AdminServer[] = []
  queryLog: QueryLog | undefined
  /** Ends the reading of what queries over TCP were logged to. */
  private closeTcpLog: (() => void) | undefined
  private readonly chores: NodeJS.Timeout[] = []
  private isStale = false

  constructor(options: ServerOptions, log: Log) {
    shareArenas()
    this.options = options
    this.log = log
    this.uncaught = new UncaughtErrors(log)
    this.publishing = new PublishWatch(log)
    const own = ownAddresses(options.listen.map(({ address }) => address))
    const records: RecordOptions = { ...options.records, ownV4: own.v4, ownV6: own.v6 }
    const apexes = zoneApexes(records).map(({ owner }) => owner)
    this.zones = apexes.map(apex => formatName(apex))
    this.serving = createServing({
      records,
      namespaces: options.namespaces,
      moves: {
        windowMs: options.moveWindowMs,
        now: () => performance.now(),
        wake: (afterMs, run) => setTimeout(run, afterMs).unref(),
      },
      seed: randomBytes(4).readInt32LE(),
      serials: this.serials,
      onPublished: changes => this.publishing.published(changes, this.serving),
      onUnpublished: error => this.publishing.unpublished(error, this.serving.unpublished()),
      onListing: whileListing,
    })
    const table = new TableReader(this.serving.memory, DESK_READER)
    const nextSerial = () => this.serials.next()
    this.gate = options.autopath && openGate(options.autopath, apexes, table.seed)
    this.own = { apexes, serving: this.serving, table, nextSerial }
    this.answering = new Answering(options, this.own, log)
    this.queryLog = this.openQueryLog(options)
    if (this.answering.deferred !== undefined) this.answering.deferred.log = this.queryLog
    this.readers = new ReaderWatch(this.serving.memory, reader => this.nameOfReader(reader), log)
  }

  get addresses(): readonly ListenAddress[] {
    return this.tcp?.addresses ?? []
  }

  get adminAddress(): ListenAddress | undefined {
    return this.admin
  }

  get probeAddresses(): readonly ListenAddress[] {
    return this.probes
  }

  get workers(): Workers {
    return this.data!
  }

  get forward(): ForwardService | undefined {
    return this.answering.forward
  }

  get names(): NameService | undefined {
    return this.answering.names
  }

  get transfers(): TransferService | undefined {
    return this.answering.transfers
  }

  async start(ending: AbortSignal): Promise<void> {
    const { options, log } = this
    await this.openAdmin()
    const reclaim = () => {
      this.serving.table.commit()
      this.answering.cache?.commit()
      this.readers.look()
    }
    this.chores.push(
      setInterval(reclaim, RECLAIM_MS),
      setInterval(() => this.serving.retry(), RETRY_MS),
      giveMemoryBack(),
    )
    await this.answering.start()
    this.answering.takeOver()
    ending.throwIfAborted()
    if (await isAnyTaken(options.listen)) {
      log.info('another process has the port: it is joined when there is something to answer')
      useFlags()
      await this.feed()
      const { imports } = this.serving
      const giveUpMs = performance.now() + IMPORTS_WAIT_MS
      const hasImports = (): boolean => imports?.synced !== false || performance.now() > giveUpMs
      await untilJoinable(options.listen, () => this.isCurrent() && hasImports(), ending)
      await this.listenTcp()
      await this.openData()
      return
    }
    await this.listenTcp()
    // What the table is filled with comes in while the workers start; a port that another has taken meanwhile ends both.
    await all([this.openData(), this.feed()])
  }

  private async openAdmin(): Promise<void> {
    const { admin, health, ready } = this.options
    const routes = new ServerReport(this).routes()
    if (admin !== undefined) this.admin = await openAdmin(admin, routes)
    if (health !== undefined) this.probes.push(await openProbe(health, '/health', routes.unhealthy))
    if (ready !== undefined) this.probes.push(await openProbe(ready, '/ready', routes.unready))
  }

  reload(options: ServerOptions, changed: ReloadedParts): Promise<void> {
    const reloading = this.change(options, changed)
    this.reloading = reloading.catch(() => {})
    return reloading
  }

  private async change(options: ServerOptions, changed: ReloadedParts): Promise<void> {
    const { answering: before, log } = this
    if (!changed.names && !changed.transfers && !changed.workers) {
      this.turnTo(options, before)
      return
    }
    const kept = { answering: before, keepsNames: !changed.names, keepsTransfers: !changed.transfers }
    const next = new Answering(options, this.own, log, kept)
    const queryLog = this.openQueryLog(options)
    let data: Workers
    try {
      await next.start()
      data = await this.startWorkers(options, next, queryLog)
    } catch (error) {
      queryLog?.close()
      next.abandon()
      throw error
    }
    if (this.stopping) {
      // It took longer than the end waits for.
      queryLog?.close()
      next.abandon()
      await data.stop()
      return
    }
    const [oldData, oldLog] = [this.workers, this.queryLog]
    next.takeOver()
    this.queryLog = queryLog
    this.turnTo(options, next)
    this.data = data
    await oldData.giveWay(data)
    oldLog?.close()
    this.retiring.add(before)
    void before.retire(next).then(() => this.retiring.delete(before))
  }

  /** From now on queries over TCP are answered by it. */
  private turnTo(options: ServerOptions, answering: Answering): void {
    this.options = options
    this.answering = answering
    if (answering.deferred !== undefined) answering.deferred.log = this.queryLog
    this.tcp!.configure(options.tcp, this.tcpHandler())
    this.serving.table.setStale(options.staleError && this.isStale)
  }

  private async listenTcp(): Promise<void> {
    const { tcp, listen } = this.options
    this.tcp = await openTcp({ ...tcp, sockets: listen, reusePort: true }, this.tcpHandler())
  }

  private tcpHandler(): MessageHandler {
    const { options, answering } = this
    const { cache, forwarding, deferred } = answering
    const table = new TableReader(this.serving.memory, TCP_READER)
    const order = new Order(options.order, randomInt(2 ** 31))
    const cached = cache && openCached(cache.access, TCP_READER, order, this.tcpRow)
    return new QueryHandler({
      table,
      answerer: new Answerer(table, order, options.maxUdpSize, forwarding, cached),
      row: this.tcpRow,
      cached,
      families: options.listen.map(({ address }) => (address.includes(':') ? 1 : 0)),
      now: () => performance.now(),
      onCut: name => this.cut(name),
      ...(deferred && { deferred }),
      transfers: options.transfer && new TransferGate(options.transfer),
      screen: openScreen(options.rules, table.seed, this.tcpRow),
      search: this.gate && new SearchGate(this.gate),
      log: this.tcpLog(table.seed),
    })
  }

  /** With a ring as the threads have, though it is this thread that reads it. */
  private tcpLog(seed: number): QueryLogWriter | undefined {
    this.closeTcpLog?.()
    const { queryLog } = this
    const opened = queryLog?.open()
    this.closeTcpLog = opened?.close
    if (queryLog === undefined || opened === undefined) return undefined
    return new QueryLogWriter(opened.ring, new QueryChoice(queryLog.rules, seed, randomInt(2 ** 31)))
  }

  private openQueryLog({ queryLog }: ServerOptions): QueryLog | undefined {
    return queryLog && new QueryLog(queryLog, this.own.table.seed, randomInt(2 ** 31), this.log, this.queryLog)
  }

  private async startWorkers(options: ServerOptions, answering: Answering, queryLog?: QueryLog): Promise<Workers> {
    const { cache, forwarding, deferred } = answering
    const data = await Workers.start({
      memory: this.serving.memory,
      count: options.workers,
      readers: this.readerRows,
      before: this.data,
      transport: this.chooseTransport(options.transport),
      // The port that TCP got, where any would do.
      sockets: this.addresses,
      order: options.order,
      maxUdpSize: options.maxUdpSize,
      replyLimits: options.replyLimits,
      log: this.log,
      screen: options.rules && { acl: options.rules.acl, handOver: options.rules.handOver },
      cache: cache?.access,
      ...(options.transfer && { transfers: options.transfer.map(({ zones, networks }) => ({ zones, networks })) }),
      ...(forwarding &&
        deferred && { forwarding: { ...forwarding, take: (query, reply) => deferred.take(query, reply) } }),
      search: this.gate,
      queryLog,
      ...(options.workerEntry && { entry: options.workerEntry }),
      ...(options.ringMs && { ringMs: options.ringMs }),
    })
    for (const warning of new Set(data.reports.flatMap(({ warnings }) => warnings))) this.log.warn(warning)
    return data
  }

  private async openData(): Promise<void> {
    this.data = await this.startWorkers(this.options, this.answering, this.queryLog)
    useFlags()
  }

  private async feed(): Promise<void> {
    const { serving, options } = this
    this.sources = await options.startSources(serving, isStale => {
      this.isStale = isStale
      serving.table.setStale(this.options.staleError && isStale)
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
    await Promise.race([this.reloading, delay(RELOAD_GRACE_MS, undefined, { ref: false })])
    if (lameduckMs > 0) await delay(lameduckMs)
    const tcpClosed = this.tcp?.close(TCP_GRACE_MS)
    // What TCP clients sent a moment ago is still answered, by whoever knows the answer.
    if (this.tcp !== undefined) await delay(LAST_QUERIES_MS)
    this.answering.stop()
    this.data?.finishDeferred()
    for (const each of [...this.retiring, this.answering]) each.close()
    await Promise.all([tcpClosed, this.data?.stop()])
    await Promise.all(this.sources.map(source => source.stop()))
    this.queryLog?.close()
    for (const chore of this.chores) clearInterval(chore)
    await Promise.all([this.admin, ...this.probes].map(each => each?.close()))
  }

  private chooseTransport(transport: ServerOptions['transport']): 'batch' | 'portable' {
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

  private nameOfReader(reader: number): string {
    if (reader === TCP_READER) return 'TCP'
    if (reader === DESK_READER) return 'the desk'
    return this.data?.nameOf(reader) ?? `row ${reader}`
  }

  private cut(name: Uint8Array): void {
    const text = formatName(name)
    const log = this.log.oncePer(`cut ${text}`, CUT_SILENCE_MS)
    log.warn('an answer over TCP left records out: no DNS message can hold them all', { name: text })
  }
}

/** Waits for both, then throws what the first that failed threw: what is half open can be closed. */
async function all(tasks: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(tasks)) if (outcome.status === 'rejected') throw outcome.reason
}

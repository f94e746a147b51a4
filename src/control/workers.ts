/**
 * The life of the data-plane threads: started, watched, replaced when they die, stopped. Layer: control.
 * A worker that dies takes nothing with it: its row among the table's readers is set OFFLINE so that reclamation goes on,
 * its sockets are closed so that they swallow no queries, and another takes its place.
 */

import { randomInt } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { OrderName } from '../answer/order.ts'
import { ROW_FIELDS } from '../dataplane/counters.ts'
import type { WorkerMessage, WorkerSetup } from '../dataplane/setup.ts'
import { goOffline, readerWord } from '../table/epochs.ts'
import type { SharedMemory } from '../table/memory.ts'
import { socketDrops } from '../transport/batch-socket.ts'
import { CONTROL_STOP, type DatagramReport, type ListenAddress, release, signal } from '../transport/datagram.ts'
import { loadLibc } from '../transport/libc.ts'
import { formatSocketAddress } from './config.ts'
import type { Logger } from './log.ts'

export interface WorkersOptions {
  readonly memory: SharedMemory
  readonly count: number
  /** The first row among the table's readers that is theirs. */
  readonly firstReader: number
  readonly transport: 'batch' | 'portable'
  readonly sockets: readonly ListenAddress[]
  readonly order: OrderName
  readonly maxUdpSize: number
  readonly log: Logger
}

/** A worker is replaced after this long, doubled with each death in a row. */
const RESTART_MS = 10
const MAX_RESTART_MS = 5000
/** A worker that has served so long died of something new. */
const HEALTHY_MS = 60_000
/** After CONTROL_STOP a worker may finish its batch; then it is ended. */
const STOP_MS = 2000

interface Slot {
  readonly index: number
  worker: Worker | undefined
  report: DatagramReport | undefined
  startedAt: number
  restartMs: number
}

export class Workers {
  /** Rows of counters, one per worker. */
  readonly rows: Float64Array[]
  deaths = 0
  private readonly options: WorkersOptions
  private readonly control: Int32Array
  private readonly slots: Slot[]
  private sockets: readonly ListenAddress[]
  private started = false
  private stopping = false

  private constructor(options: WorkersOptions) {
    this.options = options
    this.sockets = options.sockets
    this.control = new Int32Array(new SharedArrayBuffer(4 * options.count))
    this.rows = Array.from({ length: options.count }, () => new Float64Array(new SharedArrayBuffer(8 * ROW_FIELDS)))
    this.slots = this.rows.map((_, index) => ({
      index,
      worker: undefined,
      report: undefined,
      startedAt: 0,
      restartMs: RESTART_MS,
    }))
  }

  /** @throws what the first worker that cannot serve says, with its code */
  static async start(options: WorkersOptions): Promise<Workers> {
    const workers = new Workers(options)
    try {
      // One by one: a port that the kernel chose for the first is the port of all.
      for (const slot of workers.slots) {
        const report = await workers.launch(slot)
        workers.sockets = report.addresses
      }
      workers.started = true
    } catch (error) {
      await workers.stop()
      throw error
    }
    return workers
  }

  /** Where they listen, with the real ports. */
  get addresses(): readonly ListenAddress[] {
    return this.sockets
  }

  get reports(): DatagramReport[] {
    return this.slots.map(slot => slot.report).filter(report => report !== undefined)
  }

  /** Workers that serve at this moment. */
  get serving(): number {
    return this.reports.length
  }

  /** Datagrams that the kernel dropped before a worker could read them; nothing where the sockets are not ours to ask. */
  drops(): { labels: { address: string }; value: number }[] {
    const libc = loadLibc()
    if (typeof libc === 'string') return []
    const byAddress = new Map<string, number>()
    for (const { fds, addresses } of this.reports) {
      for (const [i, fd] of fds.entries()) {
        const { address, port } = addresses[i]!
        const key = formatSocketAddress({ address, port })
        byAddress.set(key, (byAddress.get(key) ?? 0) + socketDrops(libc, fd))
      }
    }
    return [...byAddress].map(([address, value]) => ({ labels: { address }, value }))
  }

  /** Ends all workers; what they have read is answered. */
  async stop(): Promise<void> {
    this.stopping = true
    await Promise.all(
      this.slots.map(async ({ worker, report, index }) => {
        if (worker === undefined) return
        const exited = new Promise(resolve => worker.once('exit', resolve))
        if (report !== undefined) signal(this.control, index, CONTROL_STOP, report.wakeFd)
        const timer = setTimeout(() => void worker.terminate(), report === undefined ? 0 : STOP_MS)
        await exited
        clearTimeout(timer)
      }),
    )
  }

  private launch(slot: Slot): Promise<DatagramReport> {
    const { options, control, rows } = this
    Atomics.store(control, slot.index, 0)
    const reader = options.firstReader + slot.index
    const setup: WorkerSetup = {
      memory: options.memory,
      reader,
      row: rows[slot.index]!,
      control,
      controlIndex: slot.index,
      transport: options.transport,
      sockets: this.sockets,
      order: options.order,
      maxUdpSize: options.maxUdpSize,
      random: randomInt(2 ** 31),
    }
    const worker = new Worker(workerUrl(), { workerData: setup, name: `answers-${slot.index}` })
    slot.worker = worker
    slot.startedAt = performance.now()
    return new Promise((resolve, reject) => {
      let failure: Error = new Error('the worker ended before it served')
      worker.on('message', (message: WorkerMessage) => {
        if ('report' in message) {
          slot.report = message.report
          resolve(message.report)
        } else failure = Object.assign(new Error(message.error.message), { code: message.error.code })
      })
      worker.on('error', error => {
        failure = error as Error
      })
      worker.on('exit', () => {
        reject(failure)
        this.bury(slot, failure)
      })
    })
  }

  private bury(slot: Slot, failure: Error): void {
    const { options } = this
    goOffline(new Int32Array(options.memory.buffer), readerWord(options.firstReader + slot.index))
    if (slot.report !== undefined) release(this.control, slot.index, slot.report)
    slot.worker = undefined
    slot.report = undefined
    if (this.stopping || !this.started) return
    this.deaths++
    if (performance.now() - slot.startedAt > HEALTHY_MS) slot.restartMs = RESTART_MS
    options.log.error('a worker died and is replaced', {
      worker: slot.index,
      error: failure.message,
      inMs: slot.restartMs,
    })
    setTimeout(() => {
      if (!this.stopping) this.launch(slot).catch(() => {})
    }, slot.restartMs)
    slot.restartMs = Math.min(slot.restartMs * 2, MAX_RESTART_MS)
  }
}

/** Beside the bundle, or in the source tree. */
function workerUrl(): URL {
  const isSource = import.meta.url.endsWith('.ts')
  return new URL(isSource ? '../dataplane/worker.ts' : './dataplane/worker.mjs', import.meta.url)
}

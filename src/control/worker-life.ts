/**
 * One data-plane thread from its start to its end. Layer: control.
 *
 *   starting ─▶ serving ─▶ (hung: terminate) ─▶ ended
 *                               └─ in a system call ─▶ detached … ─▶ ended, whenever the call returns
 *
 * Whether it still turns is asked by ringing: CONTROL_ATTEND is set and its sleep ended; its loop takes the bit away between
 * two batches. Rings that were not heard are counted, not timed: a process that was stopped, or a main thread that was busy,
 * accuses nobody.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { DeferredReply, WorkerMessage, WorkerSetup } from '../dataplane/setup.ts'
import {
  CONTROL_ATTEND,
  CONTROL_CLOSED,
  CONTROL_STOP,
  type DatagramReport,
  release,
  signal,
} from '../transport/datagram.ts'
import type { ReturnPath } from '../transport/handler.ts'
import { loadLibc } from '../transport/libc.ts'
import type { Replies } from '../transport/replies.ts'
import type { KernelDrops } from './kernel-drops.ts'

/** After CONTROL_STOP a worker may finish its batch; then it is ended. */
const STOP_MS = 2000
/** What cannot be ended in this time is in a system call, and is left to the end of the process. */
const END_MS = 1000
/** It needs some MiB. Without a limit one that keeps what it allocates has 0.5 to 1.9 GB before it is found to hang: more than its pod has. */
const HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16 }

export class WorkerLife {
  /** Its row among the table's readers. It is its own until `ended`, so that no other thread's reads go unseen. */
  readonly reader: number
  readonly startedMs = performance.now()
  /** What it serves on, from the moment it does. */
  report: DatagramReport | undefined
  /** @throws what kept it from serving */
  readonly served: Promise<DatagramReport>
  /** When the thread is surely no more: what it ended with. */
  readonly ended: Promise<Error>
  /** Rings in a row that it has not heard; before it serves it hears none. */
  unheard = 0
  private readonly control: Int32Array
  private readonly worker: Worker
  private readonly giveUp: (error: Error) => void
  private readonly drops: KernelDrops
  private addDrops = (): void => {}
  private isDetached = false

  constructor(entry: URL, name: string, setup: Omit<WorkerSetup, 'control'>, drops: KernelDrops) {
    this.drops = drops
    this.reader = setup.reader
    // A word of its own: one that hangs must not hear what its successor is told.
    this.control = new Int32Array(new SharedArrayBuffer(4))
    const workerData: WorkerSetup = { ...setup, control: this.control }
    this.worker = new Worker(entry, { workerData, name, resourceLimits: HEAP })
    const { worker } = this
    const { promise: served, resolve: serves, reject: servesNot } = Promise.withResolvers<DatagramReport>()
    this.served = served
    served.catch(() => {})
    let failure = new Error('the worker ended by itself')
    this.giveUp = error => {
      failure = error
      servesNot(error)
    }
    worker.on('message', (message: WorkerMessage) => {
      if ('report' in message) {
        this.report = message.report
        this.addDrops = this.drops.follow(message.report)
        this.unheard = 0
        serves(message.report)
      } else failure = Object.assign(new Error(message.error.message), { code: message.error.code })
    })
    worker.on('error', error => {
      failure = error as Error
    })
    this.ended = new Promise(resolve => {
      worker.on('exit', () => {
        servesNot(failure)
        this.release()
        resolve(failure)
      })
    })
  }

  /** Asks whether it turns. @returns rings in a row that it has not heard */
  ring(): number {
    if ((Atomics.load(this.control, 0) & CONTROL_ATTEND) !== 0) return ++this.unheard
    this.unheard = 0
    signal(this.control, 0, CONTROL_ATTEND, this.report?.wakeFd ?? -1)
    return 0
  }

  /**
   * Sends the reply to a query that was deferred, from the address that was asked; after its end, nothing.
   * @param message is copied
   * @param replies undefined: the worker has a transport that sends by itself
   * @returns false: it has ended, or lost its sockets
   */
  reply(path: ReturnPath, message: Uint8Array, replies: Replies | undefined): boolean {
    const { report } = this
    if (report === undefined || !this.hasSockets) return false
    const { socket, sockaddr, control, controlOctets } = path
    const fd = report.fds[socket]
    if (fd !== undefined) replies?.send(fd, sockaddr, control, controlOctets, message)
    else this.worker.postMessage({ socket, sockaddr, message: message.slice() } satisfies DeferredReply)
    return true
  }

  /** Has what the kernel has dropped meanwhile counted. */
  lookAtDrops(): void {
    if (this.hasSockets) this.addDrops()
  }

  /** Ends it inside JavaScript, wherever it is; a system call is not ended. @param because what it did not come to serve for */
  terminate(because?: Error): void {
    if (because !== undefined) this.giveUp(because)
    void this.worker.terminate()
  }

  /**
   * Takes its sockets from a thread that cannot be ended, so that the kernel gives their clients to the others. The numbers
   * of the descriptors stay taken (they now stand for its eventfd): no stranger's socket gets one while it might still use it.
   */
  detach(): void {
    const { report } = this
    const libc = loadLibc()
    if (report === undefined || typeof libc === 'string' || !this.hasSockets) return
    this.lookAtDrops()
    for (const fd of report.fds) libc.dup2(report.wakeFd, fd)
    this.isDetached = true
  }

  /** Ends it: what it has read is answered. Resolves also when it cannot be ended, after STOP_MS + END_MS. */
  async stop(): Promise<void> {
    if (this.isDetached) return
    // Before it closes its sockets itself.
    this.lookAtDrops()
    // One that still starts sees the word when it comes to serve: ended inside koffi's loading, it would take the process along.
    signal(this.control, 0, CONTROL_STOP, this.report?.wakeFd ?? -1)
    const timers = new AbortController()
    const exited = this.ended.then(() => timers.abort())
    const overdue = async (): Promise<void> => {
      await delay(STOP_MS, undefined, { signal: timers.signal })
      this.terminate()
      await delay(END_MS, undefined, { signal: timers.signal })
    }
    await Promise.race([exited, overdue().catch(() => exited)])
  }

  private get hasSockets(): boolean {
    return this.report !== undefined && !this.isDetached && (Atomics.load(this.control, 0) & CONTROL_CLOSED) === 0
  }

  private release(): void {
    this.lookAtDrops()
    if (this.report !== undefined) release(this.control, 0, this.report)
    this.report = undefined
  }
}

/**
 * The data-plane threads together: started, watched, replaced when they die or hang, stopped. Layer: control.
 * A worker that dies takes nothing with it: its row among the table's readers is set OFFLINE so that reclamation goes on,
 * its sockets are closed so that they swallow no queries, another takes its place, and replies to what it had deferred leave by
 * others' sockets.
 *
 * A worker that hangs is ended and so dies. One in a system call cannot be ended: it is lost. Another takes its place, with
 * another row; its own row stays as it is, since a thread that still runs may still read: memory that grows is better than
 * an answer torn from blocks that were given to others. `lost` is then above 0, and only a restart of the process helps.
 */

import { randomInt } from 'node:crypto'
import type { Sample } from '../admin/prometheus.ts'
import type { Forwarding } from '../answer/elsewhere.ts'
import type { OrderName } from '../answer/order.ts'
import type { CacheAccess } from '../dataplane/cache-access.ts'
import { ROW_FIELDS } from '../dataplane/counters.ts'
import { createDeferred, type DeferredQuery, DeferredReader } from '../dataplane/deferred.ts'
import type { ScreenRules } from '../dataplane/query-screen.ts'
import type { ReplyLimits } from '../dataplane/reply-limits.ts'
import type { SearchGateSetup } from '../dataplane/search-gate.ts'
import type { WorkerSetup } from '../dataplane/setup.ts'
import type { TransferRule } from '../dataplane/transfer-gate.ts'
import { goOffline, readerWord } from '../table/epochs.ts'
import type { SharedMemory } from '../table/memory.ts'
import type { DatagramReport, ListenAddress } from '../transport/datagram.ts'
import type { ReturnPath } from '../transport/handler.ts'
import { loadLibc } from '../transport/libc.ts'
import { Replies } from '../transport/replies.ts'
import { HomelessReplies } from './homeless-replies.ts'
import { KernelDrops } from './kernel-drops.ts'
import type { Logger } from './log.ts'
import type { QueryLog } from './query-log.ts'
import { WorkerLife } from './worker-life.ts'

export interface WorkersOptions {
  readonly memory: SharedMemory
  readonly count: number
  /** Rows among the table's readers that nobody has: taken from its end, given back when a thread has surely ended. */
  readonly readers: number[]
  /** Whose place they take: its counters go on. */
  readonly before?: Workers | undefined
  readonly transport: 'batch' | 'portable'
  readonly sockets: readonly ListenAddress[]
  readonly order: OrderName
  readonly maxUdpSize: number
  readonly replyLimits: ReplyLimits
  readonly log: Logger
  /** Where names are forwarded: what workers defer, and who takes it. */
  readonly forwarding?: Forwarding & { take(query: DeferredQuery, reply: (message: Uint8Array) => void): void }
  /** What threads look at before the table. */
  readonly screen?: ScreenRules | undefined
  readonly transfers?: readonly TransferRule[]
  /** Which names that do not exist are looked for elsewhere. */
  readonly search?: SearchGateSetup | undefined
  /** Undefined: queries are not logged. */
  readonly queryLog?: QueryLog | undefined
  /** What was forwarded before. */
  readonly cache?: CacheAccess | undefined
  /** What a thread runs; what is in the bundle or the source tree when left out. */
  readonly entry?: URL
  /** How often workers are rung. Default RING_MS. */
  readonly ringMs?: number
}

/** A worker is replaced after this long, doubled with each death in a row. */
const RESTART_MS = 10
const MAX_RESTART_MS = 5000
/** A worker that has served so long died of something new. */
const HEALTHY_MS = 60_000
/** One that sleeps hears a ring at once; a full batch takes less than a millisecond. */
const RING_MS = 500
/** 2 s: far from any batch, and well within the 5 s that a resolver waits before it asks again. */
const HUNG_RINGS = 4
/** So long it takes to see that one cannot be ended: ending a thread that runs JavaScript takes milliseconds. */
const END_RINGS = 2
/** 30 s: a thread is started in a tenth of a second of CPU, of which a pod may be given a hundredth at a time. */
const START_RINGS = 60
/** Lost workers that are replaced; each keeps a thread and a row among the readers. */
export const MAX_LOST = 4

interface Slot {
  readonly index: number
  life: WorkerLife | undefined
  /** Of the last life; undefined: nothing is deferred. */
  deferred: DeferredReader | undefined
  restartMs: number
}

export class Workers {
  /** Shared with those that take their place: workers die and hang, and queries are dropped, while they do. */
  private readonly counts: { deaths: number; hangs: number; readonly drops: KernelDrops }
  /** Rows of counters, one per worker. */
  private readonly own: Float64Array[]
  /** Those of whom they took the place of. */
  private past: readonly Float64Array[]
  private readonly options: Omit<WorkersOptions, 'before'>
  private readonly slots: Slot[]
  private readonly lostLives: Set<WorkerLife>
  private readonly replies: Replies | undefined
  private readonly homeless: HomelessReplies
  private next: Workers | undefined
  private readonly ringing: NodeJS.Timeout
  private sockets: readonly ListenAddress[]
  private started = false
  /** What is to be done about those that ended while others were still being started. */
  private readonly early: (() => void)[] = []
  private stopping = false
  /** When one was last seen to serve. */
  private servedMs = performance.now()

  private constructor(options: WorkersOptions) {
    const { before, ...rest } = options
    this.options = rest
    this.sockets = options.sockets
    this.counts = before?.counts ?? { deaths: 0, hangs: 0, drops: new KernelDrops() }
    this.lostLives = before?.lostLives ?? new Set()
    this.homeless = before?.homeless ?? new HomelessReplies()
    this.past = before?.rows ?? []
    this.own = Array.from({ length: rest.count }, () => new Float64Array(new SharedArrayBuffer(8 * ROW_FIELDS)))
    this.slots = this.own.map((_, index) => ({ index, life: undefined, deferred: undefined, restartMs: RESTART_MS }))
    const libc = loadLibc()
    this.replies = before?.replies ?? (typeof libc === 'string' ? undefined : new Replies(libc))
    this.ringing = setInterval(() => this.ring(), options.ringMs ?? RING_MS)
  }

  /** @throws what the first worker that cannot serve says, with its code */
  static async start(options: WorkersOptions): Promise<Workers> {
    const workers = new Workers(options)
    try {
      // One by one: a port that the kernel chose for the first is the port of all.
      for (const slot of workers.slots) {
        const report = await workers.launch(slot).served
        workers.sockets = report.addresses
      }
      workers.started = true
      for (const mourn of workers.early) mourn()
    } catch (error) {
      await workers.stop()
      workers.leaveBehind()
      throw error
    }
    return workers
  }

  /** Workers that ended by themselves, or hung and were ended. */
  get deaths(): number {
    return this.counts.deaths
  }

  /** Workers that did not turn any more. */
  get hangs(): number {
    return this.counts.hangs
  }

  /** Rows of counters. */
  get rows(): readonly Float64Array[] {
    return [...this.past, ...this.own]
  }

  /** Where they listen, with the real ports. */
  get addresses(): readonly ListenAddress[] {
    return this.sockets
  }

  get reports(): DatagramReport[] {
    return this.slots.map(({ life }) => life?.report).filter(report => report !== undefined)
  }

  /** Workers that serve at this moment. */
  get serving(): number {
    return this.slots.filter(({ life }) => life?.report !== undefined && life.unheard < HUNG_RINGS).length
  }

  /** Workers that hang and cannot be ended. */
  get lost(): number {
    return this.lostLives.size
  }

  /** Replies to forwarded queries that the kernel did not take. */
  get lostReplies(): number {
    return this.replies?.lost ?? 0
  }

  /** Since when no worker serves, in ms; 0 while one does. */
  get silentMs(): number {
    return this.serving > 0 ? 0 : performance.now() - this.servedMs
  }

  /** Datagrams that the kernel dropped before a worker could read them; nothing where the sockets are not ours to ask. */
  drops(): Sample[] {
    for (const { life } of this.slots) life?.lookAtDrops()
    return this.counts.drops.samples()
  }

  /** From now on what threads would defer is SERVFAIL; what they deferred is taken. */
  finishDeferred(): void {
    for (const { deferred } of this.slots) deferred?.finish()
  }

  /** Ends all workers that can be ended; what they have read is answered. */
  async stop(): Promise<void> {
    this.stopping = true
    clearInterval(this.ringing)
    await Promise.all(this.slots.map(({ life }) => life?.stop()))
  }

  /** Gives way to others, who serve by now: what was read is answered; what answers are still to come go out by them. */
  async giveWay(next: Workers): Promise<void> {
    this.next = next
    await this.stop()
    this.leaveBehind()
    const { rows } = this
    next.past = [Float64Array.from(rows[0]!, (_, field) => rows.reduce((sum, row) => sum + row[field]!, 0))]
  }

  /** Those that could not be ended. */
  private leaveBehind(): void {
    for (const { life } of this.slots) {
      if (life === undefined) continue
      life.detach()
      this.lostLives.add(life)
    }
  }

  /** @throws when no thread can be made; nothing of it is left */
  private launch(slot: Slot): WorkerLife {
    const { forwarding, readers, queryLog } = this.options
    const reader = readers.pop()
    if (reader === undefined) throw noReaders()
    let log: ReturnType<QueryLog['open']> | undefined
    let deferred: SharedArrayBuffer | undefined
    let life: WorkerLife
    try {
      log = queryLog?.open()
      // One for each life: nobody reads what a thread that died had half written.
      deferred = forwarding && createDeferred()
      life = this.create(slot, reader, deferred, log?.ring)
    } catch (error) {
      readers.push(reader)
      log?.close()
      throw error
    }
    slot.life = life
    if (deferred !== undefined) {
      const ring = deferred
      // Not before it is known by which sockets replies leave.
      const read = (): void => {
        const queries = new DeferredReader(ring, query => {
          forwarding!.take(query, message => this.reply(life, query.path, message))
        })
        slot.deferred = queries
        void life.ended.then(() => queries.end())
      }
      life.served.then(read, () => {})
    }
    const sendOthers = (): void => {
      for (const { path, message } of this.homeless.take(performance.now())) this.reply(life, path, message)
    }
    life.served.then(sendOthers, () => {})
    if (log !== undefined) void life.ended.then(log.close)
    void life.ended.then(failure => this.bury(slot, life, failure))
    return life
  }

  private create(
    { index }: Slot,
    reader: number,
    deferred: SharedArrayBuffer | undefined,
    ring: SharedArrayBuffer | undefined,
  ): WorkerLife {
    const { options } = this
    const setup = {
      memory: options.memory,
      reader,
      row: this.own[index]!,
      transport: options.transport,
      sockets: this.sockets,
      order: options.order,
      maxUdpSize: options.maxUdpSize,
      replyLimits: options.replyLimits,
      random: randomInt(2 ** 31),
      ...(deferred && { forwarding: { ...forwardingOf(options.forwarding!), deferred } }),
      ...(options.screen && { screen: options.screen }),
      ...(options.transfers && { transfers: options.transfers }),
      ...(options.search && { search: options.search }),
      ...(ring && { log: { ring, rules: options.queryLog!.rules } }),
      ...(options.cache && { cache: options.cache }),
    } satisfies Omit<WorkerSetup, 'control'>
    return new WorkerLife(options.entry ?? workerUrl(), `answers-${index}`, setup, this.counts.drops)
  }

  private reply(life: WorkerLife, path: ReturnPath, message: Uint8Array): void {
    if (!life.reply(path, message, this.replies)) (this.next ?? this).replyByAny(path, message)
  }

  /** Of a worker that is no more: the others have sockets of the same addresses in the same order. */
  private replyByAny(path: ReturnPath, message: Uint8Array): void {
    if (this.next !== undefined) this.next.replyByAny(path, message)
    else if (!this.slots.some(({ life }) => life?.reply(path, message, this.replies)) && !this.stopping)
      this.homeless.put(path, message.slice(), performance.now())
  }

  private bury(slot: Slot, life: WorkerLife, failure: Error): void {
    const { memory, cache, log } = this.options
    for (const each of cache === undefined ? [memory] : [memory, cache.memory]) {
      goOffline(new Int32Array(each.buffer), readerWord(life.reader))
    }
    this.options.readers.push(life.reader)
    if (this.lostLives.delete(life)) log.warn('a worker that could not be ended has ended', { worker: slot.index })
    if (slot.life !== life) return
    slot.life = undefined
    if (this.started) this.mourn(slot, life, failure)
    else this.early.push(() => this.mourn(slot, life, failure))
  }

  private mourn(slot: Slot, life: WorkerLife, failure: Error): void {
    const { log } = this.options
    if (this.stopping) return
    this.counts.deaths++
    if (performance.now() - life.startedMs > HEALTHY_MS) slot.restartMs = RESTART_MS
    log.error('a worker died and is replaced', { worker: slot.index, error: failure.message, inMs: slot.restartMs })
    this.replace(slot)
  }

  private replace(slot: Slot): void {
    setTimeout(() => this.launchAgain(slot), slot.restartMs)
    slot.restartMs = Math.min(slot.restartMs * 2, MAX_RESTART_MS)
  }

  private launchAgain(slot: Slot): void {
    if (this.stopping) return
    try {
      this.launch(slot)
    } catch (error) {
      const { message } = error as Error
      this.options.log.error('a worker cannot be started', { worker: slot.index, error: message, inMs: slot.restartMs })
      this.replace(slot)
    }
  }

  private ring(): void {
    const { log } = this.options
    for (const slot of this.slots) {
      const { life, index } = slot
      if (life === undefined) continue
      // One that fails closes its sockets before anybody could look.
      life.lookAtDrops()
      const hasServed = life.report !== undefined
      const overdue = life.ring() - (hasServed ? HUNG_RINGS : START_RINGS)
      if (overdue === 0 && hasServed) {
        this.counts.hangs++
        log.error('a worker hangs and is ended', { worker: index, unheard: life.unheard })
        life.terminate()
      } else if (overdue === 0) life.terminate(notStarted())
      else if (overdue === END_RINGS) this.lose(slot, life)
    }
    if (this.serving > 0) this.servedMs = performance.now()
  }

  /** A thread that cannot be ended: its clients get another. */
  private lose(slot: Slot, life: WorkerLife): void {
    const { log } = this.options
    const isReplaced = this.lostLives.size < MAX_LOST
    const message = 'a worker hangs in a system call and cannot be ended: only a restart of the process helps'
    log.error(message, { worker: slot.index, isReplaced })
    life.detach()
    this.lostLives.add(life)
    slot.life = isReplaced ? undefined : life
    if (isReplaced) this.replace(slot)
  }

  /** Whose row among the table's readers it is, for people. */
  nameOf(reader: number): string | undefined {
    const slot = this.slots.find(({ life }) => life?.reader === reader)
    if (slot !== undefined) return `worker ${slot.index}`
    return [...this.lostLives].some(life => life.reader === reader) ? 'a worker that could not be ended' : undefined
  }
}

function noReaders(): Error {
  const message = 'too many threads could not be ended: there is no place for another; restart the process'
  return Object.assign(new Error(message), { code: 'ERR_NO_READERS' })
}

function notStarted(): Error {
  return Object.assign(new Error('a worker did not come to serve in time'), { code: 'ERR_WORKER_START' })
}

/** Beside the bundle, or in the source tree. */
function workerUrl(): URL {
  const isSource = import.meta.url.endsWith('.ts')
  return new URL(isSource ? '../dataplane/worker.ts' : './dataplane/worker.mjs', import.meta.url)
}

/** What of it can be sent to a thread. */
function forwardingOf({ fallthrough, recursion = true, withoutRd = false, dns64 = false }: Forwarding): Forwarding {
  return { fallthrough, recursion, withoutRd, dns64 }
}

/**
 * The batch transport: UDP by recvmmsg and sendmmsg, many messages per system call, for a worker thread on Linux.
 * Layer: transport. The thread sleeps in poll, not in an event loop: no JavaScript runs in it but what `serve` calls.
 * Imports koffi through libc.ts alone; knows no names.
 */

import { constants } from 'node:os'
import { type BatchSocket, leaveGroup, openBatchSocket } from './batch-socket.ts'
import {
  CONTROL_ATTEND,
  CONTROL_CLOSED,
  CONTROL_STOP,
  type DatagramOptions,
  type DatagramReport,
  type DatagramTransport,
  DEFAULT_BATCH_SIZE,
  DEFAULT_RECEIVE_BUFFER_OCTETS,
  type ListenAddress,
  MAX_SLEEP_MS,
  type ServeControl,
  STAT_RECEIVE_ERRORS,
} from './datagram.ts'
import type { MessageHandler } from './handler.ts'
import { type Libc, loadLibc } from './libc.ts'
import { EFD_CLOEXEC, EFD_NONBLOCK, POLLIN } from './linux-abi.ts'
import { ListenError } from './listen-error.ts'
import { MessageBatch, MessageSlots } from './message-batch.ts'

const { EAGAIN, EBADF, EINTR, ENOTSOCK } = constants.errno

/** A datagram that the kernel was about to queue when its socket left the group is queued within this time. */
const QUIET_MS = 5
/** Batches enough for the largest receive buffer. */
const MAX_LEAVE_ROUNDS = 1000

/** While batches come full, sockets that were empty are looked at again after so many rounds. */
const ROUNDS_BEFORE_POLL = 16

/**
 * Opens the sockets and an eventfd.
 * @throws ListenError for an address that cannot be had; Error when `loadLibc` has no calls (ask checkBatch first)
 */
export function openBatch(options: DatagramOptions): DatagramTransport {
  const libc = loadLibc()
  if (typeof libc === 'string') throw new Error(`the batch transport is not available: ${libc}`)
  const sockets: BatchSocket[] = []
  try {
    for (const where of options.sockets) {
      sockets.push(openBatchSocket(libc, where, options.receiveBufferOctets ?? DEFAULT_RECEIVE_BUFFER_OCTETS))
    }
    const slots = new MessageSlots(options.batchSize ?? DEFAULT_BATCH_SIZE, options.capacity)
    return new BatchTransport(libc, sockets, openEvent(libc, options.sockets[0]!), slots)
  } catch (error) {
    for (const { fd } of sockets) libc.close(fd)
    throw error
  }
}

/** Without it nobody wakes the thread, and the sockets of one that is lost cannot be taken from it. */
function openEvent(libc: Libc, where: ListenAddress): number {
  const fd = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
  if (fd < 0) throw new ListenError('UDP', where, libc.errno(), 'eventfd')
  return fd
}

class BatchTransport implements DatagramTransport {
  readonly report: DatagramReport
  private readonly libc: Libc
  private readonly batches: readonly MessageBatch[]
  /** One pollfd per socket, then the eventfd's. */
  private readonly pollfds: Int32Array
  private readonly pollfdsAt: number
  /** Where the eventfd is read to. */
  private readonly event = new BigUint64Array(1)
  private readonly eventAt: number
  private readonly batchSize: number

  constructor(libc: Libc, sockets: readonly BatchSocket[], wakeFd: number, slots: MessageSlots) {
    const fds = sockets.map(each => each.fd)
    this.libc = libc
    this.batches = sockets.map((socket, index) => new MessageBatch(libc, socket, index, slots))
    this.pollfds = new Int32Array([...fds, wakeFd].flatMap(fd => [fd, POLLIN]))
    this.pollfdsAt = libc.addressOf(this.pollfds.buffer as ArrayBuffer)
    this.eventAt = libc.addressOf(this.event.buffer)
    this.batchSize = slots.count
    this.report = {
      kind: 'batch',
      addresses: sockets.map(each => each.local),
      fds,
      wakeFd,
      receiveBufferOctets: sockets.map(each => each.receiveBufferOctets),
      warnings: [],
    }
  }

  serve(handler: MessageHandler, control: ServeControl, counters: Float64Array): void {
    const { batches } = this
    const { words, index } = control
    const ready = new Uint8Array(batches.length).fill(1)
    let rounds = 0
    for (;;) {
      // Looked at before every batch, so that no flood keeps the thread from stopping.
      const bits = Atomics.load(words, index)
      if ((bits & CONTROL_STOP) !== 0) {
        this.leave(handler, counters)
        return
      }
      if ((bits & CONTROL_ATTEND) !== 0) {
        Atomics.and(words, index, ~CONTROL_ATTEND)
        control.attend()
      }
      let busy = 0
      for (let i = 0; i < batches.length; i++) {
        if (ready[i] === 0) continue
        const received = batches[i]!.exchange(handler, counters)
        // A batch that came full has more behind it, most likely; else asking poll costs less than asking in vain.
        if (received === this.batchSize) busy++
        else ready[i] = 0
        if (received < 0) this.noteReceiveError(counters)
      }
      if (busy === 0) {
        rounds = 0
        if (this.poll(MAX_SLEEP_MS, ready) === 0) control.attend()
      } else if (batches.length > 1 && ++rounds === ROUNDS_BEFORE_POLL) {
        rounds = 0
        this.poll(0, ready)
      }
    }
  }

  close(control: ServeControl): void {
    for (const fd of this.report.fds) this.libc.close(fd)
    Atomics.or(control.words, control.index, CONTROL_CLOSED)
  }

  /** Answers what is queued, while new datagrams go to whoever else has the port. */
  private leave(handler: MessageHandler, counters: Float64Array): void {
    const left = this.batches.filter(({ socket }) => leaveGroup(this.libc, socket))
    const queued = new Uint8Array(this.batches.length)
    for (let round = 0; round < MAX_LEAVE_ROUNDS && this.poll(QUIET_MS, queued) !== 0; round++) {
      for (const [i, batch] of this.batches.entries()) {
        if (queued[i] === 1 && left.includes(batch)) batch.exchange(handler, counters)
        queued[i] = 0
      }
    }
  }

  /**
   * Sleeps until a socket has something or the thread is woken; marks the sockets in `ready`.
   * @returns 0: nothing came in time
   */
  private poll(timeoutMs: number, ready: Uint8Array): number {
    const { libc, pollfds } = this
    const count = libc.poll(this.pollfdsAt, ready.length + 1, timeoutMs)
    if (count < 0) {
      const errno = libc.errno()
      if (errno === EINTR) return count
      throw new Error(`poll failed with error ${errno}`)
    }
    for (let i = 0; i < ready.length; i++) if (reventsOf(pollfds[2 * i + 1]!) !== 0) ready[i] = 1
    if (reventsOf(pollfds[2 * ready.length + 1]!) !== 0) libc.read(this.report.wakeFd, this.eventAt, 8)
    return count
  }

  private noteReceiveError(counters: Float64Array): void {
    const errno = this.libc.errno()
    if (errno === EAGAIN || errno === EINTR) return
    if (errno === EBADF || errno === ENOTSOCK)
      throw new Error(`recvmmsg failed with error ${errno}: the socket is gone`)
    counters[STAT_RECEIVE_ERRORS]! += 1
  }
}

/** struct pollfd: the upper half of its second word. */
function reventsOf(events: number): number {
  return events >>> 16
}

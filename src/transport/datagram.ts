/**
 * The contract of a datagram transport, kept by batch.ts and portable.ts alike, so that a data-plane worker is written once.
 * Layer: transport. Knows no names. Imports neither transport.
 *
 * A worker opens a transport, tells the main thread its `report` (plain data), then calls `serve` until it is asked to stop.
 * The main thread asks through one word of shared memory and `signal`; after the worker's exit it calls `release`.
 */

import { closeSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import type { MessageHandler } from './handler.ts'

/** An IP address in text form (no zone index, except of a link-local address: `fe80::1%eth0`) and a port, 0..65535. */
export interface ListenAddress {
  readonly address: string
  readonly port: number
}

export interface DatagramOptions {
  /** One socket each, in the SO_REUSEPORT group of its address. Port 0: the kernel's choice. */
  readonly sockets: readonly ListenAddress[]
  /** Most messages per system call, 1..1024. Default 64. `portable` has no batches. */
  readonly batchSize?: number
  /** Octets of the longest message, in and out; `batch` drops what is longer unread, and counts it. Default DATAGRAM_CAPACITY. */
  readonly capacity?: number
  /** Asked of the kernel, which doubles it for its bookkeeping and keeps to net.core.rmem_max. Default 4 MiB. */
  readonly receiveBufferOctets?: number
}

/** What the main thread must know of a worker's transport. Survives structured cloning. */
export interface DatagramReport {
  readonly kind: 'batch' | 'portable'
  /** In the order of the options, with the real ports. */
  readonly addresses: readonly ListenAddress[]
  /** File descriptors of the sockets, in the same order; empty when they are not ours to use. */
  readonly fds: readonly number[]
  /** An eventfd that ends the worker's sleep, or −1. Closed by `release` alone, so that `signal` never meets a stranger's descriptor. */
  readonly wakeFd: number
  /** Octets of receive buffer the kernel granted, in the same order. */
  readonly receiveBufferOctets: readonly number[]
  /** What an operator should read in the log. */
  readonly warnings: readonly string[]
}

export interface ServeControl {
  /** Over shared memory; `words[index]` holds CONTROL_… bits. */
  readonly words: Int32Array
  readonly index: number
  /** Called between batches, with the handler ended: soon after CONTROL_ATTEND, and at least once a second when idle. */
  attend(): void
}

export interface DatagramTransport {
  readonly report: DatagramReport
  /**
   * Answers until CONTROL_STOP. Call once.
   * @param counters STAT_FIELDS elements, only ever added to, by this thread alone
   */
  serve(handler: MessageHandler, control: ServeControl, counters: Float64Array): void | Promise<void>
  /** Sends the reply to a query that was deferred; absent where the main thread sends it by the report's `fds` (replies.ts). */
  reply?(socket: number, sockaddr: Uint8Array, message: Uint8Array): void
  /** Closes the sockets and sets CONTROL_CLOSED. Datagrams not yet read are lost. Call after `serve`, also when it failed. */
  close(control: ServeControl): void
}

export const DEFAULT_BATCH_SIZE = 64
export const DEFAULT_RECEIVE_BUFFER_OCTETS = 4 << 20
/** Longest sleep of a worker, in ms: how late it notices a word that was set without `signal`. */
export const MAX_SLEEP_MS = 1000

export const CONTROL_STOP = 1
export const CONTROL_ATTEND = 2
export const CONTROL_CLOSED = 4

/** Datagrams read. */
export const STAT_RECEIVED = 0
/** Replies given to the kernel. */
export const STAT_SENT = 1
/** Datagrams for which the handler gave no reply. */
export const STAT_UNANSWERED = 2
/** Datagrams longer than their slot, dropped: what is left of one is not what the peer sent. */
export const STAT_TRUNCATED = 3
/** Datagrams from port 0, to which nothing can be sent; dropped unread. */
export const STAT_PORT_ZERO = 4
/** Replies dropped because the send buffer stayed full. */
export const STAT_SEND_BLOCKED = 5
/** Replies that a rule of this machine forbade (EPERM, EACCES). */
export const STAT_SEND_FORBIDDEN = 6
/** Replies for which there is no way to the peer, or none from the address it asked. */
export const STAT_SEND_UNREACHABLE = 7
/** Replies longer than the way to the peer allows. */
export const STAT_SEND_TOO_LONG = 8
/** Replies lost to any other error. */
export const STAT_SEND_OTHER = 9
/** Reads that failed. */
export const STAT_RECEIVE_ERRORS = 10
/** Reads that brought something; received / batches is the mean size of a batch. */
export const STAT_BATCHES = 11
export const STAT_FIELDS = 12

const {
  EAGAIN,
  EWOULDBLOCK,
  ENOBUFS,
  ENOMEM,
  EPERM,
  EACCES,
  ENETUNREACH,
  EHOSTUNREACH,
  ENETDOWN,
  EADDRNOTAVAIL,
  EMSGSIZE,
} = constants.errno
const STAT_BY_ERRNO = new Map([
  [EAGAIN, STAT_SEND_BLOCKED],
  [EWOULDBLOCK, STAT_SEND_BLOCKED],
  [ENOBUFS, STAT_SEND_BLOCKED],
  [ENOMEM, STAT_SEND_BLOCKED],
  [EPERM, STAT_SEND_FORBIDDEN],
  [EACCES, STAT_SEND_FORBIDDEN],
  [ENETUNREACH, STAT_SEND_UNREACHABLE],
  [EHOSTUNREACH, STAT_SEND_UNREACHABLE],
  [ENETDOWN, STAT_SEND_UNREACHABLE],
  [EADDRNOTAVAIL, STAT_SEND_UNREACHABLE],
  [EMSGSIZE, STAT_SEND_TOO_LONG],
])

/** The STAT_SEND_… field that counts a failed send; `errno` positive. */
export function statOfSendError(errno: number): number {
  return STAT_BY_ERRNO.get(errno) ?? STAT_SEND_OTHER
}

/**
 * Main thread: sets CONTROL_… bits and ends the worker's sleep. Does nothing to a worker that has closed.
 * @param wakeFd of the worker's report
 */
export function signal(words: Int32Array, index: number, bits: number, wakeFd: number): void {
  Atomics.or(words, index, bits)
  Atomics.notify(words, index)
  if (wakeFd >= 0) writeSync(wakeFd, EVENT)
}

/**
 * Main thread, once, after the worker has exited, however it exited: closes what it left open. A socket that stayed open
 * would swallow its share of the port's queries for ever.
 */
export function release(words: Int32Array, index: number, report: DatagramReport): void {
  const closed = (Atomics.load(words, index) & CONTROL_CLOSED) !== 0
  if (!closed) for (const fd of report.fds) closeSync(fd)
  if (report.wakeFd >= 0) closeSync(report.wakeFd)
}

/** eventfd(2): a write adds this number, as eight octets in host order. */
const EVENT = new Uint8Array(new BigUint64Array([1n]).buffer)

/**
 * The portable transport: UDP by node:dgram, for a worker thread on any platform. Layer: transport. Some three times the
 * processor time of batch.ts per query; taken when that one cannot be. Errors are counted, never thrown.
 *
 * A query is copied to a slot of a pool, answered there and sent from there; the slot is free again when node:dgram says
 * that the reply has left. All octets of a reply were written for it: the pool starts zeroed, so at worst a defect could
 * show an older reply, never other memory of the process.
 *
 * `begin` and `end` are called around every message. Once per turn of the event loop would save some 0.1 µs per query of
 * a full turn, cost a setImmediate for each query of a quiet one, and keep the table's reader online while other code runs.
 */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { parseIPv4, parseIPv6 } from '../wire/address.ts'
import {
  CONTROL_ATTEND,
  CONTROL_CLOSED,
  CONTROL_STOP,
  type DatagramOptions,
  type DatagramReport,
  type DatagramTransport,
  DEFAULT_RECEIVE_BUFFER_OCTETS,
  type ListenAddress,
  MAX_SLEEP_MS,
  type ServeControl,
  STAT_BATCHES,
  STAT_PORT_ZERO,
  STAT_RECEIVE_ERRORS,
  STAT_RECEIVED,
  STAT_SEND_BLOCKED,
  STAT_SENT,
  STAT_TRUNCATED,
  STAT_UNANSWERED,
  statOfSendError,
} from './datagram.ts'
import { DATAGRAM_CAPACITY, DEFERRED, type MessageHandler, type Peers, type ReturnPath } from './handler.ts'
import { decodeSockaddr, encodeSockaddr, SOCKADDR_OCTETS } from './linux-abi.ts'
import { ListenError } from './listen-error.ts'

/** Replies on their way. More would only pile up behind a send buffer that is full. */
const SLOTS = 256
/** Where node:dgram knows SO_REUSEPORT. */
const REUSE_PORT_PLATFORMS = ['linux', 'freebsd', 'sunos', 'aix']

/** @throws ListenError for an address that cannot be had */
export async function openPortable(options: DatagramOptions): Promise<DatagramTransport> {
  const sockets: Socket[] = []
  try {
    for (const where of options.sockets) {
      sockets.push(await openSocket(where, options.receiveBufferOctets ?? DEFAULT_RECEIVE_BUFFER_OCTETS))
    }
  } catch (error) {
    for (const socket of sockets) socket.close()
    throw error
  }
  return new PortableTransport(options.sockets, sockets)
}

async function openSocket(where: ListenAddress, receiveBufferOctets: number): Promise<Socket> {
  const v6 = isIPv6(where.address)
  const socket = createSocket({
    type: v6 ? 'udp6' : 'udp4',
    ipv6Only: v6,
    reusePort: REUSE_PORT_PLATFORMS.includes(process.platform),
    recvBufferSize: receiveBufferOctets,
    // Peers and listen addresses are numbers already; the default would ask the resolver's thread about each reply.
    lookup: (address, _options, done) => done(null, address, v6 ? 6 : 4),
  })
  try {
    // Asked for first: with such a lookup, the event comes before `bind` returns.
    const listening = once(socket, 'listening')
    socket.bind({ address: where.address, port: where.port, exclusive: true })
    await listening
    return socket
  } catch (error) {
    socket.close()
    const { errno = 0, syscall = 'bind' } = error as NodeJS.ErrnoException
    throw new ListenError('UDP', where, -errno, syscall, error)
  }
}

class PortableTransport implements DatagramTransport {
  readonly report: DatagramReport
  private readonly sockets: readonly Socket[]

  constructor(wanted: readonly ListenAddress[], sockets: readonly Socket[]) {
    this.sockets = sockets
    this.report = {
      kind: 'portable',
      addresses: sockets.map((socket, i) => ({ address: wanted[i]!.address, port: socket.address().port })),
      fds: [],
      wakeFd: -1,
      receiveBufferOctets: sockets.map(socket => socket.getRecvBufferSize()),
      warnings: warningsOf(sockets),
    }
  }

  async serve(handler: MessageHandler, control: ServeControl, counters: Float64Array): Promise<void> {
    const pool = new Pool(counters)
    for (const [index, socket] of this.sockets.entries()) {
      socket.on('message', (message, peer) => exchange(handler, counters, pool, socket, index, message, peer))
      socket.on('error', () => {
        counters[STAT_RECEIVE_ERRORS]! += 1
      })
    }
    const { words, index } = control
    for (;;) {
      const bits = Atomics.load(words, index)
      if ((bits & CONTROL_STOP) !== 0) return
      if ((bits & CONTROL_ATTEND) !== 0) {
        Atomics.and(words, index, ~CONTROL_ATTEND)
        control.attend()
        continue
      }
      const change = Atomics.waitAsync(words, index, bits, MAX_SLEEP_MS)
      if ((await change.value) === 'timed-out') control.attend()
    }
  }

  reply(socket: number, sockaddr: Uint8Array, message: Uint8Array): void {
    const { address, port } = decodeSockaddr(new DataView(sockaddr.buffer, sockaddr.byteOffset))
    // Not sent is lost: the client asks again.
    this.sockets[socket]?.send(message, port, address, () => {})
  }

  close(control: ServeControl): void {
    for (const socket of this.sockets) socket.removeAllListeners('message').close()
    Atomics.or(control.words, control.index, CONTROL_CLOSED)
  }
}

function warningsOf(sockets: readonly Socket[]): string[] {
  const warnings: string[] = []
  for (const { address, port } of sockets.map(socket => socket.address())) {
    if (address !== '0.0.0.0' && address !== '::') continue
    warnings.push(
      `UDP ${address} port ${port}: the portable transport cannot choose the source address of a reply; on a machine with several addresses, clients may refuse it: listen on each address by itself, or use the batch transport`,
    )
  }
  if (!REUSE_PORT_PLATFORMS.includes(process.platform)) {
    warnings.push(`${process.platform} has no SO_REUSEPORT for UDP here: only one worker can listen`)
  }
  return warnings
}

/** Who sent the message at hand. */
class LastPeer implements Peers {
  from: RemoteInfo | undefined

  copyAddress(_start: number, octets: Uint8Array): void {
    const { address, family } = this.from!
    if (family === 'IPv6') octets.set(parseIPv6(address.split('%')[0]!))
    else new DataView(octets.buffer, octets.byteOffset).setUint32(0, parseIPv4(address))
  }
}

/** Slots for replies; each knows how to give itself back. */
class Pool {
  readonly octets = new Uint8Array(SLOTS * DATAGRAM_CAPACITY)
  readonly view = new DataView(this.octets.buffer)
  readonly peer = new LastPeer()
  /** Called by node:dgram when the reply of a slot has left or failed. */
  readonly sent: readonly ((error: Error | null) => void)[]
  private readonly free = new Int32Array(SLOTS).map((_, slot) => slot)
  private freeCount = SLOTS

  constructor(counters: Float64Array) {
    this.sent = Array.from({ length: SLOTS }, (_, slot) => (error: NodeJS.ErrnoException | null) => {
      this.free[this.freeCount++] = slot
      counters[error ? statOfSendError(-(error.errno ?? 0)) : STAT_SENT]! += 1
    })
  }

  /** @returns a slot, to be given back by `sent` or `putBack`; −1: all are on their way */
  take(): number {
    return this.freeCount === 0 ? -1 : this.free[--this.freeCount]!
  }

  putBack(slot: number): void {
    this.free[this.freeCount++] = slot
  }
}

function exchange(
  handler: MessageHandler,
  counters: Float64Array,
  pool: Pool,
  socket: Socket,
  index: number,
  message: Buffer,
  peer: RemoteInfo,
): void {
  counters[STAT_BATCHES]! += 1
  counters[STAT_RECEIVED]! += 1
  if (message.length > DATAGRAM_CAPACITY) {
    counters[STAT_TRUNCATED]! += 1
    return
  }
  if (peer.port === 0) {
    counters[STAT_PORT_ZERO]! += 1
    return
  }
  const slot = pool.take()
  if (slot < 0) {
    counters[STAT_SEND_BLOCKED]! += 1
    return
  }
  const start = slot * DATAGRAM_CAPACITY
  pool.octets.set(message, start)
  pool.peer.from = peer
  handler.begin(index, pool.peer)
  let length = handler.answer(pool.octets, pool.view, start, message.length, DATAGRAM_CAPACITY, false)
  if (length === DEFERRED) {
    length = handler.defer!(pool.octets, start, pathOf(index, peer))
    if (length === 0) {
      handler.end()
      pool.putBack(slot)
      return
    }
  }
  handler.end()
  if (length === 0) {
    counters[STAT_UNANSWERED]! += 1
    pool.putBack(slot)
  } else socket.send(pool.octets, start, length, peer.port, peer.address, pool.sent[slot])
}

const NO_CONTROL = new Uint8Array(0)

function pathOf(socket: number, { address, port }: RemoteInfo): ReturnPath {
  const sockaddr = new Uint8Array(SOCKADDR_OCTETS)
  encodeSockaddr(new DataView(sockaddr.buffer), address, port)
  return { socket, sockaddr, control: NO_CONTROL, controlOctets: 0, stream: undefined }
}

/**
 * One TCP connection: octets of a stream → messages → replies. Layer: transport. Decides when to read, and what is too
 * slow; who may connect is decided in tcp.ts. Sets no timer: `passedLimit` is asked from time to time.
 *
 *   stream   ┌────────┬─────────┬────────┬─────────┬─ ─     RFC 1035 §4.2.2: a length of two octets before each message,
 *            │ length │ message │ length │ message │        which it does not count. A segment may end anywhere.
 *            └────────┴─────────┴────────┴─────────┴─ ─
 *
 * RFC 7766 §6.2.1.1: a client may send queries without waiting for replies. Each is answered before the next is looked at,
 * so replies leave in the order of the queries; those that are deferred follow when they are there (§7).
 */

import { isIPv6, type Socket } from 'node:net'
import { parseIPv4, parseIPv6 } from '../wire/address.ts'
import { HEADER_OCTETS } from '../wire/constants.ts'
import {
  DEFERRED,
  type MessageHandler,
  type MoreMessages,
  type Peers,
  type ReturnPath,
  type StreamPath,
} from './handler.ts'
import { Pouring } from './pouring.ts'

export interface ConnectionLimits {
  /** RFC 7766 §6.2.3: without a query for so long, the connection is closed. */
  readonly idleMs: number
  /** A query must be whole so long after its first octet, however its octets trickle in. */
  readonly messageMs: number
  /** While replies are unsent, some must leave every so often, or the connection is closed. */
  readonly writeStallMs: number
  /**
   * With more replies than this unsent, no further query of the connection is read or answered; when another deferred reply
   * comes, it is closed.
   */
  readonly maxUnsentOctets: number
  /** The same of all connections together: above it, each may have one reply on its way. */
  readonly maxUnsentOctetsInAll: number
}

/** What connections share. */
export interface ConnectionContext {
  handler: MessageHandler
  limits: ConnectionLimits
  /** SCRATCH_OCTETS, where queries are answered, one reply behind the other. One for all, since an answer takes no time. */
  readonly scratch: Uint8Array
  readonly scratchView: DataView
  /** Octets of unfinished queries of all connections together. */
  readonly held: { octets: number; readonly max: number }
  /** Octets of replies of all connections together that the kernel has not taken. */
  readonly unsent: { octets: number }
  /** Where the last reply stood that the kernel took at once. Buffers of long replies pile up before they are collected. */
  spare: Buffer
  nowMs(): number
  /** A query was answered: the connection is the youngest now. */
  onQuery(connection: TcpConnection): void
  /** A connection is closed for what it sent, or did not read. */
  onFault(reason: 'notDns' | 'heldTooMuch' | 'slowReader'): void
}

export const MAX_MESSAGE_OCTETS = 65_535
const LENGTH_OCTETS = 2
/**
 * After so many queries, or so many octets of replies, it is another connection's turn: one read can bring 2 MiB of
 * queries, and who has just connected would wait for those of all others.
 */
const TURN_QUERIES = 64
const TURN_OCTETS = 64 << 10
export const SCRATCH_OCTETS = TURN_OCTETS + LENGTH_OCTETS + MAX_MESSAGE_OCTETS
const FIRST_HOLD_OCTETS = 512

/** Deferred queries of a connection; with more, no further query is read. */
const MAX_DEFERRED = 100

const NOTHING = Buffer.alloc(0)
const NO_OCTETS = new Uint8Array(0)

export class TcpConnection implements StreamPath, Peers {
  readonly client: string
  private readonly context: ConnectionContext
  private readonly socket: Socket
  private readonly listener: number
  /** Called by the socket when a reply has left. */
  private readonly onWritten = (): void => this.noteProgress()
  /** Holds the first octets of an unfinished query, or those that came while replies were stuck. */
  private buffer: Buffer = NOTHING
  private heldOctets = 0
  private unsentOctets = 0
  private readonly onTurn = (): void => {
    this.waitsForTurn = false
    this.goOn()
  }
  /** Queries whose replies come later. */
  private deferred = 0
  private readonly pouring: Pouring
  private isAnswering = false
  private readonly path: ReturnPath
  /** Replies are stuck, or others have their turn: nothing is read until they have left, or it comes round. */
  private blocked = false
  private waitsForTurn = false
  private peerEnded = false
  private finishing = false
  private lastQueryMs: number
  private startedMs = 0
  private lastProgressMs: number

  /** @param listener index of the listen address */
  constructor(context: ConnectionContext, socket: Socket, client: string, listener: number) {
    this.context = context
    this.socket = socket
    this.client = client
    this.listener = listener
    this.path = { socket: listener, sockaddr: NO_OCTETS, control: NO_OCTETS, controlOctets: 0, stream: this }
    this.pouring = new Pouring({
      isGone: () => socket.destroyed,
      hasRoom: () => socket.writableLength <= this.allowedUnsent(),
      write: message => this.write(message),
      onEnd: isFailed => {
        if (isFailed) socket.destroy()
        this.replied()
        // Its last message may have left long ago: nothing else tells that there is one less.
        this.goOn()
      },
    })
    this.lastQueryMs = context.nowMs()
    this.lastProgressMs = this.lastQueryMs
    socket.on('data', chunk => this.receive(chunk as Buffer))
    socket.on('end', () => {
      this.peerEnded = true
      this.endIfDone()
    })
    // A reset is an ordinary end; 'close' follows.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.hold(NOTHING, 0)
      this.noteUnsent(0)
      this.pouring.goOn()
    })
  }

  /** @returns which limit of time is passed, so that the connection should be destroyed */
  passedLimit(nowMs: number): 'slowReader' | 'slowQuery' | 'idle' | undefined {
    const { limits } = this.context
    if (this.socket.writableLength > 0)
      return nowMs - this.lastProgressMs >= limits.writeStallMs ? 'slowReader' : undefined
    if (this.heldOctets > 0 && this.deferred === 0)
      return nowMs - this.startedMs >= limits.messageMs ? 'slowQuery' : undefined
    // Whoever waits for a reply is not idle: it comes, or SERVFAIL does.
    return this.deferred === 0 && nowMs - this.lastQueryMs >= limits.idleMs ? 'idle' : undefined
  }

  /** Ends the connection once the query that has begun, if any, is answered; what comes later is not looked at. */
  finish(): void {
    this.finishing = true
    this.endIfDone()
  }

  destroy(): void {
    this.socket.destroy()
  }

  get clientPort(): number {
    return this.socket.remotePort ?? 0
  }

  copyAddress(_start: number, address: Uint8Array): void {
    const text = this.client.split('%')[0]!
    if (isIPv6(text)) address.set(parseIPv6(text))
    else new DataView(address.buffer, address.byteOffset).setUint32(0, parseIPv4(text))
  }

  /** The reply to a query that was deferred. */
  reply(message: Uint8Array, more?: MoreMessages): void {
    const { socket, context } = this
    if (!socket.destroyed && socket.writableLength > this.allowedUnsent()) {
      context.onFault('slowReader')
      socket.destroy()
    }
    this.write(message)
    if (more === undefined) this.replied()
    else this.pouring.begin(more)
  }

  private replied(): void {
    this.deferred--
    if (this.socket.destroyed) return
    this.lastQueryMs = this.context.nowMs()
    if (!this.isAnswering) this.endIfDone()
  }

  private write(message: Uint8Array): void {
    const { context, socket } = this
    if (socket.destroyed) return
    if (socket.writableLength === 0) this.lastProgressMs = context.nowMs()
    const framed = this.bufferFor(LENGTH_OCTETS + message.length)
    framed.writeUInt16BE(message.length)
    framed.set(message, LENGTH_OCTETS)
    this.send(framed)
    this.noteUnsent(socket.writableLength)
    this.lastQueryMs = context.nowMs()
    context.onQuery(this)
  }

  /** The last one that the kernel took whole, if it is not much too large. To be sent before another is asked for. */
  private bufferFor(octets: number): Buffer {
    const { spare } = this.context
    const isFit = this.socket.writableLength === 0 && octets <= spare.length && 2 * octets > spare.length
    return isFit ? spare.subarray(0, octets) : Buffer.allocUnsafeSlow(octets)
  }

  private send(framed: Buffer): void {
    const { context, socket } = this
    socket.write(framed, this.onWritten)
    if (socket.writableLength === 0) context.spare = Buffer.from(framed.buffer)
    else if (framed.buffer === context.spare.buffer) context.spare = NOTHING
  }

  private receive(chunk: Buffer): void {
    if (this.finishing && this.heldOctets === 0) return
    const input = this.heldOctets === 0 ? chunk : this.append(chunk)
    if (input !== undefined) this.process(input)
  }

  private noteProgress(): void {
    const { context, socket } = this
    this.lastProgressMs = context.nowMs()
    if (socket.destroyed) return
    this.noteUnsent(socket.writableLength)
    this.pouring.goOn()
    this.goOn()
  }

  private goOn(): void {
    const { socket } = this
    if (!this.blocked || this.waitsForTurn || socket.destroyed) return
    if (socket.writableLength > this.allowedUnsent() || this.deferred >= MAX_DEFERRED) return
    this.blocked = false
    socket.resume()
    this.process(this.buffer.subarray(0, this.heldOctets))
  }

  /** Answers the whole queries of `input`, holds the rest. */
  private process(input: Buffer): void {
    this.isAnswering = true
    let used: number
    try {
      used = this.answer(input)
    } catch (error) {
      // A defect of ours: it is not known where the next query begins.
      this.socket.destroy()
      throw error
    } finally {
      this.isAnswering = false
    }
    if (used < 0) {
      this.context.onFault('notDns')
      this.hold(NOTHING, 0)
      this.finishing = true
      this.socket.pause()
      this.socket.destroySoon()
      return
    }
    const isNew = used > 0 || this.heldOctets === 0
    this.hold(input, used)
    if (isNew) this.startedMs = this.context.nowMs()
    if (this.blocked) this.socket.pause()
    this.endIfDone()
  }

  /** @returns octets that were used; −1: what came is no DNS */
  private answer(input: Buffer): number {
    const { context, socket, listener } = this
    const { handler, scratch, scratchView } = context
    let used = 0
    let answered = 0
    /** Octets of replies in `scratch`. */
    let ready = 0
    try {
      for (;;) {
        const left = input.length - used - LENGTH_OCTETS
        if (left < 0) break
        const length = input.readUInt16BE(used)
        if (length < HEADER_OCTETS) {
          used = -1
          break
        }
        if (left < length) break
        if (answered === TURN_QUERIES || ready >= TURN_OCTETS) {
          this.blocked = true
          this.waitsForTurn = true
          setImmediate(this.onTurn)
          break
        }
        if (socket.writableLength + ready > this.allowedUnsent() || this.deferred >= MAX_DEFERRED) {
          this.blocked = true
          break
        }
        if (answered++ === 0) {
          if (socket.writableLength === 0) this.lastProgressMs = context.nowMs()
          handler.begin(listener, this)
        }
        used += LENGTH_OCTETS
        const start = ready + LENGTH_OCTETS
        input.copy(scratch, start, used, used + length)
        used += length
        let reply = handler.answer(scratch, scratchView, start, length, MAX_MESSAGE_OCTETS, true)
        if (reply === DEFERRED) {
          // Counted first: the reply may come before `defer` returns.
          this.deferred++
          reply = handler.defer!(scratch, start, this.path)
          if (reply > 0) this.deferred--
        }
        if (reply === 0) continue
        scratchView.setUint16(ready, reply)
        ready = start + reply
      }
      // RFC 7766 §8: length and message leave in one write, and those of other replies with them: a write of its own for
      // each would cost more than the answer.
      if (ready > 0) {
        const framed = this.bufferFor(ready)
        framed.set(scratch.subarray(0, ready))
        this.send(framed)
      }
    } finally {
      if (answered > 0) {
        this.noteUnsent(socket.writableLength)
        handler.end()
        this.lastQueryMs = context.nowMs()
        context.onQuery(this)
      }
    }
    return used
  }

  /** @returns what is held and `chunk` after it; undefined: all connections together hold too much, this one is closed */
  private append(chunk: Buffer): Buffer | undefined {
    const octets = this.heldOctets + chunk.length
    if (octets > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(octets, 2 * this.buffer.length))
      this.buffer.copy(grown, 0, 0, this.heldOctets)
      this.buffer = grown
    }
    chunk.copy(this.buffer, this.heldOctets)
    return this.account(octets) ? this.buffer.subarray(0, octets) : undefined
  }

  /** Keeps the octets of `input` from `used` on, and no others. */
  private hold(input: Buffer, used: number): void {
    const octets = input.length - used
    // What is counted are octets held: a buffer that a large message made does not stay for a few.
    const isRoomy = this.buffer.length > FIRST_HOLD_OCTETS && 4 * octets < this.buffer.length
    if (octets === 0) this.buffer = NOTHING
    else if (this.heldOctets === 0 || isRoomy) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(octets, FIRST_HOLD_OCTETS))
      input.copy(this.buffer, 0, used)
    } else if (used > 0) this.buffer.copyWithin(0, used, input.length)
    this.account(octets)
  }

  private account(octets: number): boolean {
    const { held } = this.context
    const growth = octets - this.heldOctets
    held.octets += growth
    this.heldOctets = octets
    if (growth <= 0 || held.octets <= held.max) return true
    this.context.onFault('heldTooMuch')
    this.socket.destroy()
    return false
  }

  private allowedUnsent(): number {
    const { limits, unsent } = this.context
    return unsent.octets > limits.maxUnsentOctetsInAll ? 0 : limits.maxUnsentOctets
  }

  private noteUnsent(octets: number): void {
    this.context.unsent.octets += octets - this.unsentOctets
    this.unsentOctets = octets
  }

  /** A client that has closed only its sending side still gets its replies; RFC 7766 §6.2.4 speaks of a closed session. */
  private endIfDone(): void {
    if (this.blocked || this.deferred > 0) return
    // Its side alone is closed, and what comes is read on: closed with something unread, the connection would be reset, and
    // the client might lose the replies before it. When the client has closed too, the socket is no more.
    if (this.peerEnded || (this.finishing && this.heldOctets === 0)) this.socket.end()
  }
}

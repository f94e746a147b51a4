/**
 * Queries to upstreams over TCP and TLS. Layer: forward. Connections are kept and shared: replies are known by ID and
 * question and may come in any order (RFC 7766 §6.2.1.1, §7).
 *
 *   stream   │ length │ message │ length │ message │ …
 */

import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Attempt, Exchange, ExchangeEvents } from './exchange.ts'
import type { Upstream } from './upstream.ts'

/** Another connection is opened when all have so many queries on their way … */
const BUSY = 32
/** … up to so many for one upstream. */
const MAX_CONNECTIONS = 4
/** Those that others still wait on without new queries are counted too. */
const MAX_OPEN = 16
/**
 * RFC 7766 §6.2.3: closed after so long without a query or its reply, longer than anybody waits; the upstream may be quicker.
 * Other octets keep nothing open.
 */
const IDLE_MS = 8000
const LENGTH_OCTETS = 2
const MAX_HELD = LENGTH_OCTETS + 65_535

export interface StreamOptions {
  /** Certificates that upstreams over TLS are checked with, PEM; undefined: those of Node. */
  readonly ca?: string | undefined
}

export class Streams implements Exchange {
  private readonly events: ExchangeEvents
  private readonly options: StreamOptions
  private readonly connections = new Map<Upstream, Connection[]>()
  private readonly attempts = new Map<Attempt, Connection>()
  /** Sent a second time. */
  private readonly repeated = new WeakSet<Attempt>()
  private isClosed = false

  constructor(events: ExchangeEvents, options: StreamOptions = {}) {
    this.events = events
    this.options = options
  }

  send(attempt: Attempt): void {
    const { upstream } = attempt
    const open = this.connections.get(upstream) ?? []
    this.connections.set(upstream, open)
    const id = idOf(attempt)
    const usable = open.filter(each => !each.isRetired && !each.pending.has(id))
    let connection = usable.toSorted((a, b) => a.pending.size - b.pending.size)[0]
    if (connection !== undefined && (connection.pending.size < BUSY || usable.length >= MAX_CONNECTIONS)) {
      upstream.connectionHits++
    } else if (open.length >= MAX_OPEN) {
      process.nextTick(() => this.events.failed(attempt, 'too many connections'))
      return
    } else {
      upstream.connectionMisses++
      connection = this.open(upstream, open)
    }
    this.attempts.set(attempt, connection)
    connection.send(id, attempt)
  }

  cancel(attempt: Attempt): void {
    const connection = this.attempts.get(attempt)
    if (connection === undefined) return
    this.attempts.delete(attempt)
    connection.giveUp(attempt)
  }

  close(): void {
    this.isClosed = true
    for (const open of this.connections.values()) for (const connection of open) connection.socket.destroy()
    this.connections.clear()
    this.attempts.clear()
  }

  private open(upstream: Upstream, open: Connection[]): Connection {
    const { address, port, tls, serverName } = upstream.where
    const socket = tls
      ? connectTls({
          host: address,
          port,
          ...(serverName === undefined ? {} : { servername: serverName }),
          ...(this.options.ca === undefined ? {} : { ca: this.options.ca }),
        })
      : connect(port, address)
    const connection = new Connection(socket, (attempt, message) => {
      // Not when it was given up meanwhile.
      if (this.attempts.delete(attempt)) this.events.received(attempt, message, true)
    })
    open.push(connection)
    let reason = 'the connection was closed'
    socket.on('error', error => {
      reason = error.message
    })
    socket.on('close', () => {
      const at = open.indexOf(connection)
      if (at >= 0) open.splice(at, 1)
      if (open.length === 0) this.connections.delete(upstream)
      for (const attempt of connection.pending.values()) {
        if (!this.attempts.delete(attempt)) continue
        // RFC 7766 §6.2.4: one that has served may be closed at any time, a query on its way or not
        const isToRepeat = connection.hasServed && !this.isClosed && !this.repeated.has(attempt)
        if (!isToRepeat) this.events.failed(attempt, reason)
        else {
          // RFC 9520 §3.1: not without end
          this.repeated.add(attempt)
          this.send(attempt)
        }
      }
    })
    return connection
  }
}

function idOf({ message }: Attempt): number {
  return (message[0]! << 8) | message[1]!
}

class Connection {
  /** By ID. */
  readonly pending = new Map<number, Attempt>()
  readonly socket: Socket
  /** Given up on: it takes no more queries, and ends when nobody waits on it. */
  isRetired = false
  /** The reply to a query came. */
  hasServed = false
  private readonly received: (attempt: Attempt, message: Uint8Array) => void
  private held: Buffer = Buffer.alloc(0)
  private readonly idle: NodeJS.Timeout

  constructor(socket: Socket, received: (attempt: Attempt, message: Uint8Array) => void) {
    this.socket = socket
    this.received = received
    socket.setNoDelay(true)
    this.idle = setTimeout(() => socket.destroy(), IDLE_MS)
    socket.on('close', () => clearTimeout(this.idle))
    socket.on('data', chunk => this.take(chunk as Buffer))
    socket.on('end', () => socket.destroy())
  }

  send(id: number, attempt: Attempt): void {
    this.pending.set(id, attempt)
    attempt.localPort = this.socket.localPort ?? 0
    const { message } = attempt
    // RFC 7766 §8: length and message leave in one write
    const framed = Buffer.allocUnsafe(LENGTH_OCTETS + message.length)
    framed.writeUInt16BE(message.length)
    framed.set(message, LENGTH_OCTETS)
    this.socket.write(framed)
    this.idle.refresh()
  }

  /** What does not answer in time may be a connection to nowhere: the next query takes another. */
  giveUp(attempt: Attempt): void {
    this.isRetired = true
    this.pending.delete(idOf(attempt))
    this.endIfUnused()
  }

  private endIfUnused(): void {
    if (this.isRetired && this.pending.size === 0) this.socket.destroy()
  }

  private take(chunk: Buffer): void {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk])
    while (this.held.length >= LENGTH_OCTETS) {
      const end = LENGTH_OCTETS + this.held.readUInt16BE()
      if (this.held.length < end) break
      const message = this.held.subarray(LENGTH_OCTETS, end)
      this.held = this.held.subarray(end)
      if (message.length < 2) continue
      const id = message.readUInt16BE()
      const attempt = this.pending.get(id)
      if (attempt === undefined) continue
      this.pending.delete(id)
      this.hasServed = true
      this.idle.refresh()
      this.received(attempt, message)
    }
    this.endIfUnused()
    if (this.held.length > MAX_HELD) this.socket.destroy()
  }
}

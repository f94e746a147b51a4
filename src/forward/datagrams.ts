/**
 * Queries to upstreams over UDP. Layer: forward.
 * RFC 5452 §9.2: each has a socket of its own, on a port chosen by a CSPRNG, connected to its upstream, so that the kernel
 * lets nothing in but what bears the upstream's address and port.
 */

import { randomInt } from 'node:crypto'
import { createSocket, type Socket, type SocketOptions } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Attempt, Exchange, ExchangeEvents } from './exchange.ts'

const LOWEST_PORT = 1024
const MAX_PORT_TRIES = 8

// Addresses are numbers already: nothing is looked up, and all is done before `connect` returns.
const UDP4: SocketOptions = { type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) }
const UDP6: SocketOptions = { type: 'udp6', lookup: (host, _options, done) => done(null, host, 6) }

export class Datagrams implements Exchange {
  private readonly events: ExchangeEvents
  private readonly sockets = new Map<Attempt, Socket>()
  private readonly attempts = new Map<Socket, Attempt>()
  /** One listener for all sockets. */
  private readonly onMessage: (this: Socket, message: Buffer) => void
  private readonly onError: (this: Socket, error: Error) => void

  constructor(events: ExchangeEvents) {
    this.events = events
    const { attempts } = this
    this.onMessage = function (message): void {
      const attempt = attempts.get(this)
      if (attempt !== undefined) events.received(attempt, message, false)
    }
    this.onError = function (error): void {
      const attempt = attempts.get(this)
      if (attempt !== undefined) events.failed(attempt, error.message)
    }
  }

  get size(): number {
    return this.sockets.size
  }

  send(attempt: Attempt): void {
    const socket = this.sockets.get(attempt) ?? this.open(attempt)
    if (socket === undefined) {
      // No port or no descriptor is to be had.
      process.nextTick(() => this.events.failed(attempt, 'no socket'))
      return
    }
    try {
      socket.send(attempt.message)
    } catch (error) {
      // There is no way to it from here.
      process.nextTick(() => this.events.failed(attempt, (error as Error).message))
    }
  }

  cancel(attempt: Attempt): void {
    const socket = this.sockets.get(attempt)
    if (socket === undefined) return
    this.sockets.delete(attempt)
    this.attempts.delete(socket)
    socket.close()
  }

  close(): void {
    for (const attempt of [...this.sockets.keys()]) this.cancel(attempt)
  }

  private open(attempt: Attempt): Socket | undefined {
    const { address, port } = attempt.upstream.where
    const v6 = isIPv6(address)
    for (let tries = 0; tries < MAX_PORT_TRIES; tries++) {
      const socket = createSocket(v6 ? UDP6 : UDP4)
      let problem: Error | undefined
      const refuse = (error: Error): void => {
        problem = error
      }
      socket.on('error', refuse)
      try {
        // The last try takes any port of the kernel's choice.
        socket.bind({ port: tries === MAX_PORT_TRIES - 1 ? 0 : randomInt(LOWEST_PORT, 65_536), exclusive: true })
        if (problem === undefined) {
          attempt.localPort = socket.address().port
          socket.connect(port, address)
        }
      } catch (error) {
        problem = error as Error
      }
      if (problem !== undefined) {
        socket.close()
        continue
      }
      socket.off('error', refuse)
      socket.on('message', this.onMessage)
      socket.on('error', this.onError)
      this.sockets.set(attempt, socket)
      this.attempts.set(socket, attempt)
      return socket
    }
    return undefined
  }
}

/**
 * DNS over TCP, on the main thread. Layer: transport. Knows no names. Bounds what clients can hold: connections in all and
 * per client, memory, time (RFC 7766 §6.2.2 and §10; RFC 9210 §4).
 * One coarse timer looks at all connections; none has its own.
 */

import { once } from 'node:events'
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { ListenAddress } from './datagram.ts'
import type { MessageHandler } from './handler.ts'
import { ListenError } from './listen-error.ts'
import { type ConnectionContext, type ConnectionLimits, SCRATCH_OCTETS, TcpConnection } from './tcp-connection.ts'

export interface Clock {
  /** Monotonic. */
  nowMs(): number
  /** Calls `run` again and again. @returns what stops it */
  every(intervalMs: number, run: () => void): () => void
}

export interface TcpLimits extends Partial<ConnectionLimits> {
  /** When there are more, the one that has been without a query for longest is closed. Default 1,000. */
  readonly maxConnections?: number
  /** The same among the connections of one client address. Default 100. */
  readonly maxConnectionsPerClient?: number
}

export interface TcpOptions extends TcpLimits {
  readonly sockets: readonly ListenAddress[]
  /** Share the port with other servers of this user. Default false: a second server on the port is an error. */
  readonly reusePort?: boolean
  readonly clock?: Clock
}

export interface TcpStats {
  accepted: number
  /** Closed to make room for another, of anyone, or of the same client. */
  evicted: number
  evictedOfClient: number
  /** Closed because a limit of time was passed: no query, one that did not become whole, replies that were not read. */
  idle: number
  slowQuery: number
  slowReader: number
  /** Closed because a length was too short for a message. */
  notDns: number
  /** Closed because all unfinished queries together were too long. */
  heldTooMuch: number
  acceptErrors: number
}

export interface TcpServer {
  /** In the order of the options, with the real ports. */
  readonly addresses: readonly ListenAddress[]
  readonly stats: Readonly<TcpStats>
  /** How many are open. */
  connections(): number
  /** Octets of replies that wait for their readers. */
  unsentOctets(): number
  /** From now on: queries that come are answered by this handler, and these limits hold. */
  configure(limits: TcpLimits, handler: MessageHandler): void
  /**
   * Accepts no more, answers what has been sent, and ends all connections; those that a client holds on to after `graceMs`,
   * without waiting.
   */
  close(graceMs: number): Promise<void>
}

export const DEFAULT_LIMITS: ConnectionLimits = {
  idleMs: 10_000,
  messageMs: 2000,
  writeStallMs: 10_000,
  maxUnsentOctets: 256 << 10,
  maxUnsentOctetsInAll: 16 << 20,
}
const DEFAULT_MAX_CONNECTIONS = 1000
const DEFAULT_MAX_PER_CLIENT = 100
/** Octets of unfinished queries, of all connections together. */
const MAX_HELD_OCTETS = 8 << 20
const SWEEP_MS = 500
/** So long before the end queries are still read: what a client sent before it could know of the end is on its way by then. */
export const LAST_QUERIES_MS = 50
const FINISH_SWEEP_MS = 10
/**
 * Connections that wait to be accepted; the kernel takes no more than net.core.somaxconn. Of one that finds no room the first
 * packet is lost, and its client waits a second before it sends another: a flood must not have others wait.
 */
const BACKLOG = 4096

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  every(intervalMs, run) {
    const timer = setInterval(run, intervalMs)
    return () => clearInterval(timer)
  },
}

/**
 * @param handler answers with `stream` true; `begin` gets the index of the listen address
 * @throws ListenError for an address that cannot be had
 */
export async function openTcp(options: TcpOptions, handler: MessageHandler): Promise<TcpServer> {
  const connections = new Connections(options, handler)
  const servers: Server[] = []
  try {
    for (const [index, where] of options.sockets.entries()) {
      const accept = (socket: Socket): void => connections.accept(socket, index)
      servers.push(await listen(where, options.reusePort ?? false, accept))
    }
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
  for (const server of servers) {
    // Out of descriptors, most likely: the connection is lost, the server goes on.
    server.on('error', () => {
      connections.stats.acceptErrors++
    })
  }
  const stopSweep = connections.clock.every(SWEEP_MS, () => connections.sweep())
  return {
    addresses: servers.map((server, i) => ({
      address: options.sockets[i]!.address,
      port: (server.address() as AddressInfo).port,
    })),
    stats: connections.stats,
    connections: () => connections.size,
    unsentOctets: () => connections.unsentOctets,
    configure: (limits, handler) => connections.configure(limits, handler),
    async close(graceMs) {
      const closed = servers.map(server => new Promise<void>(resolve => server.close(() => resolve())))
      connections.finish(graceMs)
      const stopFinish = connections.clock.every(FINISH_SWEEP_MS, () => connections.sweep())
      await Promise.all(closed)
      stopFinish()
      stopSweep()
    },
  }
}

async function listen(where: ListenAddress, reusePort: boolean, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept)
  const { address: host, port } = where
  try {
    server.listen({ host, port, exclusive: true, ipv6Only: isIPv6(host), reusePort, backlog: BACKLOG })
    await once(server, 'listening')
    return server
  } catch (error) {
    const { errno = 0, syscall = 'listen' } = error as NodeJS.ErrnoException
    throw new ListenError('TCP', where, -errno, syscall, error)
  }
}

class Connections {
  readonly stats: TcpStats = {
    accepted: 0,
    evicted: 0,
    evictedOfClient: 0,
    idle: 0,
    slowQuery: 0,
    slowReader: 0,
    notDns: 0,
    heldTooMuch: 0,
    acceptErrors: 0,
  }
  readonly clock: Clock
  /** In the order of their last query, or of their opening: the first is the first to go. */
  private readonly open = new Set<TcpConnection>()
  private readonly perClient = new Map<string, number>()
  private maxConnections = DEFAULT_MAX_CONNECTIONS
  private maxPerClient = DEFAULT_MAX_PER_CLIENT
  private readonly context: ConnectionContext
  /** From then on connections are ended, and those that are left destroyed. */
  private lastQueriesMs = Number.POSITIVE_INFINITY
  private finishMs = Number.POSITIVE_INFINITY

  constructor(options: TcpOptions, handler: MessageHandler) {
    this.clock = options.clock ?? SYSTEM_CLOCK
    const scratch = new Uint8Array(SCRATCH_OCTETS)
    this.context = {
      handler,
      limits: DEFAULT_LIMITS,
      scratch,
      scratchView: new DataView(scratch.buffer),
      held: { octets: 0, max: MAX_HELD_OCTETS },
      unsent: { octets: 0 },
      spare: Buffer.alloc(0),
      nowMs: () => this.clock.nowMs(),
      onQuery: connection => {
        if (this.open.delete(connection)) this.open.add(connection)
      },
      onFault: reason => this.stats[reason]++,
    }
    this.configure(options, handler)
  }

  configure(limits: TcpLimits, handler: MessageHandler): void {
    this.maxConnections = limits.maxConnections ?? DEFAULT_MAX_CONNECTIONS
    this.maxPerClient = limits.maxConnectionsPerClient ?? DEFAULT_MAX_PER_CLIENT
    this.context.limits = { ...DEFAULT_LIMITS, ...limits }
    this.context.handler = handler
  }

  get size(): number {
    return this.open.size
  }

  get unsentOctets(): number {
    return this.context.unsent.octets
  }

  accept(socket: Socket, listener: number): void {
    const client = socket.remoteAddress
    if (client === undefined || this.finishMs !== Number.POSITIVE_INFINITY) {
      socket.destroy()
      return
    }
    this.stats.accepted++
    const ofClient = this.perClient.get(client) ?? 0
    if (ofClient >= this.maxPerClient) this.evict('evictedOfClient', each => each.client === client)
    else if (this.open.size >= this.maxConnections) this.evict('evicted', () => true)

    const connection = new TcpConnection(this.context, socket, client, listener)
    this.open.add(connection)
    this.perClient.set(client, (this.perClient.get(client) ?? 0) + 1)
    socket.on('close', () => this.forget(connection))
  }

  sweep(): void {
    const now = this.clock.nowMs()
    for (const connection of this.open) {
      const limit = now >= this.finishMs ? undefined : connection.passedLimit(now)
      if (limit !== undefined) this.stats[limit]++
      if (limit !== undefined || now >= this.finishMs) connection.destroy()
      else if (now >= this.lastQueriesMs) connection.finish()
    }
  }

  finish(graceMs: number): void {
    const now = this.clock.nowMs()
    this.finishMs = now + graceMs
    // RFC 7766 §6.2.4: a query that is met by the end of its connection has to be sent again. What is in the kernel is none
    // of those, though it looks idle from here.
    this.lastQueriesMs = now + LAST_QUERIES_MS
    this.sweep()
  }

  private evict(reason: 'evicted' | 'evictedOfClient', matches: (connection: TcpConnection) => boolean): void {
    for (const connection of this.open) {
      if (!matches(connection)) continue
      this.stats[reason]++
      connection.destroy()
      this.forget(connection)
      return
    }
  }

  /** At once when evicted, so that the limits hold; else when the socket has closed. */
  private forget(connection: TcpConnection): void {
    if (!this.open.delete(connection)) return
    const left = this.perClient.get(connection.client)! - 1
    if (left === 0) this.perClient.delete(connection.client)
    else this.perClient.set(connection.client, left)
  }
}

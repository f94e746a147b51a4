/**
 * The admin HTTP server: health, readiness, metrics, names, purging; and servers for one probe each, as CoreDNS has them. Layer: admin. Knows neither sockets of DNS nor the cluster: what it
 * says is asked of functions it is given.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Family, formatFamilies } from './prometheus.ts'

// An `import` of it reads all that it exports, and one of those loads a whole HTTP client: 25 ms of every start.
const { createServer } = process.getBuiltinModule('node:http')

export interface AdminRoutes {
  /** Sentences on what a restart would help against; empty: alive. */
  unhealthy(): string[]
  /** Every condition that `unhealthy` looks at, a line each: said with `?verbose`. */
  conditions(): string[]
  /** Sentences on what is missing before queries can be answered; empty: ready. */
  unready(): string[]
  /** Sentences on what is not as it should be although queries are answered: said with `?verbose`. */
  notes(): string[]
  metrics(): Family[]
  /** The names that are served, and about how many there are. */
  names(): { readonly count: number; readonly text: AsyncIterable<string> }
  /**
   * Forgets cached answers of a name, or all of them. Absent: there is no cache.
   * @returns how many; undefined: that is no name
   */
  readonly purge?: ((name: string | undefined) => number | undefined) | undefined
}

export interface AdminServer {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/** A request has this long to arrive; nothing here takes a body. */
const REQUEST_TIMEOUT_MS = 5000
/** How often it is looked at whether it has. */
const TIMEOUT_LOOK_MS = 1000
/** When there are more, the one that has been idle for longest is closed. */
const MAX_CONNECTIONS = 100
/** A request has some 200. */
const PIECE_OCTETS = 512
/** Lists of names that are made at the same time: each costs CPU of the thread that serves TCP. */
const MAX_LISTS = 2
/** A list whose reader takes nothing for so long is given up. */
const LIST_SILENCE_MS = 30_000

/** @throws the error of listen(2), e.g. code EADDRINUSE */
export async function openAdmin(where: { address: string; port: number }, routes: AdminRoutes): Promise<AdminServer> {
  let lists = 0
  const metrics = oncePerTurn(() => formatFamilies(routes.metrics()))
  async function list(response: ServerResponse, isHead: boolean): Promise<void> {
    lists++
    const { count, text } = routes.names()
    response.setTimeout(LIST_SILENCE_MS, () => response.destroy())
    response.writeHead(200, { 'content-type': TEXT, 'cache-control': 'no-store', 'headless-dns-names': count })
    // A reader that goes away ends the list, and nothing else.
    if (isHead) response.end()
    else await pipeline(Readable.from(text), response).catch(() => {})
    lists--
  }
  return open(where, (request, response) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (isRead && lists < MAX_LISTS && targetOf(request).path === '/names') {
      void list(response, request.method === 'HEAD')
      return
    }
    send(request, response, answer(request.method ?? '', targetOf(request), routes, metrics))
  })
}

/**
 * @param path    the only one that is answered, as CoreDNS does: `OK`, or why not
 * @param missing sentences; empty: all is well
 * @throws the error of listen(2), e.g. code EADDRINUSE
 */
export function openProbe(
  where: { address: string; port: number },
  path: '/health' | '/ready',
  missing: () => string[],
): Promise<AdminServer> {
  return open(where, (request, response) => {
    const isAsked = targetOf(request).path === path
    send(request, response, isAsked ? probe(missing()) : { status: 404, type: TEXT, body: `there is ${path}\n` })
  })
}

async function open(
  where: { address: string; port: number },
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<AdminServer> {
  const timeouts = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS }
  const connections = new Connections()
  const server = createServer({ ...timeouts, connectionsCheckingInterval: TIMEOUT_LOOK_MS }, (request, response) => {
    if (connections.begin(request.socket, response)) listener(request, response)
  })
  server.on('connection', (socket: Socket) => connections.accept(socket))
  await listen(server, where.address, where.port)
  // Out of descriptors, most likely: the connection is lost, the server goes on.
  server.on('error', () => {})
  return {
    address: where.address,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What clients hold: so many connections, and one request on each. */
class Connections {
  /** Whether a response is under way; in the order of their last change: the first that is idle is the first to go. */
  private readonly open = new Map<Socket, boolean>()

  accept(socket: Socket): void {
    if (this.open.size >= MAX_CONNECTIONS) this.evict()
    readInPieces(socket)
    this.mark(socket, false)
    socket.on('close', () => this.open.delete(socket))
  }

  /** @returns false: it is not to be answered */
  begin(socket: Socket, response: ServerResponse): boolean {
    // RFC 9112 §9.3.2: who sends a request before the last one is answered has to bear that the connection is closed
    if (this.open.get(socket) !== false) {
      socket.destroy()
      return false
    }
    this.mark(socket, true)
    response.on('finish', () => this.mark(socket, false))
    return true
  }

  private mark(socket: Socket, isBusy: boolean): void {
    this.open.delete(socket)
    if (!socket.destroyed) this.open.set(socket, isBusy)
  }

  private evict(): void {
    const all = [...this.open]
    const [socket] = all.find(([, isBusy]) => !isBusy) ?? all[0]!
    socket.destroy()
    this.open.delete(socket)
  }
}

/**
 * Node parses all that one read brings, 64 KiB, and makes objects of each request in it, however early the connection is
 * destroyed. With a listener of ours octets come through `push`.
 */
function readInPieces(socket: Socket): void {
  const push = socket.push.bind(socket)
  socket.push = (chunk: Buffer | null) => {
    let goesOn = chunk === null && push(null)
    for (let at = 0; chunk !== null && at < chunk.length && !socket.destroyed; at += PIECE_OCTETS) {
      goesOn = push(chunk.subarray(at, at + PIECE_OCTETS))
    }
    return goesOn
  }
  socket.on('data', () => {})
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

function send({ method }: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(method === 'HEAD' ? undefined : body)
}

/** All who ask in one turn of the event loop get the same text: as much as a turn can be held up by it. */
export function oncePerTurn(make: () => string): () => string {
  let text: string | undefined
  return () => {
    if (text === undefined) setImmediate(() => (text = undefined))
    text ??= make()
    return text
  }
}

/** Some who ask CoreDNS look at the whole body. */
function probe(missing: readonly string[]): Answer {
  return missing.length === 0 ? { status: 200, type: TEXT, body: 'OK' } : state(missing)
}

const TEXT = 'text/plain; charset=utf-8'
const EXPOSITION = 'text/plain; version=0.0.4; charset=utf-8'

interface Target {
  readonly path: string
  readonly query: string
}

/**
 * RFC 9112 §3.2.1, §3.2.2: in origin-form, or in absolute-form, as proxies are sent it; whatever host is named.
 * RFC 3986 §3.4: a query may have further question marks in it.
 */
const TARGET = /^(?:http:\/\/[^/?]+)?([^?]*)\??(.*)$/is

function targetOf({ url = '' }: IncomingMessage): Target {
  const [, path = '', query = ''] = TARGET.exec(url)!
  return { path, query }
}

function answer(method: string, { path, query }: Target, routes: AdminRoutes, metrics: () => string): Answer {
  const parameters = new URLSearchParams(query)
  const isVerbose = parameters.has('verbose')
  if (path === '/cache') return purge(method, parameters, routes)
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, type: TEXT, body: 'only GET and HEAD are answered here\n' }
  switch (path) {
    case '/healthz':
      return state(routes.unhealthy(), isVerbose ? routes.conditions() : [])
    case '/readyz':
      return state(routes.unready(), isVerbose ? routes.notes() : [])
    case '/metrics':
      return { status: 200, type: EXPOSITION, body: metrics() }
    case '/names':
      return { status: 503, type: TEXT, body: 'names are being listed for others: try again\n' }
    default:
      return { status: 404, type: TEXT, body: 'there are /healthz, /readyz, /metrics and /names\n' }
  }
}

/** A query whose name is misspelt must not empty the cache: everything is purged only when nothing is said. */
function purge(method: string, parameters: URLSearchParams, routes: AdminRoutes): Answer {
  if (routes.purge === undefined) return { status: 404, type: TEXT, body: 'there is no cache\n' }
  if (method !== 'DELETE') return { status: 405, type: TEXT, body: 'DELETE /cache?name=NAME purges it\n' }
  const name = parameters.get('name') ?? undefined
  if (parameters.size > 1 || (parameters.size > 0 && name === undefined)) return notPurged('there is one name to say')
  if (name === '') return notPurged('the name is empty (that of the root is .)')
  const purged = routes.purge(name)
  if (purged === undefined) return notPurged('that is no name')
  return { status: 200, type: TEXT, body: `${purged} answers purged\n` }
}

function notPurged(why: string): Answer {
  return { status: 400, type: TEXT, body: `${why}: DELETE /cache?name=NAME, or /cache for all\n` }
}

function state(missing: readonly string[], notes: readonly string[] = []): Answer {
  const isWell = missing.length === 0
  const sentences = [...(isWell ? ['OK'] : missing), ...notes]
  return { status: isWell ? 200 : 503, type: TEXT, body: sentences.map(sentence => `${sentence}\n`).join('') }
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

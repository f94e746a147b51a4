/**
 * An API server in this process, for tests: lists in pages, watches, streaming lists, and every way in which they go
 * wrong, on order. Layer: test support. Loopback alone; no authorisation, no validation, no time of its own: bookmarks
 * and faults come when a test says so.
 */

import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2Session } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, isIPv6, type Socket } from 'node:net'
import { type Fault, failInstead } from './fake-api-faults.ts'
import { type ApiObject, keyOf, matches } from './fake-api-objects.ts'

export interface RecordedRequest {
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  /** Number of the connection it came by, counted from 1. */
  readonly connection: number
  /** By `now`. */
  readonly atMs: number
}

interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly version: number
  readonly before: ApiObject | undefined
  readonly object: ApiObject
}

interface Watch {
  readonly path: string
  readonly query: URLSearchParams
  readonly response: ServerResponse
  silent: boolean
}

export interface TlsMaterial {
  readonly key: Buffer
  readonly cert: Buffer
}

const COLLECTIONS: Record<string, { kind: string; apiVersion: string }> = {
  '/api/v1/services': { kind: 'Service', apiVersion: 'v1' },
  '/api/v1/pods': { kind: 'Pod', apiVersion: 'v1' },
  '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports': {
    kind: 'ServiceImport',
    apiVersion: 'multicluster.x-k8s.io/v1alpha1',
  },
  '/api/v1/namespaces': { kind: 'Namespace', apiVersion: 'v1' },
  '/apis/discovery.k8s.io/v1/endpointslices': { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1' },
}

export class FakeApiServer implements AsyncDisposable {
  readonly requests: RecordedRequest[] = []
  readonly sockets = new Set<Socket>()
  /** `refused`: 400 to a streaming list. `ignored`: it is taken for a plain watch, as servers did before 1.27. */
  streamingLists: 'supported' | 'refused' | 'ignored' = 'supported'
  /** Largest page, whatever a client asks for. */
  pageLimit = Number.POSITIVE_INFINITY
  /** Ends every watch as soon as it has said what it has to. */
  closesWatches = false
  url = ''
  /** Of the newest change; a test may turn it back. */
  version = 1000
  /** What requests are dated by; a test that moves a clock gives its own. */
  now: () => number = () => performance.now()
  /** The bearer tokens that are good; undefined: none is asked for. */
  tokens: ReadonlySet<string> | undefined

  private readonly objects = new Map<string, Map<string, ApiObject>>()
  private changes: (Change & { path: string })[] = []
  private oldest = 0
  private readonly watches = new Set<Watch>()
  private readonly faults: { matches: (request: RecordedRequest) => boolean; fault: Fault; left: number }[] = []
  private readonly server
  /** Lines for watches that wait for `release`; undefined: they are said at once. */
  private held: { watch: Watch; line: string }[] | undefined
  private connections = 0
  private uids = 0
  private readonly connectionOf = new WeakMap<Socket | Http2Session, number>()

  private constructor(tls: TlsMaterial | undefined, speaksHttp2: boolean) {
    for (const path of Object.keys(COLLECTIONS)) this.objects.set(path, new Map())
    const answer = (request: IncomingMessage, response: ServerResponse) => this.answer(request, response)
    if (tls === undefined) this.server = createHttpServer(answer)
    else if (!speaksHttp2) this.server = createHttpsServer(tls, answer)
    else this.server = createSecureServer({ ...tls, allowHTTP1: true }, answer as never)
    this.server.on('session', (session: Http2Session) => this.connectionOf.set(session, ++this.connections))
    this.server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.sockets.add(socket)
      if (!('alpnProtocol' in socket && socket.alpnProtocol === 'h2')) this.connectionOf.set(socket, ++this.connections)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  /** @param speaksHttp2 with TLS: HTTP/2 beside HTTP/1.1, as API servers do. @param address of the loopback */
  static async start(tls?: TlsMaterial, speaksHttp2 = true, address = '127.0.0.1'): Promise<FakeApiServer> {
    const fake = new FakeApiServer(tls, speaksHttp2)
    await new Promise<void>(resolve => fake.server.listen(0, address, resolve))
    const host = isIPv6(address) ? `[${address}]` : address
    fake.url = `${tls === undefined ? 'http' : 'https'}://${host}:${(fake.server.address() as AddressInfo).port}`
    return fake
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    if ('closeAllConnections' in this.server) this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
  }

  /** Creates or replaces an object; watches hear of it. */
  put(path: string, object: object): void {
    const copy = this.stamped(path, object)
    const key = keyOf(copy)
    const before = this.objects.get(path)!.get(key)
    this.objects.get(path)!.set(key, copy)
    this.record(path, {
      type: before === undefined ? 'ADDED' : 'MODIFIED',
      version: this.version,
      before,
      object: copy,
    })
  }

  delete(path: string, namespace: string, name: string): void {
    const before = this.objects.get(path)!.get(`${namespace}/${name}`)
    if (before === undefined) throw new Error(`no ${namespace}/${name} at ${path}`)
    this.objects.get(path)!.delete(`${namespace}/${name}`)
    const object = this.stamped(path, before)
    this.record(path, { type: 'DELETED', version: this.version, before, object })
  }

  /** A new or changed object that no watch is ever told of. */
  slip(path: string, object: object): void {
    const copy = this.stamped(path, object)
    this.objects.get(path)!.set(keyOf(copy), copy)
  }

  /** An object that is gone, and no watch is ever told. */
  forget(path: string, namespace: string, name: string): void {
    this.objects.get(path)!.delete(`${namespace}/${name}`)
  }

  /** Versions before now are too old from now on. */
  compact(): void {
    this.version += 1000
    this.oldest = this.version
    this.changes = []
  }

  bookmark(path?: string): void {
    this.version++
    for (const watch of this.watches)
      if (path === undefined || watch.path === path) this.say(watch, this.mark(watch, false))
  }

  /** Puts octets into watches as they are. */
  inject(octets: string, path?: string): void {
    for (const watch of this.watches) if (path === undefined || watch.path === path) watch.response.write(octets)
  }

  /** Ends watches in order. */
  closeWatches(path?: string): void {
    for (const watch of this.takeWatches(path)) watch.response.end()
  }

  /** Breaks connections of watches, after `octets`. */
  resetWatches(octets = '', path?: string): void {
    for (const watch of this.takeWatches(path)) {
      if (octets === '') watch.response.destroy()
      else watch.response.write(octets, () => watch.response.destroy())
    }
  }

  /** Watches stay open and say nothing more. */
  silenceWatches(): void {
    for (const watch of this.watches) watch.silent = true
  }

  /** Events as a watch of everything was told them, oldest first, since the last compaction. */
  changesOf(path: string): string[] {
    return this.changes.filter(change => change.path === path).map(({ type, object }) => eventOf(type, object))
  }

  /** What watches are to be told waits for `release`. */
  hold(): void {
    this.held = []
  }

  /** @param order what becomes of the lines that waited for one watch: left out, twice, in another order */
  release(order: (lines: string[]) => string[] = lines => lines): void {
    const held = this.held ?? []
    this.held = undefined
    for (const watch of this.watches) {
      const lines = held.filter(one => one.watch === watch).map(({ line }) => line)
      for (const line of order(lines)) this.say(watch, line)
    }
  }

  /** As after a restore of etcd: versions go on from there, and of what came after it nothing is known. */
  restore(version: number): void {
    this.version = version
    const kept = this.changes.filter(({ object }) => Number(object.metadata.resourceVersion) <= version)
    this.changes.splice(0, this.changes.length, ...kept)
  }

  /** Connections stay open, and nothing goes over them in either direction: a peer that is gone without a word. */
  freeze(): void {
    this.silenceWatches()
    for (const socket of this.sockets) socket.pause()
    this.fail({ kind: 'silence' }, () => true, Number.POSITIVE_INFINITY)
  }

  /** Other TLS material for connections that come from now on. */
  rotate(tls: TlsMaterial): void {
    if (!('setSecureContext' in this.server)) throw new Error('this server speaks plain HTTP')
    this.server.setSecureContext(tls)
  }

  /** Watches that are told what happens. */
  watchCount(path?: string): number {
    return [...this.watches].filter(({ path: own, silent }) => !silent && (path === undefined || own === path)).length
  }

  private takeWatches(path: string | undefined): Watch[] {
    const taken = [...this.watches].filter(watch => path === undefined || watch.path === path)
    for (const watch of taken) this.watches.delete(watch)
    return taken
  }

  /** The next `times` requests that match get `fault` instead of an answer. */
  fail(fault: Fault, matches: (request: RecordedRequest) => boolean = () => true, times = 1): void {
    this.faults.push({ matches, fault, left: times })
  }

  heal(): void {
    this.faults.length = 0
  }

  private answer(incoming: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://localhost')
    const { session } = (incoming as { stream?: { session?: Http2Session } }).stream ?? {}
    const connection = this.connectionOf.get(session ?? incoming.socket) ?? 0
    const request = { path: pathname, query: searchParams, headers: incoming.headers, connection, atMs: this.now() }
    this.requests.push(request)
    response.on('error', () => {})
    response.setHeader('content-type', 'application/json')
    const scripted = this.faults.find(one => one.left > 0 && one.matches(request))
    if (scripted !== undefined) {
      scripted.left--
      if (failInstead(scripted.fault, response)) return
    }
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1]
    if (this.tokens !== undefined && !this.tokens.has(token ?? '')) {
      sendStatus(response, 401, 'Unauthorized', 'Unauthorized')
      return
    }
    const [collection, namespace] = split(pathname)
    const isWatch = ['1', 'true'].includes(searchParams.get('watch') ?? '')
    if (!this.objects.has(collection)) sendStatus(response, 404, 'NotFound', `nothing at ${pathname}`)
    else if (isWatch) this.watch(collection, namespace, request, response)
    else this.list(collection, namespace, request, response)
  }

  private list(path: string, namespace: string, { query }: RecordedRequest, response: ServerResponse): void {
    if (query.get('resourceVersionMatch') === 'NotOlderThan' && Number(query.get('resourceVersion')) > this.version) {
      const message = `Too large resource version: ${query.get('resourceVersion')}, current: ${this.version}`
      sendStatus(response, 504, 'Timeout', message)
      return
    }
    const from = Number(query.get('continue') ?? 0)
    const limit = Math.min(Number(query.get('limit') ?? 0) || Number.POSITIVE_INFINITY, this.pageLimit)
    const all = this.selected(path, namespace, query)
    const items = all.slice(from, from + limit)
    const next = from + items.length
    const { kind, apiVersion } = COLLECTIONS[path]!
    const metadata = { resourceVersion: String(this.version), ...(next < all.length ? { continue: String(next) } : {}) }
    response.end(JSON.stringify({ kind: `${kind}List`, apiVersion, metadata, items }))
  }

  private watch(path: string, namespace: string, { query }: RecordedRequest, response: ServerResponse): void {
    const isStreamingList = query.get('sendInitialEvents') === 'true' && this.streamingLists !== 'ignored'
    if (isStreamingList && this.streamingLists === 'refused') {
      sendStatus(response, 400, 'BadRequest', 'sendInitialEvents is forbidden for watch')
      return
    }
    const inNamespace = new URLSearchParams(query)
    if (namespace !== '') inNamespace.set('namespace', namespace)
    const watch = { path, query: inNamespace, response, silent: false }
    const since = Number(query.get('resourceVersion') || 0)
    response.flushHeaders()
    if (since === 0) {
      for (const object of this.selected(path, namespace, query)) this.say(watch, eventOf('ADDED', object))
      if (isStreamingList) this.say(watch, this.mark(watch, true))
    } else if (since < this.oldest) {
      const message = `too old resource version: ${since} (${this.oldest})`
      response.end(eventOf('ERROR', statusOf(410, 'Expired', message)))
      return
    } else {
      for (const change of this.changes) if (change.version > since && change.path === path) this.tell(watch, change)
    }
    if (this.closesWatches) {
      response.end()
      return
    }
    this.watches.add(watch)
    response.on('close', () => this.watches.delete(watch))
  }

  private selected(path: string, namespace: string, query: URLSearchParams): ApiObject[] {
    return [...this.objects.get(path)!.values()].filter(
      object => (namespace === '' || object.metadata.namespace === namespace) && matches(object, query),
    )
  }

  private stamped(path: string, object: object): ApiObject {
    const { kind, apiVersion } = COLLECTIONS[path]!
    const copy = { kind, apiVersion, ...structuredClone(object) } as unknown as ApiObject
    copy.metadata.resourceVersion = String(++this.version)
    copy.metadata.uid ??= this.objects.get(path)!.get(keyOf(copy))?.metadata.uid ?? `uid-${++this.uids}`
    return copy
  }

  private record(path: string, change: Change): void {
    this.changes.push({ ...change, path })
    for (const watch of this.watches) if (watch.path === path) this.tell(watch, change)
  }

  /** An object that enters or leaves a selection is ADDED to it or DELETED from it. */
  private tell(watch: Watch, { type, before, object }: Change): void {
    const wasIn = before !== undefined && this.isIn(watch, before)
    const isIn = type !== 'DELETED' && this.isIn(watch, object)
    if (isIn) this.say(watch, eventOf(wasIn ? 'MODIFIED' : 'ADDED', object))
    else if (wasIn) this.say(watch, eventOf('DELETED', object))
  }

  private isIn({ query }: Watch, object: ApiObject): boolean {
    const namespace = query.get('namespace')
    return (namespace === null || object.metadata.namespace === namespace) && matches(object, query)
  }

  private say(watch: Watch, line: string): void {
    if (watch.silent) return
    if (this.held === undefined) watch.response.write(line)
    else this.held.push({ watch, line })
  }

  private mark(watch: Watch, isEnd: boolean): string {
    const annotations = isEnd ? { 'k8s.io/initial-events-end': 'true' } : {}
    const metadata = { resourceVersion: String(this.version), annotations }
    return eventOf('BOOKMARK', { ...COLLECTIONS[watch.path]!, metadata, endpoints: null })
  }
}

/** @returns the collection, and the namespace or '' */
function split(pathname: string): [string, string] {
  const found = /^(.*)\/namespaces\/([^/]+)(\/[^/]+)$/.exec(pathname)
  return found === null ? [pathname, ''] : [found[1]! + found[3]!, decodeURIComponent(found[2]!)]
}

export function eventOf(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`
}

export function statusOf(code: number, reason: string, message: string, details?: object): object {
  return { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', code, reason, message, details }
}

function sendStatus(response: ServerResponse, code: number, reason: string, message: string): void {
  response.statusCode = code
  response.end(JSON.stringify(statusOf(code, reason, message)))
}

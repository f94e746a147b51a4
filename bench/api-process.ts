/**
 * A small API server for load: lists (paged or as a watch's initial events) and watches of the bench's objects, and
 * the time at which an event was written. Layer: bench; runs as a process of its own and takes orders from api.ts.
 *
 * It knows what a measure needs and no more: no selectors, no patches, no authorisation.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ApiOrder, ApiReply } from './api.ts'
import { type ApiObject, namespaceObject, type SliceObject, serviceObject, sliceObjects } from './api-objects.ts'
import { NAMESPACE } from './dataset.ts'

const SLICES = '/apis/discovery.k8s.io/v1/endpointslices'
const SERVICES = '/api/v1/services'
const NAMESPACES = '/api/v1/namespaces'
const KINDS: Record<string, string> = {
  [SLICES]: 'EndpointSlice',
  [SERVICES]: 'Service',
  [NAMESPACES]: 'Namespace',
  '/api/v1/pods': 'Pod',
  '/api/v1/nodes': 'Node',
}
const BOOKMARK_MS = 30_000
/** Versions that `expire` skips, so that every version seen before it is too old. */
const LEAP = 1000

const resources = new Map(Object.keys(KINDS).map(path => [path, new Map<string, ApiObject>()]))
const watches = new Set<{ path: string; response: ServerResponse }>()
const events: { path: string; version: number; line: string }[] = []
let version = 1
let oldest = 0
let lists = 0

function put(path: string, object: ApiObject): void {
  version++
  object.metadata.resourceVersion = String(version)
  resources.get(path)!.set(object.metadata.name, object)
}

/** @returns the time just before the event's octets were given to the sockets, ns */
function emit(path: string, object: ApiObject): bigint {
  put(path, object)
  const line = eventLine('MODIFIED', object)
  events.push({ path, version, line })
  const at = process.hrtime.bigint()
  for (const watch of watches) if (watch.path === path) watch.response.write(line)
  return at
}

function eventLine(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`
}

function bookmark(path: string, initial: boolean): string {
  const annotations = initial ? { 'k8s.io/initial-events-end': 'true' } : {}
  const metadata = { resourceVersion: String(version), annotations }
  return eventLine('BOOKMARK', { apiVersion: apiVersionOf(path), kind: KINDS[path], metadata })
}

function apiVersionOf(path: string): string {
  return path === SLICES ? 'discovery.k8s.io/v1' : 'v1'
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  response.setHeader('content-type', 'application/json')
  if (!resources.has(pathname)) {
    response.statusCode = 404
    response.end(JSON.stringify(status(404, 'NotFound', `nothing is served at ${pathname}`)))
  } else if (['true', '1'].includes(searchParams.get('watch') ?? '')) {
    watch(pathname, searchParams, response)
  } else {
    list(pathname, searchParams, response)
  }
}

function list(path: string, parameters: URLSearchParams, response: ServerResponse): void {
  const first = Number(parameters.get('continue') ?? 0)
  const limit = Number(parameters.get('limit') ?? 0) || Number.POSITIVE_INFINITY
  const objects = [...resources.get(path)!.values()]
  const items = objects.slice(first, first + limit)
  const next = first + items.length
  if (path === SLICES && first === 0) lists++
  const metadata = { resourceVersion: String(version), ...(next < objects.length ? { continue: String(next) } : {}) }
  response.end(JSON.stringify({ apiVersion: apiVersionOf(path), kind: `${KINDS[path]}List`, metadata, items }))
}

function watch(path: string, parameters: URLSearchParams, response: ServerResponse): void {
  const since = Number(parameters.get('resourceVersion') ?? 0)
  response.flushHeaders()
  if (parameters.get('sendInitialEvents') === 'true') {
    if (path === SLICES) lists++
    for (const object of resources.get(path)!.values()) response.write(eventLine('ADDED', object))
    response.write(bookmark(path, true))
  } else if (since < oldest) {
    response.end(eventLine('ERROR', status(410, 'Expired', `too old resource version: ${since} (${oldest})`)))
    return
  } else {
    for (const event of events) if (event.path === path && event.version > since) response.write(event.line)
  }
  const entry = { path, response }
  watches.add(entry)
  response.on('close', () => watches.delete(entry))
}

function status(code: number, reason: string, message: string): object {
  return { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', code, reason, message }
}

function obey(order: ApiOrder): bigint {
  if (order.order === 'load') {
    put(NAMESPACES, namespaceObject(NAMESPACE))
    for (const service of order.services) {
      put(SERVICES, serviceObject(service))
      for (const slice of sliceObjects(service)) put(SLICES, slice)
    }
  } else if (order.order === 'swap') {
    for (const object of resources.get(SLICES)!.values()) {
      const slice = object as SliceObject
      if (!slice.metadata.name.startsWith(`${order.service}-`)) continue
      const endpoint = slice.endpoints.find(({ hostname }) => hostname === order.hostname)
      if (endpoint === undefined) continue
      endpoint.addresses = [order.address]
      return emit(SLICES, slice)
    }
    throw new Error(`no pod ${order.hostname} in ${order.service}`)
  } else if (order.order === 'expire') {
    oldest = version += LEAP
    events.length = 0
    for (const { response } of watches) response.end()
  }
  return process.hrtime.bigint()
}

const server = createServer(answer).listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  process.on('message', (order: ApiOrder) => {
    let reply: ApiReply
    try {
      const before = lists
      reply = { url, at: String(obey(order)), lists: before }
    } catch (error) {
      reply = { url, at: '0', lists, error: String(error) }
    }
    process.send!(reply)
  })
})
setInterval(() => {
  for (const { path, response } of watches) response.write(bookmark(path, false))
}, BOOKMARK_MS)
process.on('disconnect', () => process.exit(0))

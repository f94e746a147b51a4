/**
 * The admin HTTP server: health, readiness, metrics. Layer: admin. Knows neither sockets of DNS nor the cluster: what it
 * says is asked of functions it is given.
 */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Family, formatFamilies } from './prometheus.ts'

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
}

export interface AdminServer {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/** A request has this long to arrive; nothing here takes a body. */
const REQUEST_TIMEOUT_MS = 5000
const MAX_CONNECTIONS = 100

/** @throws the error of listen(2), e.g. code EADDRINUSE */
export async function openAdmin(where: { address: string; port: number }, routes: AdminRoutes): Promise<AdminServer> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const { status, type, body } = answer(request.method ?? '', request.url ?? '', routes)
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
      response.end(request.method === 'HEAD' ? undefined : body)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, where.address, where.port)
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

const TEXT = 'text/plain; charset=utf-8'
const EXPOSITION = 'text/plain; version=0.0.4; charset=utf-8'

function answer(method: string, url: string, routes: AdminRoutes): { status: number; type: string; body: string } {
  const [path = '', query = ''] = url.split('?', 2)
  const isVerbose = new URLSearchParams(query).has('verbose')
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, type: TEXT, body: 'only GET and HEAD are answered here\n' }
  switch (path) {
    case '/healthz':
      return state(routes.unhealthy(), isVerbose ? routes.conditions() : [])
    case '/readyz':
      return state(routes.unready(), isVerbose ? routes.notes() : [])
    case '/metrics':
      return { status: 200, type: EXPOSITION, body: formatFamilies(routes.metrics()) }
    default:
      return { status: 404, type: TEXT, body: 'there are /healthz, /readyz and /metrics\n' }
  }
}

function state(
  missing: readonly string[],
  notes: readonly string[] = [],
): { status: number; type: string; body: string } {
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

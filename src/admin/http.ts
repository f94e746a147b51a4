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
  /** Sentences on what is missing before queries can be answered; empty: ready. */
  unready(): string[]
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
      const { status, type, body } = answer(request.method ?? '', (request.url ?? '').split('?', 1)[0]!, routes)
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

function answer(method: string, path: string, routes: AdminRoutes): { status: number; type: string; body: string } {
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, type: TEXT, body: 'only GET and HEAD are answered here\n' }
  switch (path) {
    case '/healthz':
      return state(routes.unhealthy())
    case '/readyz':
      return state(routes.unready())
    case '/metrics':
      return { status: 200, type: EXPOSITION, body: formatFamilies(routes.metrics()) }
    default:
      return { status: 404, type: TEXT, body: 'there are /healthz, /readyz and /metrics\n' }
  }
}

function state(missing: readonly string[]): { status: number; type: string; body: string } {
  if (missing.length === 0) return { status: 200, type: TEXT, body: 'OK\n' }
  return { status: 503, type: TEXT, body: missing.map(sentence => `${sentence}\n`).join('') }
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

/**
 * What HTTP/1.1 and HTTP/2 have in common here. Layer: kubernetes.
 */

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'

/** A response of which the head is there; the body is read, or it is destroyed. */
export type ApiResponse = Readable & {
  readonly statusCode?: number | undefined
  readonly headers: IncomingHttpHeaders
}

/** After so long a silence the kernel sends ten probes, a second apart (libuv's uv_tcp_keepalive). */
export const KEEP_ALIVE_MS = 10_000
/** TCP and TLS. */
export const CONNECT_TIMEOUT_MS = 10_000
/** The head of the response. The API server itself gives up a list after 60 s (its flag --request-timeout). */
export const HEAD_TIMEOUT_MS = 75_000

/**
 * What HTTP/1.1 and HTTP/2 have in common here. Layer: kubernetes.
 */

import type { IncomingHttpHeaders } from 'node:http'
import type { RequestOptions } from 'node:https'
import { isIP, isIPv6 } from 'node:net'
import type { Readable } from 'node:stream'
import { type ConnectionOptions, checkServerIdentity } from 'node:tls'

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

/** RFC 3986 §3.2.2: where a port follows, an address of IPv6 stands in brackets. */
export function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

/**
 * RFC 6066 §3: the name that a client asks for is no address. Node would send one that is given, and refuse to some day; the
 * certificate must be of it all the same.
 */
export function serverNameOf({
  servername,
}: RequestOptions): Pick<ConnectionOptions, 'servername' | 'checkServerIdentity'> {
  if (servername === undefined || isIP(servername) === 0) return { servername }
  return { servername: '', checkServerIdentity: (_, certificate) => checkServerIdentity(servername, certificate) }
}

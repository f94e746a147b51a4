/**
 * Requests to the API server. Layer: kubernetes. The requests are ours, not the package's: connections that are kept, and
 * streams as they come; by HTTP/2 where the server speaks it, as API servers do, else by HTTP/1.1.
 *
 * A peer that is gone without a word (half-open), or whose process stands still, is noticed in 18 s (heartbeat.ts).
 */

import { setMaxListeners } from 'node:events'
import { type ClientOptions, Credentials } from './credentials.ts'
import { ApiError } from './errors.ts'
import type { ApiResponse } from './http.ts'
import { Http1Channel } from './http1.ts'
import { isLoopback } from './loopback.ts'

export type { ClientOptions }

export interface ApiClient {
  /** For people. */
  readonly server: string
  /** What tells this cluster from others without asking it: its address and its certificate authority. */
  readonly identity: string
  /**
   * GET. Resolves with the response when its head has arrived, whatever its status; the caller reads or destroys it.
   * @throws ApiError ERR_API_UNREACHABLE, ERR_API_CONFIG; the signal's reason when it was aborted
   */
  get(path: string, signal: AbortSignal): Promise<ApiResponse>
  /** Resolves when a token or certificate is another than the one that was used last: it is worth to try again. */
  renewed(signal: AbortSignal): Promise<void>
  /** Resolves when the API server answers a request with 200, whoever made it; not at all after `signal`. */
  answered(signal: AbortSignal): Promise<void>
  close(): void
}

/** @throws ApiError ERR_API_CONFIG when what is given cannot be used */
export async function openClient(options: ClientOptions): Promise<ApiClient> {
  const credentials = await Credentials.load(options)
  const { server, authority } = credentials
  const url = parseServer(server)
  const isHttps = url.protocol === 'https:'
  if (!isHttps && !isLoopback(url.hostname)) {
    throw new ApiError('ERR_API_CONFIG', `${server} is plain HTTP: that is allowed on loopback alone; use https`)
  }
  const prefix = url.pathname.replace(/\/$/, '')
  const http1 = new Http1Channel(isHttps)
  const answers = new EventTarget()
  setMaxListeners(0, answers)
  const http2 = isHttps ? new (await import('./http2.ts')).Http2Channel() : undefined
  let speaksHttp2 = isHttps

  async function get(path: string, signal: AbortSignal): Promise<ApiResponse> {
    const given = await credentials.options(signal)
    const { headers, ...material } = given
    const all = {
      ...material,
      headers: { accept: 'application/json', 'user-agent': 'headless-dns', ...(headers as Record<string, string>) },
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (isHttps ? 443 : 80),
      path: prefix + path,
    }
    try {
      let response = speaksHttp2 ? await http2?.tryGet(all, signal) : undefined
      if (response === undefined) {
        // What is open over HTTP/2 goes on to its end.
        speaksHttp2 = false
        response = await http1.get(all, signal)
      }
      // It may be expired or revoked: all is read anew for the next try.
      if (response.statusCode === 401) await credentials.renew(given)
      if (response.statusCode === 200) answers.dispatchEvent(new Event('answer'))
      return response
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const cause = error as Error
      throw new ApiError('ERR_API_UNREACHABLE', `cannot reach the API server at ${server}: ${cause.message}`, { cause })
    }
  }

  return {
    server,
    identity: `${server}\n${authority}`,
    get,
    renewed: signal => credentials.changed(signal),
    answered: signal =>
      new Promise(resolve => answers.addEventListener('answer', () => resolve(), { once: true, signal })),
    close() {
      http2?.close()
      http1.close()
    },
  }
}

function parseServer(server: string): URL {
  if (URL.canParse(server) && /^https?:/i.test(server)) return new URL(server)
  throw new ApiError('ERR_API_CONFIG', `${JSON.stringify(server)} is no address of an API server: https://HOST:PORT`)
}

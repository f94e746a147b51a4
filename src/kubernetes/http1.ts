/**
 * Requests by HTTP/1.1, a connection for each that is not over: for plain HTTP, and servers that speak nothing newer.
 * Layer: kubernetes. HTTP/1.1 has no question that a peer must answer amid a response: a request of its own is made, on a
 * connection of its own, as long as any other is not over.
 */

import type { Agent, RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { TLSSocket } from 'node:tls'
import { Heartbeat } from './heartbeat.ts'
import { type ApiResponse, CONNECT_TIMEOUT_MS, HEAD_TIMEOUT_MS, KEEP_ALIVE_MS, serverNameOf } from './http.ts'

// An `import` of it reads all that it exports, and one of those loads a whole HTTP client: 25 ms of every start.
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule('node:http')

/** Anybody may ask for it, and a refusal is an answer too. */
const PROBE_PATH = '/version'

/** Node hands the connection over instead of a response. */
const NO_UPGRADE =
  'it answered 101 Switching Protocols, which was not asked for: see that the address is an API server and no other service'

interface Breakable {
  destroy(error?: Error): unknown
}

export class Http1Channel {
  private readonly agent: Agent
  private readonly request: typeof httpRequest
  private readonly open = new Set<Breakable>()
  private readonly heartbeat: Heartbeat
  private last: RequestOptions = {}
  private isClosed = false
  /** On a connection that is not the agent's. */
  private probing: Breakable | undefined

  constructor(isHttps: boolean) {
    this.agent = isHttps ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
    this.request = isHttps ? httpsRequest : httpRequest
    this.heartbeat = new Heartbeat(
      () => this.probe(),
      error => {
        for (const one of [...this.open]) one.destroy(error)
      },
    )
  }

  /**
   * @param options host, port, path, headers, TLS material
   * @throws what went wrong: no connection in 10 s, no response in 75 s, a connection that broke; not one that the server
   * closed, idle, while the request was on its way: RFC 9112 §9.3.1 has that asked again, which ends with a new connection
   */
  get(options: RequestOptions, signal: AbortSignal): Promise<ApiResponse> {
    this.last = options
    return new Promise((accept, reject) => {
      const sent = this.request({ ...options, ...serverNameOf(options), agent: this.agent, signal })
      this.track(sent)
      const limit = (what: string, ms: number) =>
        setTimeout(() => sent.destroy(new Error(`no ${what} in ${ms / 1000} s`)), ms)
      let timer = limit('connection', CONNECT_TIMEOUT_MS)
      let wasIdle = () => false
      const connected = () => {
        clearTimeout(timer)
        timer = limit('response', HEAD_TIMEOUT_MS)
      }
      sent.once('socket', socket => {
        socket.setKeepAlive(true, KEEP_ALIVE_MS)
        const { bytesRead } = socket
        if (sent.reusedSocket) {
          connected()
          wasIdle = () => socket.bytesRead === bytesRead && !this.isClosed
        } else socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', connected)
      })
      sent.once('response', response => {
        clearTimeout(timer)
        this.track(response)
        this.untrack(sent)
        response.once('close', () => this.untrack(response))
        accept(response)
      })
      sent.once('upgrade', (_, socket) => {
        socket.destroy()
        reject(new Error(NO_UPGRADE))
      })
      sent.once('close', () => {
        clearTimeout(timer)
        this.untrack(sent)
        reject(new Error('the connection was closed'))
      })
      sent.on('error', error => {
        clearTimeout(timer)
        if (isReset(error) && wasIdle()) accept(this.get(options, signal))
        else reject(error)
      })
      sent.end()
    })
  }

  close(): void {
    this.isClosed = true
    this.heartbeat.stop()
    this.probing?.destroy()
    this.agent.destroy()
  }

  private track(one: Breakable): void {
    this.open.add(one)
    this.heartbeat.start()
  }

  private untrack(one: Breakable): void {
    this.open.delete(one)
    if (this.open.size === 0) this.heartbeat.stop()
  }

  private probe(): Promise<void> {
    return new Promise((accept, reject) => {
      const { headers: _, ...connection } = this.last
      const sent = this.request({ ...connection, ...serverNameOf(connection), agent: false, path: PROBE_PATH })
      this.probing = sent
      const timer = setTimeout(() => sent.destroy(), CONNECT_TIMEOUT_MS)
      const answered = (rest: Breakable) => {
        rest.destroy()
        accept()
      }
      sent.once('response', answered)
      sent.once('upgrade', (_, socket) => answered(socket))
      sent.on('error', reject)
      sent.once('close', () => {
        clearTimeout(timer)
        reject(new Error('the connection was closed'))
      })
      sent.end()
    })
  }
}

function isReset({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE'
}

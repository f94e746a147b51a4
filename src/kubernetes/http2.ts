/**
 * Requests by HTTP/2: all watches over one connection, which is asked for a sign of life (PING, RFC 9113 §6.7).
 * Layer: kubernetes; loaded only where TLS is spoken, since no API server speaks HTTP/2 without.
 */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from 'node:http2'
import type { RequestOptions } from 'node:https'
import { isIP } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { abortable } from './abortable.ts'
import { Heartbeat } from './heartbeat.ts'
import {
  type ApiResponse,
  bracketed,
  CONNECT_TIMEOUT_MS,
  HEAD_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  serverNameOf,
} from './http.ts'

/** The API server allows 100 at one time by default; what is beyond that waits in the client, without a word. */
const MOST_STREAMS = 100
/** The defaults of 64 KiB would let a list come in no faster than 64 KiB per round trip. */
const STREAM_WINDOW_OCTETS = 1 << 20
const SESSION_WINDOW_OCTETS = 4 << 20

interface Session {
  readonly http2: ClientHttp2Session
  readonly heartbeat: Heartbeat
  /** What it was opened with. */
  readonly material: string
  streams: number
  /** Told to make no more requests by it. */
  isLeaving: boolean
}

export class Http2Channel {
  private sessions: Session[] = []
  /** Connections that are being made, by their material; shared by all that wait for one. */
  private readonly opening = new Map<string, Promise<Session | undefined>>()
  private readonly closed = new AbortController()

  /**
   * @param options host, port, path, headers, TLS material
   * @returns undefined when the server does not speak HTTP/2
   * @throws what went wrong: no connection in 10 s, no response in 75 s, a connection that broke or takes no request
   */
  async tryGet(options: RequestOptions, signal: AbortSignal): Promise<ApiResponse | undefined> {
    const session = await this.session(options, signal)
    return session === undefined ? undefined : request(session, options, signal)
  }

  close(): void {
    this.closed.abort()
    for (const { http2, heartbeat } of this.sessions) {
      heartbeat.stop()
      http2.destroy()
    }
  }

  /** @returns a session in which one stream is counted for the request to come */
  private async session(options: RequestOptions, signal: AbortSignal): Promise<Session | undefined> {
    const material = materialOf(options)
    for (;;) {
      const found = this.sessions.find(one => one.material === material && hasRoom(one))
      if (found !== undefined) {
        found.streams++
        return found
      }
      let opening = this.opening.get(material)
      if (opening === undefined) {
        opening = this.open(options, material).finally(() => this.opening.delete(material))
        this.opening.set(material, opening)
      }
      const opened = await abortable(opening, signal)
      if (opened === undefined) return undefined
      // Another would be no better, and so without end.
      if (opened.streams === 0 && !hasRoom(opened)) {
        opened.http2.destroy()
        throw new Error('it speaks HTTP/2 and takes no request: the connection is told to end, or allowed no stream')
      }
    }
  }

  private async open(options: RequestOptions, material: string): Promise<Session | undefined> {
    const socket = await handshake(options, this.closed.signal)
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy()
      return undefined
    }
    try {
      return await this.begin(socket, options, material)
    } catch (error) {
      // Not all that fails here ends the connection, and nobody else knows of it yet.
      socket.destroy()
      throw error
    }
  }

  private async begin(socket: TLSSocket, options: RequestOptions, material: string): Promise<Session> {
    const http2 = connectHttp2(`https://${authorityOf(options)}`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_OCTETS },
    })
    const heartbeat = new Heartbeat(
      () => new Promise((accept, reject) => http2.ping(error => (error === null ? accept(undefined) : reject(error)))),
      error => http2.destroy(error),
    )
    const session: Session = { http2, heartbeat, material, streams: 0, isLeaving: false }
    http2.on('error', () => {})
    // Before the session hears of it: streams would be over as if the server had ended them.
    socket.prependListener('close', () => http2.destroy(new Error('the connection was closed')))
    http2.on('goaway', () => {
      session.isLeaving = true
    })
    http2.once('close', () => {
      heartbeat.stop()
      this.sessions = this.sessions.filter(one => one !== session)
    })
    await settingsOf(http2, this.closed.signal)
    if (this.closed.signal.aborted) {
      http2.destroy()
      throw new Error('closed')
    }
    http2.setLocalWindowSize(SESSION_WINDOW_OCTETS)
    heartbeat.start()
    // Sessions of older credentials end with the requests that they have.
    for (const old of this.sessions) if (old.material !== material) old.http2.close()
    this.sessions.push(session)
    return session
  }
}

function hasRoom({ http2, streams, isLeaving }: Session): boolean {
  const most = Math.min(MOST_STREAMS, http2.remoteSettings.maxConcurrentStreams ?? Infinity)
  return !isLeaving && !http2.closed && streams < most
}

function authorityOf({ host, port }: RequestOptions): string {
  return `${bracketed(host!)}:${port}`
}

function handshake(options: RequestOptions, closed: AbortSignal): Promise<TLSSocket> {
  const { ca, cert, key, pfx, passphrase, rejectUnauthorized, host, port } = options
  const name = serverNameOf({ servername: options.servername ?? (isIP(host!) > 0 ? undefined : host!) })
  const tls = { ca, cert, key, pfx, passphrase, rejectUnauthorized, ...name }
  const given = Object.fromEntries(Object.entries(tls).filter(([, value]) => value != null))
  const socket = connectTls({ ...given, host: host!, port: Number(port), ALPNProtocols: ['h2', 'http/1.1'] })
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  const timer = setTimeout(
    () => socket.destroy(new Error(`no connection in ${CONNECT_TIMEOUT_MS / 1000} s`)),
    CONNECT_TIMEOUT_MS,
  )
  const end = () => socket.destroy(new Error('closed'))
  closed.addEventListener('abort', end)
  return new Promise<TLSSocket>((accept, reject) => {
    socket.once('secureConnect', () => accept(socket))
    socket.on('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed')))
  }).finally(() => {
    clearTimeout(timer)
    closed.removeEventListener('abort', end)
  })
}

/** RFC 9113 §3.4: the server's first frame. Before it, nobody knows how many requests it takes at one time. */
function settingsOf(http2: ClientHttp2Session, closed: AbortSignal): Promise<void> {
  const timer = setTimeout(
    () => http2.destroy(new Error(`no HTTP/2 settings in ${CONNECT_TIMEOUT_MS / 1000} s`)),
    CONNECT_TIMEOUT_MS,
  )
  const end = () => http2.destroy(new Error('closed'))
  closed.addEventListener('abort', end)
  return new Promise<void>((accept, reject) => {
    http2.once('remoteSettings', () => accept())
    http2.once('error', reject)
    http2.once('close', () => reject(new Error('the connection was closed')))
    if (closed.aborted) end()
  }).finally(() => {
    clearTimeout(timer)
    closed.removeEventListener('abort', end)
  })
}

/** @param session with one stream counted for this request */
function request(session: Session, options: RequestOptions, signal: AbortSignal): Promise<ApiResponse> {
  return new Promise((accept, reject) => {
    let stream: ClientHttp2Stream
    try {
      const headers = options.headers as Record<string, string>
      // Node's own would be without the brackets.
      const target = { ':authority': authorityOf(options), ':path': options.path ?? '/' }
      stream = session.http2.request({ ...headers, ...target }, { signal })
    } catch (error) {
      session.streams--
      reject(error)
      return
    }
    const timer = setTimeout(
      () => stream.destroy(new Error(`no response in ${HEAD_TIMEOUT_MS / 1000} s`)),
      HEAD_TIMEOUT_MS,
    )
    stream.once('response', (headers: IncomingHttpHeaders & { ':status'?: number }) => {
      clearTimeout(timer)
      accept(Object.assign(stream, { statusCode: headers[':status'], headers }))
    })
    stream.on('error', reject)
    stream.once('close', () => {
      clearTimeout(timer)
      session.streams--
      reject(new Error('the connection was closed'))
    })
  })
}

function materialOf({ ca, cert, key, pfx, servername, rejectUnauthorized }: RequestOptions): string {
  return JSON.stringify([ca, cert, key, pfx].map(String).concat(String(servername), String(rejectUnauthorized)))
}

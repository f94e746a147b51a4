import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { Http2Channel } from '../../../src/kubernetes/http2.ts'
import { tryCertificate } from '../../support/certificate.ts'
import { hasIPv6 } from '../../support/datagram-battery.ts'

const never = new AbortController().signal
const root = mkdtempSync(join(tmpdir(), 'kubernetes-http2-'))
after(() => rmSync(root, { recursive: true }))

const tls = tryCertificate(root, 'server')

async function start(t: TestContext, settings = {}, address = '127.0.0.1') {
  const sessions: ServerHttp2Session[] = []
  const responses: Http2ServerResponse[] = []
  const authorities: string[] = []
  const sockets = new Set<TLSSocket>()
  const server = createSecureServer({ ...tls, settings }, (request: Http2ServerRequest, response) => {
    authorities.push(request.authority)
    response.on('error', () => {})
    response.writeHead(200)
    response.write('one ')
    responses.push(response)
  })
  server.on('session', session => sessions.push(session))
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, address)
  await once(server, 'listening')
  const channel = new Http2Channel()
  t.after(() => {
    channel.close()
    for (const session of sessions) session.destroy()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const options = {
    ca: tls!.cert,
    host: address,
    port: (server.address() as AddressInfo).port,
    path: '/',
    headers: {},
  }
  const get = async (signal = never) => (await channel.tryGet(options, signal))!
  return { server, sessions, responses, authorities, sockets, channel, options, get }
}

async function until(condition: () => boolean): Promise<void> {
  const start = performance.now()
  while (!condition()) {
    assert.ok(performance.now() - start < 5000)
    await setImmediate()
  }
}

describe('HTTP/2', { skip: tls === undefined ? 'there is no openssl' : false }, () => {
  it('RFC 9113 §6.8: after GOAWAY what is open goes on to its end, and the next request has a connection of its own', async t => {
    const { sessions, responses, get } = await start(t)
    const first = await get()
    sessions[0]!.goaway()
    await until(() => sessions.length === 1 && first.readableLength > 0)
    for (let turns = 0; turns < 20; turns++) await setImmediate()
    const second = await get()
    assert.equal(sessions.length, 2)
    responses[0]!.end('two')
    let text = ''
    for await (const chunk of first) text += chunk
    assert.equal(text, 'one two')
    second.destroy()
  })

  it('RFC 9113 §5.1.2: no more requests at one time than the server says; what is over makes room', async t => {
    const { sessions, get } = await start(t, { maxConcurrentStreams: 2 })
    const open = await Promise.all(Array.from({ length: 5 }, () => get()))
    assert.equal(sessions.length, 3)
    for (const one of open) one.destroy()
    await until(() => open.every(({ closed }) => closed))
    for (let turns = 0; turns < 20; turns++) await setImmediate()
    await Promise.all(Array.from({ length: 5 }, () => get()))
    assert.equal(sessions.length, 3)
  })

  it('RFC 9113 §6.5.2: of a server that allows no request at all no further connection is asked', async t => {
    const { sessions, get } = await start(t, { maxConcurrentStreams: 0 })
    const outcomes = await Promise.allSettled([get(), get()])
    assert.deepEqual(
      outcomes.map(outcome =>
        outcome.status === 'rejected' ? /takes no request/.test(outcome.reason.message) : outcome,
      ),
      [true, true],
    )
    assert.equal(sessions.length, 1)
    await until(() => sessions[0]!.destroyed)
  })

  it('a request that is aborted while the connection is made takes no room', async t => {
    const { sessions, get } = await start(t, { maxConcurrentStreams: 1 })
    const abort = new AbortController()
    const reason = new Error('enough')
    const aborted = get(abort.signal)
    abort.abort(reason)
    await assert.rejects(aborted, reason)
    await get()
    assert.equal(sessions.length, 1)
  })

  it('a connection that breaks is an error, not an end in order', async t => {
    const { sessions, channel, options } = await start(t)
    const first = (await channel.tryGet(options, never))!
    const asked = channel.tryGet(options, never)
    await setImmediate()
    sessions[0]!.socket.destroy()
    const outcomes = await Promise.allSettled([asked, first.toArray()])
    assert.equal(outcomes[1]!.status, 'rejected')
  })

  it('closed while the connection is made, it leaves none', async t => {
    const { sessions, channel, get } = await start(t)
    const asked = get()
    channel.close()
    await assert.rejects(asked)
    await until(() => sessions.every(({ destroyed }) => destroyed))
  })

  const needsIPv6 = { skip: hasIPv6 ? false : 'this machine has no IPv6' }

  it('RFC 3986 §3.2.2: an address of IPv6 stands in brackets, and is no server name', needsIPv6, async t => {
    const { sockets, authorities, options, get } = await start(t, {}, '::1')
    await get()
    await get()
    assert.deepEqual(authorities, [`[::1]:${options.port}`, `[::1]:${options.port}`])
    assert.deepEqual(
      [...sockets].map(({ servername }: TLSSocket & { servername?: unknown }) => servername),
      [false],
    )
  })

  it('RFC 6066 §3: of a server name that is an address the certificate must be, and it is not asked for', async t => {
    const { sockets, channel, options } = await start(t)
    const get = async (servername: string) => (await channel.tryGet({ ...options, servername }, never))!
    await get('::1')
    assert.deepEqual(
      [...sockets].map(({ servername }: TLSSocket & { servername?: unknown }) => servername),
      [false],
    )
    await assert.rejects(get('127.0.0.2'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  it('what fails after the handshake leaves no connection', needsIPv6, async t => {
    const { server, channel, options } = await start(t, {}, '::1')
    const taken = once(server, 'connection')
    const zone = Object.entries(networkInterfaces()).find(([, all]) =>
      all!.some(({ address }) => address === '::1'),
    )![0]
    // A URL knows no zones.
    const scoped = { ...options, host: `::1%${zone}`, rejectUnauthorized: false }
    await assert.rejects(channel.tryGet(scoped, never), { code: 'ERR_INVALID_URL' })
    await taken
    const connections = promisify(server.getConnections.bind(server))
    const began = performance.now()
    while ((await connections()) > 0) {
      assert.ok(performance.now() - began < 5000)
      await setImmediate()
    }
  })

  it('closed while it waits for the server to say how many requests it takes, it leaves no connection', async t => {
    const greeted = Promise.withResolvers<TLSSocket>()
    const mute = createTlsServer({ ...tls, ALPNProtocols: ['h2'] }, socket => {
      socket.on('error', () => {}).once('data', () => greeted.resolve(socket))
      t.after(() => socket.destroy())
    })
    await once(mute.listen(0, '127.0.0.1'), 'listening')
    t.after(() => mute.close())
    const channel = new Http2Channel()
    const { port } = mute.address() as AddressInfo
    const refused = assert.rejects(channel.tryGet({ ca: tls!.cert, host: '127.0.0.1', port }, never), /closed/)
    const socket = await greeted.promise
    const ended = once(socket, 'close', { signal: AbortSignal.timeout(5000) })
    channel.close()
    await refused
    await ended
  })
})

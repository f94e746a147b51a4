import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { openClient } from '../../../src/kubernetes/client.ts'
import { Http1Channel } from '../../../src/kubernetes/http1.ts'
import { tryCertificate } from '../../support/certificate.ts'
import { hasIPv6 } from '../../support/datagram-battery.ts'

const never = new AbortController().signal
const root = mkdtempSync(join(tmpdir(), 'kubernetes-http1-'))
after(() => rmSync(root, { recursive: true }))

const tls = tryCertificate(root, 'server')

describe('HTTP/1.1 over TLS', { skip: tls === undefined ? 'there is no openssl' : false }, () => {
  async function start(t: TestContext, address: string) {
    const requests: IncomingMessage[] = []
    const server = createServer({ ...tls }, (request, response) => {
      requests.push(request)
      response.end('{}')
    })
    await once(server.listen(0, address), 'listening')
    const channel = new Http1Channel(true)
    t.after(() => {
      channel.close()
      server.close()
    })
    const options = { ca: tls!.cert, host: address, port: (server.address() as AddressInfo).port, path: '/' }
    const get = async (more = {}) => (await channel.get({ ...options, ...more }, never)).toArray()
    const names = () => requests.map(({ socket }) => (socket as TLSSocket & { servername?: unknown }).servername)
    return { requests, names, options, get }
  }

  const needsIPv6 = { skip: hasIPv6 ? false : 'this machine has no IPv6' }

  it('RFC 3986 §3.2.2: an address of IPv6 stands in brackets, and is no server name', needsIPv6, async t => {
    const { requests, names, options, get } = await start(t, '::1')
    await get()
    assert.equal(requests[0]!.headers.host, `[::1]:${options.port}`)
    assert.deepEqual(names(), [false])
  })

  it('RFC 6066 §3: of a server name that is an address the certificate must be, and it is not asked for', async t => {
    const { names, get } = await start(t, '127.0.0.1')
    await get({ servername: '::1' })
    assert.deepEqual(names(), [false])
    await assert.rejects(get({ servername: '127.0.0.2' }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })
})

describe('HTTP/1.1 on a connection that ends amid', () => {
  async function start(t: TestContext, answer: (socket: Socket, request: number) => void) {
    const sockets: Socket[] = []
    let requests = 0
    const server = createTcpServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {}).on('data', () => answer(socket, ++requests))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = await openClient({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    t.after(() => {
      client.close()
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return { client, sockets, requests: () => requests }
  }

  const UPGRADE = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'

  it('a server that switches protocols unasked is refused, and its connection is closed', async t => {
    const { client, sockets } = await start(t, socket => socket.write(UPGRADE))
    const asked = client.get('/', AbortSignal.timeout(5000))
    await assert.rejects(asked, { code: 'ERR_API_UNREACHABLE', message: /answered 101 .* see that the address/ })
    await once(sockets[0]!, 'close', { signal: AbortSignal.timeout(5000) })
  })
})

describe('HTTP/1.1 that is closed while it asks for a sign of life', () => {
  it('leaves no connection', async t => {
    const sockets: Socket[] = []
    const server = createTcpServer(socket => {
      sockets.push(socket)
      socket
        .on('error', () => {})
        .on('data', data => {
          if (String(data).startsWith('GET /watch')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{')
          else server.emit('asked', socket)
        })
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const channel = new Http1Channel(false)
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    t.mock.timers.enable({ apis: ['setInterval'] })
    const { port } = server.address() as AddressInfo
    const watch = await channel.get({ host: '127.0.0.1', port, path: '/watch' }, never)
    watch.on('error', () => {})
    const asked = once(server, 'asked')
    t.mock.timers.tick(10_000)
    await asked
    const signal = AbortSignal.timeout(5000)
    const ended = Promise.all(sockets.map(socket => once(socket, 'close', { signal })))
    channel.close()
    assert.equal((await ended).length, 2)
  })
})

for (const isTls of [false, true]) {
  const skip = isTls && tls === undefined ? 'there is no openssl' : false

  describe(`a connection of HTTP/1.1 ${isTls ? 'over TLS ' : ''}that is used again`, { skip }, () => {
    /** @param again what becomes of a connection by its second request */
    async function start(t: TestContext, again: (socket: Socket) => void) {
      const sockets: Socket[] = []
      let requests = 0
      const greet = (socket: Socket) => {
        sockets.push(socket)
        let count = 0
        socket
          .on('error', () => {})
          .on('data', () => {
            requests++
            if (++count > 1) again(socket)
            else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')
          })
      }
      const server = isTls ? createTlsServer({ ...tls }, greet) : createTcpServer(greet)
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const channel = new Http1Channel(isTls)
      t.after(() => {
        channel.close()
        for (const socket of sockets) socket.destroy()
        server.close()
      })
      const options = { ca: tls?.cert, host: '127.0.0.1', port: (server.address() as AddressInfo).port, path: '/' }
      const get = async () => {
        const body = String(Buffer.concat(await (await channel.get(options, never)).toArray()))
        // It is put aside for the next after this turn.
        await setImmediate()
        return body
      }
      return { channel, sockets, get, requests: () => requests }
    }

    it('RFC 9112 §9.3.1: closed by the server just then, the request goes over a new one', async t => {
      const { sockets, get, requests } = await start(t, socket => socket.destroy())
      await Promise.all([get(), get(), get()])
      assert.equal(sockets.length, 3)
      assert.equal(await get(), '{}')
      assert.deepEqual([sockets.length, requests()], [4, 7])
    })

    it('and breaks amid a response is an error', async t => {
      const { get, requests } = await start(t, socket => socket.write('HTTP/1.1 200', () => socket.destroy()))
      await get()
      await assert.rejects(get(), { code: 'ECONNRESET' })
      assert.equal(requests(), 2)
    })

    it('is not replaced once the channel is closed', async t => {
      const { channel, sockets, get } = await start(t, () => channel.close())
      await get()
      await assert.rejects(get(), { code: 'ECONNRESET' })
      assert.equal(sockets.length, 1)
    })
  })
}

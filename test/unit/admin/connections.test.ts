/**
 * What clients of the admin port can hold up: requests sent before the last one is answered, connections that say nothing.
 */

import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { type AdminRoutes, oncePerTurn, openAdmin, openProbe } from '../../../src/admin/http.ts'

const NOTHING = () => []
const ROUTES: AdminRoutes = {
  unhealthy: NOTHING,
  conditions: NOTHING,
  unready: NOTHING,
  notes: NOTHING,
  metrics: NOTHING,
  names: () => ({ count: 0, text: (async function* () {})() }),
}
const LOOPBACK = { address: '127.0.0.1', port: 0 }
/** As many as are open at once. */
const MOST = 100

describe('connections of the admin port', () => {
  it('RFC 9112 §9.3.2: requests sent before the last one is answered end the connection, and cost one answer', async t => {
    let made = 0
    const metrics = () => {
      made++
      return []
    }
    const admin = await openAdmin(LOOPBACK, { ...ROUTES, metrics })
    t.after(() => admin.close())
    let parsed = 0
    const count = () => void parsed++
    subscribe('http.server.request.start', count)
    t.after(() => unsubscribe('http.server.request.start', count))
    const socket = await open(t, admin.port)
    socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1927))
    await once(socket.resume(), 'close')
    assert.equal(made, 1)
    assert.ok(parsed > 1 && parsed < 50, `${parsed} requests were parsed`)
    assert.equal(await status(admin.port, '/healthz'), 200)
  })

  it('answers requests of one connection one after the other, each as it is then', async t => {
    let made = 0
    const metrics = () => [{ name: 'made', help: '', type: 'gauge' as const, samples: [{ value: ++made }] }]
    const admin = await openAdmin(LOOPBACK, { ...ROUTES, metrics })
    t.after(() => admin.close())
    const socket = await open(t, admin.port)
    let text = ''
    socket.on('data', data => {
      text += data
    })
    for (let request = 1; request <= 3; request++) {
      socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
      while (!text.includes(`\nmade ${request}\n`)) await once(socket, 'data')
    }
  })

  it('makes a text once in a turn of the event loop, however many ask', async () => {
    let made = 0
    const text = oncePerTurn(() => `${++made}`)
    assert.deepEqual([text(), text()], ['1', '1'])
    await new Promise(setImmediate)
    assert.equal(text(), '2')
  })

  for (const [what, start] of [
    ['admin port', () => openAdmin(LOOPBACK, ROUTES)],
    ['probe', () => openProbe(LOOPBACK, '/health', NOTHING)],
  ] as const) {
    it(`at the limit the connection that is idle longest makes room (${what})`, async t => {
      const server = await start()
      t.after(() => server.close())
      const path = what === 'probe' ? '/health' : '/healthz'
      const sockets: Socket[] = []
      while (sockets.length < MOST) sockets.push(await open(t, server.port))
      const [first, second] = sockets as [Socket, Socket]
      // The first has asked last.
      first.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await once(first, 'data')
      const closed = once(second, 'close')
      assert.equal(await status(server.port, path), 200)
      await closed
      first.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await once(first, 'data')
    })
  }
})

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function status(port: number, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  await response.text()
  return response.status
}

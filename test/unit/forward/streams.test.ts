import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import type { Attempt } from '../../../src/forward/exchange.ts'
import { encodeUpstreamQuery } from '../../../src/forward/question.ts'
import { Streams } from '../../../src/forward/streams.ts'
import { Upstream } from '../../../src/forward/upstream.ts'
import { u16, wireName } from '../../support/messages.ts'
import { until } from '../../support/server-process.ts'

/** What came of a query: its reply's ID, or why it failed. */
type Outcome = { readonly id: number } | { readonly reason: string }

interface Fixture {
  readonly streams: Streams
  readonly upstream: Upstream
  readonly outcomes: Map<Attempt, Outcome>
  ask(id: number): Attempt
  outcomeOf(attempt: Attempt): Promise<Outcome>
}

/** @param serve told of each query, and of how many connections there were before its own */
async function start(
  t: TestContext,
  serve: (socket: Socket, query: Buffer, connection: number) => void,
): Promise<Fixture> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    const connection = connections++
    sockets.add(socket)
    let held = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      held = Buffer.concat([held, chunk as Buffer])
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE()) {
        const query = held.subarray(2, 2 + held.readUInt16BE())
        held = held.subarray(2 + query.length)
        serve(socket, query, connection)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const upstream = new Upstream({ address: '127.0.0.1', port: (server.address() as AddressInfo).port, tls: false })
  const outcomes = new Map<Attempt, Outcome>()
  const streams = new Streams({
    received: (attempt, octets) => outcomes.set(attempt, { id: (octets[0]! << 8) | octets[1]! }),
    failed: (attempt, reason) => outcomes.set(attempt, { reason }),
  })
  t.after(() => {
    streams.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const question = { name: wireName('www.example.com'), type: 1, dnssecOk: false, checkingDisabled: false }
  return {
    streams,
    upstream,
    outcomes,
    ask(id) {
      const message = encodeUpstreamQuery(question, id, false)
      const attempt: Attempt = { upstream, message, questionEnd: message.length, startedMs: 0, localPort: 0 }
      streams.send(attempt)
      return attempt
    },
    async outcomeOf(attempt) {
      await until(() => outcomes.has(attempt), 'an outcome')
      return outcomes.get(attempt)!
    },
  }
}

/** Where time is not to pass by itself. */
async function turnsUntil(isTrue: () => boolean): Promise<void> {
  for (let turns = 0; !isTrue(); turns++) {
    assert.ok(turns < 1_000_000)
    await new Promise(resolve => setImmediate(resolve))
  }
}

const reply = (socket: Socket, query: Buffer) => socket.write(Buffer.concat([u16(query.length), query]))

describe('queries over TCP', () => {
  it('share a connection, and take replies in any order (RFC 7766 §6.2.1.1, §7)', async t => {
    const held: Buffer[] = []
    const { ask, outcomeOf, upstream } = await start(t, (socket, query) => {
      held.push(query)
      if (held.length === 3) for (const each of held.toReversed()) reply(socket, each)
    })
    const attempts = [7, 8, 9].map(ask)
    for (const [i, attempt] of attempts.entries()) assert.deepEqual(await outcomeOf(attempt), { id: 7 + i })
    assert.deepEqual([upstream.connectionMisses, upstream.connectionHits], [1, 2])
  })

  it('with the same ID have connections of their own', async t => {
    const { ask, outcomeOf, upstream } = await start(t, reply)
    for (const attempt of [ask(7), ask(7)]) assert.deepEqual(await outcomeOf(attempt), { id: 7 })
    assert.equal(upstream.connectionMisses, 2)
  })

  it('RFC 7766 §6.2.4: a connection that served and is closed with a query on its way: asked again on a new one', async t => {
    const { ask, outcomeOf, upstream } = await start(t, (socket, query, connection) => {
      if (connection === 0 && query.readUInt16BE() === 2) socket.destroy()
      else reply(socket, query)
    })
    assert.deepEqual(await outcomeOf(ask(1)), { id: 1 })
    assert.deepEqual(await outcomeOf(ask(2)), { id: 2 })
    assert.equal(upstream.connectionMisses, 2)
  })

  it('on a connection that never served and is closed: failed, and not asked again for ever', async t => {
    const { ask, outcomeOf, upstream } = await start(t, socket => socket.destroy())
    assert.ok('reason' in (await outcomeOf(ask(1))))
    assert.equal(upstream.connectionMisses, 1)
  })

  it('on a connection that said only what nobody asked, and is closed: failed', async t => {
    const { ask, outcomeOf, upstream } = await start(t, (socket, query) =>
      socket.end(Buffer.from([0, 2, ~query[0]!, 0])),
    )
    assert.ok('reason' in (await outcomeOf(ask(1))))
    assert.equal(upstream.connectionMisses, 1)
  })

  it('RFC 9520 §3.1: are asked again once, whatever else their connections served', async t => {
    const held: number[] = []
    const { ask, outcomeOf, outcomes } = await start(t, (socket, query, connection) => {
      if (query.readUInt16BE() === 1) held.push(connection)
      else socket.end(Buffer.concat([u16(query.length), query]))
    })
    const unlucky = ask(1)
    for (let id = 2; !outcomes.has(unlucky); id++) {
      assert.deepEqual(await outcomeOf(ask(id)), { id })
      await until(() => outcomes.has(unlucky) || held.length === id, 'it is asked again, or failed')
    }
    assert.ok('reason' in outcomes.get(unlucky)!)
    assert.deepEqual(held, [0, 1])
  })

  it('have so many connections to one upstream, and no more', async t => {
    const { ask, outcomes, upstream } = await start(t, () => {})
    const attempts = Array.from({ length: 40 }, () => ask(7))
    await until(() => outcomes.size === 40 - upstream.connectionMisses, 'those that have none fail')
    assert.equal(upstream.connectionMisses, 16)
    assert.ok(attempts.slice(16).every(each => outcomes.has(each)))
  })

  it('given up leave those be that share their connection', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const held: (() => void)[] = []
    const { ask, streams, outcomes } = await start(t, (socket, query, connection) => {
      if (connection === 0) held.push(() => reply(socket, query))
      else reply(socket, query)
    })
    const [slow, probe] = [ask(1), ask(2)]
    await turnsUntil(() => held.length === 2)
    streams.cancel(probe)
    const next = ask(3)
    await turnsUntil(() => outcomes.has(next))
    t.mock.timers.tick(5000)
    held[0]!()
    await turnsUntil(() => outcomes.has(slow))
    assert.deepEqual([outcomes.get(next), outcomes.get(slow)], [{ id: 3 }, { id: 1 }])
  })

  it('given up end their connection, though the upstream goes on talking', async t => {
    let open = 0
    const { ask, streams } = await start(t, socket => {
      open++
      socket.write(u16(65_535))
      const talk = setInterval(() => socket.write('x'), 50)
      socket.on('close', () => {
        clearInterval(talk)
        open--
      })
    })
    const given = ask(1)
    await until(() => open === 1, 'it is sent')
    streams.cancel(given)
    await until(() => open === 0, 'the connection ends')
  })

  it('RFC 7766 §6.2.3: long ago leave a connection idle, though the upstream goes on talking', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let isOpen = true
    const { ask, outcomes } = await start(t, (socket, query) => {
      reply(socket, query)
      socket.write(u16(65_535))
      const talk = setInterval(() => socket.write('x'), 50)
      socket.on('close', () => {
        clearInterval(talk)
        isOpen = false
      })
    })
    const attempt = ask(1)
    await turnsUntil(() => outcomes.has(attempt))
    t.mock.timers.tick(8000)
    await turnsUntil(() => !isOpen)
  })

  it('given up take their connection along: the next has a new one, and a late reply is nobody’s', async t => {
    let late: (() => void) | undefined
    const { ask, outcomeOf, streams, outcomes, upstream } = await start(t, (socket, query, connection) => {
      if (connection === 0) late = () => reply(socket, query)
      else reply(socket, query)
    })
    const given = ask(1)
    await until(() => late !== undefined, 'it is sent')
    streams.cancel(given)
    assert.deepEqual(await outcomeOf(ask(1)), { id: 1 })
    assert.equal(upstream.connectionMisses, 2)
    late!()
    assert.deepEqual(await outcomeOf(ask(3)), { id: 3 })
    assert.equal(outcomes.has(given), false)
  })
})

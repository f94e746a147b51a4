/** DNS over TCP: framing, order, and every limit, with a clock that only the tests move. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { DEFERRED, type MessageHandler, type ReturnPath, type StreamPath } from '../../../src/transport/handler.ts'
import { type Clock, DEFAULT_LIMITS, openTcp, type TcpOptions, type TcpServer } from '../../../src/transport/tcp.ts'
import { hasIPv6, until } from '../../support/datagram-battery.ts'

class ManualClock implements Clock {
  private ms = 0
  private readonly runs = new Set<() => void>()
  nowMs(): number {
    return this.ms
  }
  every(_intervalMs: number, run: () => void): () => void {
    this.runs.add(run)
    return () => this.runs.delete(run)
  }
  get timers(): number {
    return this.runs.size
  }
  advance(ms: number): void {
    this.ms += ms
    for (const run of this.runs) run()
  }
}

/** It only ends a test that fails. */
const LIMIT_MS = 3000
/** Queries are read for so long after the end has begun. */
const LAST_QUERIES_MS = 50
const DROP = 0
const BIG = 1
const BIG_OCTETS = 60_000
const LATER = 2

/** Octet 0 of the message: DROP, BIG, LATER, or else the message inverted after it. */
class Handler implements MessageHandler {
  answered = 0
  /** Most messages between `begin` and `end`. */
  mostInTurn = 0
  private inTurn = 0
  open = 0
  listener = -1
  /** Where replies to LATER are to go. */
  readonly deferred: StreamPath[] = []
  begin(listener: number): void {
    this.open++
    this.inTurn = 0
    this.listener = listener
  }
  answer(octets: Uint8Array, view: DataView, start: number, length: number, capacity: number, stream: boolean): number {
    assert.deepEqual([view.buffer, capacity, stream, this.open], [octets.buffer, 65_535, true, 1])
    this.answered++
    this.mostInTurn = Math.max(this.mostInTurn, ++this.inTurn)
    if (octets[start] === DROP) return 0
    if (octets[start] === LATER) return DEFERRED
    if (octets[start] === BIG) {
      octets.fill(0xbb, start, start + BIG_OCTETS)
      return BIG_OCTETS
    }
    for (let i = start + 1; i < start + length; i++) octets[i] = ~octets[i]!
    return length
  }
  defer(_octets: Uint8Array, _start: number, { stream }: ReturnPath): number {
    this.deferred.push(stream!)
    return 0
  }
  end(): void {
    this.open--
  }
}

/** A client that reads unless told not to. */
class Client {
  readonly socket: Socket
  octets = 0
  private chunks: Buffer[] = []
  closed = false
  error: Error | undefined
  /** The server has closed its side. */
  ended = false

  constructor(port: number, address = '127.0.0.1', localAddress?: string) {
    this.socket = connect({ host: address, port, allowHalfOpen: true, ...(localAddress && { localAddress }) })
    this.socket.on('data', chunk => {
      this.chunks.push(chunk as Buffer)
      this.octets += chunk.length
    })
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('error', error => {
      this.error = error
    })
    this.socket.on('close', () => {
      this.closed = true
    })
  }

  get received(): Buffer {
    if (this.chunks.length !== 1) this.chunks = [Buffer.concat(this.chunks)]
    return this.chunks[0]!
  }

  get gone(): boolean {
    return this.ended || this.closed
  }

  get replies(): Buffer[] {
    const replies: Buffer[] = []
    let at = 0
    while (at + 2 <= this.received.length) {
      const end = at + 2 + this.received.readUInt16BE(at)
      if (end > this.received.length) break
      replies.push(this.received.subarray(at + 2, end))
      at = end
    }
    return replies
  }

  async reply(count = 1): Promise<Buffer[]> {
    await until(() => this.replies.length >= count, `${count} replies`)
    return this.replies
  }
}

function message(...octets: number[]): Buffer {
  return Buffer.from([...octets, ...new Array(Math.max(0, 12 - octets.length)).fill(0)])
}

function framed(...messages: Uint8Array[]): Buffer {
  return Buffer.concat(messages.flatMap(each => [Buffer.of(each.length >> 8, each.length & 0xff), each]))
}

function answerTo(query: Uint8Array): Buffer {
  return Buffer.from(query.map((octet, i) => (i === 0 ? octet : ~octet)))
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(options: Partial<TcpOptions> = {}) {
  const clock = new ManualClock()
  const handler = new Handler()
  const server = await openTcp({ sockets: [{ address: '127.0.0.1', port: 0 }], clock, ...options }, handler)
  cleanups.push(() => server.close(0))
  const { port } = server.addresses[0]!
  const client = (localAddress?: string): Client => {
    const each = new Client(port, '127.0.0.1', localAddress)
    cleanups.push(() => void each.socket.destroy())
    return each
  }
  /** A client whose connection the server has accepted. */
  const accepted = async (localAddress?: string): Promise<Client> => {
    const before = server.stats.accepted
    const each = client(localAddress)
    await until(() => server.stats.accepted > before, 'accepted')
    return each
  }
  return { clock, handler, server, client, accepted, port }
}

/** So much has reached the server's handler or its buffers: a later message on another connection was answered. */
async function settle(server: TcpServer, asker: Client): Promise<void> {
  const before = asker.replies.length
  for (let i = 1; i <= 3; i++) {
    asker.socket.write(framed(message(99)))
    await asker.reply(before + i)
  }
  assert.ok(server.connections() > 0)
}

describe('framing, RFC 1035 §4.2.2 and RFC 7766 §8', () => {
  test('a reply has its own length before it', async () => {
    const { client } = await serve()
    const one = client()
    const query = message(9, 1, 2, 3)
    one.socket.write(framed(query))
    assert.deepEqual(await one.reply(), [answerTo(query)])
    assert.equal(one.received.length, 2 + query.length)
  })

  test('messages may be cut anywhere and joined anyhow', async () => {
    const { client, handler } = await serve()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 12, maxLength: 700 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(1500), { maxLength: 12 }),
        async (bodies, cuts) => {
          const queries = bodies.map(body => Buffer.from([9, ...body.subarray(1)]))
          const stream = framed(...queries)
          const one = client()
          one.socket.setNoDelay(true)
          let from = 0
          for (const to of [...cuts.map(cut => cut % stream.length).sort((a, b) => a - b), stream.length]) {
            if (to > from)
              await new Promise<void>(resolve => one.socket.write(stream.subarray(from, to), () => resolve()))
            from = to
          }
          assert.deepEqual(await one.reply(queries.length), queries.map(answerTo))
          one.socket.destroy()
        },
      ),
      { numRuns: 30 },
    )
    assert.equal(handler.open, 0)
  })

  test('a message of 65,535 octets, an octet at a time at both ends', async () => {
    const { client } = await serve()
    const one = client()
    const query = Buffer.alloc(65_535, 7)
    const stream = framed(query)
    one.socket.setNoDelay(true)
    for (const part of [stream.subarray(0, 1), stream.subarray(1, 2), stream.subarray(2, -1), stream.subarray(-1)]) {
      await new Promise<void>(resolve => one.socket.write(part, () => resolve()))
    }
    assert.deepEqual(await one.reply(), [answerTo(query)])
  })

  test('a message shorter than a header ends the connection, after the replies to what came before', async () => {
    const { client } = await serve()
    for (const short of [Buffer.alloc(0), Buffer.alloc(11, 9)]) {
      const one = client()
      one.socket.write(framed(message(9), short, message(8)))
      await until(() => one.gone, 'closed')
      assert.equal(one.replies.length, 1)
    }
  })

  test('no reply closes nothing', async () => {
    const { client } = await serve()
    const one = client()
    one.socket.write(framed(message(DROP), message(9, 5)))
    assert.deepEqual(await one.reply(), [answerTo(message(9, 5))])
    assert.equal(one.closed, false)
  })

  test('the handler learns which address was asked', { skip: !hasIPv6 }, async () => {
    const sockets = ['127.0.0.1', '::1'].map(address => ({ address, port: 0 }))
    const { handler, server } = await serve({ sockets })
    for (const [index, { address, port }] of server.addresses.entries()) {
      const one = new Client(port, address)
      one.socket.write(framed(message(9)))
      await one.reply()
      assert.equal(handler.listener, index)
      one.socket.destroy()
    }
  })
})

describe('pipelining and the end of a connection', () => {
  test('RFC 7766 §6.2.1.1: queries sent without waiting are all answered, in order', async () => {
    const { client } = await serve()
    const one = client()
    const queries = Array.from({ length: 500 }, (_, i) => message(9, i >> 8, i & 255))
    one.socket.write(framed(...queries))
    assert.deepEqual(await one.reply(500), queries.map(answerTo))
  })

  test('a client that has closed its side is answered, then the connection ends', async () => {
    const { client, server } = await serve()
    const one = client()
    one.socket.end(framed(message(9), message(8)))
    await until(() => one.ended, 'ended')
    assert.equal(one.replies.length, 2)
    await until(() => server.connections() === 0, 'forgotten')
  })

  test('a reset is an ordinary end', async () => {
    const { accepted, server } = await serve()
    const one = await accepted()
    one.socket.resetAndDestroy()
    await until(() => server.connections() === 0, 'forgotten')
  })
})

describe('time', () => {
  test('RFC 7766 §6.2.3: an idle connection is closed; a query starts the time anew', async () => {
    const { clock, accepted, server } = await serve()
    const [idle, busy] = [await accepted(), await accepted()]
    clock.advance(DEFAULT_LIMITS.idleMs - 1)
    busy.socket.write(framed(message(9)))
    await busy.reply()
    clock.advance(1)
    await until(() => idle.gone, 'idle one closed')
    assert.equal(busy.gone, false)
    assert.equal(server.stats.idle, 1)
    clock.advance(DEFAULT_LIMITS.idleMs)
    await until(() => busy.gone, 'closed')
  })

  test('a message that has begun must be whole in time; more octets of it win none', async () => {
    const { clock, accepted, server } = await serve()
    const [slow, other] = [await accepted(), await accepted()]
    slow.socket.setNoDelay(true)
    const stream = framed(message(9))
    for (let i = 0; i < 4; i++) {
      slow.socket.write(stream.subarray(i, i + 1))
      await settle(server, other)
      assert.equal(slow.gone, false)
      clock.advance(DEFAULT_LIMITS.messageMs / 4)
    }
    await until(() => slow.gone, 'closed')
    assert.equal(server.stats.slowQuery, 1)
    assert.equal(other.gone, false)
  })

  test('a message that begins behind a whole one has its own time', async () => {
    const { clock, accepted, server } = await serve()
    const [slow, other] = [await accepted(), await accepted()]
    slow.socket.setNoDelay(true)
    slow.socket.write(Buffer.of(0))
    await settle(server, other)
    clock.advance(DEFAULT_LIMITS.messageMs - 1)
    slow.socket.write(Buffer.concat([framed(message(9)).subarray(1), Buffer.of(0)]))
    await slow.reply()
    clock.advance(DEFAULT_LIMITS.messageMs - 1)
    slow.socket.write(framed(message(9)).subarray(1))
    await slow.reply(2)
    assert.equal(slow.gone, false)
  })
})

describe('a reader that does not read', () => {
  async function stuck(options: Partial<TcpOptions> = {}) {
    const all = await serve(options)
    const one = await all.accepted()
    one.socket.pause()
    const queries = 500
    one.socket.write(framed(message(LATER), ...Array.from({ length: queries }, () => message(BIG))))
    let before = -1
    // Standing still: as many answers after another connection's turns as before them.
    const other = await all.accepted()
    while (before !== all.handler.answered - 3) {
      before = all.handler.answered
      await settle(all.server, other)
    }
    return { ...all, one, other, queries }
  }

  test('is not answered beyond the limit, and gets all when it reads', async () => {
    const { one, handler, queries } = await stuck()
    assert.ok(handler.answered < queries / 2, `${handler.answered} answered`)
    one.socket.resume()
    await until(() => one.octets === queries * (2 + BIG_OCTETS), 'all replies')
    assert.ok(one.replies.every(reply => reply.length === BIG_OCTETS && reply[0] === 0xbb))
  })

  test('is allowed one reply when all connections together wait for too many', async () => {
    const { server, one, accepted } = await stuck({ maxUnsentOctetsInAll: DEFAULT_LIMITS.maxUnsentOctets })
    const ofOne = server.unsentOctets()
    assert.ok(ofOne > DEFAULT_LIMITS.maxUnsentOctets && ofOne < DEFAULT_LIMITS.maxUnsentOctets + 2 * BIG_OCTETS)
    const reader = await accepted()
    reader.socket.write(framed(...Array.from({ length: 100 }, () => message(BIG))))
    await until(() => reader.octets === 100 * (2 + BIG_OCTETS), 'a reader is served all the same')
    const second = await accepted()
    second.socket.pause()
    second.socket.write(framed(...Array.from({ length: 500 }, () => message(BIG))))
    await until(() => server.unsentOctets() > ofOne, 'its replies are stuck')
    assert.ok(server.unsentOctets() <= ofOne + 2 + BIG_OCTETS)
    one.socket.destroy()
    second.socket.destroy()
    await until(() => server.unsentOctets() === 0, 'all forgotten')
  })

  test('is closed by a reply that was deferred and is more than may be unsent', async () => {
    const { handler, server, other } = await stuck()
    const unsent = server.unsentOctets()
    handler.deferred[0]!.reply(message(9))
    handler.deferred[0]!.reply(message(9))
    assert.equal(server.unsentOctets(), unsent)
    await until(() => server.connections() === 1, 'closed')
    assert.equal(server.stats.slowReader, 1)
    assert.equal(server.unsentOctets(), 0)
    other.socket.write(framed(message(9)))
    await other.reply(other.replies.length + 1)
  })

  test('costs others no deferred reply when all connections together wait for too many', async () => {
    const { handler, server, other } = await stuck({ maxUnsentOctetsInAll: DEFAULT_LIMITS.maxUnsentOctets })
    const before = other.replies.length
    other.socket.write(framed(...Array.from({ length: 3 }, () => message(LATER))))
    await until(() => handler.deferred.length === 4, 'all have come')
    for (const stream of handler.deferred.slice(1)) stream.reply(message(9))
    await other.reply(before + 3)
    assert.equal(server.stats.slowReader, 0)
  })

  test('is closed when no reply leaves in time', async () => {
    const { clock, other, server } = await stuck()
    clock.advance(DEFAULT_LIMITS.writeStallMs - 1)
    assert.equal(server.connections(), 2)
    other.socket.write(framed(message(9)))
    await other.reply(other.replies.length + 1)
    clock.advance(1)
    await until(() => server.connections() === 1, 'closed')
    assert.equal(server.stats.slowReader, 1)
  })
})

describe('turns', () => {
  test('RFC 7766 §6.2.1.1: queries sent without waiting leave others their turn, and are all answered in order', async () => {
    const { handler, accepted } = await serve()
    const one = await accepted()
    const queries = Array.from({ length: 5000 }, (_, i) => message(9, i & 255, i >> 8))
    one.socket.write(framed(...queries))
    assert.deepEqual(await one.reply(queries.length), queries.map(answerTo))
    assert.equal(handler.mostInTurn, 64)
  })

  test('large replies make turns short', async () => {
    const { handler, accepted } = await serve()
    const one = await accepted()
    one.socket.write(framed(...Array.from({ length: 20 }, () => message(BIG))))
    await one.reply(20)
    assert.equal(handler.mostInTurn, 2)
  })

  test('a client that closes its side in the middle of its turns gets all', async () => {
    const { accepted } = await serve()
    const one = await accepted()
    one.socket.end(framed(...Array.from({ length: 1000 }, () => message(9))))
    await one.reply(1000)
    await until(() => one.ended, 'ended')
  })

  test('a connection that ends between two turns is forgotten', async () => {
    const { accepted, server } = await serve()
    const one = await accepted()
    one.socket.write(framed(...Array.from({ length: 5000 }, () => message(9))))
    await one.reply(1)
    one.socket.resetAndDestroy()
    await until(() => server.connections() === 0, 'forgotten')
  })
})

describe('a flood of connections', () => {
  const MANY = 1500
  const SOMAXCONN = '/proc/sys/net/core/somaxconn'
  const room = existsSync(SOMAXCONN) ? Number(readFileSync(SOMAXCONN, 'utf8')) : 0
  const skip = room >= MANY ? false : `the kernel keeps ${room} connections waiting (net.core.somaxconn)`

  test(`${MANY} of them are made while the server accepts none: who comes then need not send his first packet again`, {
    skip,
  }, async () => {
    const { port } = await serve()
    const isDone = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(
      `const { workerData: { port, isDone, many } } = require('node:worker_threads')
       const { connect } = require('node:net')
       const make = left => {
         if (left > 0) return connect(port, '127.0.0.1').on('connect', () => make(left - 1)).on('error', () => {})
         Atomics.store(isDone, 0, 1)
         Atomics.notify(isDone, 0)
       }
       make(many)`,
      { eval: true, workerData: { port, isDone, many: MANY } },
    )
    cleanups.push(() => worker.terminate())
    await once(worker, 'online')
    // Nothing is accepted as long as this thread waits.
    assert.notEqual(Atomics.wait(isDone, 0, 0, LIMIT_MS), 'timed-out')
  })
})

describe('queries that are deferred', () => {
  test('at their limit nothing more is read; the end of a reply of several messages makes room', async () => {
    const { handler, client } = await serve()
    const one = client()
    one.socket.write(framed(...Array.from({ length: 100 }, () => message(LATER)), message(9)))
    await until(() => handler.deferred.length === 100, 'all are deferred')
    for (const stream of handler.deferred) {
      let left = 2
      stream.reply(message(3), { next: () => (left-- > 0 ? message(3) : undefined), end() {} })
    }
    await one.reply(301)
    assert.deepEqual(one.replies.at(-1), answerTo(message(9)))
  })
})

describe('a handler that throws', () => {
  test('has been ended, and costs its connection alone', async t => {
    const { handler, server, accepted } = await serve()
    const [one, other] = [await accepted(), await accepted()]
    const told: unknown[] = []
    t.mock.method(handler, 'defer', () => {
      throw new TypeError('a defect')
    })
    const caught = new Promise<void>(resolve => {
      process.setUncaughtExceptionCaptureCallback(error => {
        told.push(error)
        resolve()
      })
    })
    t.after(() => process.setUncaughtExceptionCaptureCallback(null))
    one.socket.write(framed(message(LATER), message(9)))
    await caught
    assert.equal(handler.open, 0)
    await until(() => server.connections() === 1, 'closed')
    other.socket.write(framed(message(9)))
    await other.reply()
    assert.equal(told.length, 1)
  })
})

describe('numbers', () => {
  test('when full, the connection longest without a query makes room', async () => {
    const { accepted, server } = await serve({ maxConnections: 3 })
    const [first, second, third] = [await accepted(), await accepted(), await accepted()]
    first!.socket.write(framed(message(9)))
    await first!.reply()
    const fourth = await accepted()
    await until(() => second!.gone, 'the second closed')
    assert.equal(server.connections(), 3)
    assert.equal(server.stats.evicted, 1)
    for (const each of [first!, third!, fourth]) {
      const before = each.replies.length
      each.socket.write(framed(message(9)))
      await each.reply(before + 1)
    }
  })

  test('half a message keeps no place', async () => {
    const { accepted } = await serve({ maxConnections: 20 })
    const holders: Client[] = []
    for (let i = 0; i < 20; i++) {
      const each = await accepted()
      each.socket.write(Buffer.of(0, 12, 1))
      holders.push(each)
    }
    const late = await accepted()
    late.socket.write(framed(message(9)))
    await late.reply()
    await until(() => holders[0]!.gone, 'the oldest closed')
  })

  test('a client address has its own limit, which costs only itself', async () => {
    const { accepted, server } = await serve({ maxConnectionsPerClient: 2 })
    const other = await accepted('127.0.0.2')
    const [one] = [await accepted('127.0.0.3'), await accepted('127.0.0.3'), await accepted('127.0.0.3')]
    await until(() => one!.gone, 'the first of three closed')
    assert.equal(server.connections(), 3)
    assert.equal(other.gone, false)
    // Places are given back: none is lost when connections close.
    other.socket.destroy()
    await until(() => server.connections() === 2, 'forgotten')
    const again = [await accepted('127.0.0.2'), await accepted('127.0.0.2')]
    assert.ok(again.every(each => !each.gone))
    assert.deepEqual([server.stats.evicted, server.stats.evictedOfClient], [0, 1])
  })

  test('unfinished queries of all connections together have a limit of memory', async () => {
    const { accepted, server } = await serve({ maxConnectionsPerClient: 1000 })
    const part = Buffer.alloc(65_000, 9)
    part.writeUInt16BE(65_535)
    const clients: Client[] = []
    for (let i = 0; i < 150; i++) {
      const each = await accepted()
      each.socket.write(part)
      clients.push(each)
    }
    await until(() => clients.filter(each => each.gone).length > 0, 'some closed')
    await until(() => server.connections() * 65_000 <= 8 << 20, 'within the limit')
    assert.ok(server.connections() > 100)
  })
})

describe('a large query and the first octet of the next', () => {
  test('hold what they are counted as: a buffer does not stay large for one octet', async () => {
    const CLIENTS = 50
    const endMs = performance.now() + 10 * LIMIT_MS
    const { accepted, handler, server } = await serve({ maxConnectionsPerClient: 1000 })
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const large = Buffer.concat([framed(Buffer.alloc(65_535)), Buffer.of(0)])
    const clients: Client[] = []
    for (let i = 0; i < CLIENTS; i++) clients.push(await accepted())
    const used = async (): Promise<number> => {
      collect()
      // What it found dead is given back by another thread.
      await setTimeout(20)
      return process.memoryUsage().arrayBuffers
    }
    const before = Math.min(await used(), await used())
    const asker = await accepted()
    // In two parts, so that the first of them is held.
    for (const { socket } of clients) socket.write(large.subarray(0, 60_000))
    await settle(server, asker)
    const whole = handler.answered + CLIENTS
    for (const { socket } of clients) socket.write(large.subarray(60_000))
    await until(() => handler.answered === whole, 'all answered')
    for (let now = await used(); now - before > CLIENTS * 8192; now = await used()) {
      assert.ok(performance.now() < endMs, `${now - before} octets are held`)
    }
  })
})

describe('start and stop', () => {
  test('a port that is taken is a clear error', async () => {
    const { port } = await serve()
    const sockets = [
      { address: '127.0.0.2', port: 0 },
      { address: '127.0.0.1', port },
    ]
    await assert.rejects(openTcp({ sockets }, new Handler()), {
      name: 'ListenError',
      code: 'ERR_LISTEN_IN_USE',
      message: `cannot listen on TCP 127.0.0.1:${port}: the port is taken by another program, or by another user's server; see \`ss -ltnp\`, or choose another port`,
    })
  })

  test('an address that is not ours is a clear error', async () => {
    await assert.rejects(openTcp({ sockets: [{ address: '192.0.2.1', port: 0 }] }, new Handler()), {
      code: 'ERR_LISTEN_NO_ADDRESS',
    })
  })

  test('a port is shared when both say so', async () => {
    const { port } = await serve({ reusePort: true })
    const second = await openTcp({ sockets: [{ address: '127.0.0.1', port }], reusePort: true }, new Handler())
    await second.close(0)
  })

  test('close waits for a query that has begun, not for idle connections', async () => {
    const { accepted, server, clock } = await serve()
    const [idle, begun] = [await accepted(), await accepted()]
    begun.socket.write(Buffer.of(0))
    const asker = await accepted()
    await settle(server, asker)
    const closed = server.close(2000)
    clock.advance(LAST_QUERIES_MS)
    await until(() => idle.gone, 'idle one closed')
    assert.equal(begun.gone, false)
    idle.socket.end()
    begun.socket.write(framed(message(9)).subarray(1))
    await begun.reply()
    await until(() => begun.ended, 'ended')
    for (const each of [begun, asker]) each.socket.end()
    await closed
    assert.equal(clock.timers, 0)
  })

  test('RFC 7766 §6.2.4: a query that was sent before the end is answered, and the connection is not reset', async () => {
    const { accepted, server, clock, handler } = await serve()
    const [sent, later] = [await accepted(), await accepted()]
    sent.socket.write(framed(message(9, 1)))
    const closed = server.close(2000)
    assert.equal(handler.answered, 0)
    await sent.reply()
    clock.advance(LAST_QUERIES_MS - 1)
    later.socket.write(framed(message(9, 2)))
    await later.reply()
    assert.deepEqual([sent.gone, later.gone], [false, false])
    clock.advance(1)
    await until(() => sent.ended && later.ended, 'ended')
    later.socket.end(framed(message(9, 3)))
    sent.socket.end()
    await closed
    assert.deepEqual([later.error, sent.error, later.replies.length, handler.answered], [undefined, undefined, 1, 2])
  })

  test('close waits no longer than its grace', async () => {
    const { accepted, server, clock } = await serve()
    const begun = await accepted()
    begun.socket.write(Buffer.of(0))
    await settle(server, await accepted())
    const closed = server.close(1000)
    clock.advance(1000)
    await closed
    await until(() => begun.gone, 'closed')
  })

  test('nothing is accepted after close', async () => {
    const { server, port } = await serve()
    await server.close(0)
    const late = connect(port, '127.0.0.1')
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNREFUSED')
  })
})

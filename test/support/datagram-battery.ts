/**
 * What every datagram transport must do, asked of it from outside, in a worker as in production.
 */

import assert from 'node:assert/strict'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { after, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import {
  CONTROL_ATTEND,
  CONTROL_CLOSED,
  CONTROL_STOP,
  type DatagramReport,
  type ListenAddress,
  release,
  STAT_FIELDS,
  STAT_RECEIVED,
  STAT_SENT,
  STAT_TRUNCATED,
  STAT_UNANSWERED,
  signal,
} from '../../src/transport/datagram.ts'
import {
  COMMAND_DROP,
  COMMAND_GROW,
  COMMAND_PEER,
  COMMAND_SOCKET,
  type DatagramWorkerData,
  EMPTY_REPLY,
  GROWN_OCTETS,
  WORD_ATTENDED,
  WORD_CONTROL,
  WORD_ONLINE,
  WORDS,
} from './datagram-worker.ts'

const REPLY_MS = 3000
/** How long a transport may take to notice that it is to stop. */
const STOP_MS = 1500
const BURST = 64
const BURST_TOTAL = 10_000

type Kind = 'batch' | 'portable'

export interface RunningTransport {
  readonly report: DatagramReport
  readonly worker: Worker
  readonly words: Int32Array
  readonly counters: Float64Array
  /** Asks it to stop, waits for its thread, and releases what it left. @returns milliseconds that took */
  stop(): Promise<number>
}

export const hasIPv6 = Object.values(networkInterfaces()).some(each => each?.some(({ address }) => address === '::1'))

export async function startTransport(kind: Kind, sockets: readonly ListenAddress[]): Promise<RunningTransport> {
  const words = new Int32Array(new SharedArrayBuffer(4 * WORDS))
  const counters = new Float64Array(new SharedArrayBuffer(8 * STAT_FIELDS))
  const workerData: DatagramWorkerData = { kind, options: { sockets }, words, counters }
  const worker = new Worker(new URL('./datagram-worker.ts', import.meta.url), { workerData })
  const [report] = (await once(worker, 'message')) as [DatagramReport]
  const exited = once(worker, 'exit')
  return {
    report,
    worker,
    words,
    counters,
    async stop() {
      const asked = performance.now()
      signal(words, WORD_CONTROL, CONTROL_STOP, report.wakeFd)
      await exited
      const took = performance.now() - asked
      release(words, WORD_CONTROL, report)
      return took
    },
  }
}

/** A client socket that is read like a queue. */
export class Client implements AsyncDisposable {
  readonly socket: Socket
  private readonly received: [Buffer, RemoteInfo][] = []
  private wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('message', (message, from) => {
      this.received.push([message, from])
      this.wake()
    })
  }

  static async open(address: string): Promise<Client> {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 })
    socket.bind(0, isIPv6(address) ? '::1' : '127.0.0.1')
    await once(socket, 'listening')
    return new Client(socket)
  }

  send(message: Uint8Array, { address, port }: ListenAddress): void {
    this.socket.send(message, port, address)
  }

  /** @returns the next datagram and where it came from */
  async next(): Promise<[Buffer, RemoteInfo]> {
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error('no reply')), REPLY_MS)
    this.wake = resolve
    try {
      if (this.received.length === 0) await promise
    } finally {
      clearTimeout(timer)
    }
    return this.received.shift()!
  }

  async ask(message: Uint8Array, to: ListenAddress): Promise<[Buffer, RemoteInfo]> {
    this.send(message, to)
    return this.next()
  }

  get pending(): number {
    return this.received.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close()
    await once(this.socket, 'close')
  }
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + REPLY_MS
  while (!condition()) {
    assert.ok(performance.now() < limit, `in ${REPLY_MS} ms not: ${what}`)
    await delay(2)
  }
}

/** The process's open sockets and eventfds, and how many threads it has. Linux. */
export function resources(): { descriptors: number; threads: number } {
  const targets = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  const descriptors = targets.filter(each => /^socket:|eventfd|eventpoll/.test(each)).length
  return { descriptors, threads: readdirSync('/proc/self/task').length }
}

/** Keeps up to BURST queries under way until it is told to stop. */
function pump(client: Client, to: ListenAddress): () => void {
  let running = true
  const turn = (): void => {
    if (!running) return
    for (let i = 0; i < BURST; i++) client.send(Uint8Array.of(7, i), to)
    setImmediate(turn)
  }
  turn()
  return () => {
    running = false
  }
}

export function testDatagramTransport(kind: Kind): void {
  for (const address of ['127.0.0.1', '::1']) {
    const skip = address === '::1' && !hasIPv6 ? 'this machine has no IPv6' : false
    describe(`${kind} transport on ${address}`, { skip }, () => testFamily(kind, address))
  }
  test(`${kind}: tells the handler which of several sockets a batch came to`, { skip: !hasIPv6 }, async () => {
    const sockets = ['127.0.0.1', '::1', '127.0.0.2'].map(address => ({ address, port: 0 }))
    const transport = await startTransport(kind, sockets)
    for (const [index, to] of transport.report.addresses.entries()) {
      await using client = await Client.open(to.address)
      const [reply] = await client.ask(Uint8Array.of(COMMAND_SOCKET), to)
      assert.equal(reply[0], index)
    }
    await transport.stop()
  })

  test(`${kind}: tells the handler who sent a message, when it is asked`, { skip: !hasIPv6 }, async () => {
    const sockets = ['127.0.0.1', '::1'].map(address => ({ address, port: 0 }))
    const transport = await startTransport(kind, sockets)
    for (const to of transport.report.addresses) {
      await using client = await Client.open(to.address)
      const own = to.address === '::1' ? [...new Array(15).fill(0), 1] : [127, 0, 0, 1]
      const [reply] = await client.ask(new Uint8Array(own.length).fill(COMMAND_PEER), to)
      assert.deepEqual([...reply], own)
    }
    await transport.stop()
  })

  test(`${kind}: sockets, eventfd and thread are gone after a stop, and after a death`, async () => {
    const before = resources()
    const stopped = await startTransport(kind, [{ address: '127.0.0.1', port: 0 }])
    assert.notDeepEqual(resources(), before)
    await stopped.stop()
    assert.equal(Atomics.load(stopped.words, WORD_CONTROL) & CONTROL_CLOSED, CONTROL_CLOSED)

    const killed = await startTransport(kind, [{ address: '127.0.0.1', port: 0 }])
    await killed.worker.terminate()
    release(killed.words, WORD_CONTROL, killed.report)
    await until(() => {
      const { descriptors, threads } = resources()
      return descriptors <= before.descriptors && threads <= before.threads
    }, 'all descriptors and threads closed')
  })
}

function testFamily(kind: Kind, address: string): void {
  const running = startTransport(kind, [{ address, port: 0 }])
  const target = async (): Promise<ListenAddress> => (await running).report.addresses[0]!
  after(async () => (await running).stop())

  test('answers from the address and port that was asked, with its own octets', async () => {
    await using client = await Client.open(address)
    const to = await target()
    assert.notEqual(to.port, 0)
    const [reply, from] = await client.ask(Uint8Array.of(9, 1, 2, 254), to)
    assert.deepEqual([...reply], [9, 254, 253, 1])
    assert.equal(from.address, address)
    assert.equal(from.port, to.port)
  })

  test('hands on datagrams of no octets and of one', async () => {
    await using client = await Client.open(address)
    const to = await target()
    assert.deepEqual([...(await client.ask(new Uint8Array(0), to))[0]], [EMPTY_REPLY])
    assert.deepEqual([...(await client.ask(Uint8Array.of(200), to))[0]], [200])
  })

  test('sends a reply longer than its query', async () => {
    await using client = await Client.open(address)
    const [reply] = await client.ask(Uint8Array.of(COMMAND_GROW, 42), await target())
    assert.deepEqual(reply, Buffer.alloc(GROWN_OCTETS, 42))
  })

  test('drops a datagram longer than it has room for, and counts it', async () => {
    await using client = await Client.open(address)
    const { counters } = await running
    const before = counters[STAT_TRUNCATED]!
    client.send(new Uint8Array(4097).fill(5), await target())
    const [reply] = await client.ask(new Uint8Array(4096).fill(6), await target())
    assert.equal(reply.length, 4096)
    assert.equal(reply[0], 6)
    await until(() => counters[STAT_TRUNCATED] === before + 1, 'one datagram counted as truncated')
  })

  test('sends nothing for no reply, and its neighbours theirs', async () => {
    await using client = await Client.open(address)
    const to = await target()
    const { counters } = await running
    const before = counters[STAT_UNANSWERED]!
    for (let i = 0; i < 2 * BURST; i++) client.send(Uint8Array.of(i % 3 === 1 ? COMMAND_DROP : 9, i), to)
    const wanted = Array.from({ length: 2 * BURST }, (_, i) => i).filter(i => i % 3 !== 1)
    const got: number[] = []
    for (const _ of wanted) got.push(~(await client.next())[0][1]! & 0xff)
    assert.deepEqual(
      got.sort((a, b) => a - b),
      wanted,
    )
    await until(() => counters[STAT_UNANSWERED] === before + 2 * BURST - wanted.length, 'the dropped ones counted')
    assert.equal(client.pending, 0)
  })

  test(`answers each of ${BURST_TOTAL} datagrams in bursts, rightly`, async () => {
    await using client = await Client.open(address)
    const to = await target()
    const seen = new Uint8Array(BURST_TOTAL)
    for (let base = 0; base < BURST_TOTAL; base += BURST) {
      const end = Math.min(base + BURST, BURST_TOTAL)
      for (let i = base; i < end; i++) {
        const query = Buffer.alloc(3 + (i % 500), i & 0xff)
        query[0] = 9
        query.writeUInt16BE(i, 1)
        client.send(query, to)
      }
      for (let i = base; i < end; i++) {
        const [reply] = await client.next()
        const id = ~reply.readUInt16BE(1) & 0xffff
        assert.deepEqual(reply.subarray(3), Buffer.alloc(id % 500, ~id & 0xff))
        seen[id]! += 1
      }
    }
    assert.ok(seen.every(times => times === 1))
    const { counters } = await running
    await until(() => counters[STAT_RECEIVED]! >= BURST_TOTAL && counters[STAT_SENT]! >= BURST_TOTAL, 'all counted')
  })

  test('has ended the handler when it sleeps', async () => {
    const { words } = await running
    await until(() => Atomics.load(words, WORD_ONLINE) === 0, 'handler ended')
  })

  test('attends when asked, idle or not', async () => {
    const { words, report } = await running
    const attended = Atomics.load(words, WORD_ATTENDED)
    const asked = performance.now()
    signal(words, WORD_CONTROL, CONTROL_ATTEND, report.wakeFd)
    await until(() => Atomics.load(words, WORD_ATTENDED) > attended, 'attended')
    assert.ok(performance.now() - asked < 500, 'woken, not timed out')
  })

  test('two transports share a port', async () => {
    const first = await startTransport(kind, [{ address, port: 0 }])
    const to = first.report.addresses[0]!
    const second = await startTransport(kind, [to])
    assert.deepEqual(second.report.addresses, first.report.addresses)
    for (let i = 0; i < 64 && !(first.counters[STAT_SENT]! > 0 && second.counters[STAT_SENT]! > 0); i++) {
      await using client = await Client.open(address)
      await client.ask(Uint8Array.of(9), to)
    }
    await Promise.all([first.stop(), second.stop()])
    assert.ok(first.counters[STAT_SENT]! > 0 && second.counters[STAT_SENT]! > 0)
  })

  test('stops when idle', async () => {
    const transport = await startTransport(kind, [{ address, port: 0 }])
    assert.ok((await transport.stop()) < STOP_MS)
  })

  test('stops under load', async () => {
    const transport = await startTransport(kind, [{ address, port: 0 }])
    await using client = await Client.open(address)
    const quiet = pump(client, transport.report.addresses[0]!)
    await until(() => transport.counters[STAT_SENT]! > 1000, 'under load')
    const took = await transport.stop()
    quiet()
    assert.ok(took < STOP_MS)
  })

  test('says why it cannot listen', async () => {
    await assert.rejects(startTransport(kind, [{ address: '192.0.2.1', port: 0 }]), {
      name: 'ListenError',
      message: /no interface of this machine has the address 192\.0\.2\.1/,
    })
  })
}

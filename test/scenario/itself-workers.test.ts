/**
 * A worker that throws, exits, hangs, or hangs where nobody can end it: it is replaced, the others lose no query, and no
 * block that it may still read is given to another. (CoreDNS's defect: a goroutine that hangs holds its queries for ever.)
 */

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { KernelDrops } from '../../src/control/kernel-drops.ts'
import type { Logger } from '../../src/control/log.ts'
import { WorkerLife } from '../../src/control/worker-life.ts'
import { Workers, type WorkersOptions } from '../../src/control/workers.ts'
import { ROW_FIELDS } from '../../src/dataplane/counters.ts'
import { readerWord } from '../../src/table/epochs.ts'
import { OFFLINE } from '../../src/table/layout.ts'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { STAT_RECEIVED } from '../../src/transport/datagram.ts'
import { type Answering, createAnswering, headless, slice } from '../support/answering.ts'
import { until } from '../support/server-process.ts'
import { UdpClient } from '../support/udp-client.ts'

const WEB = 'web.default.svc.cluster.local'
const DEFECTIVE = new URL('../support/defective-worker.ts', import.meta.url)
const READERS = [13, 12, 11, 10, 9, 8]
const RING_MS = 150
/** How many workers end and are followed by another; more by hand: WORKER_LIVES=200. */
const LIVES = Number(process.env['WORKER_LIVES'] ?? 60)

interface World {
  readonly answering: Answering
  readonly workers: Workers
  readonly said: string[]
  /** Clients by the worker that answers them. */
  readonly clients: readonly [UdpClient[], UdpClient[]]
}

async function start(
  t: TestContext,
  transport: WorkersOptions['transport'],
  more: Partial<WorkersOptions> = {},
): Promise<World> {
  const answering = createAnswering()
  answering.services.upsert(headless('web'))
  answering.slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
  answering.flush()
  const said: string[] = []
  const say = (message: string): void => void said.push(message)
  const log: Logger = { debug() {}, info: say, warn: say, error: say }
  const workers = await Workers.start({
    memory: answering.serving.memory,
    count: 2,
    readers: [...READERS],
    transport,
    sockets: [{ address: '127.0.0.1', port: 0 }],
    order: 'shuffle',
    maxUdpSize: 1232,
    replyLimits: { errorRate: 0, responseRate: undefined },
    log,
    entry: DEFECTIVE,
    ringMs: RING_MS,
    ...more,
  })
  t.after(() => workers.stop())
  const { port } = workers.addresses[0]!
  const clients: [UdpClient[], UdpClient[]] = [[], []]
  for (let i = 0; i < 200 && (clients[0].length < 3 || clients[1].length < 3); i++) {
    const client = await UdpClient.open(port, WEB)
    t.after(() => client.close())
    const received = (): number[] => workers.rows.map(row => row[STAT_RECEIVED]!)
    const before = received()
    assert.ok(await client.ask())
    // A batch is counted after its replies have left.
    await until(() => received().some((count, worker) => count > before[worker]!), 'the query is counted')
    clients[received()[0]! > before[0]! ? 0 : 1].push(client)
  }
  return { answering, workers, said, clients }
}

/** Asks again and again with every client of worker 1 until `isOver`. @returns how many queries were not answered */
async function lostUntil({ clients }: World, isOver: () => boolean): Promise<number> {
  const lost = await Promise.all(
    clients[1].map(async client => {
      let missing = 0
      const end = performance.now() + 20_000
      do if (!(await client.ask())) missing++
      while (!isOver() && performance.now() < end)
      return missing
    }),
  )
  return lost.reduce((sum, one) => sum + one, 0)
}

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`workers over ${transport}`, { skip: problem ?? false, concurrency: 2 }, () => {
    for (const defect of ['throw-below', 'exit']) {
      it(`one that ends by ${defect} is replaced and counted, and the other loses no query`, async t => {
        const world = await start(t, transport)
        const { workers, said, clients } = world
        clients[0][0]!.send(defect)
        assert.equal(await lostUntil(world, () => workers.deaths === 1 && workers.serving === 2), 0)
        assert.deepEqual(said, ['a worker died and is replaced'])
        assert.equal(workers.hangs, 0)
        for (const client of clients.flat()) assert.ok(await client.ask(), 'every client is answered again')
      })
    }

    for (const defect of ['loop', 'sleep']) {
      it(`one that hangs in ${defect} is ended and replaced, and the other loses no query`, async t => {
        const world = await start(t, transport)
        const { workers, said, clients } = world
        clients[0][0]!.send(defect)
        assert.equal(await lostUntil(world, () => workers.deaths === 1 && workers.serving === 2), 0)
        assert.deepEqual(said, ['a worker hangs and is ended', 'a worker died and is replaced'])
        assert.deepEqual([workers.hangs, workers.lost], [1, 0])
        for (const client of clients.flat()) assert.ok(await client.ask(), 'every client is answered again')
        await until(() => onlineRows(world).length === 0, 'reclamation goes on')
      })
    }
  })
}

describe('a worker that hangs in a system call', { skip: checkBatch() ?? false }, () => {
  it('gets a successor, holds what it may read until it has ended, and its clients are answered', async t => {
    const world = await start(t, 'batch')
    const { workers, clients, answering } = world
    const { table } = answering.serving
    const descriptors = readdirSync('/proc/self/fd').length
    clients[0][0]!.send('poll')
    await until(() => workers.lost === 1 && workers.serving === 2, 'it is given up and replaced')
    for (const client of clients.flat()) assert.ok(await client.ask(), 'every client is answered')
    await until(() => onlineRows(world).length === 1, 'only the one that hangs is inside a batch')
    for (let i = 0; i < 100; i++) {
      answering.slices.upsert(slice('web', [{ address: `10.0.1.${i}` }]))
      answering.flush()
    }
    assert.ok(table.stats().retired >= 100, `${table.stats().retired} blocks wait for it`)
    await until(() => workers.lost === 0, 'the call has returned')
    await until(() => onlineRows(world).length === 0, 'nobody holds anything')
    table.commit()
    assert.equal(table.stats().retired, 0)
    assert.equal(readdirSync('/proc/self/fd').length, descriptors, 'no descriptor is left open')
    assert.deepEqual([workers.hangs, workers.deaths], [1, 0])
    for (const client of clients.flat()) assert.ok(await client.ask(), 'every client is answered on')
  })

  it('keeps no reply from a client whose query it had deferred', async t => {
    const { forwarding, answer, taken } = upstream()
    const { workers, clients } = await start(t, 'batch', { forwarding })
    const [client] = clients[0]
    const reply = client!.ask('www.example.com', 20_000)
    await until(() => taken.length === 1, 'the query is deferred')
    client!.send('poll')
    await until(() => workers.lost === 1, 'it is given up')
    answer()
    assert.ok(await reply)
    await until(() => workers.lost === 0, 'the call has returned')
  })

  it('does not keep the others from being stopped', async t => {
    const { workers, clients } = await start(t, 'batch')
    clients[0][0]!.send('poll')
    await until(() => workers.lost === 1, 'it is given up')
    await workers.stop()
    assert.equal(workers.lost, 1, 'it was not waited for')
    await until(() => workers.lost === 0, 'it ends by itself, so that this process can')
  })
})

/** Takes what is deferred, and says when to answer. */
function upstream() {
  const taken: (() => void)[] = []
  const forwarding: WorkersOptions['forwarding'] = {
    fallthrough: [],
    withoutRd: true,
    take: ({ message }, reply) => void taken.push(() => reply(message)),
  }
  const answer = (): void => {
    for (const each of taken.splice(0)) each()
  }
  return { taken, forwarding, answer }
}

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`a worker that dies while a forwarded query is on its way, over ${transport}`, {
    skip: problem ?? false,
  }, () => {
    it('is replaced by another worker for the reply', async t => {
      const { forwarding, answer, taken } = upstream()
      const { workers, clients } = await start(t, transport, { forwarding })
      const [client] = clients[0]
      const reply = client!.ask('www.example.com', 20_000)
      await until(() => taken.length === 1, 'the query is deferred')
      client!.send('exit')
      await until(() => workers.deaths === 1, 'it has died')
      answer()
      assert.ok(await reply)
    })

    it('has its reply sent by its successor when it was the only one', async t => {
      const { forwarding, answer, taken } = upstream()
      const { serving } = createAnswering()
      const log: Logger = { debug() {}, info() {}, warn() {}, error: answer }
      const workers = await Workers.start({
        memory: serving.memory,
        count: 1,
        readers: [...READERS],
        transport,
        sockets: [{ address: '127.0.0.1', port: 0 }],
        order: 'shuffle',
        maxUdpSize: 1232,
        replyLimits: { errorRate: 0, responseRate: undefined },
        log,
        entry: DEFECTIVE,
        forwarding,
      })
      t.after(() => workers.stop())
      const client = await UdpClient.open(workers.addresses[0]!.port, WEB)
      t.after(() => client.close())
      const reply = client.ask('www.example.com', 20_000)
      await until(() => taken.length === 1, 'the query is deferred')
      // Its death is told of, and the reply comes at this moment.
      client.send('exit')
      assert.ok(await reply)
      assert.equal(workers.deaths, 1)
    })
  })
}

describe('what is counted of workers', { skip: checkBatch() ?? false }, () => {
  const sumOf = (workers: Workers): number => workers.drops().reduce((sum, { value }) => sum + value, 0)

  it('that the kernel dropped is counted on when a worker is replaced, and when others take the place of all', async t => {
    const { workers, clients } = await start(t, 'batch', { ringMs: 500 })
    const [client] = clients[0]
    client!.send('loop')
    const flood = (): boolean => {
      for (let i = 0; i < 500; i++) client!.send()
      return sumOf(workers) > 0
    }
    await until(flood, 'its socket is full')
    const before = sumOf(workers)
    await until(() => workers.deaths === 1 && workers.serving === 2, 'it is replaced')
    assert.ok(sumOf(workers) >= before)
    const next = await start(t, 'batch', { before: workers })
    await workers.giveWay(next.workers)
    assert.ok(sumOf(next.workers) >= before)
  })

  it('that end or hang while others take their place is counted by those', async t => {
    const { workers, clients } = await start(t, 'batch')
    const next = await start(t, 'batch', { before: workers })
    clients[0][0]!.send('loop')
    await until(() => workers.deaths === 1, 'it is ended')
    await workers.giveWay(next.workers)
    assert.deepEqual([next.workers.hangs, next.workers.deaths], [1, 1])
  })
})

describe('many workers, one after the other', { skip: checkBatch() ?? false }, () => {
  it('leave no descriptor, no thread and no memory behind', async t => {
    const { serving } = createAnswering()
    const sizes: { fds: number; threads: number; rss: number }[] = []
    for (let i = 0; i < LIVES; i++) {
      const setup: ConstructorParameters<typeof WorkerLife>[2] = {
        memory: serving.memory,
        reader: 8,
        row: new Float64Array(new SharedArrayBuffer(8 * ROW_FIELDS)),
        transport: i % 4 === 3 ? 'portable' : 'batch',
        sockets: [{ address: '127.0.0.1', port: 0 }],
        order: 'shuffle',
        maxUdpSize: 1232,
        replyLimits: { errorRate: 0, responseRate: undefined },
        random: 1,
      }
      const life = new WorkerLife(DEFECTIVE, 'one', setup, new KernelDrops())
      const { addresses } = await life.served
      if (i % 2 === 0) await life.stop()
      else {
        const client = await UdpClient.open(addresses[0]!.port, WEB)
        client.send(i % 3 === 0 ? 'exit' : 'throw-below')
        await life.ended
        client.close()
      }
      sizes.push({
        fds: readdirSync('/proc/self/fd').length,
        threads: readdirSync('/proc/self/task').length,
        rss: process.memoryUsage.rss(),
      })
    }
    const [early, late] = [sizes[LIVES / 4]!, sizes[LIVES - 1]!]
    t.diagnostic(`after ${LIVES / 4}: ${JSON.stringify(early)}, after ${LIVES}: ${JSON.stringify(late)}`)
    assert.ok(late.fds <= early.fds, 'descriptors')
    assert.ok(late.threads <= early.threads, 'threads')
    assert.ok(late.rss - early.rss < 32 << 20, `memory grew from ${early.rss} to ${late.rss}`)
  })
})

function onlineRows({ answering }: World): number[] {
  const words = new Int32Array(answering.serving.memory.buffer)
  return READERS.filter(reader => Atomics.load(words, readerWord(reader)) !== OFFLINE)
}

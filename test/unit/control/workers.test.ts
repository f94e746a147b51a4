/** Workers that do not start as they should; those that served and end: test/scenario/itself-workers.test.ts. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Worker } from 'node:worker_threads'
import type { Logger } from '../../../src/control/log.ts'
import { QueryLog } from '../../../src/control/query-log.ts'
import { Workers, type WorkersOptions } from '../../../src/control/workers.ts'
import { createAnswering } from '../../support/answering.ts'
import { until } from '../../support/server-process.ts'

const WORKER = new URL('../../../src/dataplane/worker.ts', import.meta.url)
/** Runs, and never comes to serve. */
const HANGS = 'data:text/javascript,for(;;);'
const MOST_READERS = 6

interface World {
  readonly options: WorkersOptions
  readonly said: string[]
  readonly readers: number[]
  /** Threads that were made. */
  readonly threads: Worker[]
}

function create(t: TestContext, more: Partial<WorkersOptions> = {}): World {
  const said: string[] = []
  const say = (message: string): void => void said.push(message)
  const log: Logger = { debug() {}, info: say, warn: say, error: say }
  const readers = Array.from({ length: MOST_READERS }, (_, i) => 8 + i)
  const threads: Worker[] = []
  const onThread = (thread: Worker): void => void threads.push(thread)
  process.on('worker', onThread)
  t.after(() => process.off('worker', onThread))
  const options: WorkersOptions = {
    memory: createAnswering().serving.memory,
    count: 1,
    readers,
    transport: 'portable',
    sockets: [{ address: '127.0.0.1', port: 0 }],
    order: 'shuffle',
    maxUdpSize: 1232,
    replyLimits: { errorRate: 0, responseRate: undefined },
    log,
    ...more,
  }
  return { options, said, readers, threads }
}

async function start(t: TestContext, { options }: World): Promise<Workers> {
  const workers = await Workers.start(options)
  t.after(() => workers.stop())
  return workers
}

describe('a thread that cannot be made', () => {
  it('is tried again, and gives back what was meant for it', async t => {
    const entry = new URL(WORKER)
    const queryLog = new QueryLog({ classes: 7, sample: 1, zones: [] }, 1, 1, { info() {} })
    t.after(() => queryLog.close())
    let rings = 0
    const { open } = queryLog
    queryLog.open = () => {
      rings++
      const { ring, close } = open.call(queryLog)
      const count = (): void => {
        rings--
        close()
      }
      return { ring, close: count }
    }
    const world = create(t, { entry, queryLog })
    const { said, readers, threads } = world
    const workers = await start(t, world)
    // Refused by the constructor, as a thread is when there are too many (EAGAIN).
    entry.href = 'http://127.0.0.1/'
    void threads[0]!.terminate()
    await until(() => said.filter(each => each === 'a worker cannot be started').length === 3, 'it is tried again')
    assert.deepEqual([workers.serving, readers.length, rings], [0, MOST_READERS, 0])
    entry.href = WORKER.href
    await until(() => workers.serving === 1, 'another serves')
    assert.deepEqual([workers.deaths, readers.length, rings], [1, MOST_READERS - 1, 1])
  })
})

describe('a worker that ends while others are still being started', () => {
  it('is counted and replaced when they serve', async t => {
    const world = create(t, { count: 2 })
    const { threads, said } = world
    process.on('worker', function end() {
      if (threads.length < 2) return
      process.off('worker', end)
      void threads[0]!.terminate()
    })
    const workers = await start(t, world)
    await until(() => workers.serving === 2, 'both serve')
    assert.deepEqual([workers.deaths, said], [1, ['a worker died and is replaced']])
  })
})

describe('a worker that does not come to serve', () => {
  it('fails the start, and is ended', async t => {
    const { options, readers } = create(t, { entry: new URL(HANGS), ringMs: 5 })
    await assert.rejects(Workers.start(options), { code: 'ERR_WORKER_START' })
    assert.equal(readers.length, MOST_READERS)
  })

  it('is replaced when it was itself to replace another', async t => {
    const entry = new URL(WORKER)
    const world = create(t, { entry, ringMs: 50 })
    const { threads, said } = world
    const workers = await start(t, world)
    entry.href = HANGS
    void threads[0]!.terminate()
    await until(() => threads.length === 2, 'the second is made')
    entry.href = WORKER.href
    await until(() => workers.serving === 1, 'another serves')
    assert.ok(workers.deaths >= 2)
    assert.ok(!said.includes('a worker hangs and is ended'))
  })
})

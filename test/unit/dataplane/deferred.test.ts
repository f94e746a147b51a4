import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  createDeferred,
  type DeferredQuery,
  DeferredReader,
  DeferredWriter,
  MAX_SOCKETS,
} from '../../../src/dataplane/deferred.ts'
import { until } from '../../support/server-process.ts'

const query = (n: number, octets = 20): DeferredQuery => ({
  message: new Uint8Array(octets).fill(n),
  questionEnd: 20,
  targetAt: n & 1 ? 18 : 0,
  aliases: n & 7,
  payloadSize: 1232,
  dnssecOk: n % 2 === 1,
  zone: n % 3 === 0 ? -1 : n % 3,
  octets: 600 + n,
  path: {
    socket: n % MAX_SOCKETS,
    sockaddr: new Uint8Array(32).fill(n + 1),
    control: new Uint8Array(40).fill(n + 2),
    controlOctets: 28,
    stream: undefined,
  },
})

describe('the ring of deferred queries', () => {
  it('gives what was put, in its order, over many turns of the ring', async t => {
    const memory = createDeferred()
    const taken: DeferredQuery[] = []
    const reader = new DeferredReader(memory, each => taken.push(each))
    t.after(() => reader.end())
    const writer = new DeferredWriter(memory)
    const put: DeferredQuery[] = []
    for (let n = 0; n < 2000; ) {
      for (let batch = 0; batch < 300; batch++, n++) {
        const each = query(n % 256)
        put.push(each)
        assert.equal(writer.put(each), true)
      }
      writer.wake()
      await until(() => taken.length === put.length, 'all are taken')
    }
    assert.deepEqual(taken, put)
  })

  it('takes no more than it holds, and none that is too long; room comes with reading', async t => {
    const memory = createDeferred()
    const writer = new DeferredWriter(memory)
    let put = 0
    while (put < 1000 && writer.put(query(1))) put++
    assert.equal(put, 512)
    let taken = 0
    const reader = new DeferredReader(memory, () => taken++)
    t.after(() => reader.end())
    await until(() => taken === 512, 'all are taken')
    assert.equal(writer.put(query(1, 937)), false)
    assert.equal(writer.put(query(1, 936)), true)
  })

  it('finished: what was put is taken at once, what comes then is not', () => {
    const memory = createDeferred()
    const writer = new DeferredWriter(memory)
    let taken = 0
    const reader = new DeferredReader(memory, () => taken++)
    // The reader takes the first turn when it is made.
    for (let n = 0; n < 100; n++) assert.equal(writer.put(query(n)), true)
    reader.finish()
    assert.equal(taken, 100)
    assert.equal(writer.put(query(1)), false)
  })

  it('finished while a query is being put: it is taken when it is there', async t => {
    const memory = createDeferred()
    const writer = new DeferredWriter(memory)
    let taken = 0
    const reader = new DeferredReader(memory, () => taken++)
    t.after(() => reader.end())
    const { octets: _, ...late } = query(1)
    const put = writer.put({
      ...late,
      // Read after the writer has looked whether the ring is closed.
      get octets() {
        reader.finish()
        return 600
      },
    })
    writer.wake()
    assert.equal(put, true)
    await until(() => taken === 1, 'it is taken')
    assert.equal(writer.put(query(2)), false)
  })

  it('ended: what its writer left is taken at once', () => {
    const memory = createDeferred()
    const writer = new DeferredWriter(memory)
    let taken = 0
    const reader = new DeferredReader(memory, () => taken++)
    for (let n = 0; n < 100; n++) assert.equal(writer.put(query(n)), true)
    reader.end()
    assert.equal(taken, 100)
  })

  it('a query whose taking throws is told of, and the next is taken', async t => {
    const memory = createDeferred()
    const writer = new DeferredWriter(memory)
    const told: unknown[] = []
    t.mock.method(globalThis, 'queueMicrotask', (run: () => void) => {
      try {
        run()
      } catch (error) {
        told.push(error)
      }
    })
    const taken: number[] = []
    const reader = new DeferredReader(memory, ({ message }) => {
      if (message[0] === 1) throw new TypeError('a defect')
      taken.push(message[0]!)
    })
    t.after(() => reader.end())
    for (const n of [0, 1, 2]) writer.put(query(n))
    writer.wake()
    await until(() => taken.length === 2, 'both others are taken')
    assert.deepEqual([taken, told.length], [[0, 2], 1])
  })
})

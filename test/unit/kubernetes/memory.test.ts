import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { identityOf } from '../../../src/cluster/from-api.ts'
import { Reflector } from '../../../src/kubernetes/reflector.ts'
import { sliceOf } from '../../support/fake-api-objects.ts'
import { eventOf } from '../../support/fake-api-server.ts'
import { FakeTime } from '../../support/fake-api-time.ts'

const COUNT = 20_000
const CHUNK_OCTETS = 64 << 10
const FILLER = 'x'.repeat(10_000)

/** Objects in chunks that end anywhere, made as they are read. */
function* chunksOf(pieces: Iterable<string>): Generator<Buffer> {
  let text = ''
  for (const piece of pieces) {
    text += piece
    for (; text.length >= CHUNK_OCTETS; text = text.slice(CHUNK_OCTETS)) yield Buffer.from(text.slice(0, CHUNK_OCTETS))
  }
  yield Buffer.from(text)
}

function slice(i: number): object {
  const { metadata, ...rest } = sliceOf(`a-${i}`, 'a', ['10.0.0.1'])
  return { metadata: { ...metadata, managedFields: FILLER }, ...rest }
}

const WAYS: Record<string, () => Generator<string>> = {
  *'as a stream'() {
    for (let i = 0; i < COUNT; i++) yield eventOf('ADDED', slice(i))
    const metadata = { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } }
    yield eventOf('BOOKMARK', { metadata })
  },
  *'as one page'() {
    yield '{"kind":"EndpointSliceList","metadata":{"resourceVersion":"9"},"items":['
    for (let i = 0; i < COUNT; i++) yield (i === 0 ? '' : ',') + JSON.stringify(slice(i))
    yield ']}'
  },
}

describe('a list of 20,000 slices, 200 MB', () => {
  for (const [way, pieces] of Object.entries(WAYS)) {
    it(`${way} is taken in object by object: it needs a fraction of its size`, async t => {
      const time = new FakeTime()
      let peak = 0
      let added = 0
      const used = () => process.memoryUsage().heapUsed + process.memoryUsage().external
      const client = {
        server: '',
        identity: '',
        close() {},
        renewed: () => new Promise<void>(() => {}),
        answered: () => new Promise<void>(() => {}),
        async get(path: string): Promise<IncomingMessage> {
          const isStream = path.includes('sendInitialEvents')
          const isRefused = isStream && way === 'as one page'
          const body = added > 0 ? endless() : Readable.from(isRefused ? [Buffer.from('{}')] : chunksOf(pieces()))
          return Object.assign(body, { statusCode: isRefused ? 400 : 200, headers: {} }) as unknown as IncomingMessage
        },
      }
      const resource = { path: '/x', name: 'x', partition: '', fromApi: (raw: unknown) => identityOf(raw), identityOf }
      const replacement = {
        add() {
          if (added++ % 500 === 0) peak = Math.max(peak, used())
        },
        drop() {},
        commit() {},
        abort() {},
      }
      const sink = {
        objects: new Map(),
        replaceAll: () => replacement,
        upsert() {},
        remove() {},
        stale() {},
        fresh() {},
      }
      const before = used()
      const reflector = new Reflector(client, resource, sink, () => {}, { info() {}, warn() {} }, time.deps)
      reflector.start(0, 0)
      const start = performance.now()
      while (reflector.status().lists === 0) {
        assert.ok(performance.now() - start < 30_000)
        assert.equal(reflector.status().lastError, undefined)
        await setImmediate()
      }
      const stopping = reflector.stop()
      for (const open of opened) open.destroy()
      await stopping
      assert.equal(added, COUNT)
      const grewBy = (peak - before) / 2 ** 20
      t.diagnostic(`at most ${grewBy.toFixed(0)} MiB`)
      assert.ok(grewBy < 100)
    })
  }
})

const opened: Readable[] = []

/** A watch on which nothing comes. */
function endless(): Readable {
  const stream = new Readable({ read() {} })
  opened.push(stream)
  return stream
}

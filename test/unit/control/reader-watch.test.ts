import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ReaderWatch } from '../../../src/control/reader-watch.ts'
import { WRITER_ROW } from '../../../src/control/serving.ts'
import { createSharedMemory } from '../../../src/table/memory.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { startConfigured } from '../../support/configured-server.ts'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../../support/fake-api-objects.ts'
import { FakeApiServer } from '../../support/fake-api-server.ts'
import { until } from '../../support/server-process.ts'
import { createTable, nameOf } from '../../support/table-lookup.ts'

/** As src/control/server.ts deals rows. */
const TCP_READER = WRITER_ROW + 1

function create() {
  const memory = createSharedMemory(4)
  const { writer } = createTable(['t'], memory)
  const said: object[] = []
  const log = { debug() {}, info() {}, error() {}, warn: (_: string, fields = {}) => void said.push(fields) }
  const watch = new ReaderWatch(memory, reader => `reader ${reader}`, log)
  let value = 0
  const change = (): void => {
    writer.put({ owner: nameOf('n', 't'), ttl: 5, a: [++value] })
    writer.commit()
    watch.look()
  }
  return { watch, said, change, writer, reader: new TableReader(memory, 7) }
}

describe('the watch on readers', () => {
  it('names one that stays in an old epoch, once, and tells how far behind it is', () => {
    const { watch, said, change, reader, writer } = create()
    reader.begin()
    for (let i = 0; i < 50; i++) change()
    assert.equal(said.length, 1)
    assert.equal((said[0] as { reader: string }).reader, 'reader 7')
    assert.equal(watch.lag(), 49)
    assert.ok(writer.stats().retiredOctets >= 49 * 32, `${writer.stats().retiredOctets} octets wait`)
    reader.end()
    change()
    assert.equal(watch.lag(), 0)
    assert.deepEqual([writer.stats().retired, writer.stats().retiredOctets], [0, 0])
  })

  it('says it again when the reader was well between', () => {
    const { said, change, reader } = create()
    for (let times = 0; times < 2; times++) {
      reader.begin()
      for (let i = 0; i < 20; i++) change()
      reader.end()
      change()
    }
    assert.equal(said.length, 2)
  })

  it('says nothing of readers that come and go, nor of one that sleeps for long', () => {
    const { said, change, reader } = create()
    for (let i = 0; i < 100; i++) {
      reader.begin()
      change()
      reader.end()
      change()
    }
    assert.deepEqual(said, [])
  })
})

describe('a running server', () => {
  it('tells in its log and by a metric of a reader that stays in an old epoch, until it has gone on', async t => {
    await using api = await FakeApiServer.start()
    api.put(SERVICES, serviceOf('web'))
    const server = await startConfigured(t, `source: {kubernetes: {endpoint: "${api.url}"}}\ntransport: portable\n`)
    const lag = () => server.metric('headless_dns_reader_lag_epochs')
    const isSaid = () => server.lines.some(line => line.includes('stays behind') && line.includes('"reader":"TCP"'))
    await until(() => api.watchCount(SLICES) === 1, 'changes are heard of')
    const reader = new TableReader(server.server.serving.memory, TCP_READER)
    reader.begin()
    let change = 0
    await until(() => {
      api.put(SLICES, sliceOf('web-1', 'web', [`10.0.0.${++change & 255}`]))
      return isSaid()
    }, 'it is named')
    assert.ok((await lag()) > 1)
    assert.equal(server.lines.filter(line => line.includes('stays behind')).length, 1)
    reader.end()
    await until(async () => (await lag()) === 0, 'nobody is behind')
    await server.stop()
  })
})

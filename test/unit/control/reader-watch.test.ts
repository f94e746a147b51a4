import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ReaderWatch } from '../../../src/control/reader-watch.ts'
import { createSharedMemory } from '../../../src/table/memory.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { createTable, nameOf } from '../../support/table-lookup.ts'

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

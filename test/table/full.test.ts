/**
 * The memory is at its maximum: a change that finds no room is not made, not even in part; what was served is served,
 * and what is taken away makes room.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createBoundedMemory } from '../support/bounded-memory.ts'
import { createTable, Lookup, nameOf, type TestTable } from '../support/table-lookup.ts'

const FULL = { code: 'ERR_TABLE_FULL' }
const LARGE = Array.from({ length: 500 }, (_, k) => k)

/** Fills a small table with names `n<i>.ns<i>` until there is no room even for the smallest. */
function fill(): TestTable & { names: number; lookup: Lookup } {
  const memory = createBoundedMemory(2, 2)
  const table = createTable(['t'], memory)
  let names = 0
  assert.throws(() => {
    for (; names < 100_000; names++) {
      table.writer.put({ owner: nameOf(`n${names}.ns${names}`, 't'), ttl: 5, a: [names] })
      table.writer.commit()
    }
  }, FULL)
  return { ...table, names, lookup: new Lookup(memory, 1) }
}

describe('a table that is full', () => {
  it('serves what it served, and a change to it fails with ERR_TABLE_FULL', () => {
    const { writer, names, lookup } = fill()
    assert.ok(names > 300, `${names} names`)
    assert.throws(() => writer.put({ owner: nameOf('n0.ns0', 't'), ttl: 5, a: LARGE }), FULL)
    for (let i = 0; i < names; i++) assert.deepEqual(lookup.get(nameOf(`n${i}.ns${i}`, 't'))?.a, [i])
  })

  it('has room again for what is taken away', () => {
    const { writer, names, lookup } = fill()
    for (let i = 0; i < names / 2; i++) writer.remove(nameOf(`n${i}.ns${i}`, 't'))
    writer.commit()
    assert.equal(lookup.get(nameOf('ns0', 't')), undefined)
    writer.put({ owner: nameOf('large', 't'), ttl: 5, a: LARGE })
    assert.deepEqual(lookup.get(nameOf('large', 't'))?.a, LARGE)
  })

  it('leaves nothing of a name that found no room, not even the names above it', () => {
    const { writer, lookup } = fill()
    writer.remove(nameOf('n1.ns1', 't'))
    writer.remove(nameOf('n2.ns2', 't'))
    writer.commit()
    const { names } = writer.stats()
    assert.throws(() => writer.put({ owner: nameOf('x.y', 't'), ttl: 5, a: LARGE }), FULL)
    assert.equal(lookup.get(nameOf('y', 't')), undefined)
    assert.equal(writer.stats().names, names)
  })
})

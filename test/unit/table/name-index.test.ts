import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Allocator } from '../../../src/table/allocator.ts'
import { Limbo } from '../../../src/table/epochs.ts'
import {
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_NAME,
  CONTROL_INDEX,
  INDEX_SLOTS,
  SLOT_EMPTY,
  SLOT_TOMBSTONE,
} from '../../../src/table/layout.ts'
import { Views } from '../../../src/table/memory.ts'
import { NameIndex } from '../../../src/table/name-index.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { createBoundedMemory } from '../../support/bounded-memory.ts'

/** An index over names that are numbers, with hashes that the test chooses; looked up by the real reader. */
class TestIndex {
  readonly views: Views
  readonly index: NameIndex
  readonly blocks = new Map<number, number>()
  private readonly allocator: Allocator
  private readonly limbo: Limbo
  private readonly reader: TableReader
  private readonly key = new Int32Array(4)
  private readonly hashOf: (name: number) => number

  constructor(hashOf: (name: number) => number, pages = 64, maximum = pages) {
    const memory = createBoundedMemory(pages, maximum)
    this.hashOf = hashOf
    this.views = new Views(memory)
    this.allocator = new Allocator(this.views)
    this.limbo = new Limbo(
      () => this.views.words,
      block => this.index.free(block),
    )
    this.index = new NameIndex(this.views, this.allocator, this.limbo)
    this.reader = new TableReader(memory, 0)
  }

  put(name: number): boolean {
    const block = this.allocator.allocate(BLOCK_NAME + 1)
    if (block === 0) return false
    const { words } = this.views
    words[block + BLOCK_HASH] = this.hashOf(name)
    words[block + BLOCK_META] = 4
    words[block + BLOCK_NAME] = name
    const old = this.blocks.get(name)
    if (old !== undefined) {
      this.index.replace(old, block)
      this.limbo.retire(old)
    } else if (!this.index.insert(block)) {
      this.allocator.free(block)
      return false
    }
    this.blocks.set(name, block)
    this.limbo.advance()
    return true
  }

  remove(name: number): void {
    const block = this.blocks.get(name)
    if (block === undefined) return
    this.index.remove(block)
    this.limbo.retire(block)
    this.blocks.delete(name)
    this.limbo.advance()
  }

  find(name: number): number {
    this.key[0] = name
    this.reader.begin()
    const block = this.reader.find(this.hashOf(name) | 0, new DataView(this.key.buffer), 0, 4)
    this.reader.end()
    return block
  }

  /** Every name is found where it was put, no other is, and no slot is wasted. */
  check(names: Iterable<number>): void {
    for (const name of names) assert.equal(this.find(name), this.blocks.get(name) ?? 0, `name ${name}`)
    assert.equal(this.index.names, this.blocks.size)
    const slots = this.slots()
    assert.equal(slots.filter(slot => slot !== SLOT_EMPTY && slot !== SLOT_TOMBSTONE).length, this.blocks.size)
    const wasted = slots.findIndex(
      (slot, i) => slot === SLOT_TOMBSTONE && slots.at(i + 1 - slots.length) === SLOT_EMPTY,
    )
    assert.equal(wasted, -1, `the tombstone in slot ${wasted} is passed by no probe chain`)
  }

  slots(): Int32Array {
    const first = this.views.words[CONTROL_INDEX]! + INDEX_SLOTS
    return this.views.words.slice(first, first + this.index.slots)
  }
}

describe('the name index', () => {
  it('is a Map to its reader, with probe chains that collide and wrap around', () => {
    const universe = Array.from({ length: 40 }, (_, i) => i)
    // Few positions around the end of the index, tags that differ and tags that do not, whole hashes that are equal.
    const hashes = [0x3fe, 0x3ff, -1, 0, 0x0400_03ff, 0xffff_fffe | 0, 1, 0x3fd, 0xfc00_03ff | 0]
    const step = fc.record({ remove: fc.boolean(), name: fc.nat(universe.length - 1) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), steps => {
        const index = new TestIndex(name => hashes[name % hashes.length]!, 2)
        for (const { remove, name } of steps) {
          if (remove) index.remove(name)
          else index.put(name)
          index.check(universe)
        }
        for (const name of universe) index.remove(name)
        assert.ok(
          index.slots().every(slot => slot === SLOT_EMPTY),
          'no tombstone outlives the last name',
        )
      }),
      { numRuns: 60 },
    )
  })

  it('grows with its names and loses none', () => {
    const index = new TestIndex(name => Math.imul(name, 0x9e37_79b1))
    for (let name = 1; name <= 50_000; name++) assert.ok(index.put(name))
    const names = Array.from({ length: 60_000 }, (_, i) => i)
    index.check(names)
    assert.ok(index.index.slots <= 4 * 50_000)
    for (let name = 1; name <= 50_000; name += 3) index.remove(name)
    index.check(names)
  })

  it('made for so many names has room for them, keeps those that it has, and does not become smaller', () => {
    const index = new TestIndex(name => Math.imul(name, 0x9e37_79b1))
    for (let name = 1; name <= 100; name++) assert.ok(index.put(name))
    index.index.reserve(50_000)
    const { slots } = index.index
    assert.ok(slots >= 50_000)
    for (let name = 101; name <= 50_000; name++) assert.ok(index.put(name))
    index.index.reserve(10)
    assert.equal(index.index.slots, slots)
    index.check(Array.from({ length: 51_000 }, (_, i) => i))
  })

  it('for which there is no room when it is made for very many names stays as it is', () => {
    const index = new TestIndex(name => Math.imul(name, 0x9e37_79b1), 2, 2)
    assert.ok(index.put(1))
    const { slots } = index.index
    index.index.reserve(1_000_000)
    assert.equal(index.index.slots, slots)
    index.check([1, 2])
    let name = 2
    while (index.put(name)) name++
    assert.ok(name > 1000)
  })

  it('does not grow by names that come and go', () => {
    const index = new TestIndex(name => Math.imul(name, 0x9e37_79b1))
    for (let name = 0; name < 300_000; name++) {
      assert.ok(index.put(name))
      index.remove(name - 300)
    }
    assert.equal(index.index.names, 300)
    assert.ok(index.index.slots <= 2048, `${index.index.slots} slots for 300 names`)
  })

  it('at the maximum of the memory is rid of what names that come and go leave behind: a search for what is not there ends', () => {
    const index = new TestIndex(name => Math.imul(name, 0x9e37_79b1), 2, 2)
    let name = 1
    while (index.put(name)) name++
    const { slots } = index.index
    for (let gone = 1; gone < 20 * slots; gone++) {
      index.remove(gone)
      assert.ok(index.put(name++), `after ${gone} names`)
    }
    assert.equal(index.index.slots, slots)
    const tombstones = index.slots().filter(slot => slot === SLOT_TOMBSTONE).length
    assert.ok(tombstones <= slots / 8, `${tombstones} of ${slots}`)
  })

  it('grows where only the room that it keeps for another of its size is left', () => {
    // Names whose blocks take all but what the index needs to double, with and without the spare one.
    for (const pages of [2, 3, 4, 5, 6, 7, 8]) {
      const index = new TestIndex(name => Math.imul(name, 0x9e37_79b1), pages, pages)
      let name = 1
      while (index.put(name)) name++
      const names = Array.from({ length: name + 100 }, (_, i) => i)
      index.check(names)
      for (let gone = 1; gone < name; gone++) index.remove(gone)
      for (let again = 1; again < name; again++) assert.ok(index.put(again), `${pages} pages, name ${again}`)
      index.check(names)
    }
  })

  it('at the maximum of the memory refuses a name and keeps the others', () => {
    const index = new TestIndex(name => Math.imul(name, 0x9e37_79b1), 2, 2)
    let name = 1
    while (index.put(name)) name++
    assert.ok(name > 1000)
    const names = Array.from({ length: name + 100 }, (_, i) => i)
    index.check(names)
    for (let gone = 1; gone < name; gone += 2) index.remove(gone)
    index.check(names)
    assert.ok(index.put(name + 1))
  })
})

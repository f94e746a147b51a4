import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Allocator } from '../../../src/table/allocator.ts'
import { ARENA_WORD, GRANULE_WORDS, PAGE_OCTETS } from '../../../src/table/layout.ts'
import { Views } from '../../../src/table/memory.ts'
import { createBoundedMemory } from '../../support/bounded-memory.ts'

const PAGE_WORDS = PAGE_OCTETS / 4

/** An allocator whose blocks are filled with their own number, so that any overlap shows. */
class CheckedArena {
  readonly views: Views
  readonly allocator: Allocator
  readonly blocks: { at: number; words: number; mark: number }[] = []
  private marks = 0

  constructor(initial: number, maximum: number) {
    this.views = new Views(createBoundedMemory(initial, maximum))
    this.allocator = new Allocator(this.views)
  }

  /** @returns false when the memory is full */
  allocate(asked: number): boolean {
    const before = this.allocator.used
    const at = this.allocator.allocate(asked)
    if (at === 0) {
      assert.equal(this.allocator.used, before, 'a refused request takes nothing')
      return false
    }
    const words = this.allocator.sizeOf(at)
    assert.equal(at % GRANULE_WORDS, 0)
    assert.equal(words, Math.ceil(asked / GRANULE_WORDS) * GRANULE_WORDS)
    assert.ok(at >= ARENA_WORD && at + words <= this.views.limit, 'within the arena')
    const mark = --this.marks
    this.views.words.fill(mark, at + 1, at + words)
    this.blocks.push({ at, words, mark })
    return true
  }

  free(pick: number): void {
    const [block] = this.blocks.splice(pick % this.blocks.length, 1)
    if (block === undefined) return
    this.check(block)
    this.allocator.free(block.at)
  }

  checkAll(): void {
    for (const block of this.blocks) this.check(block)
    const inUse = this.blocks.reduce((sum, { words }) => sum + words, 0)
    assert.equal(this.allocator.used, inUse)
  }

  private check({ at, words, mark }: { at: number; words: number; mark: number }): void {
    assert.equal(this.allocator.sizeOf(at), words)
    const other = this.views.words.subarray(at + 1, at + words).findIndex(word => word !== mark)
    assert.equal(other, -1, `word ${other + 1} of block ${at} was written by somebody else`)
  }
}

const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 40, max: 1500 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1500, max: 50_000 }) },
)
const steps = fc.array(fc.oneof(fc.record({ allocate: size }), fc.record({ free: fc.nat() })), {
  maxLength: 300,
  size: 'max',
})

function run(arena: CheckedArena, sequence: readonly ({ allocate: number } | { free: number })[]): void {
  for (const step of sequence) {
    if ('allocate' in step) arena.allocate(step.allocate)
    else if (arena.blocks.length > 0) arena.free(step.free)
  }
  arena.checkAll()
}

/** The largest request that is served whatever the class of the one free block of `words`. */
function largestServed(words: number): number {
  const step = 2 ** (31 - Math.clz32(words) - 3)
  return Math.floor(words / step) * step
}

describe('the allocator', () => {
  it('never lets blocks overlap, and joins all that is freed into one block again', () => {
    const pages = 12
    const whole = (pages - 1) * PAGE_WORDS - GRANULE_WORDS
    fc.assert(
      fc.property(steps, sequence => {
        const arena = new CheckedArena(pages, pages)
        run(arena, sequence)
        while (arena.blocks.length > 0) arena.free(sequence.length * 7)
        assert.equal(arena.allocator.used, 0)
        assert.ok(arena.allocate(largestServed(whole)), 'one block takes it all')
      }),
      { numRuns: 200 },
    )
  })

  it('keeps blocks apart while the memory grows, up to its maximum', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 2, max: 60 }), (sequence, maximum) => {
        const arena = new CheckedArena(2, maximum)
        run(arena, sequence)
        assert.ok(arena.views.limit <= maximum * PAGE_WORDS)
        while (arena.blocks.length > 0) arena.free(3)
        assert.equal(arena.allocator.used, 0)
      }),
      { numRuns: 200 },
    )
  })

  it('grows for a request of any size', () => {
    for (let words = 1; words < 3_000_000; words = Math.ceil(words * 1.09)) {
      const arena = new CheckedArena(2, 400)
      assert.ok(arena.allocate(words), `${words} words`)
    }
  })

  it('refuses at the maximum, and serves again from what was given back', () => {
    const arena = new CheckedArena(2, 3)
    let served = 0
    while (arena.allocate(64)) served++
    assert.ok(served >= Math.floor((2 * PAGE_WORDS - 2 * GRANULE_WORDS) / 64) - 1, `${served} blocks fill the memory`)
    for (let i = 0; i < 5; i++) arena.free(0)
    for (let i = 0; i < 5; i++) assert.ok(arena.allocate(64))
    arena.checkAll()
  })

  it('serves a request from a free block of exactly its size', () => {
    const unserved: number[] = []
    for (let words = 4; words <= 4000; words += words < 600 ? 4 : 52) {
      const arena = new CheckedArena(2, 2)
      while (arena.allocate(words));
      arena.free(arena.blocks.length >> 1)
      if (!arena.allocate(words)) unserved.push(words)
    }
    assert.deepEqual(unserved, [], 'sizes for which a hole of that very size is passed over')
  })
})

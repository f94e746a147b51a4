import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Order } from '../../../src/answer/order.ts'

function dealt(order: Order, size: number, count: number, key = 1): number[] {
  order.deal(size, count, key)
  return [...order.picks.subarray(0, count)]
}

describe('shuffle', () => {
  it('gives as many different positions as asked for, all of the set', () => {
    const order = new Order('shuffle', 12_345)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3000 }), fc.double({ min: 0, max: 1, noNaN: true }), (size, share) => {
        const count = Math.floor(size * share)
        const picks = dealt(order, size, count)
        assert.equal(new Set(picks).size, count)
        assert.ok(picks.every(pick => pick < size))
      }),
    )
    assert.equal(new Set(dealt(order, 65_535, 65_535)).size, 65_535)
  })

  it('each pair of neighbours is as likely as any other', () => {
    const order = new Order('shuffle', 99)
    const pairs = new Map<number, number>()
    const rounds = 40_000
    for (let i = 0; i < rounds; i++) {
      const [a, b] = dealt(order, 20, 2)
      pairs.set(a! * 20 + b!, (pairs.get(a! * 20 + b!) ?? 0) + 1)
    }
    const expected = rounds / 380
    let chiSquare = 0
    for (const count of pairs.values()) chiSquare += (count - expected) ** 2 / expected
    assert.equal(pairs.size, 380)
    // 379 degrees of freedom: over 530 once in a million.
    assert.ok(chiSquare < 530, `${chiSquare}`)
  })

  it('two servers, or two threads, with different seeds differ', () => {
    const orders = [2, 3, 4, 5, -1].map(seed => dealt(new Order('shuffle', seed), 1000, 8).join())
    assert.equal(new Set(orders).size, 5)
  })

  it('works with any seed, 0 too', () => {
    const order = new Order('shuffle', 0)
    assert.ok(new Set(Array.from({ length: 50 }, () => dealt(order, 10, 1)[0])).size > 3)
  })
})

describe('rotate', () => {
  it('starts one further on each time, and wraps around', () => {
    const order = new Order('rotate', 1)
    const seen = Array.from({ length: 5 }, () => dealt(order, 3, 2))
    assert.deepEqual(seen, [
      [0, 1],
      [1, 2],
      [2, 0],
      [0, 1],
      [1, 2],
    ])
  })

  it('sets take turns of their own', () => {
    const order = new Order('rotate', 1)
    dealt(order, 3, 1, 1)
    assert.deepEqual(dealt(order, 3, 1, 2), [0])
    assert.deepEqual(dealt(order, 3, 1, 1), [1])
  })

  it('an empty set, and one that has shrunk, are dealt', () => {
    const order = new Order('rotate', 1)
    for (let i = 0; i < 9; i++) dealt(order, 10, 1)
    assert.deepEqual(dealt(order, 0, 0), [])
    assert.ok(dealt(order, 2, 2).every(pick => pick < 2))
  })
})

describe('stable', () => {
  it('is the first ones, in order', () => {
    assert.deepEqual(dealt(new Order('stable', 5), 100, 4), [0, 1, 2, 3])
  })
})

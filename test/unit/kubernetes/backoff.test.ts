import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Backoff } from '../../../src/kubernetes/backoff.ts'

describe('Backoff', () => {
  it('doubles from under a second to 40 s, half of it at random', () => {
    for (const [random, share] of [
      [0, 0.5],
      [0.5, 0.75],
    ] as const) {
      const backoff = new Backoff({ now: () => 0, random: () => random })
      const waits = Array.from({ length: 8 }, () => backoff.afterFailure(0, 0) / share)
      assert.deepEqual(waits, [800, 1600, 3200, 6400, 12_800, 25_600, 40_000, 40_000])
    }
  })

  it('waits as long as the server asks, and more', () => {
    const backoff = new Backoff({ now: () => 0, random: () => 0 })
    assert.equal(backoff.afterFailure(0, 7000), 7400)
  })

  it('starts afresh after a minute that went well, and only then', () => {
    let now = 0
    const backoff = new Backoff({ now: () => now, random: () => 0 })
    for (let i = 0; i < 10; i++) backoff.afterFailure(now, 0)
    now = 59_999
    assert.equal(backoff.afterFailure(0, 0), 20_000)
    now = 60_000
    assert.equal(backoff.afterFailure(0, 0), 400)
  })

  it('does not wait after a list, nor after a watch that held for 30 s', () => {
    let now = 0
    const backoff = new Backoff({ now: () => now, random: () => 0.9 })
    assert.equal(backoff.afterSuccess(0, true), 0)
    now = 30_000
    assert.equal(backoff.afterSuccess(0, false), 0)
  })

  it('does not wait before a list that the server asks for, unless there was one in the last five minutes', () => {
    let now = 0
    const backoff = new Backoff({ now: () => now, random: () => 0 })
    assert.equal(backoff.afterExpiry(0, 0), 400)
    now = 299_999
    assert.equal(backoff.afterExpiry(0, 1000), 1800)
    now = 300_000
    assert.equal(backoff.afterExpiry(0, 0), 0)
    assert.equal(backoff.afterExpiry(0, 1000), 1000)
  })

  it('is in no tight loop, whatever fails or is closed: at most one request in 30 s on average', () => {
    const ends = fc.array(fc.constantFrom('closed', 'failed'), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(
        ends,
        fc.integer({ min: 0, max: 29_999 }),
        fc.array(fc.nat(9), { minLength: 1 }),
        (kinds, heldMs, numbers) => {
          let now = 0
          // As likely high as low: every number is followed by its mirror image.
          const random = [...numbers, ...numbers.map(number => 9 - number)].map(number => number / 9)
          let drawn = 0
          const backoff = new Backoff({ now: () => now, random: () => random[drawn++ % random.length]! })
          const pass = (count: number) => {
            for (let i = 0; i < count; i++) {
              const started = now
              now += heldMs
              const isClosed = kinds[i % kinds.length] === 'closed'
              now += isClosed ? backoff.afterSuccess(started, false) : backoff.afterFailure(started, 0)
            }
          }
          pass(random.length * 7)
          const start = now
          pass(random.length * 10)
          assert.ok(now - start >= random.length * 10 * 30_000 - 1e-3)
        },
      ),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Backoff } from '../../../src/kubernetes/backoff.ts'

describe('Backoff', () => {
  it('doubles from half a second, all of it at random, and is 30 to 40 s then', () => {
    for (const random of [0, 0.5, 0.99]) {
      const backoff = new Backoff({ now: () => 0, random: () => random })
      const waits = Array.from({ length: 8 }, () => backoff.afterFailure(0, 0))
      const steady = 30_000 + random * 10_000
      assert.deepEqual(waits, [...[500, 1000, 2000, 4000, 8000, 16_000].map(bound => bound * random), steady, steady])
    }
  })

  it('waits as long as the server asks, and more', () => {
    const backoff = new Backoff({ now: () => 0, random: () => 0.5 })
    assert.equal(backoff.afterFailure(0, 7000), 7250)
  })

  it('starts afresh after a minute that went well, and only then', () => {
    let now = 0
    const backoff = new Backoff({ now: () => now, random: () => 0.5 })
    for (let i = 0; i < 10; i++) backoff.afterFailure(now, 0)
    now = 59_999
    assert.equal(backoff.afterFailure(0, 0), 35_000)
    now = 60_000
    assert.equal(backoff.afterFailure(0, 0), 250)
  })

  it('counts how long a stream was open as waited: a proxy that cuts every stream makes no watch deaf for long', () => {
    for (const [heldMs, how, mostMs] of [
      [50_000, 'afterFailure', 500],
      [25_000, 'afterSuccess', 15_000],
      [29_000, 'afterFailure', 11_000],
    ] as const) {
      let now = 0
      const backoff = new Backoff({ now: () => now, random: () => 0.99 })
      for (let i = 0; i < 20; i++) {
        const started = now
        now += heldMs
        const wait =
          how === 'afterFailure'
            ? backoff.afterFailure(started, 0, heldMs)
            : backoff.afterSuccess(started, false, heldMs)
        assert.ok(wait > 0 && wait <= mostMs, `${how} ${heldMs}: ${wait}`)
        now += wait
      }
    }
  })

  it('has not grown by streams that were cut off after as long as its longest wait', () => {
    const backoff = new Backoff({ now: () => 0, random: () => 0.5 })
    for (let i = 0; i < 20; i++) assert.equal(backoff.afterFailure(0, 0, 50_000), 250)
    assert.equal(backoff.afterFailure(0, 0), 250)
  })

  it('does not wait after a list, nor after a watch that held for 30 s', () => {
    const backoff = new Backoff({ now: () => 30_000, random: () => 0.9 })
    assert.equal(backoff.afterSuccess(0, true, 0), 0)
    assert.equal(backoff.afterSuccess(0, false, 30_000), 0)
  })

  it('does not wait before a list that the server asks for, unless there was one in the last five minutes', () => {
    let now = 0
    const backoff = new Backoff({ now: () => now, random: () => 0.5 })
    assert.equal(backoff.afterExpiry(0, 0), 250)
    now = 299_999
    assert.equal(backoff.afterExpiry(now, 1000), 1500)
    assert.deepEqual([backoff.afterExpiry(0, 0), backoff.afterExpiry(now, 0)], [0, 2000])
    now = 300_000
    assert.equal(backoff.afterExpiry(0, 0), 0)
    assert.equal(backoff.afterExpiry(0, 1000), 1000)
  })

  it('lists soon after an outage, however long that was, and seldom when the server asks for lists again and again', () => {
    let now = 0
    const backoff = new Backoff({ now: () => now, random: () => 0.5 })
    for (let i = 0; i < 20; i++) backoff.afterFailure(now, 0)
    const waits = Array.from({ length: 8 }, () => backoff.afterExpiry(now, 0))
    assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 35_000, 35_000])
    now = 300_000
    assert.deepEqual([backoff.afterExpiry(0, 0), backoff.afterExpiry(now, 0)], [0, 250])
  })

  it('what has passed since the last list counts: outages one after the other, each with a new list, are no longer for that', () => {
    let now = 0
    const backoff = new Backoff({ now: () => now, random: () => 0.5 })
    for (let i = 0; i < 8; i++) backoff.afterExpiry(now, 0)
    now = 20_000
    assert.equal(backoff.afterExpiry(0, 0), 15_000)
    now = 35_000
    assert.equal(backoff.afterExpiry(0, 0), 0)
    assert.equal(backoff.afterExpiry(0, 1000), 1000)
    assert.equal(backoff.afterExpiry(now, 0), 35_000)
  })

  it('is in no tight loop, whatever fails or is closed: never more than one request in 30 s', () => {
    const ends = fc.array(fc.constantFrom('closed', 'failed'), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(
        ends,
        fc.nat(39_999),
        fc.nat(20_000),
        fc.array(fc.nat(9), { minLength: 1 }),
        (kinds, openMs, onItsWayMs, numbers) => {
          let now = 0
          const random = numbers.map(number => number / 10)
          let drawn = 0
          const backoff = new Backoff({ now: () => now, random: () => random[drawn++ % random.length]! })
          const pass = (count: number, leastMs: number) => {
            for (let i = 0; i < count; i++) {
              const started = now
              const arrived = now + onItsWayMs
              now = arrived + openMs
              const isClosed = kinds[i % kinds.length] === 'closed'
              now += isClosed ? backoff.afterSuccess(started, false, openMs) : backoff.afterFailure(started, 0, openMs)
              assert.ok(now - arrived >= leastMs)
            }
          }
          pass(6, 0)
          pass(20, 30_000)
        },
      ),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isLater, Serials } from '../../../src/transfer/serial.ts'

const serial = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('RFC 1982 §3.2: serials in order', () => {
  it('one that is up to 2³¹ − 1 ahead is later, round the end too', () => {
    fc.assert(
      fc.property(serial, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (from, ahead) => {
        const to = (from + ahead) % 2 ** 32
        assert.deepEqual([isLater(to, from), isLater(from, to)], [true, false])
      }),
    )
  })

  it('one is not later than itself, nor than one 2³¹ away', () => {
    fc.assert(fc.property(serial, from => !isLater(from, from) && !isLater((from + 2 ** 31) % 2 ** 32, from)))
  })
})

describe('RFC 1982 §3.1: a serial moves forward', () => {
  it('with every change, however fast, and whatever the clock does', () => {
    let nowMs = 1_790_000_000_000
    const serials = new Serials(() => nowMs)
    for (let i = 0, last = serials.latest; i < 5000; i++) {
      if (i % 7 === 0) nowMs += i % 2 === 0 ? 40 : -10_000
      const next = serials.next()
      assert.ok(isLater(next, last))
      last = next
    }
  })

  it('over a restart, after a minute of 128 changes a second', () => {
    let nowMs = 1_790_000_000_000
    const before = new Serials(() => nowMs)
    for (let i = 0; i < 128 * 60 - 1; i++) before.next()
    nowMs += 60_000
    assert.ok(isLater(new Serials(() => nowMs).latest, before.latest))
  })
})

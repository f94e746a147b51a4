import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Policy, RTT_BUCKETS, Upstream } from '../../../src/forward/upstream.ts'

const made = (count: number) =>
  Array.from({ length: count }, (_, i) => new Upstream({ address: `192.0.2.${i}`, port: 53, tls: false }))

function fail(upstream: Upstream): void {
  upstream.failed(0)
  upstream.failed(0)
}

describe('a policy', () => {
  const never = () => assert.fail('no chance is needed')

  it('sequential: always in the order they are given', () => {
    const all = made(3)
    const policy = new Policy('sequential', never)
    for (let i = 0; i < 4; i++) assert.deepEqual(policy.order(all), all)
  })

  it('roundRobin: each is first in its turn, and the others follow', () => {
    const [a, b, c] = made(3) as [Upstream, Upstream, Upstream]
    const policy = new Policy('roundRobin', never)
    const orders = [0, 1, 2, 3].map(() => policy.order([a, b, c]))
    assert.deepEqual(orders, [
      [a, b, c],
      [b, c, a],
      [c, a, b],
      [a, b, c],
    ])
  })

  it('random: whoever chance says is first', () => {
    const [a, b, c] = made(3) as [Upstream, Upstream, Upstream]
    const given: number[] = []
    const policy = new Policy('random', below => {
      given.push(below)
      return 2
    })
    assert.deepEqual(policy.order([a, b, c]), [c, a, b])
    assert.deepEqual(given, [3])
  })

  it('whoever is down comes last, in the same order; with all down all are asked', () => {
    const [a, b, c] = made(3) as [Upstream, Upstream, Upstream]
    const policy = new Policy('sequential', never)
    a.failed(0)
    assert.deepEqual(policy.order([a, b, c]), [a, b, c], 'one failure is none')
    fail(a)
    assert.deepEqual(policy.order([a, b, c]), [b, c, a])
    fail(b)
    fail(c)
    assert.deepEqual(policy.order([a, b, c]), [a, b, c])
    b.answered()
    assert.deepEqual(policy.order([a, b, c]), [b, a, c])
  })
})

describe('an upstream', () => {
  it('is called as it is written in a configuration', () => {
    const name = (address: string, port: number, tls: boolean) => new Upstream({ address, port, tls }).name
    assert.deepEqual(
      [name('192.0.2.1', 53, false), name('2001:db8::1', 5353, false), name('192.0.2.1', 853, true)],
      ['192.0.2.1:53', '[2001:db8::1]:5353', 'tls://192.0.2.1:853'],
    )
  })

  it('has the name of its certificate in its own, so that no two have the same series of metrics', () => {
    const where = { address: '192.0.2.1', port: 853, tls: true }
    const names = ['a', 'b'].map(serverName => new Upstream({ ...where, serverName }).name)
    assert.deepEqual(names, ['tls://192.0.2.1:853#a', 'tls://192.0.2.1:853#b'])
  })

  it('that knows no EDNS is asked without it for 15 minutes', () => {
    const [upstream] = made(1)
    assert.equal(upstream!.isPlain(0), false)
    upstream!.knowsNoEdns(1000)
    assert.deepEqual([upstream!.isPlain(900_999), upstream!.isPlain(901_000)], [true, false])
  })

  it('has its times in buckets, the last for whatever is longer, then their sum', () => {
    const [upstream] = made(1)
    for (const ms of [0.1, 0.25, 0.26, 1e6]) upstream!.observe(3, ms)
    const row = upstream!.durations.get(3)!
    assert.deepEqual([row[0], row[1], row[RTT_BUCKETS.length]], [2, 1, 1])
    assert.ok(Math.abs(row[RTT_BUCKETS.length + 1]! - 1000.000_61) < 1e-6)
  })
})

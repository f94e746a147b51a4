/** RFC 8767, Serving Stale Data to Improve DNS Resiliency: of forwarded answers, when `cache.serveStale` says so. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { ReplyCache } from '../../src/forward/reply-cache.ts'
import { CachedWorld, soaOf } from '../support/cached.ts'
import { addressOf, always, QNAME, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { type Bench, createForwarder } from '../support/forwarder.ts'
import type { Answer } from '../support/forwarding.ts'
import { queryOf, RCODES, RD } from '../support/messages.ts'
import { until } from '../support/server-process.ts'

const A = 1
const NAME = 'www.example.com'
const HOUR = 3600

/** A forwarder with a cache, whose clocks are one; what was kept expires in 60 s. */
async function startStale(
  t: TestContext,
): Promise<{ world: CachedWorld; bench: Bench; upstream: Awaited<ReturnType<typeof startUpstream>> }> {
  const world = new CachedWorld({ serveStale: HOUR })
  const upstream = await startUpstream(always('192.0.2.1'))
  t.after(() => upstream.close())
  const bench = createForwarder(t, [upstream.port], {}, { cache: new ReplyCache(world.store, 1232) })
  await bench.ask(queryOf(NAME, A, { flags: RD, opt: {} })).wait()
  return { world, bench, upstream }
}

function ttls(reply: { readonly answers: readonly { readonly ttl: number }[] }): number[] {
  return reply.answers.map(({ ttl }) => ttl)
}

describe('RFC 8767 §4: expired data may be used when it cannot be refreshed', () => {
  it('after every upstream failed: with TTL 30 and EDE 3, here and by the data-plane threads', async t => {
    const { world, bench, upstream } = await startStale(t)
    upstream.script = asked => [replyTo(asked, { flags: RCODES.SERVFAIL })]
    world.now += 61
    assert.equal(world.ask(NAME, A), undefined, 'it is tried first')
    const { rcode, answers, reply } = await bench.ask(queryOf(NAME, A, { flags: RD, opt: {} })).wait()
    assert.deepEqual([rcode, answers], [0, [`${NAME}. 1 192.0.2.1`]])
    assert.deepEqual(ttls(reply), [30])
    assert.deepEqual(
      reply.opt!.options.map(({ code, data }) => [code, data.readUInt16BE()]),
      [[15, 3]],
    )
    const hit = world.ask(NAME, A)!
    assert.deepEqual([hit.answers, ttls(hit.reply)], [answers, [30]])
    assert.deepEqual(
      hit.reply.opt!.options.map(({ code, data }) => [code, data.readUInt16BE()]),
      [[15, 3]],
    )
  })

  for (const word of ['FORMERR', 'NOTIMP', 'REFUSED'] as const) {
    it(`after ${word}: the client whose query was asked has the same as the next ones`, async t => {
      const { world, bench, upstream } = await startStale(t)
      upstream.script = asked => [replyTo(asked, { flags: RCODES[word] })]
      world.now += 61
      const first = await bench.ask(queryOf(NAME, A, { flags: RD, opt: {} })).wait()
      const next = world.ask(NAME, A)!
      for (const { rcode, answers, reply } of [first, next]) {
        assert.deepEqual([rcode, answers, ttls(reply)], [0, [`${NAME}. 1 192.0.2.1`], [30]])
        assert.equal(reply.opt!.options[0]!.data.readUInt16BE(), 3)
      }
      assert.equal(bench.forwarder.stats.refused, 0)
      const other = await bench.ask(queryOf('b.example.com', A, { flags: RD, opt: {} })).wait()
      assert.deepEqual([other.rcode, bench.forwarder.stats.refused], [RCODES[word], 1])
    })
  }

  it('NXDOMAIN too, with EDE 19 (RFC 8914 §4.20)', () => {
    const world = new CachedWorld({ serveStale: HOUR })
    world.hear(NAME, A, { rcode: RCODES.NXDOMAIN, authority: [soaOf('example.com', 60, 60)] })
    world.now += 61
    world.fail(NAME, A)
    const { rcode, reply } = world.ask(NAME, A)!
    assert.deepEqual([rcode, reply.authority[0]!.ttl], [RCODES.NXDOMAIN, 30])
    assert.equal(reply.opt!.options[0]!.data.readUInt16BE(), 19)
    assert.equal(world.ask(NAME, A, { opt: false })!.reply.opt, undefined)
  })

  it('not for longer than the configuration says, and not at all by default', () => {
    for (const serveStale of [HOUR, 0]) {
      const world = new CachedWorld({ serveStale })
      world.hear(NAME, A, { answers: [addressOf(QNAME, '192.0.2.1')] })
      world.now += 60 + serveStale
      world.fail(NAME, A)
      assert.equal(world.ask(NAME, A)!.rcode, RCODES.SERVFAIL)
    }
  })

  it('never instead of what is fresh, and no failure takes the place of it', () => {
    const world = new CachedWorld({ serveStale: HOUR })
    world.hear(NAME, A, { answers: [addressOf(QNAME, '192.0.2.1')] })
    world.fail(NAME, A)
    assert.deepEqual(ttls(world.ask(NAME, A)!.reply), [60])
  })
})

describe('RFC 8767 §5: the client response timer', () => {
  it('after 1.8 s without an answer the client has the stale one, and the next the fresh one', async t => {
    const { world, bench, upstream } = await startStale(t)
    let release = (): void => {}
    const gate = new Promise<void>(resolve => (release = resolve))
    upstream.script = async asked => {
      await gate
      return [replyTo(asked, { answers: [addressOf(QNAME, '192.0.2.2')] })]
    }
    world.now += 61
    const pending = bench.ask(queryOf(NAME, A, { flags: RD, opt: {} }))
    await bench.clock.advance(1750)
    assert.equal(pending.answer, undefined)
    await bench.clock.advance(100)
    assert.deepEqual((pending.answer as Answer | undefined)?.answers, [`${NAME}. 1 192.0.2.1`])
    release()
    await until(() => bench.forwarder.inFlight === 0, 'the late answer')
    assert.equal(pending.replies, 1)
    const fresh = world.ask(NAME, A)!
    assert.deepEqual([fresh.answers, ttls(fresh.reply)], [[`${NAME}. 1 192.0.2.2`], [60]])
  })
})

describe('RFC 8767 §4: what the upstreams say takes the place of expired data', () => {
  for (const [words, fields] of [
    ['an answer with TTL 0', { answers: [addressOf(QNAME, '192.0.2.2', 0)] }],
    ['NXDOMAIN without SOA', { flags: RCODES.NXDOMAIN }],
  ] as const) {
    it(`${words}, which is not kept, after 1.8 s: the next client does not have the stale one`, async t => {
      const { world, bench, upstream } = await startStale(t)
      let release = (): void => {}
      const gate = new Promise<void>(resolve => (release = resolve))
      upstream.script = async asked => {
        await gate
        return [replyTo(asked, fields)]
      }
      world.now += 61
      const pending = bench.ask(queryOf(NAME, A, { flags: RD, opt: {} }))
      await bench.clock.advance(1850)
      assert.equal((await pending.wait()).answers.length, 1)
      assert.notEqual(world.ask(NAME, A), undefined)
      release()
      await until(() => bench.forwarder.inFlight === 0, 'the late answer')
      assert.equal(world.ask(NAME, A), undefined)
    })
  }
})

describe('RFC 8767 §5: the failure recheck timer', () => {
  it('what failed is asked for again after 30 s, not before', () => {
    const world = new CachedWorld({ serveStale: HOUR })
    world.hear(NAME, A, { answers: [addressOf(QNAME, '192.0.2.1')] })
    world.now += 61
    world.fail(NAME, A)
    world.now += 29
    assert.notEqual(world.ask(NAME, A), undefined)
    world.now += 1
    assert.equal(world.ask(NAME, A), undefined)
  })
})

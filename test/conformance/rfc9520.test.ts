/**
 * RFC 9520, negative caching of DNS resolution failures, and what becomes of a client when its upstreams fail: asked where
 * else, how often, how long, and what it is told. The clock is moved by hand.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { TOTAL_MS } from '../../src/forward/forwarder.ts'
import type { Upstream } from '../../src/forward/upstream.ts'
import { CachedWorld } from '../support/cached.ts'
import {
  addressOf,
  always,
  type FakeUpstream,
  QNAME,
  recordOf,
  replyTo,
  startUpstream,
  wireName,
} from '../support/fake-upstream.ts'
import { type Bench, createForwarder } from '../support/forwarder.ts'
import { AD, CD, message, QR, queryOf, RA, RCODES, RD, TC } from '../support/messages.ts'
import { freePort, until } from '../support/server-process.ts'

const NAME = 'www.example.com'
const question = (name = NAME, flags = RD) => queryOf(name, 'A', { flags, opt: {} })
const silence = () => []
const fails = (asked: Parameters<FakeUpstream['script']>[0]) => [replyTo(asked, { flags: RCODES.SERVFAIL })]
/** Probes ask for the root. */
const questionsTo = ({ asked }: FakeUpstream) => asked.filter(({ name }) => name !== '')
const edesOf = ({ opt }: { opt: { options: { code: number; data: Buffer }[] } | undefined }) =>
  opt!.options.map(({ code, data }) => [code, data.readUInt16BE()])

async function start(t: TestContext, ...scripts: FakeUpstream['script'][]): Promise<FakeUpstream[]> {
  const upstreams = await Promise.all(scripts.map(script => startUpstream(script)))
  for (const upstream of upstreams) t.after(() => upstream.close())
  return upstreams
}

function benchOf(t: TestContext, upstreams: readonly FakeUpstream[], ...more: [object?, object?]): Bench {
  return createForwarder(
    t,
    upstreams.map(({ port }) => port),
    ...more,
  )
}

describe('RFC 9520 §3.1: how often an upstream is asked', () => {
  it('a black hole: at most three packets, then SERVFAIL before 4.5 s, with EDE 22 (RFC 8914 §4.23)', async t => {
    const [hole] = await start(t, silence)
    const bench = benchOf(t, [hole!])
    const pending = bench.ask(question())
    await bench.clock.advance(TOTAL_MS - 50)
    assert.equal(pending.answer, undefined)
    await bench.clock.advance(50)
    assert.ok(bench.clock.now < 4500)
    assert.deepEqual([pending.answer!.rcode, pending.answer!.flags], [RCODES.SERVFAIL, QR | RD | RA])
    assert.deepEqual(edesOf(pending.answer!.reply), [[15, 22]])
    await until(() => questionsTo(hole!).length === 3, 'all have arrived')
    // The same query from the same port: a repeat gives a forger no second chance.
    assert.equal(new Set(questionsTo(hole!).map(({ id, port }) => `${id} ${port}`)).size, 1)
  })

  it('an upstream that answers late, after its company was asked, is still heard', async t => {
    let late = (): void => {}
    const gate = new Promise<void>(resolve => (late = resolve))
    const [slow, hole] = await start(
      t,
      async asked => {
        await gate
        return always('192.0.2.1')(asked)
      },
      silence,
    )
    const bench = benchOf(t, [slow!, hole!])
    const pending = bench.ask(question())
    await bench.clock.advance(2000)
    late()
    assert.deepEqual((await pending.wait()).answers, [`${NAME}. 1 192.0.2.1`])
    assert.equal(pending.replies, 1)
  })

  it('over TCP, an answer that comes when another was taken is nobody’s', async t => {
    let late = (): void => {}
    const gate = new Promise<void>(resolve => (late = resolve))
    const [slow, good] = await start(
      t,
      async asked => {
        if (asked.name === NAME) await gate
        return always('192.0.2.1')(asked)
      },
      always('192.0.2.2'),
    )
    const bench = benchOf(t, [slow!, good!], { forceTcp: true })
    const pending = bench.ask(question())
    await until(() => questionsTo(slow!).length === 1, 'it is asked')
    await bench.clock.advance(800)
    assert.deepEqual((await pending.wait()).answers, [`${NAME}. 1 192.0.2.2`])
    late()
    assert.equal((await bench.ask(question('b.example.com')).wait()).rcode, 0)
    assert.deepEqual([pending.replies, bench.forwarder.inFlight, bench.forwarder.stats.answered], [1, 0, 2])
  })

  it('the next upstream is asked after 800 ms, and at once when a port is closed', async t => {
    const [hole, good] = await start(t, silence, always('192.0.2.2'))
    const bench = benchOf(t, [hole!, good!])
    const pending = bench.ask(question())
    await bench.clock.advance(750)
    assert.deepEqual([pending.answer, questionsTo(good!).length], [undefined, 0])
    await bench.clock.advance(50)
    assert.deepEqual((await pending.wait()).answers, [`${NAME}. 1 192.0.2.2`])

    const closed = createForwarder(t, [await freePort(), good!.port])
    assert.deepEqual((await closed.ask(question('b.example.com')).wait()).answers, ['b.example.com. 1 192.0.2.2'])
    assert.equal(closed.clock.now, 0)
  })

  it('SERVFAIL leads to the next upstream by choice alone', async t => {
    const [bad, good] = await start(t, fails, always('192.0.2.2'))
    assert.equal((await benchOf(t, [bad!, good!]).ask(question()).wait()).rcode, RCODES.SERVFAIL)
    assert.equal(good!.asked.length, 0)
    const failover = benchOf(t, [bad!, good!], { failover: [RCODES.SERVFAIL] })
    assert.deepEqual((await failover.ask(question()).wait()).answers, [`${NAME}. 1 192.0.2.2`])
  })
})

describe('RFC 9520 §3.2: a failure is remembered', () => {
  for (const [words, script, rcode] of [
    ['SERVFAIL', fails, RCODES.SERVFAIL],
    ['REFUSED', (asked: never) => [replyTo(asked, { flags: RCODES.REFUSED })], RCODES.REFUSED],
    ['a time-out', silence, RCODES.SERVFAIL],
  ] as const) {
    it(`${words}: not asked again for 5 s, and told so by EDE 13 (RFC 8914 §4.14); other questions are`, async t => {
      const [upstream] = await start(t, script as FakeUpstream['script'])
      const bench = benchOf(t, [upstream!])
      const first = bench.ask(question())
      if (words === 'a time-out') await bench.clock.advance(TOTAL_MS)
      assert.equal((await first.wait()).rcode, rcode)
      const asked = questionsTo(upstream!).length
      const failedMs = bench.clock.now
      for (const name of [NAME, 'WWW.EXAMPLE.COM']) {
        const again = bench.ask(question(name))
        assert.equal(again.answer?.rcode, RCODES.SERVFAIL)
        assert.deepEqual(edesOf(again.answer!.reply), [[15, 13]])
      }
      upstream!.script = always('192.0.2.1')
      assert.equal((await bench.ask(question('other.example.com')).wait()).rcode, 0)
      await bench.clock.advance(failedMs + 4950 - bench.clock.now)
      assert.equal(bench.ask(question()).answer?.rcode, RCODES.SERVFAIL)
      await bench.clock.advance(50)
      assert.equal((await bench.ask(question()).wait()).rcode, 0)
      assert.equal(questionsTo(upstream!).length, asked + 2)
    })
  }

  it('NXDOMAIN and an empty answer are no failures', async t => {
    const [upstream] = await start(t, asked => [replyTo(asked, { flags: RCODES.NXDOMAIN })])
    const bench = benchOf(t, [upstream!])
    for (let i = 1; i <= 2; i++) {
      assert.equal((await bench.ask(question()).wait()).rcode, RCODES.NXDOMAIN)
      assert.equal(upstream!.asked.length, i)
    }
    upstream!.script = asked => [replyTo(asked)]
    assert.deepEqual((await bench.ask(question()).wait()).answers, [])
  })
})

describe('upstreams that fail', () => {
  it('are probed every 500 ms until they say anything, and come last meanwhile; a healthy one is never probed', async t => {
    const [hole, good] = await start(t, silence, always('192.0.2.2'))
    const bench = benchOf(t, [hole!, good!])
    for (let i = 0; i < 2; i++) {
      const pending = bench.ask(question(`a${i}.example.com`))
      await bench.clock.advance(800)
      await pending.wait()
    }
    assert.ok(bench.upstreams[0]!.isDown)
    const before = questionsTo(hole!).length
    assert.equal((await bench.ask(question('c.example.com')).wait()).rcode, 0)
    assert.equal(questionsTo(hole!).length, before)
    const probes = hole!.asked.length - before
    await bench.clock.advance(5000)
    await until(() => hole!.asked.length - before - probes >= 4, 'probes')
    assert.ok(hole!.asked.length - before - probes <= 10)
    hole!.script = asked => [replyTo(asked, { flags: RCODES.REFUSED })]
    await until(async () => {
      await bench.clock.advance(500)
      return !bench.upstreams[0]!.isDown
    }, 'it is up')
    await until(async () => {
      await bench.clock.advance(1000)
      return bench.clock.isIdle
    }, 'nothing is looked at any more')
    assert.equal(good!.asked.filter(({ name }) => name === '').length, 0)
  })

  it('without EDNS (FORMERR, no OPT) are asked again without', async t => {
    const [old] = await start(t, asked =>
      asked.hasOpt ? [replyTo(asked, { flags: RCODES.FORMERR, opt: false })] : always('192.0.2.1')(asked),
    )
    const bench = benchOf(t, [old!])
    assert.equal((await bench.ask(question()).wait()).rcode, 0)
    assert.equal((await bench.ask(question('b.example.com')).wait()).rcode, 0)
    assert.deepEqual(
      old!.asked.map(({ hasOpt }) => hasOpt),
      [true, false, false],
    )
  })

  it('RFC 6891 §7: that answer FORMERR with and without EDNS are not taken for old: it was the question', async t => {
    const [picky] = await start(t, asked => [message({ id: asked.id, flags: 0x8181, counts: [0, 0, 0, 0] })])
    const bench = benchOf(t, [picky!])
    assert.equal((await bench.ask(question()).wait()).rcode, RCODES.FORMERR)
    picky!.script = always('192.0.2.1')
    assert.equal((await bench.ask(question('b.example.com')).wait()).rcode, 0)
    assert.deepEqual(
      questionsTo(picky!).map(({ hasOpt }) => hasOpt),
      [true, false, true],
    )
  })

  it('RFC 6891 §6.1.3: that speak of our OPT (BADVERS, BADCOOKIE): SERVFAIL, also to a client without OPT', async t => {
    const opt = Buffer.from([0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0])
    const [odd] = await start(t, asked => [
      replyTo(asked, { opt: false, additional: [opt], flags: asked.name.startsWith('b') ? 7 : 0 }),
    ])
    const bench = benchOf(t, [odd!])
    for (const name of ['a.example.com', 'b.example.com']) {
      assert.equal((await bench.ask(queryOf(name, 'A', { flags: RD })).wait()).rcode, RCODES.SERVFAIL, name)
    }
  })

  it('with a malformed reply over UDP are asked over TCP; malformed there too is SERVFAIL', async t => {
    const cut = (octets: Buffer) => octets.subarray(0, octets.length - 3)
    const [bad] = await start(t, asked => {
      const reply = replyTo(asked, { answers: [addressOf(QNAME, '192.0.2.1')] })
      return [asked.tcp ? reply : cut(reply)]
    })
    assert.equal((await benchOf(t, [bad!]).ask(question()).wait()).answers.length, 1)
    bad!.script = asked => [cut(replyTo(asked, { answers: [addressOf(QNAME, '192.0.2.1')] }))]
    assert.equal((await benchOf(t, [bad!]).ask(question()).wait()).rcode, RCODES.SERVFAIL)
  })

  it('that truncate and do not listen on TCP: SERVFAIL in time', async t => {
    const [bad] = await start(t, asked => (asked.tcp ? [] : [replyTo(asked, { flags: TC })]))
    const bench = benchOf(t, [bad!])
    const pending = bench.ask(question())
    await until(() => bad!.asked.some(({ tcp }) => tcp), 'asked over TCP')
    await bench.clock.advance(TOTAL_MS)
    assert.equal(pending.answer!.rcode, RCODES.SERVFAIL)
  })

  it('with an alias that comes back to itself: SERVFAIL', async t => {
    const [bad] = await start(t, asked => [
      replyTo(asked, { answers: [alias(NAME, 'b.example.com'), alias('b.example.com', NAME)] }),
    ])
    assert.equal((await benchOf(t, [bad!]).ask(question()).wait()).rcode, RCODES.SERVFAIL)
  })
})

describe('a zone without upstreams', () => {
  it('is SERVFAIL with EDE 22 (RFC 8914 §4.23), and is asked as soon as there are some', async t => {
    const [upstream] = await start(t, always('192.0.2.1'))
    const upstreams: Upstream[] = []
    const { replies, store } = new CachedWorld()
    const bench = benchOf(t, [upstream!], { upstreams }, { cache: replies })
    for (const name of [NAME, NAME]) {
      const { rcode, reply } = await bench.ask(question(name)).wait()
      assert.deepEqual([rcode, edesOf(reply)], [RCODES.SERVFAIL, [[15, 22]]])
    }
    assert.equal(store.region.entries, 0)
    upstreams.push(...bench.upstreams)
    assert.equal((await bench.ask(question()).wait()).rcode, 0)
  })
})

describe('the flags of a forwarded answer', () => {
  it('RFC 4035 §3.2.2: CD goes to the upstream and comes back; §3.2.3: AD is the upstream’s to say, RFC 6840 §5.8: to who asks', async t => {
    const [upstream] = await start(t, asked => [
      replyTo(asked, { flags: AD, answers: [addressOf(QNAME, '192.0.2.1')] }),
    ])
    const bench = benchOf(t, [upstream!])
    assert.equal((await bench.ask(question(NAME, RD | CD | AD)).wait()).flags, QR | RD | RA | CD | AD)
    assert.equal(upstream!.asked[0]!.flags, RD | CD)
    assert.equal((await bench.ask(question()).wait()).flags, QR | RD | RA)
    assert.equal(upstream!.asked[1]!.flags, RD)
  })
})

describe('caps', () => {
  it('of one client, of the zone and of all: beyond them SERVFAIL at once, and room again when answers come', async t => {
    const [hole] = await start(t, silence)
    const caps = { maxInFlight: 5, maxPerClient: 2 }
    const bench = benchOf(t, [hole!], { maxConcurrent: 4 }, caps)
    const ask = (i: number, client: string) => bench.ask(question(`a${i}.example.com`), client)
    const first = [ask(0, 'a'), ask(1, 'a')]
    assert.equal(ask(2, 'a').answer?.rcode, RCODES.SERVFAIL)
    ask(3, 'b')
    ask(4, 'b')
    assert.equal(ask(5, 'c').answer?.rcode, RCODES.SERVFAIL)
    const { overClient, overZone } = bench.forwarder.stats
    assert.deepEqual([overClient, overZone, bench.forwarder.inFlight], [1, 1, 4])
    await bench.clock.advance(TOTAL_MS)
    for (const each of first) assert.equal(each.answer?.rcode, RCODES.SERVFAIL)
    hole!.script = always('192.0.2.1')
    assert.equal((await ask(6, 'a').wait()).rcode, 0)
  })

  it('of one client hold for what it joins, too, and leave others their place', async t => {
    const [hole] = await start(t, silence)
    const bench = benchOf(t, [hole!], {}, { maxPerClient: 100 })
    const waiting = Array.from({ length: 10_000 }, () => bench.ask(question(), 'a'))
    assert.equal(waiting.filter(({ answer }) => answer?.rcode === RCODES.SERVFAIL).length, 9900)
    assert.equal(bench.forwarder.stats.overClient, 9900)
    hole!.script = always('192.0.2.1')
    const others = ['b', 'c'].map(client => bench.ask(question('other.example.com'), client))
    for (const each of others) assert.equal((await each.wait()).rcode, 0)
    assert.equal(bench.forwarder.stats.shared, 99 + 1)
  })

  it('100,000 names at a black hole: memory and sockets are bounded', async t => {
    const [hole] = await start(t, silence)
    const bench = benchOf(t, [hole!], {}, { maxInFlight: 100 })
    for (let i = 0; i < 100_000; i++) bench.ask(question(`a${i}.example.com`), `c${i % 1000}`)
    assert.equal(bench.forwarder.inFlight, 100)
    assert.equal(bench.forwarder.stats.overTotal, 99_900)
  })
})

function alias(owner: string, target: string): Buffer {
  return recordOf(owner, 5, wireName(target))
}

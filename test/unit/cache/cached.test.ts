/** Upstreams' replies → what a data-plane thread answers. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CACHE_DENIAL_HITS, CACHE_HITS, CACHE_MISSES } from '../../../src/answer/cached.ts'
import { type Asking, CachedWorld, soaOf } from '../../support/cached.ts'
import { addressOf, QNAME, recordOf } from '../../support/fake-upstream.ts'
import { AA, AD, CD, nameOf, RA, RCODES, RD, TC, wireName } from '../../support/messages.ts'

const QR = 0x8000
const A = 1
const CNAME = 5
const PTR = 12
const TXT = 16

function addresses(count: number, ttl = 60): Buffer[] {
  return Array.from({ length: count }, (_, i) => addressOf(QNAME, `192.0.2.${i}`, ttl))
}

describe('an answer that is kept', () => {
  it('is given with the client’s own question, without AA, and its TTL counts down', () => {
    const world = new CachedWorld()
    assert.equal(world.ask('www.example.com', A), undefined)
    world.hear('www.example.com', A, { answers: addresses(2) })
    world.now += 13
    const { flags, answers, reply } = world.ask('wWw.eXample.com', A)!
    assert.equal(flags, QR | RD | RA)
    assert.deepEqual(answers, ['wWw.eXample.com. 1 192.0.2.0', 'wWw.eXample.com. 1 192.0.2.1'])
    assert.deepEqual(
      reply.answers.map(({ ttl }) => ttl),
      [47, 47],
    )
    world.now += 46
    assert.equal(world.ask('www.example.com', A)!.reply.answers[0]!.ttl, 1)
    world.now += 1
    assert.equal(world.ask('www.example.com', A), undefined)
    assert.deepEqual([world.counts[CACHE_HITS], world.counts[CACHE_MISSES], world.counts[CACHE_DENIAL_HITS]], [2, 2, 0])
  })

  it('is one for each name, type, DO and CD', () => {
    const world = new CachedWorld()
    world.hear('www.example.com', A, { answers: addresses(1) })
    for (const miss of [
      () => world.ask('ww.example.com', A),
      () => world.ask('www.example.com', 28),
      () => world.ask('www.example.com', A, { opt: { do: true } }),
      () => world.ask('www.example.com', A, { cd: true }),
      () => world.ask(nameOf('www.example', 'com'), A),
    ]) {
      assert.equal(miss(), undefined)
    }
    world.hear('www.example.com', A, { answers: addresses(2), dnssecOk: true, cd: true, ad: true })
    assert.equal(world.ask('www.example.com', A)!.answers.length, 1)
    const { answers, flags, reply } = world.ask('www.example.com', A, { opt: { do: true }, cd: true })!
    assert.deepEqual([answers.length, flags & (AD | CD), reply.opt!.flags], [2, AD | CD, 0x8000])
  })

  it('has its names whole, wherever pointers stood', () => {
    const world = new CachedWorld()
    const alias = wireName('cdn.example.net')
    world.hear('www.example.com', PTR, {
      answers: [
        recordOf(QNAME, CNAME, alias, 300),
        recordOf('cdn.example.net', PTR, wireName('mail.cdn.example.net'), 20),
        recordOf('cdn.example.net', PTR, wireName('mail.example.com'), 20),
      ],
    })
    const { reply, answers } = world.ask('WWW.example.com', PTR)!
    assert.deepEqual(answers, [
      'WWW.example.com. 5 cdn.example.net.',
      'cdn.example.net. 12 mail.cdn.example.net.',
      'cdn.example.net. 12 mail.example.com.',
    ])
    // The least of all, so that nothing is kept for longer than it may be.
    assert.deepEqual(
      reply.answers.map(({ ttl }) => ttl),
      [20, 20, 20],
    )
  })

  it('follows an ExternalName’s CNAME: its names are pointed to from there', () => {
    const world = new CachedWorld()
    world.table.writer.put({
      owner: wireName('alias.cluster.local'),
      ttl: 5,
      raw: [{ type: CNAME, rdata: [wireName('www.example.com')] }],
    })
    world.table.writer.commit()
    world.hear('www.example.com', A, {
      answers: [recordOf(QNAME, CNAME, wireName('a.cdn.example.com')), addressOf('a.cdn.example.com', '192.0.2.7')],
    })
    const { answers, flags, rcode } = world.ask('alias.cluster.local', A)!
    assert.deepEqual(answers, [
      'alias.cluster.local. 5 www.example.com.',
      'www.example.com. 5 a.cdn.example.com.',
      'a.cdn.example.com. 1 192.0.2.7',
    ])
    assert.deepEqual([flags, rcode], [QR | AA | RD | RA, 0])
    world.hear('www.example.com', TXT, { rcode: 3, authority: [soaOf('example.com', 60, 60)] })
    const denied = world.ask('alias.cluster.local', TXT)!
    assert.deepEqual(
      [denied.rcode, denied.answers.length, denied.reply.authority[0]!.owner],
      [3, 1, '\x07example\x03com\0'],
    )
  })

  it('is cut at a record with TC when the client takes less, and is whole over TCP', () => {
    const world = new CachedWorld()
    world.hear('www.example.com', A, { answers: addresses(200) })
    for (const [opt, fits] of [
      [false, 29],
      [{ size: 800 }, 47],
      [{ size: 4096 }, 74],
    ] as const) {
      const { flags, answers, reply } = world.ask('www.example.com', A, { opt })!
      assert.deepEqual([answers.length, flags & TC], [fits, TC])
      assert.ok(reply.length <= (opt === false ? 512 : Math.min(opt.size, 1232)))
    }
    const { flags, answers } = world.ask('www.example.com', A, { stream: true })!
    assert.deepEqual([answers.length, flags & TC], [200, 0])
  })

  it('has addresses in an order that is dealt, and those that fit are not always the first', () => {
    const world = new CachedWorld({}, 'shuffle')
    world.hear('www.example.com', A, { answers: addresses(40) })
    const seen = new Set<string>()
    for (let i = 0; i < 50; i++)
      for (const answer of world.ask('www.example.com', A, { opt: false })!.answers) seen.add(answer)
    assert.equal(seen.size, 40)
    const whole = world.ask('www.example.com', A)!.answers
    assert.equal(new Set(whole).size, 40)
    assert.notDeepEqual(whole, world.ask('www.example.com', A)!.answers)
  })

  it('is replaced by a newer one, and by its denial', () => {
    const world = new CachedWorld()
    world.hear('www.example.com', A, { answers: addresses(1) })
    world.hear('www.example.com', A, { answers: addresses(3) })
    assert.equal(world.ask('www.example.com', A)!.answers.length, 3)
    world.hear('www.example.com', A, { rcode: 3, authority: [soaOf('example.com', 60, 60)] })
    assert.equal(world.ask('www.example.com', A)!.rcode, 3)
    assert.deepEqual([world.store.stats().success.entries, world.store.stats().denial.entries], [0, 1])
    world.hear('www.example.com', A, { answers: addresses(2) })
    assert.equal(world.ask('www.example.com', A)!.answers.length, 2)
    assert.equal(world.store.region.entries, 1)
  })
})

describe('RFC 4035 §3.2.3, RFC 6840 §5.8: AD', () => {
  const ALIAS = 'alias.cluster.local'
  const askings: readonly [Asking, number][] = [
    [{}, 0],
    [{ opt: false }, 0],
    [{ opt: { do: true } }, AD],
    [{ ad: true }, AD],
    [{ opt: false, ad: true }, AD],
  ]

  function adWorld(ad: boolean): CachedWorld {
    const world = new CachedWorld()
    world.table.writer.put({
      owner: wireName(ALIAS),
      ttl: 5,
      raw: [{ type: CNAME, rdata: [wireName('www.example.com')] }],
    })
    world.table.writer.commit()
    for (const dnssecOk of [false, true]) world.hear('www.example.com', A, { answers: addresses(1), ad, dnssecOk })
    return world
  }

  it('is given to who asks with DO or AD, when the upstream has said so', () => {
    for (const [asking, wanted] of askings) {
      assert.equal(adWorld(true).ask('www.example.com', A, asking)!.flags & AD, wanted)
      assert.equal(adWorld(false).ask('www.example.com', A, asking)!.flags & AD, 0)
    }
  })

  it('is given to nobody behind an alias of ours, which nobody has validated', () => {
    const world = adWorld(true)
    for (const [asking] of askings) {
      const { flags, answers } = world.ask(ALIAS, A, asking)!
      assert.deepEqual([flags & (AA | AD), answers.length], [AA, 2])
    }
  })
})

describe('what is not kept', () => {
  it('TTL 0 and ANY', () => {
    const world = new CachedWorld()
    world.hear('www.example.com', A, { answers: addresses(1, 0) })
    world.hear('www.example.com', 255, { answers: addresses(1) })
    assert.equal(world.store.region.entries, 0)
  })

  it('is given to nobody who asks without RD: REFUSED (RFC 1035 §4.1.1)', () => {
    const world = new CachedWorld()
    world.hear('www.example.com', A, { answers: addresses(1) })
    assert.equal(world.ask('www.example.com', A, { rd: false })!.rcode, RCODES.REFUSED)
  })

  it('for longer or shorter than the configuration says', () => {
    const world = new CachedWorld({ success: { capacity: 9, ttl: 100, minTtl: 7 } })
    world.hear('long.example.com', A, { answers: addresses(1, 9999) })
    world.hear('short.example.com', A, { answers: addresses(1, 1) })
    assert.equal(world.ask('long.example.com', A)!.reply.answers[0]!.ttl, 100)
    assert.equal(world.ask('short.example.com', A)!.reply.answers[0]!.ttl, 7)
    const kept = new CachedWorld({ keepTtl: true })
    kept.hear('long.example.com', A, { answers: addresses(1, 50) })
    kept.now += 40
    assert.equal(kept.ask('long.example.com', A)!.reply.answers[0]!.ttl, 50)
    kept.now += 10
    assert.equal(kept.ask('long.example.com', A), undefined)
  })
})

describe('the cluster’s own names', () => {
  it('are never looked for in it', () => {
    const world = new CachedWorld()
    world.hear('web.cluster.local', A, { answers: addresses(1) })
    assert.equal(world.ask('web.cluster.local', A)!.rcode, 3)
    assert.deepEqual([...world.counts], [0, 0, 0, 0])
  })
})

/** RFC 2308, Negative Caching of DNS Queries. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAnswering } from '../support/answering.ts'
import { CachedWorld, soaOf } from '../support/cached.ts'
import { addressOf, QNAME, replyTo, startUpstream, recordOf as upstreamRecord } from '../support/fake-upstream.ts'
import { createForwarder } from '../support/forwarder.ts'
import { AA, queryOf, RCODES, RD, type Reply, strictDecode, TC, wireName } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld({ negativeTtl: 2, ttl: 7 })

function exchange(query: Buffer): Reply {
  return strictDecode(server.exchange(query)!)
}

function assertSoa(reply: Reply, zone: string): void {
  assert.equal(reply.authority.length, 1)
  const [soa] = reply.authority
  assert.equal(soa!.type, 6)
  assert.equal(soa!.owner.toLowerCase(), wireName(zone).toString('latin1'))
}

describe('RFC 2308 §2.1: name error', () => {
  it('NXDOMAIN, AA, and the SOA of the zone that the name lies in', () => {
    for (const [qname, zone] of [
      ['none.default.svc.cluster.local', 'cluster.local'],
      ['a.b.c.d.e.cluster.local', 'cluster.local'],
      ['9.9.9.9.in-addr.arpa', 'in-addr.arpa'],
      ['e.ip6.arpa', 'ip6.arpa'],
    ] as const) {
      const reply = exchange(queryOf(qname, 'A', { opt: {} }))
      assert.deepEqual([reply.rcode, reply.flags & AA, reply.answers.length], [RCODES.NXDOMAIN, AA, 0])
      assertSoa(reply, zone)
    }
  })

  it('behind a CNAME: the CNAME in the answer, NXDOMAIN of its target, the SOA of the target’s zone', () => {
    const reply = exchange(queryOf('gone.default.svc.cluster.local', 'A'))
    assert.equal(reply.rcode, RCODES.NXDOMAIN)
    assert.deepEqual(
      reply.answers.map(({ type }) => type),
      [5],
    )
    assertSoa(reply, 'cluster.local')
  })
})

describe('RFC 2308 §2.1: name errors of others', () => {
  it('types 3 and 4, without SOA, with and without NS: NXDOMAIN, and no second upstream is asked', async t => {
    for (const authority of [[], [upstreamRecord('example.com', 2, wireName('ns.example.com'))]]) {
      const upstream = await startUpstream(asked => [replyTo(asked, { flags: RCODES.NXDOMAIN, authority })])
      t.after(() => upstream.close())
      const bench = createForwarder(t, [upstream.port, upstream.port])
      const { rcode } = await bench.ask(queryOf('none.example.com', 'A', { flags: RD })).wait()
      assert.deepEqual([rcode, upstream.asked.length], [RCODES.NXDOMAIN, 1])
    }
  })
})

describe('RFC 2308 §2.2: no data', () => {
  it('NOERROR, AA, no answer, the SOA', () => {
    for (const qname of ['web.default.svc.cluster.local', 'default.svc.cluster.local', 'dns-version.cluster.local']) {
      const reply = exchange(queryOf(qname, 'MX'))
      assert.deepEqual([reply.rcode, reply.flags & AA, reply.answers.length], [RCODES.NOERROR, AA, 0])
      assertSoa(reply, 'cluster.local')
    }
  })

  it('behind a CNAME: the CNAME in the answer, the SOA in the authority section', () => {
    const reply = exchange(queryOf('inside.default.svc.cluster.local', 'TXT'))
    assert.equal(reply.rcode, RCODES.NOERROR)
    assert.deepEqual(
      reply.answers.map(({ type }) => type),
      [5],
    )
    assertSoa(reply, 'cluster.local')
  })
})

describe('RFC 2308 §3: the SOA of a negative answer', () => {
  it('has the negative TTL as its TTL: the lesser of its own TTL and MINIMUM', () => {
    const { authority } = exchange(queryOf('none.cluster.local', 'A'))
    assert.equal(authority[0]!.ttl, 2)
  })

  it('is in no answer that has data', () => {
    assert.equal(exchange(queryOf('web.default.svc.cluster.local', 'A')).authority.length, 0)
  })
})

describe('RFC 2308 §4: MINIMUM is the TTL of negative answers', () => {
  it('in the SOA at the apex as in every negative answer', () => {
    for (const query of [queryOf('cluster.local', 'SOA'), queryOf('none.cluster.local', 'A')]) {
      const reply = exchange(query)
      const { rdata } = [...reply.answers, ...reply.authority][0]!
      assert.equal(rdata.readUInt32BE(rdata.length - 4), 2)
    }
    assert.equal(exchange(queryOf('cluster.local', 'SOA')).answers[0]!.ttl, 7)
  })
})

describe('RFC 2308 §5: negative answers are cached for MINIMUM', () => {
  it('no negative answer says longer than the negative TTL, whatever the TTL of records', () => {
    for (const negativeTtl of [0, 1, 3600]) {
      const other = createWorld({ negativeTtl, ttl: 5 })
      for (const qname of ['none.cluster.local', 'svc.cluster.local']) {
        assert.equal(strictDecode(other.exchange(queryOf(qname, 'A'))!).authority[0]!.ttl, negativeTtl)
      }
    }
  })
})

describe('RFC 2308 §5: negative answers of others are kept', () => {
  const [NAME, A] = ['www.example.com', 1]

  it('for the SOA’s own TTL or its MINIMUM, whichever is less, counted down in the SOA', () => {
    for (const rcode of [RCODES.NXDOMAIN, RCODES.NOERROR]) {
      for (const [ttl, minimum] of [
        [90, 40],
        [40, 90],
      ] as const) {
        const world = new CachedWorld()
        world.hear(NAME, A, { rcode, authority: [soaOf('example.com', ttl, minimum)] })
        world.now += 30
        const { reply } = world.ask(NAME, A)!
        assert.deepEqual([reply.rcode, reply.answers.length, reply.authority[0]!.ttl], [rcode, 0, 10])
        world.now += 10
        assert.equal(world.ask(NAME, A), undefined)
      }
    }
  })

  it('not without an SOA: nobody says for how long', () => {
    for (const rcode of [RCODES.NXDOMAIN, RCODES.NOERROR]) {
      const world = new CachedWorld()
      world.hear(NAME, A, { rcode, answers: [upstreamRecord(QNAME, 5, wireName('example.net'))] })
      assert.equal(world.ask(NAME, A), undefined)
    }
  })

  it('not with an SOA of a zone that the name does not lie in', () => {
    const world = new CachedWorld()
    world.hear(NAME, A, { rcode: RCODES.NXDOMAIN, authority: [soaOf('example.net', 60, 60)] })
    assert.equal(world.ask(NAME, A), undefined)
  })

  it('behind a CNAME: for no longer than the CNAME', () => {
    const world = new CachedWorld()
    world.hear(NAME, A, {
      answers: [upstreamRecord(QNAME, 5, wireName('cdn.example.com'), 20)],
      authority: [soaOf('example.com', 60, 60)],
    })
    const { reply } = world.ask(NAME, A)!
    assert.deepEqual(
      [...reply.answers, ...reply.authority].map(({ ttl }) => ttl),
      [20, 20],
    )
  })
})

describe('RFC 2308 §7.1: failures are kept for a short time', () => {
  it('5 s of SERVFAIL, for the question that failed alone; an answer ends it', () => {
    const world = new CachedWorld()
    world.fail('www.example.com', 1)
    assert.equal(world.ask('www.example.com', 1)!.rcode, RCODES.SERVFAIL)
    assert.equal(world.ask('www.example.com', 28), undefined)
    world.now += 5
    assert.equal(world.ask('www.example.com', 1), undefined)
    world.fail('www.example.com', 1)
    world.hear('www.example.com', 1, { answers: [addressOf(QNAME, '192.0.2.1')] })
    assert.equal(world.ask('www.example.com', 1)!.rcode, RCODES.NOERROR)
  })
})

describe('RFC 2308 §3: the SOA', () => {
  it('has a TTL of its own that is no less than the negative TTL, which is the lesser of both', () => {
    for (const [ttl, negativeTtl] of [
      [5, 30],
      [0, 30],
      [30, 5],
    ] as const) {
      const own = createWorld({ ttl, negativeTtl })
      const [asked] = strictDecode(own.exchange(queryOf('cluster.local', 'SOA'))!).answers
      const [negative] = strictDecode(own.exchange(queryOf('none.cluster.local', 'A'))!).authority
      assert.deepEqual([asked!.ttl, negative!.ttl], [Math.max(ttl, negativeTtl), negativeTtl])
    }
  })
})

describe('RFC 2308 §3 and RFC 2181 §9: a negative answer', () => {
  it('behind aliases has its SOA, or TC when they have left no room for it', () => {
    const label = (letter: string, octets: number) => letter.repeat(octets)
    const namespace = label('n', 63)
    let cut = 0
    for (let octets = 1; octets <= 63; octets++) {
      const own = createAnswering()
      const alias = (name: string, target: string): void => {
        const externalName = `${target}.${namespace}.svc.cluster.local`
        own.services.upsert({ namespace, name, kind: 'externalName', clusterIPs: [], externalName, ports: [] })
      }
      alias(label('a', 40), label('b', octets))
      alias(label('b', octets), label('c', 63))
      own.flush()
      const reply = strictDecode(
        own.exchange(queryOf(`${label('a', 40)}.${namespace}.svc.cluster.local`, 'A', { opt: { size: 512 } }))!,
      )
      assert.equal(reply.authority.length === 0, (reply.flags & TC) !== 0, `${octets} octets`)
      if ((reply.flags & TC) !== 0) cut++
      else assertSoa(reply, 'cluster.local')
    }
    assert.ok(cut > 0 && cut < 63)
  })
})

/** RFC 2308, Negative Caching of DNS Queries. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AA, queryOf, RCODES, type Reply, strictDecode, wireName } from '../support/messages.ts'
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

/** RFC 2181, Clarifications to the DNS Specification. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAnswering, headless, slice } from '../support/answering.ts'
import { CachedWorld } from '../support/cached.ts'
import { addressOf, QNAME, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { createForwarder } from '../support/forwarder.ts'
import { nameOf, queryOf, RCODES, RD, type Reply, strictDecode, TC } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld()
const HTTP = { name: 'http', protocol: 'tcp', port: 80 }

function exchange(query: Buffer): Reply {
  return strictDecode(server.exchange(query)!)
}

describe('RFC 2181 §5: an RRset', () => {
  it('has one TTL, and no record twice', () => {
    const { answers } = exchange(queryOf('web.default.svc.cluster.local', 'A'))
    assert.equal(new Set(answers.map(({ ttl }) => ttl)).size, 1)
    assert.equal(new Set(answers.map(({ rdata }) => rdata.toString('hex'))).size, answers.length)
  })
})

describe('RFC 2181 §8: TTL', () => {
  it('is of 31 bits: the uppermost bit is never set', () => {
    for (const ttl of [0, 5, 3600]) {
      const other = createWorld({ ttl, negativeTtl: ttl })
      for (const qtype of ['A', 'AAAA', 'SRV', 'MX', 'SOA']) {
        const reply = strictDecode(other.exchange(queryOf('web.default.svc.cluster.local', qtype))!)
        for (const record of [...reply.answers, ...reply.authority]) assert.equal(record.ttl, ttl)
      }
    }
  })
})

describe('RFC 2181 §9: TC', () => {
  const some = createAnswering()
  some.services.upsert(headless('web'))
  const endpoints = Array.from({ length: 18 }, (_, i) => ({ address: `10.0.0.${i}` }))
  some.slices.upsert(slice('web', endpoints, { ports: [HTTP] }))
  some.flush()

  it('is set when an answer did not fit, not when only addresses of the additional section did not', () => {
    const query = queryOf('_http._tcp.web.default.svc.cluster.local', 'SRV', { opt: {} })
    const reply = strictDecode(some.exchange(query)!)
    assert.equal(reply.answers.length, 18)
    assert.ok(reply.additional.length < 18, 'not all addresses fit')
    assert.equal(reply.flags & TC, 0)
    const small = strictDecode(some.exchange(queryOf('_http._tcp.web.default.svc.cluster.local', 'SRV'))!)
    assert.ok(small.answers.length < 18)
    assert.equal(small.flags & TC, TC)
  })

  it('is set when the last name of a chain of aliases has an answer that did not fit, whoever makes it', () => {
    for (const target of ['web.default.svc.cluster.local', '10-1-0-5.default.pod.cluster.local']) {
      for (let length = 20; length < 60; length++) {
        const chained = createAnswering({ pods: 'insecure' })
        chained.services.upsert(headless('web'))
        chained.slices.upsert(slice('web', [{ address: '10.1.0.5' }]))
        const name = (i: number): string => `${'x'.repeat(length)}-${i}`
        for (let i = 0; i < 5; i++) {
          const externalName = i === 4 ? target : `${name(i + 1)}.default.svc.cluster.local`
          const alias = {
            namespace: 'default',
            name: name(i),
            kind: 'externalName' as const,
            clusterIPs: [],
            ports: [],
          }
          chained.services.upsert({ ...alias, externalName })
        }
        chained.flush()
        const reply = strictDecode(chained.exchange(queryOf(`${name(0)}.default.svc.cluster.local`, 'A'))!)
        const isWhole = reply.answers.length === 6
        assert.equal(reply.flags & TC, isWhole ? 0 : TC, `${target}, labels of ${length + 2} octets`)
      }
    }
  })

  it('of an upstream that has no more room over TCP either goes to the client, and the reply is not kept', async t => {
    const upstream = await startUpstream(asked => [
      replyTo(asked, { flags: TC, answers: [addressOf(QNAME, '192.0.2.1')] }),
    ])
    t.after(() => upstream.close())
    const { replies, store } = new CachedWorld()
    const { ask } = createForwarder(t, [upstream.port], {}, { cache: replies })
    const { flags, answers } = await ask(queryOf('big.example', 'A', { flags: RD })).wait()
    assert.deepEqual([flags & TC, answers.length], [TC, 1])
    assert.deepEqual(
      upstream.asked.map(({ tcp }) => tcp),
      [false, true],
    )
    assert.equal(store.region.entries, 0)
  })

  it('over a stream all of it fits', () => {
    const query = queryOf('_http._tcp.web.default.svc.cluster.local', 'SRV')
    const reply = strictDecode(some.exchange(query, true)!)
    assert.deepEqual([reply.answers.length, reply.additional.length, reply.flags & TC], [18, 18, 0])
  })
})

describe('RFC 2181 §11: any octet may stand in a label', () => {
  it('a dot inside a label is no separator', () => {
    const dotted = nameOf('web.default', 'svc', 'cluster', 'local')
    assert.equal(exchange(queryOf(dotted, 'A')).rcode, RCODES.NXDOMAIN)
    const all = nameOf('web.default.svc.cluster.local')
    assert.equal(exchange(queryOf(all, 'A')).rcode, RCODES.REFUSED)
  })

  it('all 256 octets are read, compared and echoed as they are', () => {
    for (let octet = 0; octet < 256; octet++) {
      const qname = nameOf(Buffer.from([octet]), 'default', 'svc', 'cluster', 'local')
      const query = queryOf(qname, 'A')
      const reply = exchange(query)
      assert.equal(reply.rcode, RCODES.NXDOMAIN)
      assert.deepEqual(reply.question, query.subarray(12))
    }
  })

  it('NUL inside a label does not end it', () => {
    assert.equal(exchange(queryOf(nameOf('web\0', 'default', 'svc', 'cluster', 'local'), 'A')).rcode, RCODES.NXDOMAIN)
    assert.equal(exchange(queryOf(nameOf('web\0x'), 'A')).rcode, RCODES.REFUSED)
  })
})

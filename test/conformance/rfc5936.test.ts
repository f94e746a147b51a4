/** RFC 5936 (AXFR) and RFC 1995 (IXFR): to whom transfers are given, and over what. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { message, queryOf, questionOf, RCODES, recordOf, strictDecode, wireName } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld()
const soa = recordOf(
  wireName('cluster.local'),
  6,
  Buffer.concat([wireName('ns.dns.cluster.local'), wireName('h.cluster.local'), Buffer.alloc(20)]),
)

describe('RFC 5936 §2.2.1: a transfer that is not allowed is REFUSED', () => {
  for (const stream of [false, true]) {
    for (const qname of ['cluster.local', 'in-addr.arpa', 'web.default.svc.cluster.local', 'example.com']) {
      it(`AXFR ${qname} ${stream ? 'over a stream' : 'as a datagram'}: no record`, () => {
        const reply = strictDecode(server.exchange(queryOf(qname, 'AXFR'), stream)!)
        assert.deepEqual([reply.rcode, reply.answers.length, reply.authority.length], [RCODES.REFUSED, 0, 0])
        assert.ok(reply.question !== undefined)
      })
    }
  }
})

describe('RFC 1995 §3: IXFR', () => {
  it('has the client’s SOA in the authority section, and is REFUSED', () => {
    const query = message({ counts: [1, 0, 1, 0], parts: [questionOf('cluster.local', 'IXFR'), soa] })
    for (const stream of [false, true]) {
      const reply = strictDecode(server.exchange(query, stream)!)
      assert.deepEqual([reply.rcode, reply.answers.length], [RCODES.REFUSED, 0])
    }
  })

  it('two records there, or one in a query of another type, are FORMERR', () => {
    const two = message({ counts: [1, 0, 2, 0], parts: [questionOf('cluster.local', 'IXFR'), soa, soa] })
    const other = message({ counts: [1, 0, 1, 0], parts: [questionOf('cluster.local', 'AXFR'), soa] })
    for (const query of [two, other]) assert.equal(strictDecode(server.exchange(query)!).rcode, RCODES.FORMERR)
  })
})

describe('a client that may have transfers', () => {
  const allowing = createWorld()
  allowing.answerer.transfers = { allows: () => true }
  const ask = (qname: string, type: string, stream: boolean) => allowing.exchange(queryOf(qname, type), stream)

  it('RFC 5936 §4.2: AXFR over UDP is REFUSED', () => {
    assert.equal(strictDecode(ask('cluster.local', 'AXFR', false)!).rcode, RCODES.REFUSED)
  })

  it('RFC 5936 §2.2.1: what is no zone of ours is NOTAUTH', () => {
    for (const qname of ['web.default.svc.cluster.local', 'example.com', 'local']) {
      assert.equal(strictDecode(ask(qname, 'AXFR', true)!).rcode, 9)
    }
  })

  it('RFC 1995 §2: IXFR over UDP is answered with the SOA alone, so that the client asks over TCP', () => {
    const query = message({ counts: [1, 0, 1, 0], parts: [questionOf('cluster.local', 'IXFR'), soa] })
    const reply = strictDecode(allowing.exchange(query)!)
    assert.deepEqual([reply.rcode, reply.answers.length, reply.authority.length], [RCODES.NOERROR, 1, 0])
  })
})

describe('RFC 1982 §3.2: a serial that is not moved for long', () => {
  it('moves before it is so far behind that it has no order', () => {
    const world = createWorld()
    const { table } = world.serving
    const before = serialOf(world.ask('cluster.local', 'SOA').answers[0]!)
    table.setSerial(before + 1)
    assert.equal(serialOf(world.ask('cluster.local', 'SOA').answers[0]!), before, 'nothing changed')
    table.setSerial(before + 2 ** 30)
    assert.equal(serialOf(world.ask('cluster.local', 'SOA').answers[0]!), before + 2 ** 30)
  })
})

function serialOf(line: string): number {
  const { serial } = JSON.parse(/\{.*\}/.exec(line)?.[0] ?? 'null') ?? {}
  return Number(serial ?? line.split(' ').find(word => /^\d+$/.test(word) && Number(word) > 0 && word !== '5'))
}

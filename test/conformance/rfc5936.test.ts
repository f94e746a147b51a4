/** RFC 5936 (AXFR) and RFC 1995 (IXFR): zone transfers are refused. */

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

/** RFC 8482, Providing Minimal-Sized Responses to DNS Queries That Have QTYPE=ANY. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queryOf, RCODES, strictDecode } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld()

describe('RFC 8482 §4.2: ANY is answered with one HINFO', () => {
  for (const qname of [
    'web.default.svc.cluster.local',
    'big.default.svc.cluster.local',
    '_http._tcp.big.default.svc.cluster.local',
    'cluster.local',
    'dns-version.cluster.local',
    '10.0.96.10.in-addr.arpa',
    '10-1-0-5.default.pod.cluster.local',
    'fd00--5.default.pod.cluster.local',
    'zone-a.pin._zone.web.default.svc.cluster.local',
    'elsewhere.prefer._zone.web.default.svc.cluster.local',
  ]) {
    it(`${qname}: CPU "RFC8482", OS empty; small, however large the sets are`, () => {
      for (const stream of [false, true]) {
        const octets = server.exchange(queryOf(qname, 'ANY', { opt: { size: 4096 } }), stream)!
        const reply = strictDecode(octets)
        assert.deepEqual(
          reply.answers.map(({ type }) => type),
          [13],
        )
        assert.equal(reply.answers[0]!.rdata.toString('latin1'), '\x07RFC8482\0')
        assert.equal(reply.flags & 0x0200, 0)
        assert.ok(octets.length <= 128)
      }
    })
  }

  it('a name without records has none: NODATA; a name that does not exist is NXDOMAIN', () => {
    const reply = strictDecode(server.exchange(queryOf('svc.cluster.local', 'ANY'))!)
    assert.deepEqual([reply.rcode, reply.answers.length, reply.authority.length], [RCODES.NOERROR, 0, 1])
    const none = strictDecode(server.exchange(queryOf('elsewhere.pin._zone.web.default.svc.cluster.local', 'ANY'))!)
    assert.deepEqual([none.rcode, none.answers.length, none.authority.length], [RCODES.NOERROR, 0, 1])
    assert.equal(strictDecode(server.exchange(queryOf('none.cluster.local', 'ANY'))!).rcode, RCODES.NXDOMAIN)
  })
})

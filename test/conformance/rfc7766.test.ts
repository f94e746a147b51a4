/** RFC 7766, DNS Transport over TCP: what it asks of messages. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queryOf, strictDecode, TC, TYPES } from '../support/messages.ts'
import { createWorld, WORLD_NAMES } from '../support/world.ts'

const server = createWorld({ order: 'stable' })

describe('RFC 7766 §5: TCP gives whole answers', () => {
  it('an answer that is cut as a datagram is whole over a stream', () => {
    for (const qname of ['big.default.svc.cluster.local', '_http._tcp.big.default.svc.cluster.local']) {
      for (const qtype of ['A', 'SRV']) {
        const query = queryOf(qname, qtype, { opt: {} })
        const datagram = strictDecode(server.exchange(query)!)
        const stream = strictDecode(server.exchange(query, true)!)
        assert.equal(stream.flags & TC, 0)
        assert.ok(stream.answers.length >= datagram.answers.length)
        assert.equal(datagram.flags & TC, datagram.answers.length < stream.answers.length ? TC : 0)
      }
    }
  })

  it('an answer that fits a datagram is the same octets over a stream', () => {
    for (const qname of WORLD_NAMES) {
      for (const qtype of Object.values(TYPES)) {
        const query = queryOf(qname, qtype, { opt: {} })
        const datagram = server.exchange(query)!
        if ((datagram.readUInt16BE(2) & TC) === 0) assert.deepEqual(server.exchange(query, true), datagram)
      }
    }
  })
})

/** RFC 2782, SRV. It has few sections: the titles name the field. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { headless, slice } from '../support/answering.ts'
import { queryOf, type Reply, strictDecode } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld()

function exchange(qname: string, qtype = 'SRV', stream = false): Reply {
  return strictDecode(server.exchange(queryOf(qname, qtype, { opt: {} }), stream)!)
}

describe('RFC 2782: the format of the SRV RR', () => {
  it('Service and Proto are labels with an underscore before them, and no other spelling is answered', () => {
    assert.equal(exchange('_http._tcp.web.default.svc.cluster.local').answers.length, 3)
    for (const prefix of ['http.tcp', '_http.tcp', 'http._tcp', '__http.__tcp', '_._tcp', '_http._', '_._']) {
      assert.equal(exchange(`${prefix}.web.default.svc.cluster.local`).rcode, 3, prefix)
    }
  })

  it('names compare without regard to letter case', () => {
    assert.equal(exchange('_HTTP._Tcp.web.default.svc.cluster.local').answers.length, 3)
  })

  it('Priority is equal, Weight is equal and not 0, so that clients spread over all targets', () => {
    for (const { rdata } of exchange('_http._tcp.web.default.svc.cluster.local').answers) {
      assert.deepEqual([rdata.readUInt16BE(0), rdata.readUInt16BE(2), rdata.readUInt16BE(4)], [0, 33, 80])
    }
  })

  it('Target is not compressed, is no alias, and has address records', () => {
    // The strict decoder refuses a compressed target.
    for (const name of ['_http._tcp.web.default.svc.cluster.local', '_http._tcp.api.default.svc.cluster.local']) {
      for (const { names } of exchange(name).answers) {
        const labels = Buffer.from(names[0]!, 'latin1')
        const types = [1, 28].flatMap(qtype =>
          strictDecode(server.exchange(queryOf(labels, qtype))!).answers.map(({ type }) => type),
        )
        assert.ok(types.length > 0 && types.every(type => type === 1 || type === 28))
      }
    }
  })

  it('the addresses of each target are in the additional section, each target’s once', () => {
    const { additional } = exchange('web.default.svc.cluster.local')
    const keys = additional.map(({ owner, rdata }) => owner.toLowerCase() + rdata.toString('hex'))
    assert.equal(new Set(keys).size, keys.length)
    assert.equal(keys.length, 4)
  })

  it('nor is one given twice when one hostname has one port name under two numbers (RFC 2181 §5)', () => {
    const world = createWorld()
    world.services.upsert(headless('pair'))
    for (const [i, port] of [80, 81].entries()) {
      const endpoints = [{ address: `10.0.7.${i}`, hostname: 'node-0' }]
      const ports = [{ name: 'http', protocol: 'tcp', port }]
      world.slices.upsert(slice('pair', endpoints, { name: `pair-${i}`, ports }))
    }
    world.flush()
    // The strict decoder refuses a record that comes twice.
    const query = queryOf('_http._tcp.pair.default.svc.cluster.local', 'SRV')
    assert.equal(strictDecode(world.exchange(query, true)!).additional.length, 2)
  })

  it('a set too large for a datagram is cut at a record, and TC set; over a stream it is whole', () => {
    const datagram = exchange('_http._tcp.big.default.svc.cluster.local')
    assert.ok(datagram.answers.length > 10 && datagram.answers.length < 1000)
    assert.equal(datagram.flags & 0x0200, 0x0200)
    const stream = exchange('_http._tcp.big.default.svc.cluster.local', 'SRV', true)
    assert.deepEqual([stream.answers.length, stream.flags & 0x0200], [1000, 0])
  })
})

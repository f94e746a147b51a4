/** RFC 6891, EDNS(0). */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseName } from '../../src/wire/name.ts'
import { CachedWorld } from '../support/cached.ts'
import { addressOf, QNAME } from '../support/fake-upstream.ts'
import {
  message,
  type OptFields,
  optRecord,
  queryOf,
  questionOf,
  RCODES,
  type Reply,
  recordOf,
  strictDecode,
  TC,
  u16,
  wireName,
} from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const WEB = 'web.default.svc.cluster.local'
const BIG = 'big.default.svc.cluster.local'
const server = createWorld()

function exchange(query: Buffer, stream = false): Reply {
  return strictDecode(server.exchange(query, stream)!)
}

function ask(qname: string, opt: OptFields | false, stream = false): Reply {
  return exchange(queryOf(qname, 'A', { opt }), stream)
}

function assertFormErr(query: Buffer): void {
  const reply = exchange(query)
  assert.deepEqual([reply.rcode, reply.length], [RCODES.FORMERR, 12])
}

describe('RFC 6891 §6.1: the OPT record', () => {
  it('is found wherever it stands in the additional section', () => {
    const other = recordOf(wireName('x.example'), 1, Buffer.alloc(4))
    for (const parts of [
      [other, optRecord()],
      [optRecord(), other],
    ]) {
      const reply = exchange(message({ counts: [1, 0, 0, 2], parts: [questionOf(WEB, 'A'), ...parts] }))
      assert.equal(reply.rcode, RCODES.NOERROR)
      assert.ok(reply.opt !== undefined)
    }
  })

  it('in the answer or authority section it is no OPT: FORMERR', () => {
    assertFormErr(message({ counts: [1, 1, 0, 0], parts: [questionOf(WEB, 'A'), optRecord()] }))
    assertFormErr(message({ counts: [1, 0, 1, 0], parts: [questionOf(WEB, 'A'), optRecord()] }))
  })
})

describe('RFC 6891 §6.1.1: basic elements', () => {
  it('a query with OPT gets a reply with OPT, one without gets none', () => {
    assert.ok(ask(WEB, {}).opt !== undefined)
    assert.equal(ask(WEB, false).opt, undefined)
  })

  it('more than one OPT is FORMERR', () => {
    assertFormErr(queryOf(WEB, 'A', { opt: {}, more: [optRecord()] }))
  })
})

describe('RFC 6891 §6.1.2: wire format', () => {
  it('the owner is the root; any other is FORMERR', () => {
    assertFormErr(queryOf(WEB, 'A', { opt: { owner: wireName('x') } }))
    assertFormErr(queryOf(WEB, 'A', { opt: { owner: Buffer.from([0xc0, 12]) } }))
    // A pointer to the root label of QNAME is the root in another spelling, but no OPT owner.
    assertFormErr(queryOf(WEB, 'A', { opt: { owner: Buffer.from([0xc0, 12 + WEB.length + 1]) } }))
  })

  it('options are code, length, data, and fill RDLEN exactly; else FORMERR', () => {
    for (const rdata of ['00', '000a', '000a00', '000a0001', '000a000201', '000a000000', '000affff00']) {
      assertFormErr(queryOf(WEB, 'A', { opt: { rdata: Buffer.from(rdata, 'hex') } }))
    }
  })

  it('RDLEN past the end of the message is FORMERR', () => {
    for (const rdlength of [1, 4, 65_535]) assertFormErr(queryOf(WEB, 'A', { opt: { rdlength } }))
  })

  it('RDLEN short of the octets that follow is FORMERR', () => {
    assertFormErr(queryOf(WEB, 'A', { opt: { rdata: Buffer.from('000a0000', 'hex'), rdlength: 0 } }))
  })

  it('an OPT cut anywhere is FORMERR', () => {
    const query = queryOf(WEB, 'A', { opt: {} })
    for (let cut = 1; cut <= 11; cut++) assertFormErr(query.subarray(0, -cut))
  })

  it('options, any number of them, are read over and not echoed', () => {
    const options = Array.from({ length: 200 }, (_, i) => ({ code: i, data: Buffer.alloc(i & 3) }))
    const reply = ask(WEB, { options })
    assert.equal(reply.rcode, RCODES.NOERROR)
    assert.deepEqual(reply.opt!.options, [])
  })
})

describe('RFC 6891 §6.1.3: version and extended RCODE', () => {
  it('a version that is not known is BADVERS, with the version that is, and without an answer', () => {
    for (const version of [1, 2, 128, 255]) {
      const reply = ask(WEB, { version })
      assert.deepEqual([reply.rcode, reply.opt!.version, reply.answers.length], [RCODES.BADVERS, 0, 0])
    }
  })

  it('the version is judged before the question: its class, its zone, a transfer', () => {
    for (const query of [
      queryOf(WEB, 'A', { qclass: 3, opt: { version: 1 } }),
      queryOf('www.example.com', 'A', { opt: { version: 1 } }),
      queryOf('cluster.local', 'AXFR', { opt: { version: 1 } }),
    ]) {
      assert.equal(exchange(query).rcode, RCODES.BADVERS)
    }
  })

  it('the upper eight bits of every other RCODE are 0', () => {
    const reply = ask('none.cluster.local', {})
    assert.deepEqual([reply.rcode, reply.opt!.flags], [RCODES.NXDOMAIN, 0])
  })
})

describe('RFC 6891 §6.2.3: the requestor’s payload size', () => {
  it('values below 512 count as 512', () => {
    const plain = ask(BIG, { size: 512 })
    for (const size of [0, 1, 12, 511]) {
      const reply = ask(BIG, { size })
      assert.equal(reply.length, plain.length)
      assert.ok(reply.length > 480 && reply.length <= 512)
    }
  })

  it('a reply is never larger than the requestor says', () => {
    for (let size = 512; size < 1300; size += 7) assert.ok(ask(BIG, { size }).length <= Math.min(size, 1232))
  })

  it('without OPT it is 512 octets', () => {
    const reply = ask(BIG, false)
    assert.ok(reply.length <= 512 && (reply.flags & TC) !== 0)
  })
})

describe('RFC 6891 §6.2.5: the responder’s payload size', () => {
  it('is the configured maximum, in every reply with OPT', () => {
    for (const maxUdpSize of [512, 1232, 4096]) {
      const small = createWorld({ maxUdpSize })
      for (const qname of [WEB, BIG, 'none.cluster.local', 'www.example.com']) {
        const reply = strictDecode(small.exchange(queryOf(qname, 'A', { opt: { size: 65_535 } }))!)
        assert.equal(reply.opt!.size, maxUdpSize)
        assert.ok(reply.length <= maxUdpSize)
      }
    }
  })

  it('is no limit over a stream', () => {
    const reply = ask(BIG, { size: 512 }, true)
    assert.deepEqual([reply.answers.length, reply.flags & TC], [1000, 0])
  })
})

describe('RFC 6891 §7: an OPT in every reply to a query with one', () => {
  it('whatever the RCODE', () => {
    for (const [query, rcode] of [
      [queryOf(WEB, 'A', { opt: {} }), RCODES.NOERROR],
      [queryOf(WEB, 'MX', { opt: {} }), RCODES.NOERROR],
      [queryOf('none.cluster.local', 'A', { opt: {} }), RCODES.NXDOMAIN],
      [queryOf('www.example.com', 'A', { opt: {} }), RCODES.REFUSED],
      [queryOf('loop.default.svc.cluster.local', 'A', { opt: {} }), RCODES.SERVFAIL],
      [queryOf(WEB, 'AXFR', { opt: {} }), RCODES.REFUSED],
      [queryOf(WEB, 'A', { opt: {}, qclass: 3 }), RCODES.REFUSED],
    ] as const) {
      const reply = exchange(query)
      assert.equal(reply.rcode, rcode)
      assert.ok(reply.opt !== undefined)
    }
  })

  it('a reply that is cut keeps its OPT', () => {
    for (const qname of [BIG, `_http._tcp.${BIG}`]) {
      for (const qtype of ['A', 'AAAA', 'SRV']) {
        assert.ok(exchange(queryOf(qname, qtype, { opt: { size: 512 } })).opt !== undefined)
      }
    }
  })

  it('octets behind the last record are FORMERR', () => {
    assertFormErr(Buffer.concat([queryOf(WEB, 'A', { opt: {} }), u16(0)]))
  })
})

describe('RFC 3225 §3: DO', () => {
  it('is copied, and costs nothing: no record is added, the answer is the same', () => {
    const asked = ask(WEB, { flags: 0xffff })
    const plain = ask(WEB, {})
    assert.equal(asked.opt?.flags, 0x8000)
    assert.equal(plain.opt?.flags, 0)
    assert.equal(asked.length, plain.length)
    assert.equal(asked.answers.length, 3)
  })
})

describe('RFC 6891 §6.2.5: the requestor’s size', () => {
  it('holds for an expired answer behind aliases, too: where there is no room for its extended error there is none', () => {
    const label = (letter: string, octets: number) => letter.repeat(octets)
    const world = new CachedWorld({ serveStale: 3600 })
    const alias = (owner: string, target: string): void =>
      world.table.writer.put({ owner: parseName(owner)!, ttl: 5, raw: [{ type: 5, rdata: [parseName(target)!] }] })
    let longest = 0
    for (let octets = 1; octets <= 40; octets++) {
      const first = `q${octets}.${label('q', 60)}.svc.cluster.local`
      const second = `${label('m', 63)}.${label('m', 63)}.m${octets}.cluster.local`
      const last = `${label('e', 63)}.${label('e', 63)}.${label('e', 50)}.${label('f', octets)}.example.com`
      alias(first, second)
      alias(second, last)
      world.table.writer.commit()
      world.now = 1000
      world.hear(last, 1, { answers: [addressOf(QNAME, '192.0.2.1', 60)] })
      world.now = 1200
      world.fail(last, 1)
      const reply = world.exchange(wireName(first), 1, { opt: { size: 512 } })
      if (reply !== undefined) longest = Math.max(longest, reply.length)
    }
    assert.ok(longest > 500 && longest <= 512, `${longest} octets`)
  })
})

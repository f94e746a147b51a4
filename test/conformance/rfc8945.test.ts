/** RFC 8945, TSIG: no key is configured, so every signed query is refused, and never answered as if it were signed. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  message,
  optRecord,
  queryOf,
  questionOf,
  RCODES,
  recordOf,
  strictDecode,
  TYPES,
  u16,
  wireName,
} from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const QNAME = 'web.default.svc.cluster.local'
const TIME_AND_FUDGE = Buffer.from('0000650000000012', 'hex')
const BADKEY = 17

function tsigOf(key: Buffer, algorithm = wireName('hmac-sha256'), mac = Buffer.alloc(32, 7)): Buffer {
  const rdata = Buffer.concat([algorithm, TIME_AND_FUDGE, u16(mac.length), mac, u16(0x1234), u16(0), u16(0)])
  return recordOf(key, TYPES['TSIG']!, rdata, 255)
}

const server = createWorld()

function exchange(query: Buffer): ReturnType<typeof strictDecode> {
  return strictDecode(server.exchange(query)!)
}

describe('RFC 8945 §5.1: TSIG is the last record of the message', () => {
  it('a TSIG before another record is FORMERR', () => {
    const query = message({
      counts: [1, 0, 0, 2],
      parts: [questionOf(QNAME, 'A'), tsigOf(wireName('key.example')), optRecord()],
    })
    const reply = exchange(query)
    assert.deepEqual([reply.rcode, reply.length], [RCODES.FORMERR, 12])
  })

  it('a TSIG behind an OPT is taken, and is the last record of the reply', () => {
    const reply = exchange(queryOf(QNAME, 'A', { opt: {}, more: [tsigOf(wireName('key.example'))] }))
    assert.equal(reply.rcode, RCODES.NOTAUTH)
    assert.ok(reply.opt !== undefined && reply.tsig !== undefined)
  })
})

describe('RFC 8945 §5.2: a key that is not known gives NOTAUTH', () => {
  for (const [title, key] of [
    ['an unknown key', wireName('key.example')],
    ['the key "." (dnswkk of genreport)', wireName('.')],
  ] as const) {
    it(title, () => {
      const reply = exchange(queryOf(QNAME, 'A', { more: [tsigOf(key)] }))
      assert.equal(reply.rcode, RCODES.NOTAUTH)
      assert.equal(reply.answers.length, 0)
      assert.equal(reply.flags & 0x0400, 0, 'not authoritative: nothing was answered')
    })
  }
})

describe('RFC 8945 §5.2.1: the reply is unsigned and says BADKEY', () => {
  it('has the key and algorithm of the query, no MAC, error BADKEY, the original ID, no other data', () => {
    const reply = exchange(queryOf(QNAME, 'A', { id: 0x4321, more: [tsigOf(wireName('key.example'))] }))
    const { owner, rdata, ttl, class: qclass } = reply.tsig!
    assert.equal(owner, wireName('key.example').toString('latin1'))
    assert.deepEqual([qclass, ttl], [255, 0])
    const expected = [wireName('hmac-sha256'), TIME_AND_FUDGE, u16(0), u16(0x4321), u16(BADKEY), u16(0)]
    assert.deepEqual(rdata, Buffer.concat(expected))
  })
})

describe('RFC 8945 §4.2: names in a TSIG record', () => {
  it('a key name that is compressed against the question is understood', () => {
    const key = Buffer.concat([Buffer.from([1, 0x6b]), Buffer.from([0xc0, 16])])
    const reply = exchange(queryOf(QNAME, 'A', { more: [tsigOf(key)] }))
    assert.equal(reply.rcode, RCODES.NOTAUTH)
    assert.equal(reply.tsig!.owner, wireName('k.default.svc.cluster.local').toString('latin1'))
  })

  for (const [title, key, algorithm] of [
    ['a key name that points to itself', Buffer.from([0xc0, 12 + QNAME.length + 2 + 4]), undefined],
    ['a key name that points into the middle of a label', Buffer.from([0xc0, 14]), undefined],
    ['a key name that points into the header', Buffer.from([0xc0, 0]), undefined],
    ['an algorithm name with a pointer', wireName('key.example'), Buffer.from([0xc0, 12])],
    ['a key name of 256 octets', wireName(`${`${'x'.repeat(62)}.`.repeat(4)}ab`), undefined],
  ] as const) {
    it(`${title} is FORMERR: it would not mean the same in the reply`, () => {
      const reply = exchange(queryOf(QNAME, 'A', { more: [tsigOf(key, algorithm)] }))
      assert.deepEqual([reply.rcode, reply.length], [RCODES.FORMERR, 12])
    })
  }

  it('names so long that the reply would pass 512 octets: NOTAUTH without the TSIG', () => {
    const long = wireName(`${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.${'w'.repeat(60)}`)
    const reply = exchange(queryOf(QNAME, 'A', { more: [tsigOf(long, long)] }))
    assert.equal(reply.rcode, RCODES.NOTAUTH)
    assert.equal(reply.tsig, undefined)
    assert.ok(reply.length <= 512)
  })
})

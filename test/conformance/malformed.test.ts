/**
 * Messages that no well-meaning client sends: what is answered, and what each costs at most. Each as a datagram and over
 * a stream. The tests of the single RFCs vary them; this is the list to read.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  message,
  nameOf,
  optRecord,
  queryOf,
  questionOf,
  RCODES,
  type RcodeName,
  recordOf,
  strictDecode,
  u16,
  wireName,
} from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const QNAME = 'web.default.svc.cluster.local'
const question = questionOf(QNAME, 'A')
const record = recordOf(wireName(QNAME), 1, Buffer.from([6, 6, 6, 6]))
const server = createWorld()

type Expected = RcodeName | 'dropped'

const table: readonly (readonly [title: string, query: Buffer, expected: Expected])[] = [
  ...Array.from({ length: 12 }, (_, n) => [`${n} octets`, queryOf(QNAME, 'A').subarray(0, n), 'dropped'] as const),
  ['QR=1', queryOf(QNAME, 'A', { flags: 0x8000 }), 'dropped'],
  ['QR=1, header alone', message({ flags: 0x8180, counts: [0, 0, 0, 0] }), 'dropped'],
  ['opcode 1, IQUERY', queryOf(QNAME, 'A', { flags: 1 << 11 }), 'NOTIMP'],
  ['opcode 2, STATUS', queryOf(QNAME, 'A', { flags: 2 << 11 }), 'NOTIMP'],
  ['opcode 4, NOTIFY', queryOf('cluster.local', 'SOA', { flags: 4 << 11 }), 'NOTIMP'],
  ['opcode 5, UPDATE', message({ flags: 5 << 11, counts: [1, 0, 1, 0], parts: [question, record] }), 'NOTIMP'],
  ['opcode 6, DSO', message({ flags: 6 << 11, counts: [0, 0, 0, 0] }), 'NOTIMP'],
  ['QDCOUNT 0', message({ counts: [0, 0, 0, 0] }), 'FORMERR'],
  ['QDCOUNT 2', message({ counts: [2, 0, 0, 0], parts: [question, question] }), 'FORMERR'],
  ['QDCOUNT 65535', message({ counts: [65_535, 0, 0, 0], parts: [question] }), 'FORMERR'],
  ['all counts 65535', message({ counts: [65_535, 65_535, 65_535, 65_535] }), 'FORMERR'],
  ['pointer to itself', message({ parts: [u16(0xc00c), u16(1), u16(1)] }), 'FORMERR'],
  ['pointer forward', message({ parts: [u16(0xc010), u16(1), u16(1), wireName('a')] }), 'FORMERR'],
  ['pointer into the header', message({ parts: [u16(0xc000), u16(1), u16(1)] }), 'FORMERR'],
  ['pointers in a ring', message({ parts: [u16(0xc00e), u16(0xc00c), u16(1), u16(1)] }), 'FORMERR'],
  ['pointer cut', message({ parts: [Buffer.from([0xc0])] }), 'FORMERR'],
  ['label type 01', message({ parts: [Buffer.from([0x41, 0x61, 0]), u16(1), u16(1)] }), 'FORMERR'],
  ['label type 10', message({ parts: [Buffer.from([0x81, 0x61, 0]), u16(1), u16(1)] }), 'FORMERR'],
  ['label past the end', message({ parts: [Buffer.from([60, 0x61, 0x62])] }), 'FORMERR'],
  ['name of 256 octets', queryOf(nameOf(...[63, 63, 63, 62].map(n => 'x'.repeat(n))), 'A'), 'FORMERR'],
  ['name without an end', message({ parts: [Buffer.alloc(500, 1)] }), 'FORMERR'],
  ['question cut', queryOf(QNAME, 'A').subarray(0, -1), 'FORMERR'],
  ['OPT twice', queryOf(QNAME, 'A', { opt: {}, more: [optRecord()] }), 'FORMERR'],
  ['OPT not at the root', queryOf(QNAME, 'A', { opt: { owner: wireName('a') } }), 'FORMERR'],
  ['OPT with RDLEN past the end', queryOf(QNAME, 'A', { opt: { rdlength: 9 } }), 'FORMERR'],
  ['option longer than its OPT', queryOf(QNAME, 'A', { opt: { rdata: Buffer.from('000a0009ff', 'hex') } }), 'FORMERR'],
  ['option cut', queryOf(QNAME, 'A', { opt: { rdata: Buffer.from('000a00', 'hex') } }), 'FORMERR'],
  ['EDNS version 1', queryOf(QNAME, 'A', { opt: { version: 1 } }), 'BADVERS'],
  ['payload size 0', queryOf(QNAME, 'A', { opt: { size: 0 } }), 'NOERROR'],
  ['payload size 65535', queryOf(QNAME, 'A', { opt: { size: 65_535 } }), 'NOERROR'],
  ['octets behind the question', Buffer.concat([queryOf(QNAME, 'A'), Buffer.alloc(3)]), 'FORMERR'],
  ['octets behind the OPT', Buffer.concat([queryOf(QNAME, 'A', { opt: {} }), Buffer.alloc(3)]), 'FORMERR'],
  ['class CH', queryOf('version.bind', 'TXT', { qclass: 3 }), 'REFUSED'],
  ['class ANY', queryOf(QNAME, 'A', { qclass: 255 }), 'REFUSED'],
  ['class NONE', queryOf(QNAME, 'A', { qclass: 254 }), 'REFUSED'],
  ['AXFR', queryOf('cluster.local', 'AXFR'), 'REFUSED'],
  ['IXFR', queryOf('cluster.local', 'IXFR'), 'REFUSED'],
  ['mixed case', queryOf('WeB.dEfAuLt.SvC.cLuStEr.LoCaL', 'A'), 'NOERROR'],
  ['a dot inside a label', queryOf(nameOf('web.default', 'svc', 'cluster', 'local'), 'A'), 'NXDOMAIN'],
  ['NUL inside a label', queryOf(nameOf('we\0b', 'svc', 'cluster', 'local'), 'A'), 'NXDOMAIN'],
  ['octets above 127 in a label', queryOf(nameOf('\xff\xfe', 'svc', 'cluster', 'local'), 'A'), 'NXDOMAIN'],
  ['a record in the answer section', message({ counts: [1, 1, 0, 0], parts: [question, record] }), 'FORMERR'],
  ['a record in the authority section', message({ counts: [1, 0, 1, 0], parts: [question, record] }), 'FORMERR'],
  ['a record in the additional section', message({ counts: [1, 0, 0, 1], parts: [question, record] }), 'NOERROR'],
  ['a record promised and not there', message({ counts: [1, 0, 0, 1], parts: [question] }), 'FORMERR'],
]

describe('malformed and hostile messages', () => {
  for (const [title, query, expected] of table) {
    it(`${title}: ${expected}`, () => {
      for (const stream of [false, true]) {
        const octets = server.exchange(query, stream)
        if (expected === 'dropped') {
          assert.equal(octets, undefined)
          continue
        }
        const reply = strictDecode(octets!)
        assert.equal(reply.rcode, RCODES[expected])
        assert.equal(reply.id, 0x1234)
        if (expected === 'FORMERR' || expected === 'NOTIMP') assert.equal(octets!.length, 12, 'nothing is sent back')
        else assert.deepEqual(reply.question, query.subarray(12, 12 + reply.question!.length))
      }
    })
  }

  it('the largest messages a stream can bring cost less than 5 ms each', t => {
    const options = Buffer.alloc(65_535 - 12 - question.length - 11 - 4)
    const largest: readonly (readonly [string, Buffer])[] = [
      ['options of no octets', queryOf(QNAME, 'A', { opt: { rdata: options.subarray(options.length % 4) } })],
      ['one label after another', message({ parts: [Buffer.alloc(65_000, 1)] })],
      ['a record of labels', message({ counts: [1, 0, 0, 2], parts: [question, Buffer.alloc(65_000, 1)] })],
      ['127 labels below the zone', queryOf(nameOf(...Array<string>(120).fill('a'), 'cluster', 'local'), 'A')],
    ]
    for (const [title, query] of largest) {
      const durations = Array.from({ length: 101 }, () => {
        const from = process.hrtime.bigint()
        server.exchange(query, true)
        return Number(process.hrtime.bigint() - from) / 1e6
      })
      const median = durations.sort((a, b) => a - b)[50]!
      t.diagnostic(`${title}: ${(median * 1000).toFixed(0)} µs`)
      assert.ok(median < 5, `${title}: ${median} ms`)
    }
  })
})

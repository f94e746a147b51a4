import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  RCODE_BADVERS,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_REFUSED,
} from '../../../src/wire/constants.ts'
import { DROP, Query, skipName } from '../../../src/wire/query.ts'
import { message, nameOf, optRecord, queryOf, questionOf, recordOf, u16, wireName } from '../../support/messages.ts'

const query = new Query(7)

/** @param start octets before the message, as in a batch */
function read(octets: Uint8Array, start = 0): number {
  const buffer = Buffer.alloc(start + octets.length + 64, 0xff)
  buffer.set(octets, start)
  return query.read(buffer, new DataView(buffer.buffer, buffer.byteOffset, buffer.length), start, octets.length)
}

describe('the fields of a query', () => {
  it('are read wherever the message stands in the buffer', () => {
    for (const start of [0, 1, 2, 3, 1000]) {
      assert.equal(read(queryOf('Web.NS', 'SRV', { opt: { size: 4096, flags: 0x8000 } }), start), RCODE_NOERROR)
      assert.deepEqual(Buffer.from(query.name.subarray(0, query.nameLength)), nameOf('web', 'ns'))
      assert.deepEqual([query.labels, query.type, query.payloadSize, query.tsigAt], [2, 33, 4096, 0])
      assert.equal(query.questionEnd, 12 + 8 + 4)
      assert.deepEqual([...query.labelStart.subarray(0, 3)], [0, 4, 7])
    }
  })

  it('nothing of the query before is left', () => {
    read(queryOf('a.b.c.d', 'A', { opt: { size: 4096, flags: 0x8000 }, more: [tsig()] }))
    assert.ok(query.tsigAt > 0)
    assert.equal(read(queryOf('x', 'AAAA')), RCODE_NOERROR)
    assert.deepEqual([query.labels, query.type, query.payloadSize, query.dnssecOk, query.tsigAt], [1, 28, 0, false, 0])
    read(queryOf('a.b', 'A', { opt: {} }))
    assert.equal(read(Buffer.alloc(12)), RCODE_FORMERR)
    assert.deepEqual([query.payloadSize, query.questionEnd], [0, 0])
  })

  it('of an OPT with octets behind the message nothing is taken', () => {
    const whole = queryOf('a', 'A', { opt: { size: 4096, flags: 0x8000 } })
    assert.equal(read(Buffer.concat([whole, Buffer.alloc(1)])), RCODE_FORMERR)
    assert.deepEqual([query.payloadSize, query.dnssecOk], [0, false])
  })

  it('RFC 6891 §6.2.3: payload sizes below 512 are 512; 0 stands for no OPT', () => {
    for (const [size, expected] of [
      [0, 512],
      [511, 512],
      [513, 513],
      [65_535, 65_535],
    ] as const) {
      read(queryOf('a', 'A', { opt: { size } }))
      assert.equal(query.payloadSize, expected)
    }
  })

  it('RFC 3225 §3: DO is the uppermost bit of the flags, the reserved bits are not', () => {
    for (const [flags, expected] of [
      [0x8000, true],
      [0x7fff, false],
      [0xffff, true],
      [0, false],
    ] as const) {
      read(queryOf('a', 'A', { opt: { flags } }))
      assert.equal(query.dnssecOk, expected)
    }
  })
})

function tsig(): Buffer {
  return recordOf(wireName('k'), 250, Buffer.alloc(30), 255)
}

describe('the order of the checks', () => {
  const bad = { counts: [2, 1, 1, 9] as const, parts: [Buffer.from([0xc0])] }
  it('length, QR, opcode, counts, question, additional section, version, class', () => {
    assert.equal(read(Buffer.alloc(11)), DROP)
    assert.equal(read(message({ flags: 0x8000 | (5 << 11), ...bad })), DROP)
    assert.equal(read(message({ flags: 5 << 11, ...bad })), RCODE_NOTIMP)
    assert.equal(read(message(bad)), RCODE_FORMERR)
    const unknown = questionOf('a', 'A', 3)
    assert.equal(read(message({ counts: [1, 0, 0, 1], parts: [unknown, Buffer.from([0xc0])] })), RCODE_FORMERR)
    assert.equal(
      read(message({ counts: [1, 0, 0, 1], parts: [unknown, optRecord({ version: 1 }), u16(0)] })),
      RCODE_FORMERR,
    )
    assert.equal(read(message({ counts: [1, 0, 0, 1], parts: [unknown, optRecord({ version: 1 })] })), RCODE_BADVERS)
    assert.equal(read(message({ parts: [unknown] })), RCODE_REFUSED)
  })

  it('RFC 8945 §5.1: a TSIG that is not the last record is FORMERR', () => {
    const parts = [questionOf('a', 'A'), tsig(), optRecord()]
    assert.equal(read(message({ counts: [1, 0, 0, 2], parts })), RCODE_FORMERR)
    parts.reverse()
    assert.equal(read(message({ counts: [1, 0, 0, 2], parts: [parts[2]!, parts[0]!, parts[1]!] })), RCODE_NOERROR)
  })
})

describe('any octets', () => {
  it('give an RCODE or DROP, and fields that lie inside the message', () => {
    const random = fc.uint8Array({ minLength: 0, maxLength: 120 })
    const likely = fc
      .tuple(fc.constantFrom(0, 1, 2), fc.uint8Array({ minLength: 0, maxLength: 80 }))
      .map(([additional, rest]) => message({ counts: [1, 0, 0, additional], parts: [rest] }))
    fc.assert(
      fc.property(fc.oneof(random, likely), octets => {
        const verdict = read(octets)
        assert.ok([DROP, RCODE_NOERROR, RCODE_FORMERR, RCODE_NOTIMP, RCODE_REFUSED, RCODE_BADVERS].includes(verdict))
        assert.ok(query.questionEnd <= octets.length && query.tsigAt <= octets.length)
        if (verdict === RCODE_NOERROR) {
          assert.ok(query.nameLength <= 255 && query.labels <= 127)
          assert.equal(query.questionEnd, 12 + query.nameLength + 4)
        }
      }),
      { numRuns: 5000 },
    )
  })
})

describe('skipName', () => {
  it('ends behind the root label or a pointer; 0 for what is cut, or no label', () => {
    const at = (octets: number[]): number => skipName(Uint8Array.from(octets), 0, octets.length)
    assert.equal(at([0]), 1)
    assert.equal(at([1, 0x61, 0]), 3)
    assert.equal(at([0xc0, 12]), 2)
    assert.equal(at([1, 0x61, 0xc0, 0]), 4)
    for (const octets of [[], [1], [1, 0x61], [0xc0], [0x40, 0], [0x80, 0], [2, 0x61, 0]]) assert.equal(at(octets), 0)
  })

  it('gives up after as many labels as no name has', () => {
    const octets = Buffer.alloc(60_000, 1)
    assert.equal(skipName(octets, 0, octets.length), 0)
  })
})

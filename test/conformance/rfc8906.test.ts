/**
 * RFC 8906, A Common Operational Problem in DNS Servers: every name, type, flag, opcode and class is answered.
 * The queries of its section 8 are in edns-compliance.test.ts.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AA, queryOf, RCODES, RD, strictDecode, Z } from '../support/messages.ts'
import { createWorld, WORLD_NAMES } from '../support/world.ts'

const ZONE = 'cluster.local'
const server = createWorld()

describe('RFC 8906 §3: no query is left without a reply', () => {
  it('for any name, type, class, version, flags, and payload size', () => {
    for (const qname of WORLD_NAMES) {
      for (const qtype of [1, 28, 33, 41, 250, 251, 252, 255, 1000, 65_535]) {
        for (const fields of [{}, { qclass: 255 }, { flags: 0x7ff0 }, { opt: { size: 0, version: 9 } }]) {
          const query = queryOf(qname, qtype, fields)
          for (const stream of [false, true]) assert.ok(server.exchange(query, stream) !== undefined)
        }
      }
    }
  })
})

describe('RFC 8906 §3.1.1: unknown and meta types', () => {
  const types = [10, 15, 17, 18, 24, 25, 29, 35, 36, 37, 39, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 55, 59, 60]
  const more = [61, 62, 63, 64, 65, 99, 104, 105, 108, 109, 128, 249, 253, 254, 256, 257, 258, 259, 260, 1000, 32_768]
  it('types that the zone has not, from NULL to DLV and beyond, are NOERROR without answer', () => {
    for (const type of [0, ...types, ...more, 65_279, 65_535]) {
      const reply = strictDecode(server.exchange(queryOf(ZONE, type, { opt: {} }))!)
      assert.deepEqual([reply.rcode, reply.answers.length, reply.authority.length], [0, 0, 1], `type ${type}`)
    }
  })
})

describe('RFC 8906 §3.1.2: flags', () => {
  it('whatever flags a query has, RD alone is copied', () => {
    for (let flags = 0; flags < 0x0800; flags += 0x10) {
      const reply = strictDecode(server.exchange(queryOf(ZONE, 'SOA', { flags }))!)
      assert.equal(reply.flags, 0x8000 | AA | (flags & RD), flags.toString(16))
    }
  })
})

describe('RFC 8906 §3.1.4: unknown opcodes', () => {
  it('all opcodes but QUERY are NOTIMP, with the opcode echoed', () => {
    for (let opcode = 1; opcode < 16; opcode++) {
      const reply = strictDecode(server.exchange(queryOf(ZONE, 'SOA', { flags: (opcode << 11) | AA | Z | RD }))!)
      assert.deepEqual([reply.rcode, reply.opcode, reply.flags], [RCODES.NOTIMP, opcode, 0x8000 | RD])
    }
  })
})

describe('RFC 8906 §4: classes that are not served', () => {
  for (const [title, qname, qtype, qclass] of [
    ['CHAOS, version.bind', 'version.bind', 'TXT', 3],
    ['CHAOS, a name of the zone', ZONE, 'SOA', 3],
    ['HESIOD', ZONE, 'SOA', 4],
    ['NONE', ZONE, 'SOA', 254],
    ['ANY', ZONE, 'SOA', 255],
    ['0', ZONE, 'SOA', 0],
    ['an unknown class', ZONE, 'SOA', 1000],
  ] as const) {
    it(`${title}: REFUSED`, () => {
      const reply = strictDecode(server.exchange(queryOf(qname, qtype, { qclass, opt: {} }))!)
      assert.deepEqual([reply.rcode, reply.answers.length, reply.flags & AA], [RCODES.REFUSED, 0, 0])
      assert.ok(reply.opt !== undefined)
    })
  }
})

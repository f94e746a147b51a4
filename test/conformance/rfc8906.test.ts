/**
 * RFC 8906, A Common Operational Problem in DNS Servers: the queries of its section 8 and those that genreport and
 * ednscomp add, each as a datagram and over a stream, with the answers that they expect of an authoritative server.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  AA,
  AD,
  CD,
  message,
  type OptFields,
  queryOf,
  RA,
  RCODES,
  type RcodeName,
  RD,
  type Reply,
  strictDecode,
  TC,
  Z,
} from '../support/messages.ts'
import { createWorld, WORLD_NAMES } from '../support/world.ts'

const ZONE = 'cluster.local'
const server = createWorld()

interface Line {
  readonly title: string
  readonly query: Buffer
  readonly rcode?: RcodeName
  /** An SOA in the answer; else the answer is empty. */
  readonly soa?: boolean
  readonly aa?: boolean
  readonly rd?: boolean
  readonly opt?: boolean
  readonly more?: (reply: Reply) => void
}

function soa(title: string, fields: { flags?: number; opt?: OptFields }, more: Partial<Line> = {}): Line {
  const { flags = 0, opt = false } = fields
  return { title, query: queryOf(ZONE, 'SOA', { flags, opt }), soa: true, aa: true, opt: opt !== false, ...more }
}

const COOKIE = { code: 10, data: Buffer.from('0102030405060708', 'hex') }
const NSID = { code: 3 }
const EXPIRE = { code: 9 }
const SUBNET = { code: 8, data: Buffer.from('00010000', 'hex') }
const UNKNOWN = { code: 100 }

const badVersion = { rcode: 'BADVERS', soa: false, aa: false, opt: true } as const

const lines: readonly Line[] = [
  soa('RFC 8906 §8.1.1: plain DNS', {}),
  {
    title: 'RFC 8906 §8.1.2: an unknown type is NODATA (RFC 8906 §3.1.1)',
    query: queryOf(ZONE, 1000),
    aa: true,
    more: reply => assert.equal(reply.authority.length, 1),
  },
  soa('RFC 8906 §8.1.3.1: CD=1', { flags: CD }),
  soa('RFC 8906 §8.1.3.2: AD=1', { flags: AD }),
  soa('RFC 8906 §8.1.3.3: the reserved bit is not echoed', { flags: Z }),
  soa('RFC 8906 §8.1.3.4: RD=1 is copied', { flags: RD }, { rd: true }),
  soa('RFC 8906 §3.1.2: AA=1 in the query', { flags: AA }),
  soa('RFC 8906 §3.1.2: RA=1 in the query', { flags: RA }),
  soa('RFC 8906 §3.1.2: TC=1 in the query is not echoed', { flags: TC }),
  {
    title: 'RFC 8906 §8.1.4: opcode 15, the header alone, is NOTIMP (RFC 8906 §3.1.4)',
    query: message({ flags: 15 << 11, counts: [0, 0, 0, 0] }),
    rcode: 'NOTIMP',
    more: reply => assert.deepEqual([reply.opcode, reply.length], [15, 12]),
  },
  {
    title: 'opcode 15 with every flag: neither AA nor the reserved bit is echoed',
    query: message({ flags: (15 << 11) | TC | RD | RA | CD | AD | AA | Z, counts: [0, 0, 0, 0] }),
    rcode: 'NOTIMP',
    rd: true,
    more: reply => assert.equal(reply.opcode, 15),
  },
  soa('RFC 8906 §8.2.1: EDNS version 0', { opt: {} }),
  soa('RFC 8906 §8.2.2: EDNS version 1 is BADVERS', { opt: { version: 1 } }, badVersion),
  soa('EDNS version 100 is BADVERS', { opt: { version: 100 } }, badVersion),
  soa('RFC 8906 §8.2.3: an unknown option is not echoed', { opt: { options: [UNKNOWN] } }),
  soa('RFC 8906 §8.2.4: an unknown EDNS flag is not echoed', { opt: { flags: 0x0040 } }),
  soa('another unknown EDNS flag is not echoed', { opt: { flags: 0x0080 } }),
  soa('RFC 8906 §8.2.5: version 1 with an unknown flag', { opt: { version: 1, flags: 0x0040 } }, badVersion),
  soa('RFC 8906 §8.2.6: version 1 with an unknown option', { opt: { version: 1, options: [UNKNOWN] } }, badVersion),
  {
    title: 'RFC 8906 §8.2.7: a size of 512 octets is respected',
    query: queryOf('big.default.svc.cluster.local', 'A', { opt: { size: 512, flags: 0x8000 } }),
    aa: true,
    opt: true,
    more: reply => assert.ok(reply.length <= 512 || (reply.flags & TC) === 0),
  },
  {
    title: 'RFC 8906 §8.2.7: DNSKEY at a size of 512 octets is NODATA here',
    query: queryOf(ZONE, 'DNSKEY', { opt: { size: 512, flags: 0x8000 } }),
    aa: true,
    opt: true,
  },
  soa('RFC 8906 §8.2.8: DO=1', { opt: { flags: 0x8000 } }),
  soa('DO=1 and CD=1', { flags: CD, opt: { flags: 0x8000 } }),
  soa('RFC 8906 §8.2.9: version 1 with DO=1', { opt: { version: 1, flags: 0x8000 } }, badVersion),
  soa('RFC 8906 §8.2.10: several options', { opt: { options: [COOKIE, NSID, EXPIRE, SUBNET] } }),
  ...Object.entries({ NSID, COOKIE, EXPIRE, SUBNET }).flatMap(([name, option]) => [
    soa(`option ${name}`, { opt: { options: [option] } }),
    soa(`version 1 with option ${name}`, { opt: { version: 1, options: [option] } }, badVersion),
  ]),
  soa('a query as dig sends it', { flags: RD | AD, opt: { options: [COOKIE] } }, { rd: true }),
  soa('a query as named sends it', { opt: { size: 512, flags: 0x8000, options: [COOKIE] } }),
]

for (const stream of [false, true]) {
  describe(`RFC 8906 §8: ${stream ? 'over a stream (RFC 8906 §8.1.5)' : 'as a datagram'}`, () => {
    for (const { title, query, rcode = 'NOERROR', soa = false, aa = false, rd = false, opt = false, more } of lines) {
      it(title, () => {
        const octets = server.exchange(query, stream)
        assert.ok(octets !== undefined, 'RFC 8906 §3: every query is answered')
        const reply = strictDecode(octets)
        assert.equal(reply.rcode, RCODES[rcode])
        assert.equal(reply.id, 0x1234)
        const isBig = reply.answers.length > 1
        if (!isBig)
          assert.deepEqual(
            reply.answers.map(({ type }) => type),
            soa ? [6] : [],
          )
        const expected = 0x8000 | (aa ? AA : 0) | (rd ? RD : 0) | (isBig && !stream ? TC : 0)
        assert.equal(reply.flags, expected, `flags ${reply.flags.toString(16)}`)
        if (!opt) assert.equal(reply.opt, undefined)
        else assert.deepEqual(reply.opt, { size: 1232, version: 0, flags: 0, options: [] })
        more?.(reply)
      })
    }
  })
}

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

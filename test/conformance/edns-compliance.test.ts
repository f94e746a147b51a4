/**
 * RFC 8906 §8 and what the public testers of EDNS compliance ask beside it: each line is named as genreport names it, and
 * is sent to a running server as a datagram and over a stream, over IPv4 and IPv6, with both transports. Queries are built
 * octet by octet, replies read by a decoder that forgives nothing.
 */

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { hasIPv6 } from '../support/datagram-battery.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import {
  AA,
  AD,
  CD,
  message,
  type OptFields,
  queryOf,
  questionOf,
  RA,
  RCODES,
  type RcodeName,
  RD,
  type Reply,
  recordOf,
  strictDecode,
  TC,
  TYPES,
  u16,
  wireName,
  Z,
} from '../support/messages.ts'
import { type Listening, startListening } from '../support/running-server.ts'
import { putWorld } from '../support/world.ts'

const ZONE = 'cluster.local'

interface Line {
  readonly title: string
  readonly query: Buffer
  readonly rcode?: RcodeName
  /** An SOA in the answer; else the answer is empty. */
  readonly soa?: boolean
  readonly aa?: boolean
  readonly rd?: boolean
  readonly opt?: boolean
  readonly more?: (reply: Reply, stream: boolean) => void
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
const DO = 0x8000
const badVersion = { rcode: 'BADVERS', soa: false, aa: false, opt: true } as const

const lines: readonly Line[] = [
  soa('dns, RFC 8906 §8.1.1: plain DNS has no OPT', {}),
  {
    title: 'type666, RFC 8906 §8.1.2: an unknown type is NODATA (RFC 8906 §3.1.1)',
    query: queryOf(ZONE, 666),
    aa: true,
    more: reply => assert.equal(reply.authority.length, 1),
  },
  soa('cd, RFC 8906 §8.1.3.1: CD=1 is not copied', { flags: CD }),
  soa('ad, RFC 8906 §8.1.3.2: AD=1 is not copied', { flags: AD }),
  soa('zflag, RFC 8906 §8.1.3.3: the reserved bit is not echoed', { flags: Z }),
  soa('rd, RFC 8906 §8.1.3.4: RD=1 is copied', { flags: RD }, { rd: true }),
  soa('aa, RFC 8906 §3.1.2: AA=1 in the query', { flags: AA }),
  soa('ra, RFC 8906 §3.1.2: RA=1 in the query', { flags: RA }),
  soa('tc, RFC 8906 §3.1.2: TC=1 in the query is not echoed', { flags: TC }),
  {
    title: 'opcode, RFC 8906 §8.1.4: opcode 15, the header alone, is NOTIMP (RFC 8906 §3.1.4)',
    query: message({ flags: 15 << 11, counts: [0, 0, 0, 0] }),
    rcode: 'NOTIMP',
    more: reply => assert.deepEqual([reply.opcode, reply.length], [15, 12]),
  },
  {
    title: 'opcodeflg, RFC 8906 §3.1.4: opcode 15 with every flag, of which RD alone is copied',
    query: message({ flags: (15 << 11) | TC | RD | RA | CD | AD | AA | Z, counts: [0, 0, 0, 0] }),
    rcode: 'NOTIMP',
    rd: true,
    more: reply => assert.equal(reply.opcode, 15),
  },
  soa('edns, RFC 8906 §8.2.1: version 0', { opt: {} }),
  soa('edns1, RFC 8906 §8.2.2: version 1 is BADVERS', { opt: { version: 1 } }, badVersion),
  soa('edns=100, RFC 6891 §6.1.3: version 100 is BADVERS', { opt: { version: 100 } }, badVersion),
  soa('ednsopt, RFC 8906 §8.2.3: an unknown option is not echoed', { opt: { options: [UNKNOWN] } }),
  soa('ednsflags, RFC 8906 §8.2.4: an unknown EDNS flag is not echoed', { opt: { flags: 0x0040 } }),
  soa('ednsflags=0x80, RFC 8906 §8.2.4: another one is not echoed either', { opt: { flags: 0x0080 } }),
  soa('edns1flags, RFC 8906 §8.2.5: version 1 with a flag', { opt: { version: 1, flags: 0x0040 } }, badVersion),
  soa('edns1opt, RFC 8906 §8.2.6: version 1, an option', { opt: { version: 1, options: [UNKNOWN] } }, badVersion),
  {
    title: 'edns@512, RFC 8906 §8.2.7: DNSKEY at a size of 512 octets is NODATA here',
    query: queryOf(ZONE, 'DNSKEY', { opt: { size: 512, flags: DO } }),
    aa: true,
    opt: true,
    more: reply => assert.ok(reply.length <= 512),
  },
  {
    title:
      'edns@512, RFC 8906 §8.2.7: an answer too big for 512 octets has TC and stays below, over a stream it is whole',
    query: queryOf('big.default.svc.cluster.local', 'A', { opt: { size: 512, flags: DO } }),
    aa: true,
    opt: true,
    more(reply, stream) {
      if (stream) assert.equal(reply.answers.length, 1000)
      else assert.ok(reply.length <= 512 && reply.answers.length > 20)
    },
  },
  soa('do, RFC 8906 §8.2.8: DO=1', { opt: { flags: DO } }),
  soa('docd, RFC 8906 §8.2.8: DO=1 and CD=1', { flags: CD, opt: { flags: DO } }),
  soa('edns1do, RFC 8906 §8.2.9: version 1 with DO=1', { opt: { version: 1, flags: DO } }, badVersion),
  soa('optlist, RFC 8906 §8.2.10: several options', { opt: { options: [COOKIE, NSID, EXPIRE, SUBNET] } }),
  ...Object.entries({ nsid: NSID, cookie: COOKIE, expire: EXPIRE, subnet: SUBNET }).flatMap(([name, option]) => [
    soa(`edns${name}, RFC 8906 §8.2.3: one option that is not served`, { opt: { options: [option] } }),
    soa(
      `edns1${name}, RFC 8906 §8.2.6: the same with version 1`,
      { opt: { version: 1, options: [option] } },
      badVersion,
    ),
  ]),
  soa('dig11: a query as dig sends it', { flags: RD | AD, opt: { options: [COOKIE] } }, { rd: true }),
  soa('bind11: a query as named sends it', { opt: { size: 512, flags: DO, options: [COOKIE] } }),
  {
    title: 'dnswkk, RFC 8945 §5.2.1: signed with the key "." and an empty secret is NOTAUTH, BADKEY, without MAC',
    query: signedWithWellKnownKey(),
    rcode: 'NOTAUTH',
    more(reply) {
      assert.equal(reply.tsig?.owner, '\0')
      const end = reply.tsig!.rdata.length
      // … MAC size 0, original ID, error 17, no other data
      assert.equal(reply.tsig!.rdata.subarray(end - 8).toString('hex'), '0000123400110000')
    },
  },
]

/** RFC 8945 §4.3.3: the MAC is over the message and the variables of the TSIG; here it is right. */
function signedWithWellKnownKey(): Buffer {
  const algorithm = wireName('hmac-sha256')
  const time = Buffer.concat([u16(0), Buffer.from([0x65, 0, 0, 0]), u16(300)])
  const unsigned = queryOf(ZONE, 'SOA')
  const variables = Buffer.concat([wireName('.'), u16(255), u16(0), u16(0), algorithm, time, u16(0), u16(0)])
  const mac = createHmac('sha256', Buffer.alloc(0)).update(unsigned).update(variables).digest()
  const rdata = Buffer.concat([algorithm, time, u16(mac.length), mac, u16(0x1234), u16(0), u16(0)])
  return message({
    counts: [1, 0, 0, 1],
    parts: [questionOf(ZONE, 'SOA'), recordOf(wireName('.'), TYPES['TSIG']!, rdata, 255)],
  })
}

/** genreport's TYPE group, and the private and reserved ones. */
const ABSENT_TYPES: readonly number[] = [
  ...[0, 3, 4, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 34, 35, 36],
  ...[37, 38, 39, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65],
  ...[99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 128, 249, 256, 257, 258, 259, 260, 261, 262],
  ...[666, 1000, 32_768, 32_769, 65_280, 65_535],
]

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`EDNS compliance, RFC 8906 §8: ${transport} transport`, { skip: problem ?? false }, () => {
    let listening: Listening

    before(async () => {
      listening = await startListening(transport, cluster => {
        const [services, slices] = [cluster.open('Service'), cluster.open('EndpointSlice')]
        for (const sink of [services, slices]) sink.replaceAll().commit()
        putWorld(services, slices)
        cluster.flush()
      })
    })
    after(() => listening.server.stop())

    for (const family of ['ipv4', 'ipv6'] as const) {
      const skip = family === 'ipv6' && !hasIPv6 ? 'this machine has no IPv6' : false
      // RFC 8906 §8.1.5 (tcp) and genreport's ednstcp are these same lines over a stream.
      for (const stream of [false, true]) {
        const exchange = stream ? exchangeTcp : exchangeUdp
        const ask = (query: Buffer): Promise<Buffer> => exchange(query, listening[family])
        const way = stream ? 'over a stream (tcp and ednstcp, RFC 8906 §8.1.5)' : 'as a datagram'
        describe(`${way}, ${family}`, { skip }, () => {
          for (const line of lines) it(line.title, async () => hold(line, await ask(line.query), stream))

          it(`TYPE group, RFC 8906 §3.1.1: ${ABSENT_TYPES.length} types that the zone has not are NODATA`, async () => {
            for (const type of ABSENT_TYPES) {
              const query = queryOf(ZONE, type, { opt: {} })
              const reply = strictDecode(await ask(query))
              const seen = [reply.rcode, reply.flags, reply.answers.length, reply.authority.map(each => each.type)]
              assert.deepEqual(seen, [0, 0x8000 | AA, 0, [6]], `type ${type}`)
            }
          })
        })
      }
    }
  })
}

function hold(line: Line, octets: Buffer, stream: boolean): void {
  const { query, rcode = 'NOERROR', soa = false, aa = false, rd = false, opt = false, more } = line
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
  // RFC 3225 §3: DO is copied, and no other flag
  else assert.deepEqual(reply.opt, { size: 1232, version: 0, flags: strictDecode(query).opt!.flags & DO, options: [] })
  if (query.readUInt16BE(4) === 1) assert.deepEqual(reply.question, query.subarray(12, 12 + reply.question!.length))
  more?.(reply, stream)
}

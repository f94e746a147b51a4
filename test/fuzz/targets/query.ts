/**
 * A query, from its octets to the reply: src/wire/query.ts by way of the answerer. No reply is over its limit or malformed,
 * the ID is kept, nothing of the buffer around the query gets into a reply; and both packages that decode DNS read it.
 */

import assert from 'node:assert/strict'
import { decode } from 'dns-packet'
import { Packet } from 'dns2'
import { CANARY } from '../../support/answering.ts'
import {
  message,
  optRecord,
  queryOf,
  questionOf,
  recordOf,
  strictDecode,
  TYPES,
  u16,
  wireName,
} from '../../support/messages.ts'
import type { Random } from '../../support/random.ts'
import { createWorld, WORLD_NAMES } from '../../support/world.ts'
import type { Target } from '../target.ts'

const TYPE_NUMBERS = Object.values(TYPES)

function randomQuery(random: Random): Buffer {
  const sizes = [0, 1, 511, 512, 600, 1232, 4096, 65_535]
  const options = random.below(4) === 0 ? [{ code: random.below(20), data: random.octets(random.below(24)) }] : []
  const opt = random.below(3) > 0 ? { size: random.oneOf(sizes), options, flags: random.below(2) * 0x8000 } : false
  return queryOf(random.oneOf(WORLD_NAMES), random.oneOf(TYPE_NUMBERS), {
    id: random.below(65_536),
    flags: random.below(4) === 0 ? random.next() & 0x7fff : random.below(2) * 0x0100,
    opt,
  })
}

function tsigQuery(random: Random): Buffer {
  const name = (): Buffer =>
    random.oneOf([
      wireName('key.example'),
      wireName('hmac-sha256'),
      Buffer.from([0xc0, 12]),
      Buffer.from([0xc0, random.below(200)]),
      Buffer.concat([wireName('k').subarray(0, 2), Buffer.from([0xc0, random.below(60)])]),
      wireName(Array.from({ length: 1 + random.below(16) }, () => 'x'.repeat(1 + random.below(60))).join('.')),
    ])
  const mac = random.octets(random.below(40))
  const rdata = Buffer.concat([name(), random.octets(8), u16(mac.length), mac, random.octets(2), u16(0), u16(0)])
  const tsig = recordOf(name(), TYPES['TSIG']!, rdata, 255)
  return queryOf(random.oneOf(WORLD_NAMES), 'A', { more: [tsig], opt: random.below(2) === 0 ? {} : false })
}

const kinds: readonly ((random: Random) => Buffer)[] = [
  // Random octets, as they are and behind a header that lets them in.
  random => random.octets(random.below(random.below(8) === 0 ? 1500 : 64)),
  random =>
    message({ id: random.below(65_536), counts: [1, 0, 0, random.below(4)], parts: [random.octets(random.below(80))] }),
  // Valid.
  randomQuery,
  tsigQuery,
  // Octets changed.
  random => {
    const query = randomQuery(random)
    for (let n = 1 + random.below(4); n > 0; n--) query[random.below(query.length)] = random.next()
    return query
  },
  // Pointers and reserved label types anywhere behind the header.
  random => {
    const query = randomQuery(random)
    const at = 12 + random.below(query.length - 12)
    query[at] = random.oneOf([0x40, 0x80, 0xc0, 0xff, 63, 64])
    if (at + 1 < query.length) query[at + 1] = random.oneOf([0, 11, 12, at & 255, (at + 2) & 255, 255])
    return query
  },
  // Cut short, or longer than it says.
  random => {
    const query = randomQuery(random)
    if (random.below(2) === 0) return query.subarray(0, random.below(query.length))
    return Buffer.concat([query, random.octets(1 + random.below(20))])
  },
  // Counts that lie, records in sections where a query has none, two OPTs.
  random => {
    const record = recordOf(wireName('x.cluster.local'), random.oneOf(TYPE_NUMBERS), random.octets(random.below(30)))
    const parts = [random.oneOf([record, optRecord(), optRecord({ version: random.below(3) })]), optRecord()]
    const counts = Array.from({ length: 3 }, () => random.below(3)) as [number, number, number]
    return message({
      id: random.below(65_536),
      counts: [1, ...counts],
      parts: [questionOf(random.oneOf(WORLD_NAMES), random.oneOf(TYPE_NUMBERS)), ...parts.slice(0, random.below(3))],
    })
  },
]

export const queryTarget: Target = {
  name: 'query',
  dictionary: [
    ...WORLD_NAMES.map(name => wireName(name)),
    ...Object.values(TYPES).map(type => Buffer.concat([u16(type), u16(1)])),
    optRecord(),
    optRecord({ version: 1 }),
    u16(0xc00c),
    u16(0xc000),
  ],
  maxOctets: 1500,
  limitMs: 1,
  generate: random => random.oneOf(kinds)(random),
  async open() {
    const server = createWorld({ seed: 1 })
    const asked = (input: Buffer): { query: Buffer; stream: boolean } => {
      const query = Buffer.from(input)
      for (let at = 0; at < query.length; at++) if (query[at] === CANARY) query[at] = CANARY - 1
      // One in eight comes over a stream; the input itself says which, so that it can be tried again.
      return { query, stream: ((query[1] ?? 0) & 7) === 7 }
    }
    return {
      prepare: asked,
      decode: ({ query, stream }: ReturnType<typeof asked>) => server.exchange(query, stream),
      check(input: Buffer, octets: Buffer | undefined) {
        const { query, stream } = asked(input)
        if (octets !== undefined) return inspect(query, octets, stream)
        assert.ok(query.length < 12 || query[2]! >= 0x80, 'only what is no query is dropped')
        return 'dropped'
      },
    }
  },
}

function inspect(query: Buffer, octets: Buffer, stream: boolean): string {
  assert.ok(query.length >= 12, 'less than a header is dropped')
  assert.equal(query[2]! & 0x80, 0, 'a reply is dropped')
  const reply = strictDecode(octets)
  assert.equal(reply.id, query.readUInt16BE(0), 'ID')
  assert.ok((reply.flags & 0x8000) !== 0, 'QR')
  assert.equal(reply.opcode, (query[2]! >>> 3) & 15, 'opcode')
  assert.equal(reply.flags & 0x00f0, 0, 'RA, Z, AD, CD are clear')
  assert.equal(reply.flags & 0x0100, query.readUInt16BE(2) & 0x0100, 'RD is copied')
  if (!stream) assert.ok(octets.length <= (reply.opt === undefined ? 512 : 1232), `${octets.length} octets`)
  // Two of them could be a pointer; three stand nowhere in a record.
  assert.equal(octets.indexOf(Buffer.alloc(3, CANARY)), -1, 'octets from beside the query')
  if (reply.question === undefined) assert.equal(octets.length, 12, 'without a question, the header alone')
  else assert.deepEqual(reply.question, query.subarray(12, 12 + reply.question.length), 'the question is echoed')
  // RFC 6891 §6.1.1: without an OPT in the query, none in the reply
  if (query.readUInt16BE(10) === 0) assert.equal(reply.opt, undefined)
  const decoded = decode(octets)
  assert.equal(decoded.answers?.length, reply.answers.length)
  // dns2 takes seconds for large messages: it gets what is small.
  if (octets.length <= 512) assert.equal(Packet.parse(octets).answers.length, reply.answers.length)
  return `RCODE ${reply.rcode}, ${reply.answers.length > 0 ? 'answers' : 'none'}${(reply.flags & 0x0200) === 0 ? '' : ', TC'}`
}

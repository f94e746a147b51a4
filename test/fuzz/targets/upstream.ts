/**
 * A reply of an upstream: matched with its query, read, and written anew for a client. What comes of it a strict reader takes.
 */

import assert from 'node:assert/strict'
import { MATCH, MATCH_HEADER, NO_MATCH, Response } from '../../../src/forward/response.ts'
import { MAX_TTL, SCRUBBED, Scrubber } from '../../../src/forward/scrub.ts'
import { message, optRecord, questionOf, recordOf, strictDecode, u16, wireName } from '../../support/messages.ts'
import type { Random } from '../../support/random.ts'
import type { Target } from '../target.ts'

const TYPES = [1, 5, 15, 28, 33, 255]
const QNAME = Uint8Array.of(0xc0, 12)
const QUERIES = TYPES.map(type => message({ flags: 0x0100, parts: [questionOf('www.example.com', type)] }))
const END = QUERIES[0]!.length
const NAMES = ['www.example.com', 'b.example', 'c.b.example', 'example', '.'].map(name => wireName(name))
/** Types whose RDATA is names behind some octets, and before some. */
const SHAPES: readonly (readonly [type: number, before: number, names: number, after: number])[] = [
  [1, 4, 0, 0],
  [2, 0, 1, 0],
  [5, 0, 1, 0],
  [6, 0, 2, 20],
  [15, 2, 1, 0],
  [16, 1, 0, 0],
  [28, 16, 0, 0],
  [33, 6, 1, 0],
  [39, 0, 1, 0],
  [46, 18, 1, 8],
  [47, 0, 1, 4],
  [999, 9, 0, 0],
]

function randomReply(random: Random): Buffer {
  const owner = () => random.oneOf([QNAME, ...NAMES, Uint8Array.of(1, 98, 0xc0, 16)])
  const record = () => {
    const [type, before, names, after] = random.oneOf(SHAPES)
    const rdata = [random.octets(before), ...Array.from({ length: names }, owner), random.octets(after)]
    return recordOf(owner(), type, Buffer.concat(rdata), 1, random.next())
  }
  const counts = [random.below(6), random.below(4), random.below(3)] as const
  const parts = Array.from({ length: counts[0] + counts[1] + counts[2] }, record)
  const opt = random.below(2) === 0 ? [] : [optRecord()]
  const all: [number, number, number, number] = [1, counts[0], counts[1], counts[2] + opt.length]
  return message({
    id: random.next() & 0xffff,
    flags: 0x8180 | random.below(4),
    counts: all,
    parts: [QUERIES[0]!.subarray(12), ...parts, ...opt],
  })
}

interface Asked {
  readonly octets: Buffer
  readonly query: Buffer
  readonly type: number
  readonly dnssecOk: boolean
  readonly limit: number
}

/** The input's ID says what was asked; three in four are a reply to it. */
function askedOf(input: Buffer): Asked {
  const choice = input.length < 2 ? 0 : input.readUInt16BE()
  const which = choice % TYPES.length
  const octets = Buffer.from(input)
  const query = QUERIES[which]!
  if ((choice & 3) !== 0 && octets.length >= END) {
    query.copy(octets, 0, 0, 2)
    octets[2]! |= 0x80
    octets[2]! &= 0x87
    u16(1).copy(octets, 4)
    query.copy(octets, 12, 12, END)
  }
  return { octets, query, type: TYPES[which]!, dnssecOk: (choice & 0x100) !== 0, limit: END + (choice >>> 5) }
}

export const upstreamTarget: Target = {
  name: 'upstream',
  dictionary: [
    ...NAMES,
    ...SHAPES.map(([type]) => Buffer.concat([u16(type), u16(1)])),
    ...[0xc00c, 0xc000, 0xc010, 0xffff].map(u16),
    optRecord(),
  ],
  maxOctets: 1500,
  limitMs: 1,
  generate: randomReply,
  async open() {
    const response = new Response()
    const scrubber = new Scrubber()
    const out = Buffer.alloc(65_535)
    return {
      prepare: askedOf,
      decode({ octets, query, type, dnssecOk, limit }: Asked): string | Buffer {
        const match = response.match(octets, query, END, false, false)
        if (match === NO_MATCH) return 'no reply to the query'
        if (match === MATCH_HEADER) return 'an error without a question'
        assert.equal(match, MATCH)
        if (!response.read(octets, END)) return 'malformed'
        query.copy(out)
        if (scrubber.scrub(response, type, dnssecOk, out, END, 12, limit) !== SCRUBBED) return 'useless'
        out.writeUInt16BE(0x8180, 2)
        out.writeUInt16BE(scrubber.answers, 6)
        out.writeUInt16BE(scrubber.authority, 8)
        return out.subarray(0, scrubber.at)
      },
      check(input: Buffer, verdict: string | Buffer) {
        if (typeof verdict === 'string') return verdict
        const { limit } = askedOf(input)
        assert.ok(verdict.length <= limit, `${verdict.length} octets of ${limit}`)
        const reply = strictDecode(verdict, { mayRepeat: true })
        const records = [...reply.answers, ...reply.authority]
        for (const { ttl } of records) assert.ok(ttl <= MAX_TTL, `TTL ${ttl}`)
        const types = [...new Set(records.map(({ type }) => (type < 50 ? type : 'other')))]
        return `${reply.answers.length > 0 ? 'answers' : 'none'} ${types.sort().join(' ')}${scrubber.truncated ? ', cut' : ''}`
      },
    }
  },
}

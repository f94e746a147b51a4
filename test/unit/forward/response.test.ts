/**
 * Messages from upstreams with anything in them: refused or read, never an exception, never more than a few milliseconds;
 * and what is written of them is a message that a strict reader takes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Response } from '../../../src/forward/response.ts'
import { MAX_TTL, SCRUBBED, Scrubber } from '../../../src/forward/scrub.ts'
import { addressOf, QNAME, recordOf, wireName } from '../../support/fake-upstream.ts'
import { message, questionOf, strictDecode, u16 } from '../../support/messages.ts'

const QUESTION = questionOf('www.example.com', 1)
const END = 12 + QUESTION.length

function reply(
  answers: readonly Uint8Array[],
  authority: readonly Uint8Array[] = [],
  more: readonly Uint8Array[] = [],
) {
  const counts = [1, answers.length, authority.length, more.length] as const
  return message({ flags: 0x8180, counts, parts: [QUESTION, ...answers, ...authority, ...more] })
}

const response = new Response()
const scrubber = new Scrubber()

/** What goes to the client, or undefined. */
function scrub(
  octets: Uint8Array,
  type = 1,
  dnssecOk = false,
  limit = 65_535,
): ReturnType<typeof strictDecode> | undefined {
  if (!response.read(octets, END)) return undefined
  const out = Buffer.alloc(65_535)
  out.set(octets.subarray(0, END))
  if (scrubber.scrub(response, type, dnssecOk, out, END, 12, limit) !== SCRUBBED) return undefined
  out.writeUInt16BE(scrubber.answers, 6)
  out.writeUInt16BE(scrubber.authority, 8)
  out.writeUInt16BE(0, 10)
  assert.ok(scrubber.at <= limit)
  return strictDecode(out.subarray(0, scrubber.at), { mayRepeat: true })
}

/** Of CPU, the least of three: others run on this machine. */
function leastMs(run: () => void): number {
  const took = [1, 2, 3].map(() => {
    const { user } = process.cpuUsage()
    run()
    return (process.cpuUsage().user - user) / 1000
  })
  return Math.min(...took)
}

const pointerTo = (at: number) => Uint8Array.of(0xc0 | (at >>> 8), at & 255)

describe('a reply of an upstream (RFC 6895 §3.1: what it may hold)', () => {
  const sound = reply([recordOf(QNAME, 5, wireName('b.example')), addressOf('b.example', '192.0.2.1')])
  const refused: Readonly<Record<string, Uint8Array>> = {
    'cut in a record': sound.subarray(0, sound.length - 1),
    'with octets behind its last record': Buffer.concat([sound, u16(0)]),
    'with more records than it counts': Buffer.concat([sound, addressOf(QNAME, '192.0.2.2')]),
    'that counts 65,535 of all': message({ flags: 0x8180, counts: [1, 65_535, 65_535, 65_535], parts: [QUESTION] }),
    'with an A of 3 octets': reply([recordOf(QNAME, 1, Buffer.alloc(3))]),
    'with an alias that ends before its RDATA': reply([recordOf(QNAME, 5, Buffer.concat([wireName('b'), u16(0)]))]),
    'with an alias that runs out of its RDATA': reply([recordOf(QNAME, 5, Uint8Array.of(3, 98))]),
    'with an owner that points to itself': reply([addressOf(Uint8Array.of(0xc0, END), '192.0.2.1')]),
    'with an owner that points forward': reply([addressOf(Uint8Array.of(0xc0, END + 20), '192.0.2.1')]),
    'with a label of the type 01': reply([addressOf(Uint8Array.of(0x41, 0), '192.0.2.1')]),
    'with a TXT that ends in a string': reply([recordOf(QNAME, 16, Uint8Array.of(1, 97, 3, 98))]),
    'with a HINFO of three strings': reply([recordOf(QNAME, 13, Uint8Array.of(1, 97, 1, 98, 0))]),
    'with a TSIG in its answer (RFC 6895 §3.1)': reply([recordOf(QNAME, 250, Buffer.alloc(20))]),
    'with an OPT in its answer': reply([recordOf(Uint8Array.of(0), 41, Buffer.alloc(0))]),
    'with text that ends in the midst of a string': reply([recordOf(QNAME, 16, Buffer.from([3, 97, 98]))]),
    'with a name of 127 pointers': reply(
      Array.from({ length: 127 }, (_, i) =>
        recordOf(pointerTo(i === 0 ? 12 : END + 12 * (i - 1)), 999, Buffer.alloc(0)),
      ),
    ),
    'with two OPTs': reply(
      [],
      [],
      [recordOf(Uint8Array.of(0), 41, Buffer.alloc(0)), recordOf(Uint8Array.of(0), 41, Buffer.alloc(0))],
    ),
  }
  for (const [words, octets] of Object.entries(refused)) {
    it(`${words} is malformed`, () => assert.equal(response.read(octets, END), false))
  }

  it('is never an exception, and what is made of it a strict reader takes', () => {
    const owners = fc.constantFrom<string | Uint8Array>(
      QNAME,
      'www.example.com',
      'b.example',
      'c.b.example',
      '.',
      Uint8Array.of(1, 98, 0xc0, 16),
    )
    const name = fc.constantFrom(wireName('b.example'), wireName('c.b.example'), wireName('www.example.com'), QNAME)
    const behind = (octets: number) => name.map(each => Buffer.concat([Buffer.alloc(octets), each]))
    const fixed = (octets: number) => fc.uint8Array({ minLength: octets, maxLength: octets })
    const soa = fc.tuple(name, name, fixed(20)).map(parts => Buffer.concat(parts))
    const sound: [number, fc.Arbitrary<Uint8Array>][] = [
      [1, fixed(4)],
      [5, name],
      [6, soa],
      [12, name],
      [15, behind(2)],
      [16, fc.constantFrom(Uint8Array.of(0), Uint8Array.of(1, 97, 2, 98, 99))],
      [28, fixed(16)],
      [33, behind(6)],
      [39, name],
      [46, behind(18)],
      [47, behind(0)],
      [999, fc.uint8Array({ maxLength: 40 })],
    ]
    const kinds = sound.map(([type, rdata]) => rdata.map(octets => [type, octets] as const))
    const wild = fc.tuple(fc.nat(65_535), fc.uint8Array({ maxLength: 40 }))
    const ttl = fc.nat(2 ** 32 - 1)
    const record = fc
      .tuple(owners, fc.oneof({ weight: 99, arbitrary: fc.oneof(...kinds) }, wild), ttl)
      .map(([owner, [type, rdata], ttl]) => recordOf(owner, type, rdata, ttl))
    const records = fc.array(record, { maxLength: 12 })
    let scrubbed = 0
    fc.assert(
      fc.property(
        records,
        records,
        fc.constantFrom(1, 5, 15, 33, 255),
        fc.boolean(),
        fc.integer({ min: 100, max: 600 }),
        fc.infiniteStream(fc.nat()),
        fc.boolean(),
        (answers, authority, type, dnssecOk, limit, chance, isTorn) => {
          const octets = reply(answers, authority)
          if (isTorn)
            for (let i = 0; i < 3; i++)
              octets[END + (chance.next().value! % (octets.length - END || 1))] = chance.next().value!
          const made = scrub(octets.subarray(0, octets.length), type, dnssecOk, limit)
          if (made === undefined) return
          scrubbed++
          for (const { ttl } of [...made.answers, ...made.authority]) assert.ok(ttl <= MAX_TTL)
        },
      ),
      { numRuns: 5000 },
    )
    assert.ok(scrubbed > 500, `${scrubbed} were sound`)
  })

  it('of 65,535 octets whose owners are chains of pointers takes a few milliseconds', () => {
    const parts: Buffer[] = []
    let at = END
    let last = 12
    while (at + 12 <= 65_000 && at < 0x3fff) {
      parts.push(recordOf(Uint8Array.of(0xc0 | (last >>> 8), last & 255), 999, new Uint8Array(0)))
      // No deeper than a name may be, or it is malformed.
      last = parts.length % 120 === 0 ? 12 : at
      at += 12
    }
    while (at + 12 <= 65_500) {
      parts.push(recordOf(Uint8Array.of(0xc0 | (last >>> 8), last & 255), 999, new Uint8Array(0)))
      at += 12
    }
    const octets = reply(parts)
    const took = leastMs(() => assert.notEqual(scrub(octets), undefined))
    assert.ok(took < 50, `${took} ms`)
  })

  it('of 65,535 octets takes few milliseconds for each who waits, whatever is in them', () => {
    const long = Buffer.concat([
      ...Array.from({ length: 126 }, (_, i) => Buffer.from([1, 97 + (i % 26)])),
      Buffer.of(0),
    ])
    const full = (first: readonly Buffer[], each: Buffer) => {
      const size = first.reduce((sum, { length }) => sum + length, END)
      return reply([...first, ...Array.from({ length: Math.floor((65_535 - size) / each.length) }, () => each)])
    }
    const chain = Array.from({ length: 15 }, (_, i) => recordOf(i === 0 ? QNAME : `c${i}`, 5, wireName(`c${i + 1}`)))
    for (const [words, octets] of Object.entries({
      'DNAMEs of names far away': full(
        [recordOf(long, 39, Buffer.of(0)), ...chain],
        recordOf(pointerTo(END), 39, Buffer.of(0)),
      ),
      addresses: full([], addressOf(QNAME, '192.0.2.1')),
      'addresses behind a chain': full(chain, addressOf('c15', '192.0.2.1')),
      'aliases of one name': full([], recordOf(QNAME, 5, Uint8Array.of(1, 98, 0))),
      'records of another type': full([], recordOf(QNAME, 999, Buffer.alloc(0))),
    })) {
      assert.ok(response.read(octets, END))
      const out = new Uint8Array(65_535)
      out.set(octets.subarray(0, END))
      const took = leastMs(() => {
        for (let i = 0; i < 20; i++) scrubber.scrub(response, 1, false, out, END, 12, 512)
      })
      assert.ok(took / 20 < 5, `${words}: ${took / 20} ms`)
    }
  })
})

describe('TTLs, RFC 2181 §8', () => {
  it('of 2³¹ and above are 0, others at most a day', () => {
    for (const [given, taken] of [
      [2 ** 31, 0],
      [2 ** 32 - 1, 0],
      [2 ** 31 - 1, MAX_TTL],
      [60, 60],
      [0, 0],
    ] as const) {
      assert.equal(scrub(reply([addressOf(QNAME, '192.0.2.1', given)]))!.answers[0]!.ttl, taken)
    }
  })
})

describe('the chain of aliases', () => {
  it('RFC 2181 §10.1: of several at one name the first counts, and the others are left out', () => {
    const aliases = ['b.example', 'c.example'].map(target => recordOf(QNAME, 5, wireName(target)))
    const made = scrub(reply([...aliases, addressOf('c.example', '192.0.2.2'), addressOf('b.example', '192.0.2.1')]))!
    assert.deepEqual(
      made.answers.map(({ type, rdata }) => [type, rdata.at(-1)]),
      [
        [5, 0],
        [1, 1],
      ],
    )
  })

  it('a DNAME above a name of the chain comes along, wherever it stands', () => {
    const dname = recordOf('example', 39, wireName('example.net'))
    const other = recordOf('example.org', 39, wireName('example.net'))
    const chain = [recordOf(QNAME, 5, wireName('b.example')), recordOf('b.example', 5, wireName('b.example.net'))]
    const made = scrub(reply([other, dname, ...chain, addressOf('b.example.net', '192.0.2.1')]))!
    assert.deepEqual(
      made.answers.map(({ type }) => type),
      [5, 39, 5, 1],
    )
  })
})

describe('names of a reply', () => {
  it('are compressed anew, in the types of RFC 1035 alone (RFC 3597 §4)', () => {
    const srv = Buffer.concat([Buffer.alloc(6), QNAME])
    const made = scrub(reply([recordOf(QNAME, 33, srv)]), 33)!
    assert.deepEqual(made.answers[0]!.rdata.subarray(6), wireName('www.example.com'))
    const mx = scrub(reply([recordOf(QNAME, 15, Buffer.concat([u16(5), wireName('mx.example.com')]))]), 15)!
    assert.equal(mx.answers[0]!.rdata.length, 2 + 3 + 2)
  })
})

/**
 * Which queries are logged, and the ring that takes them to the main thread.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  classOf,
  createQueryRing,
  LOG_DENIAL,
  LOG_ERROR,
  LOG_SUCCESS,
  QueryChoice,
  QueryLogReader,
  type QueryLogRules,
  QueryLogWriter,
} from '../../../src/dataplane/query-log.ts'
import { formatName } from '../../../src/wire/name.ts'
import { Query } from '../../../src/wire/query.ts'
import { queryOf, RCODES, TC, wireName } from '../../support/messages.ts'

const SEED = 3
const ALL: QueryLogRules = { classes: LOG_SUCCESS | LOG_DENIAL | LOG_ERROR, sample: 1, zones: [] }

function read(octets: Buffer): Query {
  const query = new Query(SEED)
  query.read(octets, new DataView(octets.buffer, octets.byteOffset, octets.length), 0, octets.length)
  return query
}

function world(rules: Partial<QueryLogRules> = {}) {
  const ring = createQueryRing()
  const writer = new QueryLogWriter(ring, new QueryChoice({ ...ALL, ...rules }, SEED, 12_345))
  const reader = new QueryLogReader(ring)
  writer.begin({ copyAddress: (_start, to) => to.set([10, 0, 0, 7]) }, false)
  const note = (name: string, { flags = 0x8400, answers = 1 } = {}): void => {
    const octets = queryOf(name, 'A', { id: 77, opt: { size: 1400, flags: 0x8000 } })
    const query = read(octets)
    const reply = Buffer.from(octets)
    reply.writeUInt16BE(flags, 2)
    reply.writeUInt16BE(answers, 6)
    writer.note(
      query,
      flags & 15,
      new DataView(reply.buffer, reply.byteOffset, reply.length),
      0,
      octets.length,
      97,
      false,
    )
  }
  const names = (): string[] => {
    const all: string[] = []
    for (let each = reader.next(); each !== undefined; each = reader.next()) all.push(formatName(each.name))
    return all
  }
  return { note, names, reader }
}

describe('the class of a reply', () => {
  it('is success with answers or cut short, denial for NXDOMAIN and NODATA, else error', () => {
    assert.equal(classOf(0, 0x8400, 1), LOG_SUCCESS)
    assert.equal(classOf(0, 0x8400 | TC, 0), LOG_SUCCESS)
    assert.equal(classOf(0, 0x8400, 0), LOG_DENIAL)
    assert.equal(classOf(RCODES.NXDOMAIN, 0x8403, 0), LOG_DENIAL)
    assert.equal(classOf(RCODES.NXDOMAIN, 0x8403, 1), LOG_DENIAL, 'behind an alias too')
    for (const rcode of [RCODES.SERVFAIL, RCODES.REFUSED, RCODES.FORMERR, RCODES.NOTIMP]) {
      assert.equal(classOf(rcode, 0x8000 | rcode, 0), LOG_ERROR)
    }
    // RFC 6891 §6.1.3: the lower bits of an extended RCODE may be those of NOERROR
    assert.equal(classOf(16, 0x8000, 0), LOG_ERROR)
  })
})

describe('the ring', () => {
  it('gives all that was said of a query', () => {
    const { note, reader } = world()
    note('Web.default.svc.cluster.local')
    const query = reader.next()!
    assert.deepEqual(
      { ...query, address: query.address.join('.'), name: formatName(query.name) },
      {
        id: 77,
        type: 1,
        rcode: 0,
        flags: 0x8400,
        queryOctets: query.queryOctets,
        replyOctets: 97,
        answers: 1,
        isStream: false,
        dnssecOk: true,
        isIPv6: false,
        payloadSize: 1400,
        address: '10.0.0.7',
        name: 'web.default.svc.cluster.local.',
      },
    )
    assert.equal(reader.next(), undefined)
  })

  it('counts what finds no room, and goes on when there is some', () => {
    const { note, names, reader } = world()
    for (let i = 0; i < 1100; i++) note(`n${i}.example`)
    assert.equal(reader.takeLost(), 1100 - 1024)
    assert.equal(reader.takeLost(), 0)
    const all = names()
    assert.deepEqual([all.length, all[0], all.at(-1)], [1024, 'n0.example.', 'n1023.example.'])
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 1000; i++) note('again.example')
      assert.equal(names().length, 1000)
    }
    assert.equal(reader.takeLost(), 0)
  })
})

describe('the choice', () => {
  it('is by class, by zone, and at random', () => {
    const denials = world({ classes: LOG_DENIAL })
    denials.note('yes.example')
    denials.note('no.example', { flags: 0x8403, answers: 0 })
    assert.deepEqual(denials.names(), ['no.example.'])

    const zones = world({ zones: [wireName('Example'.toLowerCase()), wireName('svc.cluster.local')] })
    for (const name of ['example', 'www.EXAMPLE', 'badexample', 'web.default.svc.cluster.local', 'cluster.local']) {
      zones.note(name)
    }
    assert.deepEqual(zones.names(), ['example.', 'www.example.', 'web.default.svc.cluster.local.'])

    const root = world({ zones: [Uint8Array.of(0)] })
    root.note('anything.example')
    assert.equal(root.names().length, 1)

    for (const sample of [0, 0.1, 1]) {
      const some = world({ sample })
      for (let i = 0; i < 1000; i++) some.note('a.example')
      const { length } = some.names()
      assert.ok(Math.abs(length - 1000 * sample) <= 50, `${length} of 1,000 for ${sample}`)
    }
  })
})

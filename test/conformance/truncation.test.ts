/**
 * Sets of every size, asked with every payload size: no reply is over its limit, TC says exactly that an answer was left
 * out, and what is left in is a fair sample.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decode } from 'dns-packet'
import { Packet } from 'dns2'
import fc from 'fast-check'
import type { OrderName } from '../../src/answer/order.ts'
import { type Answering, createAnswering, headless, slice } from '../support/answering.ts'
import { queryOf, type Reply, strictDecode, TC } from '../support/messages.ts'

const HTTP = { name: 'http', protocol: 'tcp', port: 80 }
const QNAMES = {
  A: 'web.default.svc.cluster.local',
  AAAA: 'web.default.svc.cluster.local',
  SRV: '_http._tcp.web.default.svc.cluster.local',
}
const MAX_UDP_SIZE = 1232

function serverOf(count: number, order: OrderName = 'shuffle'): Answering {
  const server = createAnswering({ order })
  const numbers = Array.from({ length: count }, (_, i) => i)
  const v4 = numbers.map(i => ({ address: `10.7.${i >>> 8}.${i & 255}`, hostname: i % 5 === 0 ? `host-${i}` : '' }))
  const v6 = numbers.map(i => ({ address: `fd00::${i.toString(16)}`, hostname: i % 5 === 0 ? `host-${i}` : '' }))
  server.services.upsert(headless('web'))
  server.slices.upsert(slice('web', v4, { ports: [HTTP] }))
  server.slices.upsert(slice('web', v6, { name: 'web-6', addressType: 'IPv6' }))
  server.flush()
  return server
}

type Type = keyof typeof QNAMES

function ask(
  server: Answering,
  qtype: Type,
  size: number | undefined,
  stream = false,
): { reply: Reply; octets: Buffer } {
  const query = queryOf(QNAMES[qtype], qtype, { opt: size === undefined ? false : { size } })
  const octets = server.exchange(query, stream)!
  return { reply: strictDecode(octets), octets }
}

/** What tells a record from the others of its set. */
function keysOf(reply: Reply): string[] {
  return reply.answers.map(({ rdata }) => rdata.toString('latin1'))
}

describe('truncation', () => {
  const servers = new Map<number, { server: Answering; sets: Record<Type, Set<string>> }>()
  function known(count: number): { server: Answering; sets: Record<Type, Set<string>> } {
    let entry = servers.get(count)
    if (entry === undefined) {
      const server = serverOf(count)
      const all = (qtype: Type): Set<string> => new Set(keysOf(ask(server, qtype, undefined, true).reply))
      entry = { server, sets: { A: all('A'), AAAA: all('AAAA'), SRV: all('SRV') } }
      for (const set of Object.values(entry.sets)) assert.equal(set.size, count)
      servers.set(count, entry)
    }
    return entry
  }

  it('every size of set × payload size × type: within the limit, TC ⇔ an answer left out, OPT kept, no duplicates, of the set', () => {
    const counts = fc.oneof(
      fc.integer({ min: 0, max: 1000 }),
      fc.integer({ min: 0, max: 90 }),
      fc.constantFrom(28, 29, 73, 74),
    )
    const sizes = fc.constantFrom(undefined, 0, 511, 512, 600, 1232, 4096, 65_535)
    const types = fc.constantFrom<Type>('A', 'AAAA', 'SRV')
    fc.assert(
      fc.property(counts, fc.array(fc.tuple(sizes, types), { minLength: 12, maxLength: 12 }), (count, asks) => {
        const { server, sets } = known(count)
        for (const [size, qtype] of asks) {
          const { reply, octets } = ask(server, qtype, size)
          const limit = Math.min(Math.max(size ?? 512, 512), MAX_UDP_SIZE)
          assert.ok(octets.length <= limit, `${octets.length} octets for ${limit}`)
          // The strict decoder has refused duplicates already.
          for (const key of keysOf(reply)) assert.ok(sets[qtype].has(key))
          assert.equal((reply.flags & TC) !== 0, reply.answers.length < count)
          assert.equal(reply.opt !== undefined, size !== undefined)
          if (reply.answers.length < count) {
            const largest = qtype === 'A' ? 16 : qtype === 'AAAA' ? 28 : 12 + 6 + 1 + 12 + 31
            assert.ok(octets.length > limit - largest - 1, `room for one more: ${octets.length} of ${limit}`)
            assert.equal(reply.additional.length, 0)
          }
          assert.equal(decode(octets).answers!.length, reply.answers.length)
          assert.equal(Packet.parse(octets).answers.length, reply.answers.length)
        }
      }),
      { numRuns: 120 },
    )
  })

  it('over a stream sets of 4,091 A and more are cut, marked and well formed', () => {
    const query = queryOf(QNAMES.A, 'A', { opt: {} })
    const fits = Math.floor((65_535 - query.length) / 16)
    for (const count of [fits - 1, fits, fits + 1, 4500]) {
      const { reply, octets } = ask(serverOf(count), 'A', 1232, true)
      assert.ok(octets.length <= 65_535)
      assert.equal(reply.answers.length, Math.min(count, fits))
      assert.equal((reply.flags & TC) !== 0, count > fits)
      assert.ok(reply.opt !== undefined)
    }
  })
})

describe('which records are given, and in which order', () => {
  const COUNT = 100
  const ROUNDS = 6000

  function sample(
    order: OrderName,
    qtype: Type,
  ): { included: Map<string, number>; first: Map<string, number>; given: number } {
    const server = serverOf(COUNT, order)
    const included = new Map<string, number>()
    const first = new Map<string, number>()
    let given = 0
    for (let round = 0; round < ROUNDS; round++) {
      const keys = keysOf(ask(server, qtype, 512).reply)
      given += keys.length
      first.set(keys[0]!, (first.get(keys[0]!) ?? 0) + 1)
      for (const key of keys) included.set(key, (included.get(key) ?? 0) + 1)
    }
    return { included, first, given }
  }

  /** Pearson’s statistic against the same count for all of COUNT records. */
  function chiSquare(counts: Map<string, number>, total: number): number {
    const expected = total / COUNT
    let sum = (COUNT - counts.size) * expected
    for (const count of counts.values()) sum += (count - expected) ** 2 / expected
    return sum
  }

  // 99 degrees of freedom: a statistic over 180 comes by chance once in a million runs.
  const CHI_SQUARE_LIMIT = 180

  for (const qtype of ['A', 'AAAA', 'SRV'] as const) {
    it(`shuffle, ${qtype}: each record is as likely to be given, and to be first, as any other`, () => {
      const { included, first, given } = sample('shuffle', qtype)
      assert.ok(chiSquare(first, ROUNDS) < CHI_SQUARE_LIMIT, `first ${chiSquare(first, ROUNDS)}`)
      assert.ok(chiSquare(included, given) < CHI_SQUARE_LIMIT, `included ${chiSquare(included, given)}`)
    })

    it(`rotate, ${qtype}: each record is first in its turn`, () => {
      const server = serverOf(COUNT, 'rotate')
      for (let turn = 0; turn < 3; turn++) {
        const firsts = new Set(Array.from({ length: COUNT }, () => keysOf(ask(server, qtype, 512).reply)[0]!))
        assert.equal(firsts.size, COUNT)
      }
    })

    it(`stable, ${qtype}: the same records in the same order, from every server`, () => {
      const [one, two] = [serverOf(COUNT, 'stable'), serverOf(COUNT, 'stable')]
      const expected = keysOf(ask(one, qtype, 512).reply)
      for (const server of [one, two, one]) assert.deepEqual(keysOf(ask(server, qtype, 512).reply), expected)
      if (qtype !== 'SRV') assert.deepEqual(expected, expected.toSorted())
    })
  }

  it('shuffle, a whole set: every one of the 6 orders of 3 records is as likely', () => {
    const server = serverOf(3)
    const orders = new Map<string, number>()
    for (let round = 0; round < ROUNDS; round++) {
      const order = keysOf(ask(server, 'A', 1232).reply).join()
      orders.set(order, (orders.get(order) ?? 0) + 1)
    }
    assert.equal(orders.size, 6)
    for (const count of orders.values()) assert.ok(Math.abs(count - 1000) < 200, `${[...orders.values()]}`)
  })
})

describe('PTR of an address that very many Services have', () => {
  const COUNT = 60
  const serverWith = (order: OrderName): Answering => {
    const server = createAnswering({ order })
    for (let i = 0; i < COUNT; i++) {
      server.services.upsert(headless(`service-${i}`))
      server.slices.upsert(slice(`service-${i}`, [{ address: '10.0.0.1', hostname: 'h' }]))
    }
    server.flush()
    return server
  }
  const targets = (server: Answering, size: number): string[] => {
    const reply = strictDecode(server.exchange(queryOf('1.0.0.10.in-addr.arpa', 'PTR', { opt: { size } }))!)
    assert.equal((reply.flags & TC) !== 0, reply.answers.length < COUNT)
    const all = reply.answers.map(({ rdata }) => rdata.toString('latin1'))
    assert.equal(new Set(all).size, all.length)
    return all
  }

  for (const order of ['shuffle', 'rotate'] as const) {
    it(`${order}: each is among those that fit about as often as any other`, () => {
      const server = serverWith(order)
      const seen = new Map<string, number>()
      let given = 0
      for (let i = 0; i < 1200; i++) {
        for (const target of targets(server, 1232)) {
          seen.set(target, (seen.get(target) ?? 0) + 1)
          given++
        }
      }
      assert.equal(seen.size, COUNT)
      const mean = given / COUNT
      for (const count of seen.values()) assert.ok(count > mean / 2 && count < mean * 2, `${count} times, mean ${mean}`)
    })
  }

  it('stable: always the same', () => {
    const server = serverWith('stable')
    assert.deepEqual(targets(server, 1232), targets(server, 1232))
  })
})

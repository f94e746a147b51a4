/** Limits of replies through the handler, with addresses and a clock that only the test moves. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Answerer } from '../../../src/answer/answer.ts'
import { Order } from '../../../src/answer/order.ts'
import { LIMITED_ERRORS, LIMITED_RESPONSES, ROW_FIELDS, SLIPPED_RESPONSES } from '../../../src/dataplane/counters.ts'
import { QueryHandler } from '../../../src/dataplane/query-handler.ts'
import { ReplyLimiter, type ReplyLimits } from '../../../src/dataplane/reply-limits.ts'
import type { Network } from '../../../src/rules/networks.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { parseIPv4, parseIPv6 } from '../../../src/wire/address.ts'
import { decodeReply } from '../../support/answering.ts'
import { queryOf } from '../../support/messages.ts'
import { createWorld } from '../../support/world.ts'

const WEB = 'web.default.svc.cluster.local'
const OUTSIDE = queryOf('www.example.com', 'A')
/** A query for each error reply; a header of 12 octets that is cut in the question. */
const FAULTY: Record<string, Buffer> = {
  FORMERR: queryOf(WEB, 'A').subarray(0, 20),
  NOTIMP: Buffer.from(queryOf(WEB, 'A').map((octet, i) => (i === 2 ? 0x28 : octet))),
  REFUSED: OUTSIDE,
  BADVERS: queryOf(WEB, 'A', { opt: { version: 1 } }),
}
const EXEMPT: readonly Network[] = [
  { octets: octetsOf('10.0.0.0'), prefix: 9 },
  { octets: octetsOf('fd00::'), prefix: 8 },
]

function octetsOf(address: string): Uint8Array {
  if (address.includes(':')) return parseIPv6(address)
  const octets = new Uint8Array(4)
  new DataView(octets.buffer).setUint32(0, parseIPv4(address))
  return octets
}

function setUp(limits: ReplyLimits) {
  const { serving } = createWorld()
  const table = new TableReader(serving.memory, 9)
  const row = new Float64Array(ROW_FIELDS)
  let now = 0
  const handler = new QueryHandler({
    table,
    answerer: new Answerer(table, new Order('stable', 1), 1232),
    row,
    families: [0, 1],
    now: () => now,
    udp: { limiter: new ReplyLimiter(limits, 0x5eed), maxUdpSize: 1232 },
  })
  const octets = new Uint8Array(65_535)
  const view = new DataView(octets.buffer)
  const ask = (query: Uint8Array, from: string, stream = false): Buffer => {
    octets.set(query)
    const peers = { copyAddress: (_: number, address: Uint8Array) => address.set(octetsOf(from)) }
    handler.begin(from.includes(':') ? 1 : 0, stream ? undefined : peers)
    const length = handler.answer(octets, view, 0, query.length, stream ? 65_535 : 4096, stream)
    handler.end()
    return Buffer.from(octets.subarray(0, length))
  }
  const answered = (times: number, query: Uint8Array, from: string): number => {
    let replies = 0
    for (let i = 0; i < times; i++) if (ask(query, from).length > 0) replies++
    return replies
  }
  return { row, ask, answered, wait: (ms: number) => (now += ms) }
}

describe('limits.errorRate', () => {
  const limits = { errorRate: 100, responseRate: undefined }

  for (const [name, query] of Object.entries(FAULTY)) {
    it(`${name}: 100 in a second to one address, then none; again when the second is over`, () => {
      const { answered, wait, row } = setUp(limits)
      assert.equal(answered(10_000, query, '192.0.2.1'), 100)
      assert.equal(row[LIMITED_ERRORS], 9900)
      wait(999)
      assert.equal(answered(10, query, '192.0.2.1'), 0)
      wait(1)
      assert.equal(answered(10_000, query, '192.0.2.1'), 100)
    })
  }

  it('kinds of errors count together; addresses apart, also within one /64', () => {
    const { answered } = setUp(limits)
    const all = Object.values(FAULTY)
    assert.equal(
      all.reduce((sum, query) => sum + answered(50, query, '192.0.2.1'), 0),
      100,
    )
    assert.equal(answered(200, OUTSIDE, '192.0.2.2'), 100)
    assert.equal(answered(200, OUTSIDE, '2001:db8::1'), 100)
    assert.equal(answered(200, OUTSIDE, '2001:db8::2'), 100)
  })

  it('answers are never held back, nor names that do not exist', () => {
    const { answered, row } = setUp(limits)
    answered(1000, OUTSIDE, '192.0.2.1')
    assert.equal(answered(1000, queryOf(WEB, 'A'), '192.0.2.1'), 1000)
    assert.equal(answered(1000, queryOf(`none.${WEB}`, 'A'), '192.0.2.1'), 1000)
    assert.equal(row[LIMITED_RESPONSES], 0)
  })

  it('RFC 7766 §5: over TCP nothing is held back', () => {
    const { ask, answered } = setUp(limits)
    answered(1000, OUTSIDE, '192.0.2.1')
    for (let i = 0; i < 200; i++) assert.ok(ask(OUTSIDE, '192.0.2.1', true).length > 0)
  })

  it('0: there is none', () => {
    assert.equal(setUp({ errorRate: 0, responseRate: undefined }).answered(1000, OUTSIDE, '192.0.2.1'), 1000)
  })
})

describe('limits.responseRate', () => {
  const rate = { perSecond: 20, windowMs: 500, slip: 2, exempt: EXEMPT }
  const limits = { errorRate: 100, responseRate: rate }
  const query = queryOf(WEB, 'A', { opt: {} })

  it('so many replies in a window to a /24 and a /56; of the others every second is empty with TC', () => {
    for (const [one, other, stranger] of [
      ['192.0.2.1', '192.0.2.255', '192.0.3.1'],
      ['2001:db8:0:1::1', '2001:db8:0:ff::2', '2001:db8:0:100::1'],
    ] as const) {
      const { ask, answered, row, wait } = setUp(limits)
      assert.equal(answered(10, query, one), 10)
      const replies = Array.from({ length: 40 }, () => ask(query, other))
      const sent = replies.filter(reply => reply.length > 0).map(decodeReply)
      assert.equal(sent.length, 20)
      for (const { flags, answers, authority, opt, octets } of sent) {
        assert.equal(flags.tc, true)
        assert.deepEqual([answers, authority, opt?.size], [[], [], 1232])
        assert.equal(octets.length, query.length)
      }
      assert.deepEqual([row[SLIPPED_RESPONSES], row[LIMITED_RESPONSES]], [20, 20])
      assert.equal(decodeReply(ask(query, stranger)).answers.length, 3)
      wait(500)
      assert.equal(decodeReply(ask(query, one)).answers.length, 3)
    }
  })

  it('no more than the rate in the long run, and hardly less, whatever the window', () => {
    for (const [perSecond, windowMs] of [
      [1, 100],
      [3, 1000],
      [11, 100],
      [15, 150],
      [7, 60_000],
    ] as const) {
      const { answered, wait } = setUp({ errorRate: 0, responseRate: { ...rate, perSecond, windowMs, slip: 0 } })
      const seconds = 600
      let sent = 0
      for (let ms = 0; ms < 1000 * seconds; ms += 2) {
        sent += answered(1, query, '192.0.2.1')
        wait(2)
      }
      const most = perSecond * seconds
      assert.ok(sent <= most && sent >= 0.95 * most, `${sent} of ${most} with a window of ${windowMs} ms`)
    }
  })

  it('slip 1 sends all of them empty, slip 0 none', () => {
    for (const [slip, sent] of [
      [1, 30],
      [0, 10],
      [3, 16],
    ] as const) {
      const { answered } = setUp({ errorRate: 0, responseRate: { ...rate, slip } })
      assert.equal(answered(30, query, '192.0.2.1'), sent)
    }
  })

  it('error replies count too, and are never sent with TC', () => {
    const { answered } = setUp(limits)
    assert.equal(answered(30, FAULTY['FORMERR']!, '192.0.2.1'), 10)
    assert.equal(answered(30, query, '192.0.2.1'), 15)
  })

  it('exempt networks have no such limit, to the bit', () => {
    const { answered } = setUp(limits)
    assert.equal(answered(500, query, '10.127.255.255'), 500)
    assert.ok(answered(500, query, '10.128.0.0') < 500)
    assert.equal(answered(500, query, 'fd12::1'), 500)
    assert.ok(answered(500, query, 'fe00::1') < 500)
    const all = setUp({ ...limits, responseRate: { ...rate, exempt: [{ octets: octetsOf('0.0.0.0'), prefix: 0 }] } })
    assert.equal(all.answered(500, query, '198.51.100.1'), 500)
  })
})

/** Limits of replies that the main thread makes, with a clock that only the test moves. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DeferredLimits } from '../../../src/control/deferred-limits.ts'
import { LIMITED_ERRORS, LIMITED_RESPONSES, ROW_FIELDS, SLIPPED_RESPONSES } from '../../../src/dataplane/counters.ts'
import type { DeferredQuery } from '../../../src/dataplane/deferred.ts'
import type { ReplyLimits } from '../../../src/dataplane/reply-limits.ts'
import { parseIPv4, parseIPv6 } from '../../../src/wire/address.ts'
import { decodeReply } from '../../support/answering.ts'
import { queryOf } from '../../support/messages.ts'

const AF_INET = 2
const AF_INET6 = 10
const RESPONSES = { perSecond: 2, windowMs: 1000, slip: 0, exempt: [] }

function from(address: string, more: Partial<DeferredQuery> = {}): DeferredQuery {
  const sockaddr = new Uint8Array(32)
  sockaddr[0] = address.includes(':') ? AF_INET6 : AF_INET
  if (address.includes(':')) sockaddr.set(parseIPv6(address), 8)
  else new DataView(sockaddr.buffer).setUint32(4, parseIPv4(address))
  const message = queryOf('www.example.com', 'A')
  const path = { socket: 0, sockaddr, control: new Uint8Array(40), controlOctets: 0, stream: undefined }
  const read = { questionEnd: message.length, targetAt: 0, aliases: 0, payloadSize: 1232, dnssecOk: false, zone: -1 }
  return { message, ...read, octets: message.length, path, ...more }
}

function replyTo({ message }: DeferredQuery, rcode: number): Uint8Array {
  const reply = Uint8Array.from(message)
  reply[2]! |= 0x80
  reply[3] = 0x80 | rcode
  return reply
}

function setUp(limits: Partial<ReplyLimits>) {
  const row = new Float64Array(ROW_FIELDS)
  const all = new DeferredLimits({ errorRate: 0, responseRate: undefined, ...limits }, 1232, 0x5eed)
  let nowMs = 0
  return {
    row,
    wait(ms: number) {
      nowMs += ms
    },
    pass: (query: DeferredQuery, rcode = 0) => all.pass(query, replyTo(query, rcode), row, nowMs),
  }
}

describe('replies of the main thread', () => {
  it('REFUSED: errorRate to one address in a second, IPv4 and IPv6; others have their own', () => {
    const { row, pass, wait } = setUp({ errorRate: 3 })
    for (const address of ['10.0.0.1', 'fd00::1']) {
      const sent = Array.from({ length: 5 }, () => pass(from(address), 5) !== undefined)
      assert.deepEqual(sent, [true, true, true, false, false], address)
    }
    assert.notEqual(pass(from('10.0.0.2'), 5), undefined)
    assert.equal(row[LIMITED_ERRORS], 4)
    wait(1500)
    assert.notEqual(pass(from('10.0.0.1'), 5), undefined)
  })

  it('answers, NXDOMAIN and SERVFAIL are not errors of this kind: errorRate does not touch them', () => {
    const { pass } = setUp({ errorRate: 1 })
    for (const rcode of [0, 2, 3]) for (let i = 0; i < 5; i++) assert.notEqual(pass(from('10.0.0.1'), rcode), undefined)
  })

  it('responseRate counts all replies of a client network', () => {
    const { row, pass } = setUp({ responseRate: RESPONSES })
    const sent = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.1.1'].map(address => pass(from(address)) !== undefined)
    assert.deepEqual(sent, [true, true, false, true])
    assert.equal(row[LIMITED_RESPONSES], 1)
  })

  it('slip: an empty reply with TC and the question, the OPT as ever', () => {
    const { row, pass } = setUp({ responseRate: { ...RESPONSES, slip: 1 } })
    for (let i = 0; i < 2; i++) pass(from('10.0.0.1'))
    for (const payloadSize of [1232, 0]) {
      const query = from('10.0.0.1', { payloadSize })
      const { flags, answers, opt, octets } = decodeReply(Buffer.from(pass(query)!))
      assert.deepEqual([flags.tc, answers, opt?.size], [true, [], payloadSize === 0 ? undefined : 1232])
      assert.deepEqual(octets.subarray(12, query.questionEnd), Buffer.from(query.message.subarray(12)))
    }
    assert.equal(row[SLIPPED_RESPONSES], 2)
  })

  it('over TCP nothing is held back', () => {
    const { pass } = setUp({ errorRate: 1, responseRate: RESPONSES })
    const query = from('10.0.0.1')
    const stream = { client: '10.0.0.1', clientPort: 1, reply() {} }
    const overTcp = { ...query, path: { ...query.path, stream } } as DeferredQuery
    for (let i = 0; i < 5; i++) assert.notEqual(pass(overTcp, 5), undefined)
  })
})

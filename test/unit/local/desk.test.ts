/**
 * The desk with DNS64: what of it is known here, from the table and from rules, and what others are asked for.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Answerer } from '../../../src/answer/answer.ts'
import { Order } from '../../../src/answer/order.ts'
import { askedAt, type ClientQuery } from '../../../src/forward/client-query.ts'
import { Desk } from '../../../src/local/desk.ts'
import { Dns64 } from '../../../src/local/dns64.ts'
import { TableAnswers } from '../../../src/local/from-table.ts'
import { LocalNames } from '../../../src/local/local-names.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { parseIPv6, reverseNameOfIPv6 } from '../../../src/wire/address.ts'
import { type Asked, addressOf, replyTo } from '../../support/fake-upstream.ts'
import { readAnswer } from '../../support/forwarding.ts'
import { AA, AD, queryOf, RD } from '../../support/messages.ts'
import { text, wire } from '../../support/rule-names.ts'
import { rulesOf } from '../../support/rules.ts'
import { createTable } from '../../support/table-lookup.ts'

const [A, PTR] = [1, 12]
const POD = 'web-0.web.default.svc.cluster.local'
const PREFIX = '2001:db8::/96'

interface Asking {
  readonly isIPv6?: boolean
  readonly payloadSize?: number
  readonly dnssecOk?: boolean
  readonly flags?: number
}

/** A desk whose table has the PTR of 10.1.0.7, whose rules are these, and whose upstream has nothing but A records. */
function open(raw: object, isTableFirst = false) {
  const { hosts, templates, localhost, dns64: rule } = rulesOf({ dns64: { prefix: PREFIX }, ...raw })
  const table = createTable(['cluster.local', 'in-addr.arpa', 'ip6.arpa'])
  table.writer.put({ owner: wire('7.0.1.10.in-addr.arpa'), ttl: 5, raw: [{ type: PTR, rdata: [wire(POD)] }] })
  table.writer.commit()
  const reader = new TableReader(table.memory, 1)
  const forwarded: string[] = []
  const forward = (query: ClientQuery): void => {
    const name = text(query.message.subarray(askedAt(query)))
    const type = query.message[query.questionEnd - 3]!
    forwarded.push(`${name} ${type}`)
    const question = Buffer.from(query.message.subarray(12, query.questionEnd))
    const answers = type === A ? [addressOf(name.slice(0, -1), '198.51.100.7')] : []
    query.path.send(replyTo({ id: 0, question, hasOpt: false, type } as Asked, { answers }))
  }
  const names = new LocalNames({ hosts: hosts.options, templates, localhost })
  for (const _ of names.replaceHosts(hosts.entries));
  const dns64 = new Dns64({ ...rule!, forward, maxUdpSize: 1232 })
  const fallthrough = [1, 2].map(zone => ({ zone }))
  const answerer = new Answerer(reader, new Order('stable', 1), 1232, { fallthrough })
  const desk = new Desk({
    names,
    rewrites: [],
    access: undefined,
    dns64,
    table: new TableAnswers(reader, answerer),
    isTableFirst,
    forward,
    autopath: undefined,
    maxUdpSize: 1232,
  })
  const ask = (name: string, type: number, { flags = RD, ...asking }: Asking = {}) => {
    const message = queryOf(name, type, { flags })
    forwarded.length = 0
    let octets: Uint8Array = new Uint8Array(0)
    desk.take({
      message,
      questionEnd: message.length,
      aliases: 0,
      targetAt: 0,
      payloadSize: 0,
      dnssecOk: false,
      stream: false,
      client: 'a',
      clientPort: 0,
      isIPv6: true,
      address: new Uint8Array(16),
      zone: -1,
      path: { send: reply => (octets = reply.slice()) },
      ...asking,
    })
    return { ...readAnswer(octets), octets, forwarded: [...forwarded] }
  }
  return { ask, dns64 }
}

function reverse(address: string): string {
  return text(reverseNameOfIPv6(parseIPv6(address))).slice(0, -1)
}

describe('RFC 6147 §5.3.1: PTR of an address in the prefix', () => {
  const name = reverse('2001:db8::a01:7')

  for (const isTableFirst of [false, true]) {
    it(`is answered from the table where it has the IPv4 address, table first: ${isTableFirst}`, () => {
      const { answers, forwarded, flags } = open({}, isTableFirst).ask(name, PTR)
      // RFC 1034 §4.3.2
      assert.deepEqual(answers, [`${name}. 5 7.0.1.10.in-addr.arpa.`, `7.0.1.10.in-addr.arpa. 12 ${POD}.`])
      assert.deepEqual([forwarded, flags & (AA | AD)], [[], AA])
    })
  }

  it('is answered from hosts, and what is nobody’s here is asked for elsewhere', () => {
    const { ask } = open({ hosts: { entries: ['10.1.0.8 db.example.com'] } })
    const known = ask(reverse('2001:db8::a01:8'), PTR)
    assert.deepEqual([known.answers[1], known.forwarded], ['8.0.1.10.in-addr.arpa. 12 db.example.com.', []])
    assert.deepEqual(ask(reverse('2001:db8::a01:9'), PTR).forwarded, ['9.0.1.10.in-addr.arpa. 12'])
    assert.deepEqual(ask(reverse('2001:db9::a01:7'), PTR).forwarded, [`${reverse('2001:db9::a01:7')}. 12`])
  })
})

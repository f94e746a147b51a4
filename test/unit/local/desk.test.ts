/**
 * The desk: whether rules or the cluster have the first word about a name, and with DNS64 what is known here, from the table
 * and from rules, and what others are asked for.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Answerer } from '../../../src/answer/answer.ts'
import type { Forwarding } from '../../../src/answer/elsewhere.ts'
import { Order } from '../../../src/answer/order.ts'
import { fallthroughOf } from '../../../src/control/fallthrough.ts'
import { askedAt, type ClientQuery } from '../../../src/forward/client-query.ts'
import { Desk } from '../../../src/local/desk.ts'
import { Dns64 } from '../../../src/local/dns64.ts'
import { TableAnswers } from '../../../src/local/from-table.ts'
import { LocalNames } from '../../../src/local/local-names.ts'
import { parseHosts } from '../../../src/rules/hosts-file.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { parseIPv6, reverseNameOfIPv6 } from '../../../src/wire/address.ts'
import { type Asked, addressOf, replyTo } from '../../support/fake-upstream.ts'
import { readAnswer } from '../../support/forwarding.ts'
import { AA, AD, CD, queryOf, RCODES, RD } from '../../support/messages.ts'
import { whole } from '../../support/pieces.ts'
import { clientQueryOf } from '../../support/queries.ts'
import { text, wire } from '../../support/rule-names.ts'
import { rulesOf } from '../../support/rules.ts'
import { createTable } from '../../support/table-lookup.ts'

const [A, AAAA, PTR] = [1, 28, 12]
const POD = 'web-0.web.default.svc.cluster.local'
const DB = 'db.prod.svc.cluster.local'
const PREFIX = '2001:db8::/96'

interface Asking {
  readonly isIPv6?: boolean
  readonly payloadSize?: number
  readonly dnssecOk?: boolean
  readonly flags?: number
}

interface Opened {
  /** Whether threads hand queries over before they ask the table. */
  readonly isTableFirst?: boolean
  /** A file of hosts. */
  readonly file?: string
  /** Undefined: nobody is forwarded to. */
  readonly forwards?: boolean
}

/**
 * A desk whose table has the PTRs of 10.1.0.7 and 127.1.0.7, DB at 10.0.0.1, and an alias of far.example; whose rules are
 * these, and whose upstream has nothing but A records.
 */
function open(raw: object, { isTableFirst = false, file = '', forwards = true }: Opened = {}) {
  const {
    hosts,
    templates,
    rewrites,
    localhost,
    dns64: rule,
    ...rules
  } = rulesOf({ dns64: { prefix: PREFIX }, ...raw })
  const zones = ['cluster.local', 'in-addr.arpa', 'ip6.arpa']
  const table = createTable(zones)
  for (const owner of ['7.0.1.10.in-addr.arpa', '7.0.1.127.in-addr.arpa']) {
    table.writer.put({ owner: wire(owner), ttl: 5, raw: [{ type: PTR, rdata: [wire(POD)] }] })
  }
  table.writer.put({ owner: wire(DB), ttl: 5, a: [0x0a00_0001] })
  const alias = { type: 5, rdata: [wire('far.example')] }
  table.writer.put({ owner: wire('alias.prod.svc.cluster.local'), ttl: 5, raw: [alias] })
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
  const names = new LocalNames({ hosts: hosts.options, firstHosts: hosts.first, templates, localhost })
  whole(names.replaceHosts([...hosts.entries, ...whole(parseHosts(file)).value.entries]))
  const dns64 = new Dns64({ ...rule!, forward, maxUdpSize: 1232 })
  const through = [...rules.fallthrough.map(text), 'in-addr.arpa.', 'ip6.arpa.']
  const fallthrough = fallthroughOf(
    zones.map(zone => `${zone}.`),
    through,
  )
  const answersOf = (left: Forwarding | undefined) =>
    new TableAnswers(reader, new Answerer(reader, new Order('stable', 1), 1232, left))
  const last = answersOf(forwards ? { fallthrough: [] } : undefined)
  const desk = new Desk({
    names,
    rewrites,
    access: undefined,
    dns64: forwards ? dns64 : undefined,
    table: answersOf({ fallthrough, recursion: forwards, withoutRd: true }),
    lastWord: query => last.answer(query) as Uint8Array,
    isTableFirst,
    zones: zones.map(wire),
    forward: forwards ? forward : undefined,
    autopath: undefined,
    maxUdpSize: 1232,
  })
  const ask = (name: string, type: number, { flags = RD, ...asking }: Asking = {}) => {
    const message = queryOf(name, type, { flags })
    forwarded.length = 0
    let octets: Uint8Array = new Uint8Array(0)
    desk.take({
      ...clientQueryOf(message),
      isIPv6: true,
      address: new Uint8Array(16),
      zone: -1,
      path: { send: reply => (octets = reply.slice()) },
      ...asking,
    })
    return { ...readAnswer(octets), forwarded: [...forwarded] }
  }
  return { ask, dns64 }
}

function reverse(address: string): string {
  return text(reverseNameOfIPv6(parseIPv6(address))).slice(0, -1)
}

describe('a name of the cluster’s zones that was handed over or rewritten', () => {
  const file = `192.0.2.66 ${DB}\n192.0.2.67 none.${DB}\n`
  const rewrite = [{ from: 'db.example.com', to: DB }]
  const everyA = { zone: '.', types: ['A'], answer: ['A 203.0.113.9'] }
  const elsewhere = { zone: 'prod.svc.cluster.local', types: ['MX'] }
  /** @returns the data of all answers, or the rcode */
  const said = (raw: object, name: string, more: Opened & Asking = {}): string => {
    const { answers, rcode } = open({ localhost: true, ...raw }, { isTableFirst: true, file, ...more }).ask(
      name,
      A,
      more,
    )
    return answers.length === 0 ? `${rcode}` : answers.map(each => each.split(' ')[2]).join()
  }

  for (const forwards of [true, false]) {
    for (const flags of [RD, 0]) {
      const where = `${forwards ? 'with' : 'without'} forward, RD ${flags > 0}`
      const ask = (raw: object, name: string) => said(raw, name, { forwards, flags })

      it(`is answered from the cluster, not from a file or a template of a zone above: ${where}`, () => {
        for (const zone of ['.', 'local']) {
          assert.equal(ask({ rewrite, template: [{ ...everyA, zone }] }, 'db.example.com'), '10.0.0.1')
          assert.equal(ask({ template: [elsewhere, { zone, types: ['A'], rcode: 'NXDOMAIN' }] }, DB), '10.0.0.1')
        }
        assert.equal(ask({ rewrite }, 'db.example.com'), '10.0.0.1')
        assert.equal(ask({ template: [elsewhere] }, DB), '10.0.0.1')
        assert.equal(ask({ rewrite, hosts: { zones: ['local'] } }, 'db.example.com'), '10.0.0.1')
        assert.equal(ask({ rewrite, hosts: { entries: ['192.0.2.68 *.local'] } }, 'db.example.com'), '10.0.0.1')
      })

      it(`is answered first by hosts.entries, hosts.zones and templates of the cluster’s zones: ${where}`, () => {
        for (const name of [DB, 'db.example.com']) {
          const template = [{ ...everyA, zone: DB }]
          assert.equal(ask({ rewrite, template }, name), '203.0.113.9')
          assert.equal(ask({ rewrite, hosts: { entries: [`192.0.2.69 ${DB}`] } }, name), '192.0.2.69')
          assert.equal(
            ask({ rewrite, hosts: { entries: ['192.0.2.70 *.prod.svc.cluster.local'] } }, name),
            '192.0.2.70',
          )
          assert.equal(ask({ rewrite, hosts: { zones: ['cluster.local'] } }, name), '192.0.2.66')
          assert.equal(said({ rewrite, hosts: { zones: [DB] } }, name, { forwards, flags, file: '' }), '0')
          assert.equal(ask({ rewrite, template, hosts: { entries: [`192.0.2.69 ${DB}`] } }, name), '203.0.113.9')
        }
      })

      it(`is looked for in all rules where the cluster has none and it falls through: ${where}`, () => {
        const [raw, name] = [{ template: [elsewhere] }, `none.${DB}`]
        assert.equal(ask(raw, name), `${RCODES.NXDOMAIN}`)
        assert.equal(ask({ ...raw, fallthrough: ['cluster.local'] }, name), '192.0.2.67')
        assert.equal(ask({ template: [elsewhere, everyA], fallthrough: ['cluster.local'] }, name), '203.0.113.9')
        assert.equal(ask({ template: [elsewhere], fallthrough: ['other.cluster.local'] }, name), `${RCODES.NXDOMAIN}`)
      })

      it(`leads by an alias to a name from rules: ${where}`, () => {
        const hosts = { entries: ['192.0.2.71 far.example'] }
        const rewritten = [{ from: 'a.example', to: 'alias.prod.svc.cluster.local' }]
        assert.equal(ask({ template: [elsewhere], hosts }, 'alias.prod.svc.cluster.local'), 'far.example.,192.0.2.71')
        assert.equal(ask({ rewrite: rewritten, hosts }, 'a.example'), 'far.example.,192.0.2.71')
      })
    }
  }

  it('keeps the order of rules outside our zones: templates, hosts, the loopback, forward', () => {
    const hosts = { entries: ['192.0.2.72 www.example', '192.0.2.73 localhost'] }
    assert.equal(said({ rewrite, hosts, template: [everyA] }, 'www.example'), '203.0.113.9')
    assert.equal(said({ rewrite, hosts }, 'www.example'), '192.0.2.72')
    assert.equal(said({ rewrite, hosts }, 'localhost'), '192.0.2.73')
    assert.equal(said({ rewrite }, 'localhost'), '127.0.0.1')
    assert.equal(said({ rewrite }, 'www.example'), '198.51.100.7')
  })

  it('of an address is the cluster’s first, then that of a host or the loopback', () => {
    const { ask } = open(
      { localhost: true, rewrite, hosts: { entries: ['10.1.0.7 a.example', '10.1.0.8 b.example'] } },
      { isTableFirst: true },
    )
    const target = (name: string) => ask(name, PTR).answers.map(each => each.split(' ')[2])
    assert.deepEqual(target('7.0.1.10.in-addr.arpa'), [`${POD}.`])
    assert.deepEqual(target('8.0.1.10.in-addr.arpa'), ['b.example.'])
    assert.deepEqual(target('7.0.1.127.in-addr.arpa'), [`${POD}.`])
    assert.deepEqual(target('1.0.0.127.in-addr.arpa'), ['localhost.'])
    assert.equal(ask('8.0.1.127.in-addr.arpa', PTR).rcode, RCODES.NXDOMAIN)
  })
})

describe('RFC 6147 §5.3.1: PTR of an address in the prefix', () => {
  const name = reverse('2001:db8::a01:7')

  for (const isTableFirst of [false, true]) {
    it(`is answered from the table where it has the IPv4 address, table first: ${isTableFirst}`, () => {
      const { answers, forwarded, flags } = open({}, { isTableFirst }).ask(name, PTR)
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

describe('RFC 6147 §5.1: AAAA of names from rules', () => {
  const hosts = {
    entries: [
      '198.51.100.9 db.example.com',
      '198.51.100.10 both.example.com',
      'fd00::1 both.example.com',
      '10.0.0.1 private.example.com',
      '0.0.0.0 blocked.example.com',
    ],
    zones: ['example.com'],
  }
  const template = [
    { zone: 'made.example', answer: ['A 198.51.100.11'], ttl: 900 },
    { zone: 'far.example', types: ['AAAA'] },
    { zone: 'bad.example', types: ['AAAA'], rcode: 'SERVFAIL' },
    { zone: 'none.example', rcode: 'NXDOMAIN' },
  ]
  const rules = { hosts, template, localhost: true }
  const made = (name: string, last: string): string => `${name}. 28 20010db80000000000000000c63364${last}`

  it('§5.1.6: hosts and templates with A alone are given them, authoritative, and nobody else is asked', () => {
    const { ask, dns64 } = open(rules)
    for (const [name, last] of [
      ['db.example.com', '09'],
      ['www.made.example', '0b'],
    ] as const) {
      const { answers, flags, forwarded } = ask(name, AAAA)
      assert.deepEqual([answers, flags & (AA | AD), forwarded], [[made(name, last)], AA, []])
    }
    assert.equal(dns64.translated, 2)
  })

  it('§5.1.7: the TTL is that of the A record or the SOA, and 600 s without one', () => {
    const ttl = (raw: object, name: string): number => open(raw).ask(name, AAAA).reply.answers[0]!.ttl
    assert.equal(ttl({ hosts: { ...hosts, ttl: 30 } }, 'db.example.com'), 30)
    assert.equal(ttl({ hosts: { ...hosts, ttl: 900, zones: [] } }, 'db.example.com'), 600)
    assert.equal(ttl(rules, 'www.made.example'), 900)
  })

  it('§5.1.1, §5.1.2: AAAA of their own stay, NXDOMAIN is the answer, an error counts as no records', () => {
    const { ask } = open(rules)
    const own = 'both.example.com. 28 fd000000000000000000000000000001'
    assert.deepEqual(ask('both.example.com', AAAA).answers, [own])
    assert.equal(ask('other.example.com', AAAA).rcode, RCODES.NXDOMAIN)
    assert.equal(ask('x.none.example', AAAA).rcode, RCODES.NXDOMAIN)
    assert.deepEqual(ask('x.bad.example', AAAA).answers, [made('x.bad.example', '07')])
    assert.deepEqual(
      open({ ...rules, dns64: { prefix: PREFIX, translateAll: true } }).ask('both.example.com', AAAA).answers,
      [made('both.example.com', '0a')],
    )
  })

  it('§5.1.6: where rules have no A either, others are asked for it', () => {
    const { answers, forwarded } = open(rules).ask('x.far.example', AAAA)
    assert.deepEqual([answers, forwarded], [[made('x.far.example', '07')], ['x.far.example. 1']])
  })

  it('§3, §5.5: not for clients over IPv4 unless they are meant too, nor for who validates', () => {
    const { ask } = open(rules)
    assert.deepEqual(ask('db.example.com', AAAA, { isIPv6: false }).answers, [])
    assert.deepEqual(ask('db.example.com', AAAA, { payloadSize: 1232, dnssecOk: true, flags: RD | CD }).answers, [])
    const all = open({ ...rules, dns64: { prefix: PREFIX, allowIPv4: true } })
    assert.equal(all.ask('db.example.com', AAAA, { isIPv6: false }).answers.length, 1)
  })

  it('RFC 6052 §3.1: private addresses are not translated with the well-known prefix', () => {
    assert.equal(open(rules).ask('private.example.com', AAAA).answers.length, 1)
    const { answers, rcode } = open({ ...rules, dns64: { prefix: '64:ff9b::/96' } }).ask('private.example.com', AAAA)
    assert.deepEqual([answers, rcode], [[], RCODES.NOERROR])
  })

  it('RFC 6890 §2.2.2: 0.0.0.0 of a blocked name and the loopback’s address are not translated', () => {
    assert.deepEqual(open(rules).ask('blocked.example.com', AAAA).answers, [])
    const { ask } = open({ ...rules, dns64: { prefix: PREFIX, translateAll: true } })
    assert.deepEqual(ask('localhost', AAAA).answers, ['localhost. 28 00000000000000000000000000000001'])
  })
})

/**
 * RFC 6147: AAAA records made of A records; whose, when, with which TTL; and backwards.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClientQuery } from '../../src/forward/client-query.ts'
import { Dns64, type Dns64Options } from '../../src/local/dns64.ts'
import { parseDns64Prefix, WELL_KNOWN_PREFIX } from '../../src/rules/dns64.ts'
import { parseIPv6 } from '../../src/wire/address.ts'
import { type Asked, addressOf, QNAME, recordOf, replyTo } from '../support/fake-upstream.ts'
import { readAnswer } from '../support/forwarding.ts'
import { AA, AD, CD, queryOf, RCODES, RD, TC, wireName } from '../support/messages.ts'
import { clientQueryOf } from '../support/queries.ts'
import { asked, text } from '../support/rule-names.ts'

const [A, AAAA] = [1, 28]

interface Answered {
  /** `RCODE: owner type ttl data` */
  readonly said: string
  readonly flags: number
  readonly octets: Uint8Array
  /** Types that the upstream was asked for. */
  readonly asked: number[]
  readonly translated: number
}

interface Client {
  readonly stream?: boolean
  readonly payloadSize?: number
  readonly dnssecOk?: boolean
}

function dns64(options: Partial<Dns64Options> = {}): Dns64 {
  const prefix = parseDns64Prefix('2001:db8::/96')!
  return new Dns64({ prefix, translateAll: false, allowIPv4: false, forward: () => {}, maxUdpSize: 1232, ...options })
}

/** @param script the upstream's reply to each type */
function ask(
  script: (type: number, to: Asked) => Buffer,
  options: Partial<Dns64Options> = {},
  { stream = false, payloadSize = 0, dnssecOk = false }: Client = {},
): Answered {
  const types: number[] = []
  let octets: Uint8Array = new Uint8Array(0)
  const forward = ({ message, questionEnd, path }: ClientQuery): void => {
    const type = message[questionEnd - 3]!
    types.push(type)
    const question = Buffer.from(message.subarray(12, questionEnd))
    path.send(script(type, { id: 0, question, hasOpt: false, type } as Asked))
  }
  const translator = dns64({ ...options, forward })
  translator.ask(query({ stream, payloadSize, dnssecOk, path: { send: reply => (octets = reply.slice()) } }))
  const { rcode, flags, reply } = readAnswer(octets)
  const word = Object.entries(RCODES).find(([, number]) => number === rcode)![0]
  const records = reply.answers.map(({ owner, type, ttl, rdata }) => {
    const data = type === AAAA || type === A ? rdata.toString('hex') : ''
    return `${labelsOf(owner)} ${type} ${ttl} ${data}`
  })
  return { said: `${word}: ${records}`, flags, octets, asked: types, translated: translator.translated }
}

function query(more: Partial<ClientQuery>): ClientQuery {
  return clientQueryOf(queryOf('www.example.com', 'AAAA', { flags: RD }), more)
}

function labelsOf(name: string): string {
  return text(Buffer.from(name, 'latin1'))
}

const soa = (ttl: number): Buffer =>
  recordOf('example.com', 6, Buffer.concat([wireName('a'), wireName('b'), Buffer.alloc(20)]), ttl)
const aaaa = (address: string, ttl = 60): Buffer => recordOf(QNAME, AAAA, parseIPv6(address), ttl)
/** No AAAA; one A with a TTL of 300. */
const onlyA = (type: number, to: Asked): Buffer =>
  replyTo(to, type === A ? { answers: [addressOf(QNAME, '198.51.100.7', 300)] } : { authority: [soa(120)] })
const MADE = '20010db80000000000000000c6336407'

describe('RFC 6147 §5.1: AAAA of a name that has A alone', () => {
  it('§5.1.6, §5.1.7: each A is an AAAA, with the smaller TTL of A and SOA, without AD', () => {
    const {
      said,
      flags,
      asked: types,
      translated,
    } = ask((type, to) => {
      const reply = onlyA(type, to)
      reply.writeUInt16BE(reply.readUInt16BE(2) | AD, 2)
      return reply
    })
    assert.equal(said, `NOERROR: www.example.com. 28 120 ${MADE}`)
    assert.deepEqual([types, flags & (AD | AA), translated], [[AAAA, A], 0, 1])
  })

  it('§5.1.7: without a SOA the TTL is 600 s at most', () => {
    const reply = (ttl: number) => (type: number, to: Asked) =>
      replyTo(to, type === A ? { answers: [addressOf(QNAME, '198.51.100.7', ttl)] } : {})
    assert.equal(ask(reply(3600)).said, `NOERROR: www.example.com. 28 600 ${MADE}`)
    assert.equal(ask(reply(30)).said, `NOERROR: www.example.com. 28 30 ${MADE}`)
  })

  it('§5.1.1: AAAA records there are stay alone, and A is not asked for', () => {
    const { said, asked: types, translated } = ask((_type, to) => replyTo(to, { answers: [aaaa('2001:db8:1::1')] }))
    assert.equal(said, 'NOERROR: www.example.com. 28 60 20010db8000100000000000000000001')
    assert.deepEqual([types, translated], [[AAAA], 0])
  })

  it('§5.1.2: NXDOMAIN is the answer; any other error counts as no records', () => {
    const error = (rcode: number) => (type: number, to: Asked) =>
      type === A ? onlyA(type, to) : replyTo(to, { flags: rcode })
    assert.deepEqual([ask(error(3)).said, ask(error(3)).asked], ['NXDOMAIN: ', [AAAA]])
    for (const rcode of [2, 4, 5]) assert.match(ask(error(rcode)).said, /^NOERROR: www.example.com. 28/)
  })

  it('§5.1.3: a time-out, which is SERVFAIL from the forwarder, counts as no records too', () => {
    const { said } = ask((type, to) => (type === A ? onlyA(type, to) : replyTo(to, { flags: 2 })))
    assert.match(said, /^NOERROR: www.example.com. 28 300 /)
  })

  it('§5.1.4: ::ffff:0:0/96 counts as no record, and is left out beside others', () => {
    const excluded = ask((type, to) =>
      type === A ? onlyA(type, to) : replyTo(to, { answers: [aaaa('::ffff:10.0.0.1')] }),
    )
    assert.match(excluded.said, new RegExp(MADE))
    const beside = ask((_type, to) => replyTo(to, { answers: [aaaa('::ffff:10.0.0.1'), aaaa('2001:db8:1::1')] }))
    assert.equal(beside.said, 'NOERROR: www.example.com. 28 60 20010db8000100000000000000000001')
  })

  it('RFC 4035 §3.2.3: AD of the upstream stays when all AAAA do, not when one is left out or there is no A either', () => {
    const adOf = (...addresses: string[]): number => {
      const script = (type: number, to: Asked) =>
        replyTo(to, { flags: AD, answers: type === AAAA ? addresses.map(each => aaaa(each)) : [] })
      return ask(script, {}, { payloadSize: 1232, dnssecOk: true }).flags & AD
    }
    assert.equal(adOf('2001:db8:1::1', '2001:db8:1::2'), AD)
    assert.equal(adOf('2001:db8:1::1', '::ffff:10.0.0.1'), 0)
    assert.equal(adOf('::ffff:10.0.0.1'), 0)
    assert.equal(adOf(), 0)
  })

  it('§5.1.5: aliases stay, what is made stands at their end', () => {
    const { said } = ask((type, to) => {
      const alias = recordOf(QNAME, 5, wireName('cdn.example.net'), 90)
      return replyTo(to, { answers: type === A ? [alias, addressOf('cdn.example.net', '198.51.100.7', 300)] : [alias] })
    })
    assert.equal(said, `NOERROR: www.example.com. 5 90 ,cdn.example.net. 28 300 ${MADE}`)
  })

  it('§5.1.6: no A either, or an error: that is the answer', () => {
    assert.equal(ask((_type, to) => replyTo(to, { authority: [soa(60)] })).said, 'NOERROR: ')
    assert.equal(ask((_type, to) => replyTo(to, { flags: 2 })).said, 'SERVFAIL: ')
  })

  it('all names are translated on demand, and keep their own AAAA where they have no A', () => {
    const both = (type: number, to: Asked) =>
      replyTo(to, { answers: [type === A ? addressOf(QNAME, '198.51.100.7') : aaaa('2001:db8:1::1')] })
    assert.match(ask(both, { translateAll: true }).said, new RegExp(MADE))
    const own = (type: number, to: Asked) => replyTo(to, { answers: type === A ? [] : [aaaa('2001:db8:1::1')] })
    assert.match(ask(own, { translateAll: true }).said, /28 60 20010db80001/)
  })

  it('many are cut to what the client takes, with TC', () => {
    const many = Array.from({ length: 60 }, (_, i) => addressOf(QNAME, `198.51.100.${i}`))
    const reply = (type: number, to: Asked) => replyTo(to, { answers: type === A ? many : [] })
    const cut = ask(reply)
    assert.ok(cut.octets.length <= 512 && (cut.flags & TC) !== 0)
    assert.equal(readAnswer(ask(reply, {}, { stream: true }).octets).answers.length, 60)
  })

  it('a malformed reply is SERVFAIL', () => {
    assert.equal(ask((_type, to) => replyTo(to, { answers: [Buffer.from([1])] })).said, 'SERVFAIL: ')
  })
})

describe('RFC 6147 §3, §5.5: who is translated for', () => {
  it('clients over IPv6, others on demand; not who validates (DO and CD)', () => {
    const message = queryOf('a', 'AAAA', { flags: RD | CD })
    assert.equal(dns64().concerns({ ...query({}), isIPv6: true }), true)
    assert.equal(dns64().concerns({ ...query({}), isIPv6: false }), false)
    assert.equal(dns64({ allowIPv4: true }).concerns({ ...query({}), isIPv6: false }), true)
    assert.equal(dns64().concerns({ ...query({ message, dnssecOk: true }), isIPv6: true }), false)
    assert.equal(dns64().concerns({ ...query({ message }), isIPv6: true }), true)
    assert.equal(dns64().concerns({ ...query({ dnssecOk: true }), isIPv6: true }), true)
  })
})

describe('RFC 6147 §5.3.1: PTR of an address in the prefix', () => {
  it('has the IPv4 address’s reverse name for a target', () => {
    const reverse = (hex: string): string => `${[...hex].toReversed().join('.')}.ip6.arpa`
    const targetOf = (hex: string): string | undefined => {
      const target = dns64().targetOf(asked(reverse(hex)))
      return target && text(target)
    }
    assert.equal(targetOf(MADE), '7.100.51.198.in-addr.arpa.')
    assert.equal(targetOf(`3${MADE.slice(1)}`), undefined)
    assert.equal(targetOf(MADE.slice(1)), undefined)
    assert.equal(dns64().targetOf(asked('7.100.51.198.in-addr.arpa')), undefined)
    assert.equal(dns64().targetOf(asked(reverse(`g${MADE.slice(1)}`))), undefined)
  })
})

describe('RFC 6052 §3.1: with the well-known prefix', () => {
  it('private addresses are not translated, others are', () => {
    const prefix = parseDns64Prefix(WELL_KNOWN_PREFIX)!
    const mixed = (type: number, to: Asked) =>
      replyTo(to, { answers: type === A ? [addressOf(QNAME, '10.0.0.1'), addressOf(QNAME, '8.8.8.8')] : [] })
    assert.equal(ask(mixed, { prefix }).said, 'NOERROR: www.example.com. 28 60 0064ff9b000000000000000008080808')
  })

  it('RFC 2308 §3: where none is left the denial has its SOA, behind aliases too', () => {
    const prefix = parseDns64Prefix(WELL_KNOWN_PREFIX)!
    const alias = recordOf(QNAME, 5, wireName('cdn.example.com'), 90)
    for (const [aliases, owner] of [
      [[], QNAME],
      [[alias], 'cdn.example.com'],
    ] as const) {
      const { said, octets } = ask(
        (type, to) =>
          replyTo(to, {
            answers: type === A ? [...aliases, addressOf(owner, '10.0.0.1')] : aliases,
            authority: type === A ? [] : [soa(120)],
          }),
        { prefix },
      )
      assert.equal(said, aliases.length === 0 ? 'NOERROR: ' : 'NOERROR: www.example.com. 5 90 ')
      assert.deepEqual(
        readAnswer(octets).reply.authority.map(({ type, ttl }) => [type, ttl]),
        [[6, 120]],
      )
    }
  })

  it('RFC 2308 §3: where none is left and AAAA was an error, nothing says for how long to keep it', () => {
    const prefix = parseDns64Prefix(WELL_KNOWN_PREFIX)!
    const failing = (type: number, to: Asked) =>
      replyTo(to, type === A ? { answers: [addressOf(QNAME, '10.0.0.1')] } : { flags: 2 })
    const { said, octets } = ask(failing, { prefix })
    assert.deepEqual([said, readAnswer(octets).reply.authority], ['NOERROR: ', []])
  })
})

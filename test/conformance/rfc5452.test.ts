/**
 * RFC 5452, measures for making DNS more resilient against forged answers: which replies of upstreams are believed, and
 * how hard a believable one is to forge.
 */

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  type Asked,
  addressOf,
  always,
  type FakeUpstream,
  QNAME,
  recordOf,
  replyTo,
  startUpstream,
  wireName,
} from '../support/fake-upstream.ts'
import { createForwarder } from '../support/forwarder.ts'
import { message, queryOf, questionOf, RCODES, RD } from '../support/messages.ts'
import { until } from '../support/server-process.ts'

const NAME = 'www.example.com'
const RIGHT = [`${NAME}. 1 192.0.2.1`]
const forged = [addressOf(QNAME, '203.0.113.66')]
const right = (asked: Asked) => replyTo(asked, { answers: [addressOf(QNAME, '192.0.2.1')] })
const question = (name = NAME) => queryOf(name, 'A', { flags: RD, opt: {} })

const headerOf = (asked: Asked, rcode: number) => message({ id: asked.id, flags: 0x8180 | rcode, counts: [0, 0, 0, 0] })

/** What nobody may take for the reply, each with an address that would show. */
const FORGERIES: Readonly<Record<string, (asked: Asked) => Uint8Array>> = {
  'another ID': asked => replyTo(asked, { id: asked.id ^ (1 + randomInt(65_535)), answers: forged }),
  'another name': asked => replyTo(asked, { question: questionOf('www.example.org', 1), answers: forged }),
  'another type': asked => replyTo(asked, { question: questionOf(NAME, 28), answers: forged }),
  'another class': asked => replyTo(asked, { question: questionOf(NAME, 1, 3), answers: forged }),
  'no question': asked =>
    Buffer.concat([
      replyTo(asked).subarray(0, 4),
      Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]),
      addressOf(NAME, '203.0.113.66'),
    ]),
  'a query': asked => {
    const octets = replyTo(asked, { answers: forged })
    octets[2]! &= 0x7f
    return octets
  },
  'another opcode': asked => replyTo(asked, { flags: 0x2000, answers: forged }),
  'NXDOMAIN without a question': asked => headerOf(asked, RCODES.NXDOMAIN),
  'another error without a question': asked => headerOf(asked, 6),
  'the first 11 octets': asked => replyTo(asked).subarray(0, 11),
  nothing: () => new Uint8Array(0),
}

async function start(t: { after(run: () => unknown): void }, script: FakeUpstream['script']): Promise<FakeUpstream> {
  const upstream = await startUpstream(script)
  t.after(() => upstream.close())
  return upstream
}

describe('RFC 5452 §9.1: replies are matched', () => {
  for (const [words, forge] of Object.entries(FORGERIES)) {
    it(`${words}: ignored, and the right reply behind it is taken`, async t => {
      const upstream = await start(t, asked => [forge(asked), right(asked)])
      const { ask, upstreams } = createForwarder(t, [upstream.port])
      assert.deepEqual((await ask(question()).wait()).answers, RIGHT)
      assert.equal(upstreams[0]!.junk, words === 'nothing' || words.startsWith('the first') ? upstreams[0]!.junk : 1)
      assert.equal(upstream.asked.length, 1)
    })
  }

  it('from another port: does not even arrive', async t => {
    const upstream = await start(t, async asked => {
      await upstream.sendFromElsewhere(replyTo(asked, { answers: forged }), asked.port)
      return [right(asked)]
    })
    const { ask, upstreams } = createForwarder(t, [upstream.port])
    assert.deepEqual((await ask(question()).wait()).answers, RIGHT)
    assert.equal(upstreams[0]!.junk, 0)
  })

  for (const rcode of [RCODES.FORMERR, RCODES.SERVFAIL, RCODES.NOTIMP, RCODES.REFUSED]) {
    const told = rcode === RCODES.SERVFAIL || rcode === RCODES.REFUSED
    it(`error ${rcode} of one that did not read the question (RFC 1035 §4.1.1) is heard, over UDP not when its case counts`, async t => {
      const upstream = await start(t, asked => [headerOf(asked, rcode), right(asked)])
      const answerOf = (route: object) => createForwarder(t, [upstream.port], route).ask(question()).wait()
      for (const route of [{}, { mixCase: true, forceTcp: true }]) {
        assert.equal((await answerOf(route)).rcode, rcode)
        assert.equal(upstream.asked.splice(0).length, told ? 1 : 2)
      }
      assert.deepEqual((await answerOf({ mixCase: true })).answers, RIGHT)
    })
  }

  it('RFC 2308 §5: NXDOMAIN without a question is not answered from the reply before it', async t => {
    const soa = recordOf('com', 6, Buffer.concat([wireName('ns.com'), wireName('b'), Buffer.alloc(20, 1)]))
    const upstream = await start(t, asked => [replyTo(asked, { flags: RCODES.NXDOMAIN, authority: [soa] })])
    const { ask } = createForwarder(t, [upstream.port], { forceTcp: true })
    assert.equal((await ask(question('none.com')).wait()).rcode, RCODES.NXDOMAIN)
    upstream.script = asked => [headerOf(asked, RCODES.NXDOMAIN)]
    const { rcode, reply } = await ask(question()).wait()
    assert.deepEqual([rcode, reply.authority], [RCODES.SERVFAIL, []])
  })

  it('1,000 rounds of all of them: none is taken', async t => {
    const upstream = await start(t, asked => {
      const forgeries = Object.values(FORGERIES).map(forge => forge(asked))
      return [...forgeries, right(asked)]
    })
    const { ask } = createForwarder(t, [upstream.port])
    for (let round = 0; round < 1000; round += 50) {
      const names = Array.from({ length: 50 }, (_, i) => `a${round + i}.example.com`)
      const pending = names.map(name => ask(question(name)))
      for (const [i, each] of pending.entries()) {
        const { answers } = await each.wait()
        assert.deepEqual(answers, names[i] === undefined ? [] : [`${names[i]}. 1 192.0.2.1`])
      }
    }
  })

  it('8,191 wrong IDs first: the right reply is taken', async t => {
    const upstream = await start(t, async asked => {
      const wrong = replyTo(asked, { answers: forged })
      for (let i = 1; i < 8192; i++) {
        wrong.writeUInt16BE(asked.id ^ i)
        await upstream.sendTo(wrong, asked.port)
        // The kernel's queue must not be what drops them.
        if (i % 8 === 0) await new Promise(resolve => setImmediate(resolve))
      }
      return [right(asked)]
    })
    const { ask, upstreams } = createForwarder(t, [upstream.port])
    assert.deepEqual((await ask(question()).wait()).answers, RIGHT)
    assert.ok(upstreams[0]!.junk > 4000, `${upstreams[0]!.junk} came`)
  })
})

describe('RFC 5452 §9.2: IDs and ports cannot be told', () => {
  it('10,000 questions use at least 5,000 ports and as many IDs, the ports over all of 1024..65535', async t => {
    const upstream = await start(t, always('192.0.2.1'))
    const { ask } = createForwarder(t, [upstream.port])
    for (let round = 0; round < 10_000; round += 100) {
      const pending = Array.from({ length: 100 }, (_, i) => ask(question(`a${round + i}.example.com`)))
      await until(() => pending.every(({ answer }) => answer !== undefined), 'all are answered')
    }
    const ports = new Set(upstream.asked.map(({ port }) => port))
    const ids = new Set(upstream.asked.map(({ id }) => id))
    assert.ok(ports.size >= 5000, `${ports.size} ports`)
    assert.ok(ids.size >= 5000, `${ids.size} IDs`)
    assert.ok(Math.min(...ports) >= 1024 && Math.min(...ports) < 3000 && Math.max(...ports) > 63_000)
  })

  it('0x20: letters go in random case; a reply in another case is ignored', async t => {
    const flip = (asked: Asked) =>
      Buffer.from(
        asked.question.map(octet =>
          octet >= 0x61 && octet <= 0x7a ? octet - 32 : octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet,
        ),
      )
    const upstream = await start(t, asked => [replyTo(asked, { question: flip(asked), answers: forged }), right(asked)])
    const { ask, upstreams } = createForwarder(t, [upstream.port], { mixCase: true })
    const name = 'abcdefghijklmnopqrstuvwxyz.example.com'
    const seen = new Set<string>()
    for (let i = 0; i < 5; i++) {
      // The client's own case comes back to it.
      assert.deepEqual((await ask(question(name)).wait()).answers, [`${name}. 1 192.0.2.1`])
      seen.add(upstream.asked.at(-1)!.name)
    }
    assert.equal(seen.size, 5)
    assert.equal(upstreams[0]!.junk, 5)
  })
})

describe('RFC 5452 §5: a question is in flight once', () => {
  it('1,000 equal questions of 10 clients, in any case: one packet', async t => {
    let release = (): void => {}
    const gate = new Promise<void>(resolve => (release = resolve))
    const upstream = await start(t, async asked => {
      await gate
      return [right(asked)]
    })
    const { ask, forwarder } = createForwarder(t, [upstream.port])
    const pending = Array.from({ length: 1000 }, (_, i) =>
      ask(question(i % 2 === 0 ? NAME : 'WWW.example.COM'), `c${i % 10}`),
    )
    assert.equal(forwarder.inFlight, 1)
    release()
    for (const each of pending) assert.equal((await each.wait()).answers.length, 1)
    assert.equal(upstream.asked.length, 1)
    assert.ok(pending.every(({ replies }) => replies === 1))
  })

  it('another type, DO or CD is another question', async t => {
    const upstream = await start(t, () => [])
    const { ask, forwarder } = createForwarder(t, [upstream.port])
    ask(question())
    ask(queryOf(NAME, 'AAAA', { flags: RD }))
    ask(queryOf(NAME, 'A', { flags: RD, opt: { flags: 0x8000 } }))
    ask(queryOf(NAME, 'A', { flags: RD | 0x10 }))
    ask(queryOf(NAME, 'A', { flags: RD }))
    assert.equal(forwarder.inFlight, 4)
  })
})

describe('RFC 5452 §6, RFC 2181 §5.4.1: records that were not asked for', () => {
  it('do not reach the client, in whatever section they come', async t => {
    const foreign = addressOf('bank.example.org', '203.0.113.66')
    const upstream = await start(t, asked => [
      replyTo(asked, {
        answers: [
          foreign,
          recordOf(QNAME, 5, wireName('cdn.example.net')),
          foreign,
          addressOf('cdn.example.net', '192.0.2.1'),
          recordOf('cdn.example.net', 16, wireName('x')),
        ],
        authority: [
          recordOf('org', 2, wireName('ns.example.org')),
          recordOf('example.org', 6, Buffer.concat([wireName('a'), wireName('b'), Buffer.alloc(20)])),
        ],
        additional: [addressOf('ns.example.org', '203.0.113.66')],
      }),
    ])
    const { ask } = createForwarder(t, [upstream.port])
    const { answers, reply } = await ask(question()).wait()
    assert.deepEqual(answers, [`${NAME}. 5 cdn.example.net.`, 'cdn.example.net. 1 192.0.2.1'])
    assert.deepEqual([reply.authority, reply.additional], [[], []])
  })

  it('RFC 2308 §2: a negative reply keeps the SOA of a zone that the name lies in, and no other', async t => {
    const soa = (zone: string) =>
      recordOf(zone, 6, Buffer.concat([wireName('ns.example.com'), wireName('b'), Buffer.alloc(20)]))
    const upstream = await start(t, asked => [
      replyTo(asked, {
        flags: RCODES.NXDOMAIN,
        authority: [soa('example.org'), soa('example.com'), recordOf('com', 2, wireName('x'))],
      }),
    ])
    const { ask } = createForwarder(t, [upstream.port])
    const { rcode, reply } = await ask(question()).wait()
    assert.equal(rcode, RCODES.NXDOMAIN)
    assert.deepEqual(
      reply.authority.map(({ owner, type }) => [owner, type]),
      [[wireName('example.com').toString('latin1'), 6]],
    )
  })
})

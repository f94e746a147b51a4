/**
 * Names beside the cluster's, through the whole server: hosts, templates, the loopback, rewriting, access rules, DNS64; over
 * UDP and TCP, on both transports.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ACL_AT } from '../../src/dataplane/counters.ts'
import { ACL_BLOCK, ACL_DROP, ACL_FILTER } from '../../src/rules/acl.ts'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { CACHE } from '../support/cached.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import {
  addressOf,
  type FakeUpstream,
  QNAME,
  recordOf,
  replyTo,
  type Script,
  startUpstream,
} from '../support/fake-upstream.ts'
import { ALIAS, CLUSTER_NAME, readAnswer, startForwarding, TARGET, zoneOf } from '../support/forwarding.ts'
import { AA, queryOf, RA, RCODES, RD, TC, wireName } from '../support/messages.ts'
import { rulesOf } from '../support/rules.ts'
import { type Listening, startListening } from '../support/running-server.ts'

const QR = 0x8000
const [A, AAAA, PTR] = ['A', 'AAAA', 'PTR']

const RULES = {
  hosts: {
    entries: [
      '10.9.0.1 DB.example.com db',
      'fd00::9 db.example.com',
      '10.9.0.2 extra.cluster.local *.wild.cluster.local',
      '10.9.0.3 here.example.net',
    ],
    zones: ['corp.example'],
  },
  template: [
    { zone: 'noise.example', rcode: 'NXDOMAIN' },
    { match: '^ip-(\\d+)-(\\d+)\\.made\\.$', answer: ['A 10.0.$1.$2'] },
    { types: ['AAAA'], zone: 'v4.example' },
  ],
  rewrite: [
    { from: 'old.example', to: CLUSTER_NAME },
    { from: 'moved.default.svc.cluster.local', to: 'far.example' },
    { from: 'to-hosts.example', to: 'db' },
    { match: 'suffix', from: '.prod.example', to: '.default.svc.cluster.local' },
    { match: 'prefix', from: 'legacy-', to: 'x' },
    { match: 'regex', from: '^(\\w+)\\.re\\.example\\.$', to: '$1.default.svc.cluster.local' },
    { match: 'type', from: 'TYPE65', to: 'A' },
    { from: 'to-secret.example', to: 'a.secret.example' },
    { from: 'to-hidden.example', to: 'hidden.default.svc.cluster.local' },
    { match: 'type', from: 'TYPE66', to: 'MX' },
    { match: 'type', from: 'TYPE67', to: 'NAPTR' },
  ],
  acl: [
    { action: 'filter', types: ['MX'] },
    { action: 'block', zones: ['secret.example', 'hidden.default.svc.cluster.local'] },
    { action: 'allow', networks: ['127.0.0.0/8'] },
    { action: 'drop', networks: ['::1'], types: ['NAPTR'] },
    { action: 'block', networks: ['::/0'], types: ['A'] },
  ],
  dns64: { prefix: '2001:db8::/96' },
}

const SOA = recordOf('.', 6, Buffer.concat([Buffer.of(0, 0), Buffer.alloc(16), Buffer.of(0, 0, 0, 60)]))

/** A has one address, and names with `many` a hundred of them; there are no other records. */
const script: Script = asked => {
  if (asked.type === 12) return [replyTo(asked, { answers: [recordOf(QNAME, 12, wireName('far.example'))] })]
  if (asked.name.includes('many') && !asked.tcp) return [replyTo(asked, { flags: TC })]
  const count = asked.type !== 1 ? 0 : asked.name.includes('many') ? 100 : 1
  if (count === 0) return [replyTo(asked, { authority: [SOA] })]
  return [replyTo(asked, { answers: Array.from({ length: count }, (_, i) => addressOf(QNAME, `192.0.2.${i + 1}`)) })]
}

for (const [transport, cache] of [
  ['batch', undefined],
  ['portable', undefined],
  ['batch', CACHE],
] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined

  describe(`names over ${transport}${cache === undefined ? '' : ', with the answer cache'}`, {
    skip: problem ?? false,
  }, () => {
    let upstream: FakeUpstream
    let listening: Listening
    const ask = (name: string, type: string | number) => askBoth(listening.ipv4, name, type)
    const ask6 = (name: string, type: string | number) => askBoth(listening.ipv6, name, type)
    /** Nobody else was asked meanwhile. */
    const nobody = async (run: () => Promise<void>): Promise<void> => {
      const { length } = upstream.asked
      await run()
      assert.deepEqual(upstream.asked.slice(length), [])
    }

    before(async () => {
      upstream = await startUpstream(script)
      const forever = { after() {} } as never
      listening = await startForwarding(
        forever,
        transport,
        [zoneOf([upstream.port])],
        {},
        {},
        { rules: rulesOf(RULES), ...(cache && { cache }) },
      )
    })
    after(async () => {
      await listening.server.stop()
      await upstream.close()
    })

    it('hosts: inline names and their addresses, with authority; others go to the upstream', async () => {
      await nobody(async () => {
        assert.equal(await ask('dB.example.com', A), 'NOERROR AA: dB.example.com. 1 10.9.0.1')
        assert.equal(await ask('db.example.com', AAAA), `NOERROR AA: db.example.com. 28 fd${'0'.repeat(29)}9`)
        assert.equal(await ask('db.example.com', 'TXT'), 'NOERROR AA: ')
        assert.equal(await ask('none.corp.example', A), 'NXDOMAIN AA: ')
        const owner = '1.0.9.10.in-addr.arpa'
        assert.equal(await ask(owner, PTR), `NOERROR AA: ${owner}. 12 db.,${owner}. 12 db.example.com.`)
      })
      assert.equal(await ask('www.example.com', A), 'NOERROR: www.example.com. 1 192.0.2.1')
    })

    it('a query without RD is answered from rules, and never forwarded', async () => {
      await nobody(async () => {
        const known = readAnswer(await exchangeUdp(queryOf('db', A), listening.ipv4))
        assert.deepEqual([known.flags, known.answers], [QR | AA | RA, ['db. 1 10.9.0.1']])
        const other = readAnswer(await exchangeUdp(queryOf('www.example.com', A), listening.ipv4))
        assert.deepEqual([other.rcode, other.flags], [RCODES.REFUSED, QR | RA])
      })
    })

    it('hosts: a name in the cluster’s zones too; the other names there stay the cluster’s', async () => {
      await nobody(async () => {
        assert.equal(await ask('extra.cluster.local', A), 'NOERROR AA: extra.cluster.local. 1 10.9.0.2')
        assert.equal(await ask('a.wild.cluster.local', A), 'NOERROR AA: a.wild.cluster.local. 1 10.9.0.2')
        assert.equal(await ask('wild.cluster.local', A), 'NXDOMAIN AA: ')
        assert.match(await ask(CLUSTER_NAME, A), /^NOERROR AA: .*10\.1\.0\.[12]/)
      })
    })

    it('localhost (RFC 6761 §6.3) without being told, and never an upstream', async () => {
      await nobody(async () => {
        assert.equal(await ask('localhost', A), 'NOERROR AA: localhost. 1 127.0.0.1')
        assert.equal(await ask('a.localhost', AAAA), `NOERROR AA: a.localhost. 28 ${'0'.repeat(31)}1`)
        assert.equal(await ask('localhost', 'TXT'), 'NOERROR AA: ')
        assert.equal(await ask('1.0.0.127.in-addr.arpa', PTR), 'NOERROR AA: 1.0.0.127.in-addr.arpa. 12 localhost.')
        assert.equal(await ask('9.9.9.127.in-addr.arpa', PTR), 'NXDOMAIN AA: ')
      })
    })

    it('templates: NXDOMAIN for a zone, with its SOA; answers by expression; what fits none goes on', async () => {
      await nobody(async () => {
        assert.equal(await ask('a.b.noise.example', A), 'NXDOMAIN AA: ')
        const { reply } = readAnswer(await exchangeUdp(queryOf('a.b.noise.example', A), listening.ipv4))
        assert.deepEqual(
          reply.authority.map(({ type, ttl }) => [type, ttl]),
          [[6, 60]],
        )
        assert.equal(await ask('ip-3-4.made', A), 'NOERROR AA: ip-3-4.made. 1 10.0.3.4')
        assert.equal(await ask('ip-3-4.made', 'TXT'), 'NOERROR AA: ')
        assert.equal(await ask('ip-300-4.made', A), 'SERVFAIL: ')
        assert.equal(await ask('x.v4.example', AAAA), 'NOERROR AA: ')
      })
      assert.equal(await ask('x.v4.example', A), 'NOERROR: x.v4.example. 1 192.0.2.1')
    })

    it('rewriting: the records of the other name under the name that was asked for', async () => {
      // The thread defers an alias first: nothing of it is left for the next query.
      assert.equal(await ask(ALIAS, A), `NOERROR AA: ${ALIAS}. 5 ${TARGET}.,${TARGET}. 1 192.0.2.1`)
      await nobody(async () => {
        for (const name of ['Old.Example', 'web.prod.example', 'WEB.re.example']) {
          const answer = await ask(name, A)
          assert.match(answer, new RegExp(`^NOERROR AA: ${name}\\. 1 10\\.1\\.0\\.1,${name}\\. 1 10\\.1\\.0\\.2$`))
        }
        assert.equal(await ask('none.prod.example', A), 'NXDOMAIN AA: ')
        assert.equal(await ask('alias.prod.example', 'CNAME'), `NOERROR AA: alias.prod.example. 5 ${TARGET}.`)
        assert.equal(await ask('to-hosts.example', A), 'NOERROR AA: to-hosts.example. 1 10.9.0.1')
      })
      const alias = `alias.prod.example. 5 ${TARGET}.`
      assert.equal(await ask('alias.prod.example', A), `NOERROR AA: ${alias},${TARGET}. 1 192.0.2.1`)
      assert.equal(
        await ask('moved.default.svc.cluster.local', A),
        'NOERROR: moved.default.svc.cluster.local. 1 192.0.2.1',
      )
      assert.equal(await ask('prod.example', A), 'NOERROR: prod.example. 1 192.0.2.1')
      assert.equal(await ask('legacy-a.example', A), 'NOERROR: legacy-a.example. 1 192.0.2.1')
      assert.equal(await ask('www.example', 65), 'NOERROR: www.example. 1 192.0.2.1')
      const names = upstream.asked.map(({ name, type }) => `${name} ${type}`)
      for (const name of ['far.example 1', 'xa.example 1', 'www.example 1']) assert.ok(names.includes(name), name)
    })

    it('a rewritten answer is cut to what the client takes, with TC, and whole over TCP', async () => {
      const query = queryOf('legacy-many.example', A, { flags: RD, opt: {} })
      const cut = await exchangeUdp(query, listening.ipv4)
      const { flags, answers, reply } = readAnswer(cut)
      assert.ok(cut.length <= 1232 && answers.length > 60 && reply.opt !== undefined)
      assert.equal(flags & TC, TC)
      assert.ok(answers.every(each => each.startsWith('legacy-many.example. 1 192.0.2.')))
      assert.equal(readAnswer(await exchangeTcp(query, listening.ipv4)).answers.length, 100)
    })

    it('access rules by network, type and name, of cluster names too; RFC 8914 §4.18, §4.19: told why', async () => {
      await nobody(async () => {
        assert.equal(await ask(CLUSTER_NAME, 'MX'), 'NOERROR: ')
        assert.equal(await ask('a.secret.example', A), 'REFUSED: ')
        assert.equal(await ask('hidden.default.svc.cluster.local', A), 'REFUSED: ')
        assert.equal(await ask6(CLUSTER_NAME, A), 'REFUSED: ')
        const dropped = exchangeUdp(queryOf(CLUSTER_NAME, 35), listening.ipv6, 300).then(
          () => 'a reply',
          () => new Promise<never>(() => {}),
        )
        assert.equal(await ask(CLUSTER_NAME, 35), 'NOERROR AA: ')
        assert.equal(await Promise.race([dropped, ask6(CLUSTER_NAME, 'TXT')]), 'NOERROR AA: ')
      })
      const why = async (name: string, type: string) =>
        readAnswer(await exchangeUdp(queryOf(name, type, { opt: {} }), listening.ipv4)).reply.opt?.options
      assert.deepEqual(await why('a.secret.example', A), [{ code: 15, data: Buffer.from([0, 18]) }])
      assert.deepEqual(await why(CLUSTER_NAME, 'MX'), [{ code: 15, data: Buffer.from([0, 17]) }])
    })

    it('access rules judge what rewriting made of a query too; RFC 8914 §4.18, §4.19', async () => {
      await nobody(async () => {
        assert.equal(await ask('to-secret.example', A), 'REFUSED: ')
        assert.equal(await ask('To-Hidden.example', A), 'REFUSED: ')
        assert.equal(await ask('www.example.com', 66), 'NOERROR: ')
        // Clients over IPv6 may not have A.
        assert.equal(await ask6('www.example.com', 65), 'REFUSED: ')
        const dropped = exchangeUdp(queryOf(CLUSTER_NAME, 67, { flags: RD }), listening.ipv6, 300).then(
          () => 'a reply',
          () => new Promise<never>(() => {}),
        )
        assert.equal(await ask(CLUSTER_NAME, 67), 'NOERROR AA: ')
        assert.equal(await Promise.race([dropped, ask6(CLUSTER_NAME, 'TXT')]), 'NOERROR AA: ')
        const kept = readAnswer(await exchangeTcp(queryOf(CLUSTER_NAME, 67, { flags: RD }), listening.ipv6))
        assert.equal(kept.rcode, RCODES.REFUSED)
      })
      const why = async (name: string, type: string | number) =>
        readAnswer(await exchangeUdp(queryOf(name, type, { flags: RD, opt: {} }), listening.ipv4)).reply.opt?.options
      assert.deepEqual(await why('to-secret.example', A), [{ code: 15, data: Buffer.from([0, 18]) }])
      assert.deepEqual(await why('www.example.com', 66), [{ code: 15, data: Buffer.from([0, 17]) }])
    })

    it('DNS64 (RFC 6147): AAAA made of A for clients over IPv6, and backwards', async () => {
      const made = '20010db80000000000000000c0000201'
      assert.equal(await ask6('www.example.org', AAAA), `NOERROR: www.example.org. 28 ${made}`)
      assert.equal(await ask('www.example.org', AAAA), 'NOERROR: ')
      assert.equal(await ask6('www.example.org', AAAA), `NOERROR: www.example.org. 28 ${made}`)
      assert.equal(await ask6(ALIAS, AAAA), `NOERROR AA: ${ALIAS}. 5 ${TARGET}.,${TARGET}. 28 ${made}`)
      const reverse = `${[...made].toReversed().join('.')}.ip6.arpa`
      const alias = `${reverse}. 5 1.2.0.192.in-addr.arpa.`
      assert.equal(await ask6(reverse, PTR), `NOERROR AA: ${alias},1.2.0.192.in-addr.arpa. 12 far.example.`)
    })

    it('what was done is counted, under CoreDNS’s names', () => {
      const { names, dns64 } = listening.server.names!
      assert.ok(names.localhostQueries > 0 && names.templates.stats[0]!.matches > 0)
      assert.equal(names.hostEntries, 6)
      assert.equal(dns64!.translated, 6)
      const { row } = listening.server.names!
      assert.ok([ACL_BLOCK, ACL_FILTER, ACL_DROP].every(action => row[ACL_AT + action]! > 0))
    })
  })
}

it('a cluster name is the cluster’s, whether a thread hands it over or not, in spite of a file and a template of all names', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'names-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'hosts')
  writeFileSync(file, `192.0.2.66 ${CLUSTER_NAME}\n`)
  const hosts = { files: [file] }
  const everything = { zone: '.', types: ['A'], answer: ['A 203.0.113.9'] }
  for (const rules of [
    { hosts, template: [everything] },
    { hosts, template: [{ zone: 'default.svc.cluster.local', types: ['MX'] }] },
    { template: [{ zone: 'default.svc.cluster.local', types: ['MX'] }, everything] },
    { hosts, template: [everything], rewrite: [{ from: 'old.example', to: CLUSTER_NAME }] },
  ]) {
    const { ipv4 } = await startForwarding(t, 'portable', [], {}, {}, { rules: rulesOf(rules) })
    for (const name of 'rewrite' in rules ? [CLUSTER_NAME, 'old.example'] : [CLUSTER_NAME]) {
      assert.equal(await askBoth(ipv4, name, A), `NOERROR AA: ${name}. 1 10.1.0.1,${name}. 1 10.1.0.2`)
    }
  }
})

it('an ExternalName’s target may be a host; without a forwarder what nobody knows is REFUSED, without RA', async t => {
  const rules = rulesOf({ hosts: { entries: [`10.9.0.1 ${TARGET}`] } })
  const { ipv4, server } = await startListening(
    'portable',
    cluster => cluster.open('Service').replaceAll().commit(),
    {},
    { rules },
  )
  t.after(() => server.stop())
  for (const flags of [0, RD]) {
    const known = readAnswer(await exchangeUdp(queryOf(TARGET, A, { flags }), ipv4))
    assert.deepEqual([known.flags, known.answers], [QR | AA | flags, [`${TARGET}. 1 10.9.0.1`]])
    const other = readAnswer(await exchangeUdp(queryOf('www.example.org', A, { flags }), ipv4))
    assert.deepEqual([other.rcode, other.flags & RA], [RCODES.REFUSED, 0])
  }
})

/** Over UDP and TCP, which must agree. @returns `RCODE AA: records` */
async function askBoth(where: Listening['ipv4'], name: string, type: string | number): Promise<string> {
  const said: string[] = []
  for (const exchange of [exchangeUdp, exchangeTcp]) {
    const { rcode, flags, answers } = readAnswer(await exchange(queryOf(name, type, { flags: RD }), where))
    const word = Object.entries(RCODES).find(([, number]) => number === rcode)![0]
    said.push(`${word}${(flags & AA) === 0 ? '' : ' AA'}: ${answers.toSorted().join()}`)
  }
  assert.equal(said[0], said[1])
  return said[0]!
}

/**
 * What CoreDNS's kubernetes plugin gets wrong, done right. The numbers are those of the list of its weaknesses that this
 * project keeps: 10 (which records are cut), 15 (before the sync), 20 to 29 (correctness of the protocol).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Answering, clusterIP, createAnswering, headless, slice } from '../support/answering.ts'
import { check, checkAll } from '../support/cases.ts'
import { AA, queryOf, RCODES, strictDecode } from '../support/messages.ts'

const HTTP = { name: 'http', protocol: 'tcp', port: 80 }
const WEB = 'web.default.svc.cluster.local'

function world(): Answering {
  const server = createAnswering({ pods: 'insecure', watchNamespaces: true })
  server.namespaces.upsert({ name: 'default' })
  server.services.upsert(headless('web'))
  const endpoints = [{ address: '10.1.0.5', hostname: 'a' }, { address: '10.1.0.6' }]
  server.slices.upsert(slice('web', endpoints, { ports: [HTTP, { name: '', protocol: 'tcp', port: 9090 }] }))
  server.flush()
  return server
}

const server = world()

describe('20: existing names without records', () => {
  it('are NODATA for TXT as for any other type, the apex too', () => {
    for (const qname of [
      'cluster.local',
      'svc.cluster.local',
      'default.svc.cluster.local',
      'ns.dns.cluster.local',
      'pod.cluster.local',
      'default.pod.cluster.local',
    ]) {
      for (const qtype of ['TXT', 'MX', 'SRV']) check(server, { qname, qtype })
    }
  })
})

describe('21: empty non-terminals', () => {
  it('are NODATA, in forward and reverse zones', () => {
    checkAll(server, [
      { qname: `_tcp.${WEB}`, qtype: 'A' },
      { qname: 'dns.cluster.local', qtype: 'A' },
      { qname: '0.1.10.in-addr.arpa', qtype: 'PTR' },
      { qname: 'dns-version.cluster.local', qtype: 'A' },
      { qname: '5.0.1.10.in-addr.arpa', qtype: 'A' },
    ])
  })
})

describe('22: upper case', () => {
  it('NS at the apex and addresses of the name server, in any case', () => {
    const { answers } = server.ask('CLUSTER.LOCAL', 'NS')
    assert.deepEqual(answers, ['CLUSTER.LOCAL. 5 NS ns.dns.cluster.local.'])
    check(server, { qname: 'NS.DNS.CLUSTER.LOCAL', qtype: 'A', answer: ['NS.DNS.CLUSTER.LOCAL. 5 A 127.0.0.1'] })
  })
})

describe('23: SRV names', () => {
  it('need their underscores; an empty remainder is no wildcard', () => {
    for (const prefix of ['http.tcp', '_http.tcp', 'http._tcp', '_._tcp', '_._', '_http._']) {
      check(server, { qname: `${prefix}.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' })
    }
  })

  it('have no addresses', () => {
    for (const qtype of ['A', 'AAAA']) check(server, { qname: `_http._tcp.${WEB}`, qtype })
  })

  it('an unnamed port has no SRV name', () => {
    assert.equal(server.ask(`_http._tcp.${WEB}`, 'SRV').answers.length, 2)
    check(server, { qname: `_9090._tcp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' })
  })
})

describe('24: pod names', () => {
  it('are one label: nothing is below them', () => {
    check(server, { qname: 'a.b.10-1-0-5.default.pod.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' })
    check(server, { qname: 'x.10-1-0-5.default.pod.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' })
  })

  it('have no SRV', () => {
    check(server, { qname: '10-1-0-5.default.pod.cluster.local', qtype: 'SRV' })
  })

  it('of an IPv6 address that ends or begins with zeros are two, with and without the 0 beside the dashes', () => {
    const verified = createAnswering({ pods: 'verified', watchPods: true })
    verified.pods.upsert({ namespace: 'default', name: 'p', addresses: ['fd00::', '::1'] })
    verified.flush()
    for (const [label, address] of Object.entries({
      'fd00--0': 'fd00::',
      'fd00--': 'fd00::',
      '0--1': '::1',
      '--1': '::1',
    })) {
      const qname = `${label}.default.pod.cluster.local`
      check(verified, { qname, qtype: 'AAAA', answer: [`${qname}. 5 AAAA ${address}`] })
    }
    verified.pods.remove('default', 'p')
    verified.flush()
    check(verified, { qname: 'fd00--.default.pod.cluster.local', qtype: 'AAAA', rcode: 'NXDOMAIN' })
  })

  it('of a dual-stack Pod are two, and IPv6 is compared as an address', () => {
    const verified = createAnswering({ pods: 'verified', watchPods: true })
    verified.pods.upsert({ namespace: 'default', name: 'p', addresses: ['10.1.0.5', 'fd00:0:0::5'] })
    verified.flush()
    const [v4, v6] = ['10-1-0-5.default.pod.cluster.local', 'fd00--5.default.pod.cluster.local']
    check(verified, { qname: v4!, qtype: 'A', answer: [`${v4}. 5 A 10.1.0.5`] })
    check(verified, { qname: v6!, qtype: 'AAAA', answer: [`${v6}. 5 AAAA fd00::5`] })
  })
})

describe('25: pod names with dots', () => {
  it('every SRV and PTR target resolves', () => {
    const named = createAnswering({ endpointPodNames: true })
    named.services.upsert(headless('web'))
    named.slices.upsert(slice('web', [{ address: '10.1.0.5', podName: 'pod.with.dots' }], { ports: [HTTP] }))
    named.flush()
    const targets = [
      named.ask(`_http._tcp.${WEB}`, 'SRV').answers[0]!.split(' ').at(-1)!,
      named.ask('5.0.1.10.in-addr.arpa', 'PTR').answers[0]!.split(' ').at(-1)!,
    ]
    for (const target of targets) {
      check(named, { qname: target.slice(0, -1), qtype: 'A', answer: [`${target} 5 A 10.1.0.5`] })
    }
  })
})

describe('26: ExternalName', () => {
  it('gives its CNAME to every type, and keeps it when the target has not the type or does not exist', () => {
    const aliases = world()
    for (const [name, externalName] of [
      ['out', 'db.example.com'],
      ['in', WEB],
      ['gone', 'none.default.svc.cluster.local'],
    ] as const) {
      aliases.services.upsert({
        namespace: 'default',
        name,
        kind: 'externalName',
        clusterIPs: [],
        externalName,
        ports: [],
      })
    }
    aliases.flush()
    for (const name of ['out', 'in', 'gone']) {
      for (const qtype of ['TXT', 'MX', 'AAAA', 'CAA']) {
        const { answers } = aliases.ask(`${name}.default.svc.cluster.local`, qtype)
        assert.equal(answers.length, 1, `${name} ${qtype}`)
        assert.match(answers[0]!, / CNAME /)
      }
    }
  })
})

describe('27: PTR', () => {
  it('none for a slice whose Service does not exist', () => {
    const orphaned = createAnswering()
    orphaned.slices.upsert(slice('web', [{ address: '10.1.0.5' }]))
    orphaned.flush()
    check(orphaned, { qname: '5.0.1.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' })
  })

  it('none for a namespace that is not exposed, by name or by watch', () => {
    for (const hidden of [createAnswering({ namespaces: ['other'] }), createAnswering({ watchNamespaces: true })]) {
      hidden.services.upsert(clusterIP('web', ['10.96.0.1']))
      hidden.slices.upsert(slice('web', [{ address: '10.1.0.5' }]))
      hidden.flush()
      for (const qname of ['1.0.96.10.in-addr.arpa', '5.0.1.10.in-addr.arpa']) {
        check(hidden, { qname, qtype: 'PTR', rcode: 'NXDOMAIN' })
      }
    }
  })

  it('one for every Service that has the address', () => {
    const shared = createAnswering()
    for (const name of ['a', 'b']) shared.services.upsert(clusterIP(name, ['10.96.0.1']))
    shared.flush()
    const qname = '1.0.96.10.in-addr.arpa'
    const answer = ['a', 'b'].map(name => `${qname}. 5 PTR ${name}.default.svc.cluster.local.`)
    check(shared, { qname, qtype: 'PTR', answer })
  })
})

describe('28: manners', () => {
  const exchange = (query: Buffer): ReturnType<typeof strictDecode> => strictDecode(server.exchange(query)!)

  it('class CHAOS is not answered with data of class IN', () => {
    assert.equal(exchange(queryOf(WEB, 'A', { qclass: 3 })).rcode, RCODES.REFUSED)
  })

  it('NOTIFY is not answered like a query', () => {
    const reply = exchange(queryOf('cluster.local', 'SOA', { flags: 4 << 11 }))
    assert.deepEqual([reply.rcode, reply.flags & AA, reply.answers.length], [RCODES.NOTIMP, 0, 0])
  })

  it('a client cookie is not echoed bare', () => {
    const opt = { options: [{ code: 10, data: Buffer.alloc(8, 1) }] }
    assert.deepEqual(exchange(queryOf(WEB, 'A', { opt })).opt!.options, [])
  })

  it('a query of more than 512 octets is answered', () => {
    const query = queryOf(WEB, 'A', { opt: { options: [{ code: 12, data: Buffer.alloc(900) }] } })
    assert.ok(query.length > 900)
    assert.equal(exchange(query).answers.length, 2)
  })

  it('the OPT says the server’s own size, not the client’s', () => {
    for (const size of [512, 1400, 65_535]) assert.equal(exchange(queryOf(WEB, 'A', { opt: { size } })).opt!.size, 1232)
  })
})

describe('29: the SOA serial', () => {
  it('moves on with each of several changes in one second, whatever they change', () => {
    const changing = createAnswering()
    const serials = new Set<string>()
    const note = (): void => {
      changing.flush()
      serials.add(changing.ask('cluster.local', 'SOA').answers[0]!.split(' ')[5]!)
    }
    note()
    changing.services.upsert(clusterIP('web', ['10.96.0.1']))
    note()
    changing.services.upsert(clusterIP('web', ['10.96.0.2']))
    note()
    changing.services.upsert(headless('web'))
    note()
    changing.slices.upsert(slice('web', [{ address: '10.1.0.5' }]))
    note()
    changing.services.remove('default', 'web')
    note()
    assert.equal(serials.size, 6)
  })
})

describe('10, 15: fairness and readiness', () => {
  it('SRV is shuffled too: no target is always the first', () => {
    const firsts = new Set<string>()
    for (let i = 0; i < 64; i++) firsts.add(server.ask(`_http._tcp.${WEB}`, 'SRV').answers[0]!)
    assert.equal(firsts.size, 2)
  })

  it('before the sync NODATA is SERVFAIL too, and PTR', () => {
    const unsynced = createAnswering({ unsynced: true })
    for (const [qname, qtype] of [
      ['svc.cluster.local', 'A'],
      ['5.0.1.10.in-addr.arpa', 'PTR'],
    ] as const) {
      assert.equal(unsynced.ask(qname, qtype).rcode, 'SERVFAIL')
    }
  })
})

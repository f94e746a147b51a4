/**
 * The Kubernetes DNS-Based Service Discovery specification, schema 1.1.0 (kubernetes/dns, docs/specification.md): a test
 * for every requirement, titled with it and with its section.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Port } from '../../src/cluster/objects.ts'
import { parseName } from '../../src/wire/name.ts'
import {
  type Answering,
  clusterIP,
  createAnswering,
  type EndpointShort,
  headless,
  slice,
} from '../support/answering.ts'
import { check, checkAll } from '../support/cases.ts'

const HTTP: Port = { name: 'http', protocol: 'tcp', port: 80 }
const SIP: Port = { name: 'sip', protocol: 'udp', port: 5060 }
const UNNAMED: Port = { name: '', protocol: 'tcp', port: 9090 }
const WEB = 'web.default.svc.cluster.local'

function withHeadless(endpoints: EndpointShort[], ports: Port[] = []): Answering {
  const server = createAnswering()
  server.services.upsert(headless('web'))
  const v4 = endpoints.filter(({ address }) => !address.includes(':'))
  const v6 = endpoints.filter(({ address }) => address.includes(':'))
  server.slices.upsert(slice('web', v4, { ports }))
  server.slices.upsert(slice('web', v6, { name: 'web-v6', addressType: 'IPv6', ports }))
  server.flush()
  return server
}

function withClusterIP(clusterIPs: string[], ports: Port[] = []): Answering {
  const server = createAnswering()
  server.services.upsert(clusterIP('web', clusterIPs, 'default', ports))
  server.flush()
  return server
}

function withExternalName(externalName: string): Answering {
  const server = createAnswering()
  server.services.upsert({
    namespace: 'default',
    name: 'db',
    kind: 'externalName',
    clusterIPs: [],
    externalName,
    ports: [],
  })
  server.flush()
  return server
}

describe('K8s DNS spec §2.1: definitions', () => {
  it('<zone> is the configured cluster domain: names exist below it and below no other', () => {
    const server = createAnswering({ zones: [parseName('k8s.example.org')!] })
    server.services.upsert(clusterIP('web', ['10.96.0.1']))
    server.flush()
    const qname = 'web.default.svc.k8s.example.org'
    check(server, { qname, qtype: 'A', answer: [`${qname}. 5 A 10.96.0.1`] })
    assert.equal(server.ask(WEB, 'A').rcode, 'REFUSED')
  })

  it('<ns> is a namespace: the same Service name in two namespaces is two names', () => {
    const server = createAnswering()
    server.services.upsert(clusterIP('web', ['10.96.0.1'], 'default'))
    server.services.upsert(clusterIP('web', ['10.96.0.2'], 'shop'))
    server.flush()
    check(server, { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.96.0.1`] })
    const other = 'web.shop.svc.cluster.local'
    check(server, { qname: other, qtype: 'A', answer: [`${other}. 5 A 10.96.0.2`] })
  })

  it('<hostname> is the hostname field of the endpoint', () => {
    const server = withHeadless([{ address: '10.0.0.1', hostname: 'db-0' }])
    const qname = `db-0.${WEB}`
    check(server, { qname, qtype: 'A', answer: [`${qname}. 5 A 10.0.0.1`] })
  })

  it('<hostname> is otherwise a unique identifier made by the system: the address with dashes', () => {
    const server = withHeadless([{ address: '10.0.0.1' }, { address: 'fd00::a' }])
    checkAll(server, [
      { qname: `10-0-0-1.${WEB}`, qtype: 'A', answer: [`10-0-0-1.${WEB}. 5 A 10.0.0.1`] },
      { qname: `fd00--a.${WEB}`, qtype: 'AAAA', answer: [`fd00--a.${WEB}. 5 AAAA fd00::a`] },
    ])
  })

  it('<ready>: an endpoint that is not ready has no record of any kind', () => {
    const server = withHeadless([{ address: '10.0.0.1' }, { address: '10.0.0.2', ready: false, hostname: 'b' }], [HTTP])
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.0.0.1`] },
      { qname: `b.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: `10-0-0-2.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: '2.0.0.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
      {
        qname: `_http._tcp.${WEB}`,
        qtype: 'SRV',
        answer: [`_http._tcp.${WEB}. 5 SRV 0 100 80 10-0-0-1.${WEB}.`],
        additional: [`10-0-0-1.${WEB}. 5 A 10.0.0.1`],
      },
    ])
  })
})

describe('K8s DNS spec §2.2: schema version', () => {
  it('dns-version.<zone> TXT is the semantic version of the schema', () => {
    const qname = 'dns-version.cluster.local'
    check(createAnswering(), { qname, qtype: 'TXT', answer: [`${qname}. 28800 TXT "1.1.0"`] })
  })

  it('it is there in every zone', () => {
    const server = createAnswering({ zones: [parseName('cluster.local')!, parseName('corp.example')!] })
    const qname = 'dns-version.corp.example'
    check(server, { qname, qtype: 'TXT', answer: [`${qname}. 28800 TXT "1.1.0"`] })
  })
})

describe('K8s DNS spec §2.3: a Service with a ClusterIP', () => {
  it('answers with the ClusterIP, not with the endpoints behind it', () => {
    const server = withClusterIP(['10.96.0.1'])
    server.slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
    server.flush()
    check(server, { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.96.0.1`] })
  })
})

describe('K8s DNS spec §2.3.1: A and AAAA of a ClusterIP', () => {
  it('<service>.<ns>.svc.<zone> A is the IPv4 ClusterIP', () => {
    checkAll(withClusterIP(['10.96.0.1']), [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.96.0.1`] },
      { qname: WEB, qtype: 'AAAA' },
    ])
  })

  it('<service>.<ns>.svc.<zone> AAAA is the IPv6 ClusterIP', () => {
    checkAll(withClusterIP(['fd00:96::1']), [
      { qname: WEB, qtype: 'AAAA', answer: [`${WEB}. 5 AAAA fd00:96::1`] },
      { qname: WEB, qtype: 'A' },
    ])
  })

  it('a dual-stack Service has both', () => {
    checkAll(withClusterIP(['10.96.0.1', 'fd00:96::1']), [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.96.0.1`] },
      { qname: WEB, qtype: 'AAAA', answer: [`${WEB}. 5 AAAA fd00:96::1`] },
    ])
  })
})

describe('K8s DNS spec §2.3.2: SRV of a ClusterIP', () => {
  const server = withClusterIP(['10.96.0.1'], [HTTP, SIP, UNNAMED])

  it('each named port has _<port>._<proto>.<service>.<ns>.svc.<zone>; the target is the Service', () => {
    checkAll(server, [
      {
        qname: `_http._tcp.${WEB}`,
        qtype: 'SRV',
        answer: [`_http._tcp.${WEB}. 5 SRV 0 100 80 ${WEB}.`],
        additional: [`${WEB}. 5 A 10.96.0.1`],
      },
      {
        qname: `_sip._udp.${WEB}`,
        qtype: 'SRV',
        answer: [`_sip._udp.${WEB}. 5 SRV 0 100 5060 ${WEB}.`],
        additional: [`${WEB}. 5 A 10.96.0.1`],
      },
    ])
  })

  it('the protocol is part of the name', () => {
    check(server, { qname: `_http._udp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' })
  })

  it('an unnamed port has no SRV name', () => {
    check(server, { qname: `_._tcp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' })
  })

  it('the target has an A or AAAA record', () => {
    const [answer] = server.ask(`_http._tcp.${WEB}`, 'SRV').answers
    check(server, { qname: answer!.split(' ').at(-1)!.slice(0, -1), qtype: 'A', answer: [`${WEB}. 5 A 10.96.0.1`] })
  })
})

describe('K8s DNS spec §2.3.3: PTR of a ClusterIP', () => {
  it('<d>.<c>.<b>.<a>.in-addr.arpa PTR is <service>.<ns>.svc.<zone>', () => {
    const qname = '4.3.96.10.in-addr.arpa'
    check(withClusterIP(['10.96.3.4']), { qname, qtype: 'PTR', answer: [`${qname}. 5 PTR ${WEB}.`] })
  })

  it('the nibbles of an IPv6 ClusterIP below ip6.arpa', () => {
    const qname = '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa'
    check(withClusterIP(['fd00:96::1']), { qname, qtype: 'PTR', answer: [`${qname}. 5 PTR ${WEB}.`] })
  })
})

describe('K8s DNS spec §2.4: a headless Service', () => {
  it('all EndpointSlices of the Service are joined', () => {
    const server = createAnswering()
    server.services.upsert(headless('web'))
    server.slices.upsert(slice('web', [{ address: '10.0.0.1' }], { name: 'one' }))
    server.slices.upsert(slice('web', [{ address: '10.0.0.2' }, { address: '10.0.0.1' }], { name: 'two' }))
    server.flush()
    check(server, { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.0.0.1`, `${WEB}. 5 A 10.0.0.2`] })
  })
})

describe('K8s DNS spec §2.4.1: A and AAAA of a headless Service', () => {
  const server = withHeadless([
    { address: '10.0.0.1', hostname: 'a' },
    { address: '10.0.0.2' },
    { address: 'fd00::1', hostname: 'a' },
    { address: 'fd00::2' },
  ])

  it('one A per ready endpoint with an IPv4 address, one AAAA per ready endpoint with an IPv6 address', () => {
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.0.0.1`, `${WEB}. 5 A 10.0.0.2`] },
      { qname: WEB, qtype: 'AAAA', answer: [`${WEB}. 5 AAAA fd00::1`, `${WEB}. 5 AAAA fd00::2`] },
    ])
  })

  it('<hostname>.<service>.<ns>.svc.<zone> has the addresses of that endpoint', () => {
    checkAll(server, [
      { qname: `a.${WEB}`, qtype: 'A', answer: [`a.${WEB}. 5 A 10.0.0.1`] },
      { qname: `a.${WEB}`, qtype: 'AAAA', answer: [`a.${WEB}. 5 AAAA fd00::1`] },
      { qname: `10-0-0-2.${WEB}`, qtype: 'A', answer: [`10-0-0-2.${WEB}. 5 A 10.0.0.2`] },
      { qname: `10-0-0-2.${WEB}`, qtype: 'AAAA' },
    ])
  })

  it('all ready endpoints that share a hostname are returned under it', () => {
    const shared = withHeadless([
      { address: '10.0.0.1', hostname: 'a' },
      { address: '10.0.0.2', hostname: 'a' },
      { address: '10.0.0.3', hostname: 'a', ready: false },
    ])
    check(shared, { qname: `a.${WEB}`, qtype: 'A', answer: [`a.${WEB}. 5 A 10.0.0.1`, `a.${WEB}. 5 A 10.0.0.2`] })
  })

  it('no ready endpoint: NXDOMAIN', () => {
    checkAll(withHeadless([{ address: '10.0.0.1', ready: false }], [HTTP]), [
      { qname: WEB, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: WEB, qtype: 'AAAA', rcode: 'NXDOMAIN' },
      { qname: `_http._tcp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' },
    ])
    checkAll(withHeadless([]), [{ qname: WEB, qtype: 'A', rcode: 'NXDOMAIN' }])
  })

  it('ready endpoints of the other family only: NODATA', () => {
    check(withHeadless([{ address: '10.0.0.1' }]), { qname: WEB, qtype: 'AAAA' })
  })
})

describe('K8s DNS spec §2.4.2: SRV of a headless Service', () => {
  const server = withHeadless(
    [{ address: '10.0.0.1', hostname: 'a' }, { address: '10.0.0.2' }, { address: 'fd00::1', hostname: 'a' }],
    [HTTP, SIP, UNNAMED],
  )

  it('N ready endpoints and M named ports give N × M records, each with its endpoint as target', () => {
    for (const [prefix, port] of [
      ['_http._tcp', 80],
      ['_sip._udp', 5060],
    ]) {
      check(server, {
        qname: `${prefix}.${WEB}`,
        qtype: 'SRV',
        answer: [
          `${prefix}.${WEB}. 5 SRV 0 50 ${port} a.${WEB}.`,
          `${prefix}.${WEB}. 5 SRV 0 50 ${port} 10-0-0-2.${WEB}.`,
        ],
        additional: [`a.${WEB}. 5 A 10.0.0.1`, `a.${WEB}. 5 AAAA fd00::1`, `10-0-0-2.${WEB}. 5 A 10.0.0.2`],
      })
    }
  })

  it('unnamed ports have no SRV name', () => {
    checkAll(server, [
      { qname: `_._tcp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' },
      { qname: `_9090._tcp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' },
    ])
    const unnamed = withHeadless([{ address: '10.0.0.1' }], [UNNAMED])
    check(unnamed, { qname: `_tcp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' })
  })

  it('every target has an A or AAAA record of its own', () => {
    for (const answer of server.ask(`_http._tcp.${WEB}`, 'SRV').answers) {
      const target = answer.split(' ').at(-1)!.slice(0, -1)
      assert.notDeepEqual([...server.ask(target, 'A').answers, ...server.ask(target, 'AAAA').answers], [])
    }
  })

  it('the port is that of the endpoint: slices whose port differs keep theirs', () => {
    const mixed = createAnswering()
    mixed.services.upsert(headless('web'))
    mixed.slices.upsert(slice('web', [{ address: '10.0.0.1' }], { name: 'one', ports: [{ ...HTTP, port: 8080 }] }))
    mixed.slices.upsert(slice('web', [{ address: '10.0.0.2' }], { name: 'two', ports: [{ ...HTTP, port: 8081 }] }))
    mixed.flush()
    check(mixed, {
      qname: `_http._tcp.${WEB}`,
      qtype: 'SRV',
      answer: [
        `_http._tcp.${WEB}. 5 SRV 0 50 8080 10-0-0-1.${WEB}.`,
        `_http._tcp.${WEB}. 5 SRV 0 50 8081 10-0-0-2.${WEB}.`,
      ],
      additional: [`10-0-0-1.${WEB}. 5 A 10.0.0.1`, `10-0-0-2.${WEB}. 5 A 10.0.0.2`],
    })
  })

  it('endpoints that share a hostname share one record: an RRset holds no record twice', () => {
    const shared = withHeadless(
      [
        { address: '10.0.0.1', hostname: 'a' },
        { address: '10.0.0.2', hostname: 'a' },
      ],
      [HTTP],
    )
    check(shared, {
      qname: `_http._tcp.${WEB}`,
      qtype: 'SRV',
      answer: [`_http._tcp.${WEB}. 5 SRV 0 100 80 a.${WEB}.`],
      additional: [`a.${WEB}. 5 A 10.0.0.1`, `a.${WEB}. 5 A 10.0.0.2`],
    })
  })
})

describe('K8s DNS spec §2.4.3: PTR of a headless Service', () => {
  const server = withHeadless([
    { address: '10.0.0.1', hostname: 'a' },
    { address: '10.0.0.2' },
    { address: 'fd00::1', hostname: 'a' },
  ])

  it('<d>.<c>.<b>.<a>.in-addr.arpa PTR is <hostname>.<service>.<ns>.svc.<zone>', () => {
    checkAll(server, [
      { qname: '1.0.0.10.in-addr.arpa', qtype: 'PTR', answer: [`1.0.0.10.in-addr.arpa. 5 PTR a.${WEB}.`] },
      { qname: '2.0.0.10.in-addr.arpa', qtype: 'PTR', answer: [`2.0.0.10.in-addr.arpa. 5 PTR 10-0-0-2.${WEB}.`] },
    ])
  })

  it('the nibbles of an IPv6 address below ip6.arpa', () => {
    const qname = `1.${'0.'.repeat(29)}d.f.ip6.arpa`
    check(server, { qname, qtype: 'PTR', answer: [`${qname}. 5 PTR a.${WEB}.`] })
  })

  it('an address of two Services has a record for each', () => {
    server.services.upsert(headless('other'))
    server.slices.upsert(slice('other', [{ address: '10.0.0.1', hostname: 'x' }]))
    server.flush()
    const qname = '1.0.0.10.in-addr.arpa'
    const answer = [`${qname}. 5 PTR a.${WEB}.`, `${qname}. 5 PTR x.other.default.svc.cluster.local.`]
    check(server, { qname, qtype: 'PTR', answer })
  })
})

describe('K8s DNS spec §2.5: an ExternalName Service', () => {
  it('<service>.<ns>.svc.<zone> CNAME is the external name', () => {
    const qname = 'db.default.svc.cluster.local'
    check(withExternalName('db.example.com'), { qname, qtype: 'CNAME', answer: [`${qname}. 5 CNAME db.example.com.`] })
  })

  it('A and AAAA are answered with the CNAME, and with the records of a target in the zone', () => {
    const server = withExternalName(WEB)
    server.services.upsert(clusterIP('web', ['10.96.0.1', 'fd00:96::1']))
    server.flush()
    const qname = 'db.default.svc.cluster.local'
    checkAll(server, [
      { qname, qtype: 'A', answer: [`${qname}. 5 CNAME ${WEB}.`, `${WEB}. 5 A 10.96.0.1`] },
      { qname, qtype: 'AAAA', answer: [`${qname}. 5 CNAME ${WEB}.`, `${WEB}. 5 AAAA fd00:96::1`] },
    ])
  })

  it('a target outside the zones: the CNAME alone, for the client to follow', () => {
    const qname = 'db.default.svc.cluster.local'
    check(withExternalName('db.example.com'), { qname, qtype: 'A', answer: [`${qname}. 5 CNAME db.example.com.`] })
  })
})

/**
 * What CoreDNS's kubernetes plugin serves beyond the specification, and clients have come to use.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Port } from '../../src/cluster/objects.ts'
import {
  type Answering,
  type AnsweringOptions,
  clusterIP,
  createAnswering,
  type EndpointShort,
  headless,
  slice,
} from '../support/answering.ts'
import { check, checkAll } from '../support/cases.ts'

const HTTP: Port = { name: 'http', protocol: 'tcp', port: 80 }
const WEB = 'web.default.svc.cluster.local'

function serverOf(endpoints: EndpointShort[], options: AnsweringOptions = {}, ports: Port[] = [HTTP]): Answering {
  const server = createAnswering(options)
  server.services.upsert(headless('web'))
  server.slices.upsert(slice('web', endpoints, { ports }))
  server.flush()
  return server
}

function external(server: Answering, name: string, externalName: string): void {
  server.services.upsert({ namespace: 'default', name, kind: 'externalName', clusterIPs: [], externalName, ports: [] })
  server.flush()
}

describe('names', () => {
  const server = serverOf([{ address: '10.0.0.1', hostname: 'a' }])

  it('the zone, svc.<zone> and the namespace of a Service exist without records: NODATA', () => {
    checkAll(server, [
      { qname: 'cluster.local', qtype: 'A' },
      { qname: 'svc.cluster.local', qtype: 'A' },
      { qname: 'pod.cluster.local', qtype: 'A' },
      { qname: 'default.svc.cluster.local', qtype: 'A' },
    ])
  })

  it('a namespace or kind that is not there is NXDOMAIN', () => {
    checkAll(server, [
      { qname: 'web.other.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: 'other.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: 'web.default.foo.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
    ])
  })

  it('too many labels are NXDOMAIN; wildcards are names like any other', () => {
    checkAll(server, [
      { qname: `x.a.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: `x._http._tcp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' },
      { qname: '*.default.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: 'any.any.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
    ])
  })

  it('a type that the name has not is NODATA', () => {
    for (const qtype of ['MX', 'TXT', 'NS', 'SOA', 'DS', 'NAPTR', 'CAA', 'PTR', 'CNAME'])
      check(server, { qname: WEB, qtype })
  })
})

describe('SRV', () => {
  it('at the Service itself: all ports, unnamed ones too', () => {
    const server = serverOf([{ address: '10.0.0.1' }], {}, [HTTP, { name: '', protocol: 'udp', port: 53 }])
    check(server, {
      qname: WEB,
      qtype: 'SRV',
      answer: [`${WEB}. 5 SRV 0 50 80 10-0-0-1.${WEB}.`, `${WEB}. 5 SRV 0 50 53 10-0-0-1.${WEB}.`],
      additional: [`10-0-0-1.${WEB}. 5 A 10.0.0.1`],
    })
  })

  it('at an endpoint: its ports, with itself as target', () => {
    const server = serverOf([{ address: '10.0.0.1', hostname: 'a' }])
    check(server, { qname: `a.${WEB}`, qtype: 'SRV', answer: [`a.${WEB}. 5 SRV 0 100 80 a.${WEB}.`] })
  })

  it('a slice without ports: addresses are served, SRV is NODATA', () => {
    const server = serverOf([{ address: '10.0.0.1' }], {}, [])
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.0.0.1`] },
      { qname: WEB, qtype: 'SRV' },
    ])
  })

  it('weights are equal, add up to about 100, and are never 0', () => {
    for (const [size, weight] of [
      [1, 100],
      [3, 33],
      [200, 1],
    ] as const) {
      const endpoints = Array.from({ length: size }, (_, i) => ({ address: `10.0.${i >>> 8}.${i & 255}` }))
      const { answers } = serverOf(endpoints).ask(`_http._tcp.${WEB}`, 'SRV', { stream: true })
      assert.equal(answers.length, size)
      for (const answer of answers) assert.match(answer, new RegExp(` SRV 0 ${weight} 80 `))
    }
  })
})

describe('endpoints of a Service with a ClusterIP', () => {
  const server = createAnswering()
  server.services.upsert(clusterIP('api', ['10.96.0.1'], 'default', [HTTP]))
  server.slices.upsert(slice('api', [{ address: '10.0.0.7', hostname: 'x' }, { address: '10.0.0.8' }]))
  server.flush()

  it('have their names and their PTRs', () => {
    const base = 'api.default.svc.cluster.local'
    checkAll(server, [
      { qname: `x.${base}`, qtype: 'A', answer: [`x.${base}. 5 A 10.0.0.7`] },
      { qname: `10-0-0-8.${base}`, qtype: 'A', answer: [`10-0-0-8.${base}. 5 A 10.0.0.8`] },
      { qname: '7.0.0.10.in-addr.arpa', qtype: 'PTR', answer: [`7.0.0.10.in-addr.arpa. 5 PTR x.${base}.`] },
      { qname: '1.0.96.10.in-addr.arpa', qtype: 'PTR', answer: [`1.0.96.10.in-addr.arpa. 5 PTR ${base}.`] },
    ])
  })

  it('are, all of them, at <svc>.<ns>.direct.<zone>', () => {
    const base = 'api.default.direct.cluster.local'
    checkAll(server, [
      { qname: base, qtype: 'A', answer: [`${base}. 5 A 10.0.0.7`, `${base}. 5 A 10.0.0.8`] },
      { qname: `x.${base}`, qtype: 'A', answer: [`x.${base}. 5 A 10.0.0.7`] },
    ])
  })

  it('are none at <svc>.<ns>.direct.<zone> when none is ready: NXDOMAIN', () => {
    const empty = createAnswering()
    empty.services.upsert(clusterIP('api', ['10.96.0.1']))
    empty.flush()
    check(empty, { qname: 'api.default.direct.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' })
  })
})

describe('records.endpointPodNames', () => {
  it('names an endpoint by its hostname, else its pod, else its address', () => {
    const server = serverOf(
      [
        { address: '10.0.0.1', hostname: 'a', podName: 'web-a' },
        { address: '10.0.0.2', podName: 'web-b' },
        { address: '10.0.0.3' },
      ],
      { endpointPodNames: true },
    )
    checkAll(server, [
      { qname: `a.${WEB}`, qtype: 'A', answer: [`a.${WEB}. 5 A 10.0.0.1`] },
      { qname: `web-a.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: `web-b.${WEB}`, qtype: 'A', answer: [`web-b.${WEB}. 5 A 10.0.0.2`] },
      { qname: `10-0-0-3.${WEB}`, qtype: 'A', answer: [`10-0-0-3.${WEB}. 5 A 10.0.0.3`] },
    ])
  })

  it('is off: the address names an endpoint without hostname', () => {
    const server = serverOf([{ address: '10.0.0.2', podName: 'web-b' }])
    check(server, { qname: `web-b.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' })
  })
})

describe('records.ignoreEmptyService', () => {
  const server = createAnswering({ ignoreEmptyService: true })
  server.services.upsert(clusterIP('api', ['10.96.0.1']))
  external(server, 'db', 'db.example.com')

  it('a ClusterIP Service without ready endpoints does not exist, nor has its address a PTR', () => {
    checkAll(server, [
      { qname: 'api.default.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: '1.0.96.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
    ])
  })

  it('it comes with its first ready endpoint and goes with the last', () => {
    const qname = 'api.default.svc.cluster.local'
    server.slices.upsert(slice('api', [{ address: '10.0.0.1' }]))
    server.flush()
    check(server, { qname, qtype: 'A', answer: [`${qname}. 5 A 10.96.0.1`] })
    server.slices.upsert(slice('api', [{ address: '10.0.0.1', ready: false }]))
    server.flush()
    check(server, { qname, qtype: 'A', rcode: 'NXDOMAIN' })
  })

  it('an ExternalName Service is exempt', () => {
    const qname = 'db.default.svc.cluster.local'
    check(server, { qname, qtype: 'CNAME', answer: [`${qname}. 5 CNAME db.example.com.`] })
  })
})

describe('records.noEndpoints', () => {
  it('headless names, endpoint names and their PTRs do not exist; ClusterIPs are served', () => {
    const server = serverOf([{ address: '10.0.0.1', hostname: 'a' }], { noEndpoints: true })
    server.services.upsert(clusterIP('api', ['10.96.0.1']))
    server.flush()
    const qname = 'api.default.svc.cluster.local'
    checkAll(server, [
      { qname: WEB, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: `a.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: '1.0.0.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
      { qname, qtype: 'A', answer: [`${qname}. 5 A 10.96.0.1`] },
    ])
  })
})

describe('namespaces', () => {
  it('only the chosen ones exist, in forward and reverse zones', () => {
    const server = createAnswering({ namespaces: ['default'] })
    server.services.upsert(clusterIP('api', ['10.96.0.1']))
    server.services.upsert(clusterIP('api', ['10.96.0.2'], 'secret'))
    server.flush()
    const qname = 'api.default.svc.cluster.local'
    checkAll(server, [
      { qname, qtype: 'A', answer: [`${qname}. 5 A 10.96.0.1`] },
      { qname: 'api.secret.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: '2.0.96.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
    ])
  })

  it('while Namespaces are watched, a Service is served from the moment its Namespace is there', () => {
    const server = createAnswering({ watchNamespaces: true })
    const qname = 'api.default.svc.cluster.local'
    server.services.upsert(clusterIP('api', ['10.96.0.1']))
    server.flush()
    check(server, { qname, qtype: 'A', rcode: 'NXDOMAIN' })
    server.namespaces.upsert({ name: 'default' })
    server.flush()
    check(server, { qname, qtype: 'A', answer: [`${qname}. 5 A 10.96.0.1`] })
    server.namespaces.remove('', 'default')
    server.flush()
    check(server, { qname, qtype: 'A', rcode: 'NXDOMAIN' })
  })
})

describe('pod names', () => {
  const v4 = '10-1-0-5.default.pod.cluster.local'
  const v6 = 'fd00--5.default.pod.cluster.local'

  it('disabled: none', () => {
    checkAll(createAnswering(), [
      { qname: v4, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: v6, qtype: 'AAAA', rcode: 'NXDOMAIN' },
    ])
  })

  it('insecure: any address, from the label alone', () => {
    checkAll(createAnswering({ pods: 'insecure' }), [
      { qname: v4, qtype: 'A', answer: [`${v4}. 5 A 10.1.0.5`] },
      { qname: v6, qtype: 'AAAA', answer: [`${v6}. 5 AAAA fd00::5`] },
      { qname: v4, qtype: 'AAAA' },
      { qname: v4, qtype: 'SRV' },
      { qname: '10-1-0-256.default.pod.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: 'web.default.pod.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: 'default.pod.cluster.local', qtype: 'A' },
    ])
  })

  it('insecure, namespaces chosen: only below those', () => {
    const server = createAnswering({ pods: 'insecure', namespaces: ['default'], namespacesAreChosen: true })
    checkAll(server, [
      { qname: v4, qtype: 'A', answer: [`${v4}. 5 A 10.1.0.5`] },
      { qname: '10-1-0-5.other.pod.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
    ])
  })

  it('verified: only addresses that a Pod of the namespace has, each of its families', () => {
    const server = createAnswering({ pods: 'verified', watchPods: true })
    server.pods.upsert({ namespace: 'default', name: 'p', addresses: ['10.1.0.5', 'fd00::5'] })
    server.flush()
    checkAll(server, [
      { qname: v4, qtype: 'A', answer: [`${v4}. 5 A 10.1.0.5`] },
      { qname: v6, qtype: 'AAAA', answer: [`${v6}. 5 AAAA fd00::5`] },
      { qname: '10-1-0-6.default.pod.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: '10-1-0-5.other.pod.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
    ])
    server.pods.remove('default', 'p')
    server.flush()
    check(server, { qname: v4, qtype: 'A', rcode: 'NXDOMAIN' })
  })

  it('verified: an address that two Pods share, as on the host network, stays until both are gone', () => {
    const server = createAnswering({ pods: 'verified', watchPods: true })
    for (const name of ['p', 'q']) server.pods.upsert({ namespace: 'default', name, addresses: ['10.1.0.5'] })
    server.flush()
    server.pods.remove('default', 'p')
    server.flush()
    check(server, { qname: v4, qtype: 'A', answer: [`${v4}. 5 A 10.1.0.5`] })
    server.pods.remove('default', 'q')
    server.flush()
    check(server, { qname: v4, qtype: 'A', rcode: 'NXDOMAIN' })
  })

  it('verified, Namespaces watched: a Pod that came before its Namespace is served once that is there', () => {
    const server = createAnswering({ pods: 'verified', watchPods: true, watchNamespaces: true })
    server.pods.upsert({ namespace: 'default', name: 'p', addresses: ['10.1.0.5'] })
    server.flush()
    check(server, { qname: v4, qtype: 'A', rcode: 'NXDOMAIN' })
    server.namespaces.upsert({ name: 'default' })
    server.flush()
    check(server, { qname: v4, qtype: 'A', answer: [`${v4}. 5 A 10.1.0.5`] })
    server.namespaces.remove('', 'default')
    server.flush()
    check(server, { qname: v4, qtype: 'A', rcode: 'NXDOMAIN' })
  })
})

describe('ExternalName', () => {
  it('a chain of Services inside the zone is followed to its end', () => {
    const server = serverOf([{ address: '10.0.0.1' }])
    external(server, 'one', 'two.default.svc.cluster.local')
    external(server, 'two', WEB)
    check(server, {
      qname: 'one.default.svc.cluster.local',
      qtype: 'A',
      answer: [
        'one.default.svc.cluster.local. 5 CNAME two.default.svc.cluster.local.',
        `two.default.svc.cluster.local. 5 CNAME ${WEB}.`,
        `${WEB}. 5 A 10.0.0.1`,
      ],
    })
  })

  it('an externalName that is an address gives no record: NXDOMAIN', () => {
    const server = createAnswering()
    external(server, 'db', '192.0.2.1')
    external(server, 'db6', 'fd00::1')
    checkAll(server, [
      { qname: 'db.default.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: 'db6.default.svc.cluster.local', qtype: 'AAAA', rcode: 'NXDOMAIN' },
    ])
  })

  it('nothing exists below an ExternalName', () => {
    const server = createAnswering()
    external(server, 'db', 'db.example.com')
    check(server, { qname: 'x.db.default.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' })
  })

  it('a loop is SERVFAIL, and costs a bounded number of steps', () => {
    const server = createAnswering()
    external(server, 'a', 'b.default.svc.cluster.local')
    external(server, 'b', 'a.default.svc.cluster.local')
    const asked = server.ask('a.default.svc.cluster.local', 'A')
    assert.deepEqual([asked.rcode, asked.answers, asked.flags.aa], ['SERVFAIL', [], false])
  })
})

describe('zonal names of a headless Service', () => {
  const server = serverOf([
    { address: '10.0.0.1', zone: 'eu-1a' },
    { address: '10.0.0.2', zone: 'eu-1b' },
    { address: '10.0.0.3', zone: 'x.y' },
    { address: '10.0.0.4' },
  ])
  const at = (labels: string): string => `${labels}._zone.${WEB}`

  it('pin: only the endpoints of that zone; NODATA when there are none', () => {
    checkAll(server, [
      { qname: at('eu-1a.pin'), qtype: 'A', answer: [`${at('eu-1a.pin')}. 5 A 10.0.0.1`] },
      { qname: at('EU-1A.pin'), qtype: 'A', answer: [`${at('EU-1A.pin')}. 5 A 10.0.0.1`] },
      { qname: at('x.y.pin'), qtype: 'A', answer: [`${at('x.y.pin')}. 5 A 10.0.0.3`] },
      { qname: at('eu-1a.pin'), qtype: 'AAAA' },
      { qname: at('eu-1c.pin'), qtype: 'A' },
    ])
  })

  it('prefer: the endpoints of that zone, all of them when it has none', () => {
    const all = [1, 2, 3, 4].map(i => `${at('eu-1c.prefer')}. 5 A 10.0.0.${i}`)
    checkAll(server, [
      { qname: at('eu-1b.prefer'), qtype: 'A', answer: [`${at('eu-1b.prefer')}. 5 A 10.0.0.2`] },
      { qname: at('eu-1c.prefer'), qtype: 'A', answer: all },
    ])
  })

  it('the names between exist, others do not', () => {
    checkAll(server, [
      { qname: `_zone.${WEB}`, qtype: 'A' },
      { qname: at('pin'), qtype: 'A' },
      { qname: at('prefer'), qtype: 'A' },
      { qname: at('other'), qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: at('eu-1a.other'), qtype: 'A', rcode: 'NXDOMAIN' },
    ])
  })
})

describe('apex', () => {
  it('SOA: ns.dns and hostmaster of the zone, 7200 1800 86400, and the negative TTL', () => {
    const server = createAnswering({ negativeTtl: 3 })
    const qname = 'cluster.local'
    const [answer] = server.ask(qname, 'SOA').answers
    assert.match(
      answer!,
      /^cluster\.local\. 5 SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. \d+ 7200 1800 86400 3$/,
    )
  })

  it('NS: ns.dns of the zone, with its address', () => {
    const server = createAnswering({ ownV4: [0x0a000035], ownV6: new Uint8Array(0) })
    check(server, {
      qname: 'cluster.local',
      qtype: 'NS',
      answer: ['cluster.local. 5 NS ns.dns.cluster.local.'],
      additional: ['ns.dns.cluster.local. 5 A 10.0.0.53'],
    })
    check(server, { qname: 'ns.dns.cluster.local', qtype: 'A', answer: ['ns.dns.cluster.local. 5 A 10.0.0.53'] })
  })
})

describe('before the first sync', () => {
  it('every name of the zones is SERVFAIL, never NXDOMAIN or NODATA; names outside are REFUSED', () => {
    const server = createAnswering({ unsynced: true })
    server.services.upsert(clusterIP('api', ['10.96.0.1']))
    server.flush()
    for (const [qname, qtype] of [
      ['api.default.svc.cluster.local', 'A'],
      ['api.default.svc.cluster.local', 'AAAA'],
      ['none.default.svc.cluster.local', 'A'],
      ['svc.cluster.local', 'A'],
      ['1.0.96.10.in-addr.arpa', 'PTR'],
    ] as const) {
      const asked = server.ask(qname, qtype)
      assert.deepEqual(
        [asked.rcode, asked.answers, asked.authority, asked.flags.aa],
        ['SERVFAIL', [], [], false],
        qname,
      )
    }
    assert.equal(server.ask('www.example.com', 'A').rcode, 'REFUSED')
  })
})

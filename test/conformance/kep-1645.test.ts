/**
 * KEP-1645, Multi-Cluster Services, "DNS": the names of ServiceImports in the zones of a clusterset.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { importedSliceFromApi, serviceImportFromApi } from '../../src/cluster/from-api.ts'
import type { EndpointSlice, Service } from '../../src/cluster/objects.ts'
import { parseName } from '../../src/wire/name.ts'
import { type Answering, clusterIP, createAnswering, importSinks } from '../support/answering.ts'
import { check, checkAll } from '../support/cases.ts'

const WEB = 'web.default.svc.clusterset.local'
const PORTS = [{ name: 'http', protocol: 'TCP', port: 80 }]

function serviceImport(spec: object): Service {
  return serviceImportFromApi({ metadata: { namespace: 'default', name: 'web' }, spec }) as Service
}

function slice(cluster: string, endpoints: object[], name = `web-${cluster}`): EndpointSlice {
  const labels = {
    'multicluster.kubernetes.io/service-name': 'web',
    'multicluster.kubernetes.io/source-cluster': cluster,
  }
  const raw = { metadata: { namespace: 'default', name, labels }, addressType: 'IPv4', ports: PORTS, endpoints }
  return importedSliceFromApi(raw) as EndpointSlice
}

interface Filled {
  readonly server: Answering
  put(service: Service | undefined, ...slices: EndpointSlice[]): void
}

function filled(): Filled {
  const server = createAnswering({ multicluster: [parseName('clusterset.local')!] })
  const imports = importSinks(server)
  for (const sink of [imports.services, imports.slices]) sink.replaceAll().commit()
  return {
    server,
    put(service, ...slices) {
      if (service !== undefined) imports.services.upsert(service)
      for (const one of slices) imports.slices.upsert(one)
      imports.flush()
    },
  }
}

const CLUSTERSET_IP = { type: 'ClusterSetIP', ips: ['10.42.0.1', 'fd42::1'], ports: PORTS }
const HEADLESS = { type: 'Headless', ports: PORTS }

describe('a ServiceImport of type ClusterSetIP that has no IP yet', () => {
  it('is there, with its ports, and has no record: RFC 2782, an SRV leads to an address', () => {
    const { server, put } = filled()
    put(serviceImport({ ...CLUSTERSET_IP, ips: [] }))
    checkAll(server, [
      { qname: WEB, qtype: 'A' },
      { qname: WEB, qtype: 'SRV' },
      { qname: `_http._tcp.${WEB}`, qtype: 'SRV' },
    ])
    put(serviceImport(CLUSTERSET_IP))
    assert.equal(server.ask(`_http._tcp.${WEB}`, 'SRV').answers.length, 1)
  })
})

describe('a ServiceImport of type ClusterSetIP', () => {
  const { server, put } = filled()
  put(serviceImport(CLUSTERSET_IP), slice('east', [{ addresses: ['10.0.0.1'] }]))

  it('<service>.<ns>.svc.<zone>: A and AAAA are its IPs', () => {
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.42.0.1`] },
      { qname: WEB, qtype: 'AAAA', answer: [`${WEB}. 5 AAAA fd42::1`] },
    ])
  })

  it('_<port>._<protocol>.<service>.<ns>.svc.<zone>: SRV with the Service as target', () => {
    check(server, {
      qname: `_http._tcp.${WEB}`,
      qtype: 'SRV',
      answer: [`_http._tcp.${WEB}. 5 SRV 0 100 80 ${WEB}.`],
      additional: [`${WEB}. 5 A 10.42.0.1`, `${WEB}. 5 AAAA fd42::1`],
    })
  })

  it('its IPs have no PTR: each has one in its own cluster', () => {
    check(server, { qname: '1.0.42.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' })
    check(server, { qname: '1.0.0.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' })
  })

  it('dns-version.<zone> says which schema the zone has', () => {
    assert.deepEqual(server.ask('dns-version.clusterset.local', 'TXT').answers.length, 1)
  })

  it('the zones of the cluster know nothing of it, and it nothing of them', () => {
    server.services.upsert(clusterIP('own', ['10.96.0.7']))
    server.flush()
    check(server, { qname: 'web.default.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' })
    check(server, { qname: 'own.default.svc.clusterset.local', qtype: 'A', rcode: 'NXDOMAIN' })
  })
})

describe('a headless ServiceImport', () => {
  const { server, put } = filled()
  put(
    serviceImport(HEADLESS),
    slice('east', [
      { addresses: ['10.0.0.1'], hostname: 'a' },
      { addresses: ['10.0.0.2'], conditions: { ready: false } },
    ]),
    slice('West.EU', [{ addresses: ['10.1.0.1'], hostname: 'a' }, { addresses: ['10.1.0.2'] }]),
  )

  it('<service>.<ns>.svc.<zone>: the ready endpoints of all clusters', () => {
    const answer = ['10.0.0.1', '10.1.0.1', '10.1.0.2'].map(address => `${WEB}. 5 A ${address}`)
    check(server, { qname: WEB, qtype: 'A', answer })
  })

  it('<hostname>.<clusterid>.<service>.<ns>.svc.<zone>: one endpoint of one cluster; the same hostname in two is two names', () => {
    checkAll(server, [
      { qname: `a.east.${WEB}`, qtype: 'A', answer: [`a.east.${WEB}. 5 A 10.0.0.1`] },
      { qname: `a.west.eu.${WEB}`, qtype: 'A', answer: [`a.west.eu.${WEB}. 5 A 10.1.0.1`] },
      { qname: `A.WEST.eu.${WEB}`, qtype: 'AAAA' },
      { qname: `10-1-0-2.west.eu.${WEB}`, qtype: 'A', answer: [`10-1-0-2.west.eu.${WEB}. 5 A 10.1.0.2`] },
      { qname: `10-0-0-2.east.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: `a.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
    ])
  })

  it('a cluster alone is no name to choose it by: it is an empty non-terminal', () => {
    checkAll(server, [
      { qname: `east.${WEB}`, qtype: 'A' },
      { qname: `eu.${WEB}`, qtype: 'A' },
      { qname: `north.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' },
    ])
  })

  it('_<port>._<protocol>.<service>.<ns>.svc.<zone>: one SRV per endpoint, targets with their clusters', () => {
    const targets = ['a.east', 'a.west.eu', '10-1-0-2.west.eu'].map(label => `${label}.${WEB}`)
    check(server, {
      qname: `_http._tcp.${WEB}`,
      qtype: 'SRV',
      answer: targets.map(target => `_http._tcp.${WEB}. 5 SRV 0 33 80 ${target}.`),
      additional: targets.map((target, i) => `${target}. 5 A ${['10.0.0.1', '10.1.0.1', '10.1.0.2'][i]}`),
    })
  })

  it('an endpoint that is ready no more, and a slice that goes, take their names with them', () => {
    put(undefined, slice('east', [{ addresses: ['10.0.0.1'], hostname: 'a', conditions: { ready: false } }]))
    check(server, { qname: `a.east.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' })
    check(server, { qname: `east.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' })
    check(server, { qname: `a.west.eu.${WEB}`, qtype: 'A', answer: [`a.west.eu.${WEB}. 5 A 10.1.0.1`] })
  })
})

describe('before the first lists', () => {
  it('names of the clusterset are SERVFAIL, those of the cluster are answered; and the other way round', () => {
    const server = createAnswering({ multicluster: [parseName('clusterset.local')!] })
    const imports = importSinks(server)
    assert.equal(server.ask(WEB, 'A').rcode, 'SERVFAIL')
    assert.equal(server.ask('clusterset.local', 'SOA').rcode, 'SERVFAIL')
    assert.equal(server.ask('web.default.svc.cluster.local', 'A').rcode, 'NXDOMAIN')
    for (const sink of [imports.services, imports.slices]) sink.replaceAll().commit()
    imports.flush()
    assert.equal(server.ask(WEB, 'A').rcode, 'NXDOMAIN')
    const unsynced = createAnswering({ multicluster: [parseName('clusterset.local')!], unsynced: true })
    const early = importSinks(unsynced)
    for (const sink of [early.services, early.slices]) sink.replaceAll().commit()
    early.flush()
    assert.equal(unsynced.ask('web.default.svc.cluster.local', 'A').rcode, 'SERVFAIL')
  })
})

describe('objects that say too little', () => {
  const raw = (spec: unknown) => serviceImportFromApi({ metadata: { namespace: 'default', name: 'web' }, spec })

  it('a ServiceImport of no known type gives none, and says so; addresses that are none are left out', () => {
    assert.match(String(raw({})), /spec\.type undefined is none of ClusterSetIP, Headless/)
    assert.match(String(serviceImportFromApi({})), /without metadata\.name/)
    const { clusterIPs, omitted } = raw({ type: 'ClusterSetIP', ips: ['10.0.0.300', '10.0.0.3', 7] }) as Service
    assert.deepEqual(clusterIPs, ['10.0.0.3'])
    assert.equal(omitted!.length, 1)
  })

  it('endpoints of a slice whose cluster is no name are answered without it', () => {
    const { server, put } = filled()
    put(serviceImport(HEADLESS), slice('not a name', [{ addresses: ['10.0.0.1'], hostname: 'a' }]))
    check(server, { qname: WEB, qtype: 'A', answer: [`${WEB}. 5 A 10.0.0.1`] })
    check(server, { qname: `a.${WEB}`, qtype: 'A', answer: [`a.${WEB}. 5 A 10.0.0.1`] })
    assert.match(String(slice('x..y', []).omitted), /"x\.\.y" is no name/)
  })
})

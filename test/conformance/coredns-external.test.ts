/**
 * What CoreDNS's plugin k8s_external serves: Services under the addresses by which they are reached from outside.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Port, Service } from '../../src/cluster/objects.ts'
import type { ExternalOptions } from '../../src/records/options.ts'
import { parseName } from '../../src/wire/name.ts'
import { type Answering, clusterIP, createAnswering, headless, slice } from '../support/answering.ts'
import { check, checkAll } from '../support/cases.ts'

const HTTP: Port = { name: 'http', protocol: 'tcp', port: 80 }
const EXTERNAL: ExternalOptions = { zones: [parseName('ext.example')!], ttl: 30, headless: false, reverse: false }
const WEB = 'web.default.ext.example'

function serverOf(service: Service, options: Partial<ExternalOptions> = {}): Answering {
  const server = createAnswering({ external: { ...EXTERNAL, ...options } })
  put(server, service)
  return server
}

function put(server: Answering, service: Service): void {
  server.services.upsert(service)
  server.flush()
}

function balanced(more: Partial<Service>): Service {
  return { ...clusterIP('web', ['10.96.0.1'], 'default', [HTTP]), ...more }
}

describe('the zone', () => {
  const server = serverOf(balanced({ externalIPs: ['192.0.2.1'] }))

  it('has an SOA, an NS and the address of its name server; the namespace is an empty non-terminal', () => {
    assert.equal(server.ask('ext.example', 'SOA').answers.length, 1)
    assert.deepEqual(server.ask('ext.example', 'NS').answers, ['ext.example. 30 NS ns.dns.ext.example.'])
    assert.deepEqual(server.ask('ns.dns.ext.example', 'A').answers, ['ns.dns.ext.example. 30 A 127.0.0.1'])
    check(server, { qname: 'default.ext.example', qtype: 'A' })
  })

  it('has no names of pods, and none of the cluster zone; the cluster zone has none of its', () => {
    checkAll(server, [
      { qname: 'web.default.svc.ext.example', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: '10-0-0-1.default.pod.ext.example', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: 'web.default.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
    ])
  })
})

describe('a Service with external addresses', () => {
  it('A and AAAA are the external IPs and the addresses of the load balancer, with the TTL of the zone; SRV leads to its name', () => {
    const server = serverOf(balanced({ externalIPs: ['192.0.2.1', '2001:db8::1'] }))
    const additional = [`${WEB}. 30 A 192.0.2.1`, `${WEB}. 30 AAAA 2001:db8::1`]
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 30 A 192.0.2.1`] },
      { qname: WEB, qtype: 'AAAA', answer: [`${WEB}. 30 AAAA 2001:db8::1`] },
      { qname: `_http._tcp.${WEB}`, qtype: 'SRV', answer: [`_http._tcp.${WEB}. 30 SRV 0 100 80 ${WEB}.`], additional },
      { qname: WEB, qtype: 'TXT' },
      { qname: `_udp.${WEB}`, qtype: 'SRV', rcode: 'NXDOMAIN' },
    ])
    assert.deepEqual(server.ask('web.default.svc.cluster.local', 'A').answers, [
      'web.default.svc.cluster.local. 5 A 10.96.0.1',
    ])
  })

  it('one that is not reached from outside does not exist there; it comes and goes with its addresses', () => {
    const server = serverOf(balanced({}))
    check(server, { qname: WEB, qtype: 'A', rcode: 'NXDOMAIN' })
    put(server, balanced({ externalIPs: ['192.0.2.7'] }))
    check(server, { qname: WEB, qtype: 'A', answer: [`${WEB}. 30 A 192.0.2.7`] })
    put(server, balanced({}))
    check(server, { qname: WEB, qtype: 'A', rcode: 'NXDOMAIN' })
    check(server, { qname: 'default.ext.example', qtype: 'A', rcode: 'NXDOMAIN' })
  })

  it('a load balancer that is known by a name gives a CNAME', () => {
    const server = serverOf(balanced({ externalHost: 'lb.example.com' }))
    check(server, { qname: WEB, qtype: 'A', answer: [`${WEB}. 30 CNAME lb.example.com.`] })
  })

  it('an ExternalName Service has no name there', () => {
    const service: Service = { ...headless('web'), kind: 'externalName', externalName: 'a.example', ports: [] }
    check(serverOf(service), { qname: WEB, qtype: 'A', rcode: 'NXDOMAIN' })
  })
})

describe('headless', () => {
  const endpoints = [{ address: '10.0.0.1', hostname: 'a' }, { address: '10.0.0.2' }]

  function filled(service: Service, options: Partial<ExternalOptions>): Answering {
    const server = createAnswering({ external: { ...EXTERNAL, ...options } })
    server.slices.upsert(slice('web', endpoints, { ports: [HTTP] }))
    put(server, service)
    return server
  }

  it('off: a headless Service without external addresses does not exist', () => {
    check(filled(headless('web'), {}), { qname: WEB, qtype: 'A', rcode: 'NXDOMAIN' })
  })

  it('on: its ready endpoints, by address and by name', () => {
    const server = filled(headless('web'), { headless: true })
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 30 A 10.0.0.1`, `${WEB}. 30 A 10.0.0.2`] },
      { qname: `a.${WEB}`, qtype: 'A', answer: [`a.${WEB}. 30 A 10.0.0.1`] },
      { qname: `10-0-0-2.${WEB}`, qtype: 'A', answer: [`10-0-0-2.${WEB}. 30 A 10.0.0.2`] },
      {
        qname: `_http._tcp.${WEB}`,
        qtype: 'SRV',
        answer: [`_http._tcp.${WEB}. 30 SRV 0 50 80 a.${WEB}.`, `_http._tcp.${WEB}. 30 SRV 0 50 80 10-0-0-2.${WEB}.`],
        additional: [`a.${WEB}. 30 A 10.0.0.1`, `10-0-0-2.${WEB}. 30 A 10.0.0.2`],
      },
    ])
  })

  it('external addresses stand in for the endpoints as long as there are any', () => {
    const server = filled({ ...headless('web'), externalIPs: ['192.0.2.1'] }, { headless: true })
    check(server, { qname: WEB, qtype: 'A', answer: [`${WEB}. 30 A 192.0.2.1`] })
    check(server, { qname: `a.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' })
    put(server, headless('web'))
    check(server, { qname: `a.${WEB}`, qtype: 'A', answer: [`a.${WEB}. 30 A 10.0.0.1`] })
    put(server, { ...headless('web'), externalIPs: ['192.0.2.1'] })
    check(server, { qname: `a.${WEB}`, qtype: 'A', rcode: 'NXDOMAIN' })
  })
})

describe('PTR', () => {
  const owner = '1.2.0.192.in-addr.arpa'

  it('of an external address: only when it is asked for, the name in the external zone', () => {
    check(serverOf(balanced({ externalIPs: ['192.0.2.1'] })), { qname: owner, qtype: 'PTR', rcode: 'NXDOMAIN' })
    const server = serverOf(balanced({ externalIPs: ['192.0.2.1'] }), { reverse: true })
    check(server, { qname: owner, qtype: 'PTR', answer: [`${owner}. 5 PTR ${WEB}.`] })
    put(server, balanced({}))
    check(server, { qname: owner, qtype: 'PTR', rcode: 'NXDOMAIN' })
  })
})

describe('a zone of ours below the external zone', () => {
  it('keeps its names, whatever Services are called: RFC 1034 §4.2', () => {
    const zones = [parseName('prod.example.com')!]
    const server = createAnswering({
      zones,
      pods: 'insecure',
      external: { ...EXTERNAL, zones: [parseName('example.com')!] },
    })
    const names = ['dns-version', 'svc', 'pod', 'direct', 'web']
    const asked = () =>
      [
        ...names.map(name => `${name}.prod.example.com`),
        '10-0-0-1.any.pod.prod.example.com',
        'web.other.example.com',
      ].map(name => ['A', 'TXT'].map(type => [server.ask(name, type).rcode, server.ask(name, type).answers]))
    server.flush()
    const before = asked()
    const services = names.map(name => ({
      ...clusterIP(name, ['10.96.0.1'], 'prod', [HTTP]),
      externalIPs: ['192.0.2.1'],
    }))
    for (const service of services) put(server, service)
    assert.deepEqual(asked(), before)
    put(server, { ...services[0]!, name: 'web', namespace: 'other' })
    check(server, { qname: 'web.other.example.com', qtype: 'A', answer: ['web.other.example.com. 30 A 192.0.2.1'] })
    for (const { name, namespace } of [...services, { name: 'web', namespace: 'other' }]) {
      server.services.remove(namespace, name)
    }
    server.flush()
    assert.deepEqual(asked(), before)
  })
})

describe('records.ignoreEmptyService', () => {
  it('takes away no name outside the cluster, and no PTR to one', () => {
    const server = createAnswering({ ignoreEmptyService: true, external: { ...EXTERNAL, reverse: true } })
    put(server, balanced({ externalIPs: ['192.0.2.1'] }))
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 30 A 192.0.2.1`] },
      { qname: '1.2.0.192.in-addr.arpa', qtype: 'PTR', answer: [`1.2.0.192.in-addr.arpa. 5 PTR ${WEB}.`] },
      { qname: 'web.default.svc.cluster.local', qtype: 'A', rcode: 'NXDOMAIN' },
      { qname: '1.0.96.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
    ])
    server.slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
    server.flush()
    check(server, {
      qname: '1.0.96.10.in-addr.arpa',
      qtype: 'PTR',
      answer: ['1.0.96.10.in-addr.arpa. 5 PTR web.default.svc.cluster.local.'],
    })
    server.slices.remove('default', slice('web', []).name)
    server.flush()
    checkAll(server, [
      { qname: WEB, qtype: 'A', answer: [`${WEB}. 30 A 192.0.2.1`] },
      { qname: '1.0.96.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
    ])
  })
})

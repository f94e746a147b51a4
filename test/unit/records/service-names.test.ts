import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { joinEndpoints } from '../../../src/records/join.ts'
import { base, serviceNames } from '../../../src/records/service-names.ts'
import { type Answering, createAnswering, headless, slice } from '../../support/answering.ts'

const WEB = 'web.default.svc.cluster.local'
const HTTP = { name: 'http', protocol: 'tcp', port: 80 }

/** What is answered below the zonal name of `web`, sorted. */
function addressesAt(server: Answering, name: string, type: string): (string | undefined)[] {
  const { answers } = server.ask(`${name}._zone.${WEB}`, type)
  return answers.map(answer => answer.split(' ').at(-1)).sort()
}

describe('sizes no sane cluster has', () => {
  it('3,500 topology zones: the first 512 have names, no answer holds what no endpoint has', () => {
    const zone = (i: number): string => `${'z'.repeat(58)}-${String(i).padStart(4, '0')}`
    const endpoints = Array.from({ length: 3500 }, (_, i) => ({ address: `10.0.${i >>> 8}.${i & 255}`, zone: zone(i) }))
    const server = createAnswering()
    server.services.upsert(headless('web'))
    server.slices.upsert(slice('web', endpoints))
    server.flush()
    assert.equal(server.ask(`${zone(511)}.pin._zone.${WEB}`, 'A').answers.length, 1)
    assert.equal(server.ask(`${zone(512)}.pin._zone.${WEB}`, 'A').answers.length, 0)
    const known = new Set(endpoints.map(({ address }) => address))
    const { answers } = server.ask(`none.prefer._zone.${WEB}`, 'A', { stream: true })
    assert.equal(answers.length, 3500)
    for (const answer of answers) assert.ok(known.has(answer.split(' ').at(-1)!), answer)
  })

  it('600 topology zones that are no names: the one that is has its name, and all are among those to prefer', () => {
    const bad = Array.from({ length: 600 }, (_, i) => ({ address: `10.0.${i >>> 8}.${i & 255}`, zone: `a..${i}` }))
    const server = createAnswering()
    server.services.upsert(headless('web'))
    server.slices.upsert(slice('web', [...bad, { address: '10.9.9.9', zone: 'z' }]))
    server.flush()
    assert.match(server.ask(`z.pin._zone.${WEB}`, 'A').answers.join(), / 10\.9\.9\.9$/)
    assert.equal(server.ask(`none.prefer._zone.${WEB}`, 'A', { stream: true }).answers.length, 601)
  })

  it('RFC 2181 §5: an address with a topology zone and without, or with one that is no name, is in no answer twice', () => {
    const server = createAnswering()
    server.services.upsert(headless('web'))
    for (const [type, address, other] of [
      ['A', '10.0.0.1', '10.0.0.2'],
      ['AAAA', 'fd00::1', 'fd00::2'],
    ] as const) {
      const zones = ['', 'a..b', 'c..d', 'z']
      const endpoints = zones.map((zone, i) => ({ address, zone, hostname: `h${i}` }))
      server.slices.upsert(slice('web', [...endpoints, { address: other, zone: '' }]))
      server.flush()
      const asked = (name: string) => addressesAt(server, name, type)
      assert.deepEqual(asked('z.pin'), [address])
      assert.deepEqual(asked('none.prefer'), [address, other])
    }
  })

  it('RFC 2181 §5: an address in two topology zones is in the answer of each, and once in that of another', () => {
    const server = createAnswering()
    server.services.upsert(headless('web'))
    for (const [type, shared, ofA, ofB] of [
      ['A', '10.0.0.1', '10.0.0.2', '10.0.0.3'],
      ['AAAA', 'fd00::1', 'fd00::2', 'fd00::3'],
    ] as const) {
      const at = (address: string, zone: string) => ({ address, zone, hostname: `h-${zone}` })
      const endpoints = [at(shared, 'a'), at(ofA, 'a'), at(shared, 'b'), at(ofB, 'b'), at(shared, 'c')]
      server.slices.upsert(slice('web', endpoints))
      server.flush()
      const asked = (name: string) => addressesAt(server, name, type)
      const sets = { a: [shared, ofA], b: [shared, ofB], c: [shared], none: [shared, ofA, ofB] }
      for (const [zone, addresses] of Object.entries(sets)) {
        assert.deepEqual(asked(`${zone}.prefer`), addresses)
        assert.deepEqual(asked(`${zone}.pin`), zone === 'none' ? [] : addresses)
      }
    }
  })

  // RFC 2181 §5.1: all the records of an RRset are sent, or TC is set
  it('RFC 2181 §5.1: a target with more addresses than the table counts has none of them in the additional section', () => {
    const endpoints = Array.from({ length: 256 }, (_, i) => ({ address: `10.0.1.${i}`, hostname: 'a' }))
    const server = createAnswering()
    server.services.upsert(headless('web'))
    server.slices.upsert(slice('web', endpoints, { ports: [HTTP] }))
    server.flush()
    for (const qname of [WEB, `_http._tcp.${WEB}`]) {
      const { answers, additional, flags } = server.ask(qname, 'SRV', { stream: true })
      assert.deepEqual([answers.length, additional.length, flags.tc], [1, 0, false])
    }
    assert.equal(server.ask(`a.${WEB}`, 'A', { stream: true }).answers.length, 256)
  })

  it('a port name longer than a label has no name, and takes no other name away', () => {
    const ports = [{ ...HTTP, name: 'x'.repeat(63) }, HTTP]
    const server = createAnswering()
    server.services.upsert(headless('web'))
    server.slices.upsert(slice('web', [{ address: '10.0.0.1' }], { ports }))
    server.flush()
    assert.equal(server.ask(`_http._tcp.${WEB}`, 'SRV').answers.length, 1)
    assert.equal(server.ask(WEB, 'SRV').answers.length, 1)
  })
})

describe('names of a Service', () => {
  const names = (kind: 'headless' | 'clusterIP' | 'externalName', ready: boolean): string[] => {
    const service = { ...headless('web'), kind, externalName: 'db.example.com', ports: [HTTP] }
    const slices = [slice('web', [{ address: '10.0.0.1', ready }], { ports: [HTTP] })]
    return serviceNames(service, joinEndpoints({ service, slices }, false)).map(({ branch, prefix }) =>
      [...prefix, ...base(service, branch)].join('.'),
    )
  }

  it('headless: itself, zonal, ports; and direct; none without a ready endpoint', () => {
    assert.deepEqual(names('headless', true), [
      'web.default.svc',
      '_http._tcp.web.default.svc',
      '_zone.web.default.svc',
      'web.default.direct',
      '_http._tcp.web.default.direct',
    ])
    assert.deepEqual(names('headless', false), [])
  })

  it('clusterIP: itself and its ports; and direct while there are ready endpoints', () => {
    const own = ['web.default.svc', '_http._tcp.web.default.svc']
    assert.deepEqual(names('clusterIP', false), own)
    assert.deepEqual(names('clusterIP', true), [...own, 'web.default.direct', '_http._tcp.web.default.direct'])
  })

  it('externalName: itself', () => {
    assert.deepEqual(names('externalName', true), ['web.default.svc'])
  })
})

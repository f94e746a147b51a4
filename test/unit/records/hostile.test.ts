/**
 * Whatever an API object holds, it gives the right records, or none with a reason; and what stands beside it is served.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { endpointSliceFromApi, namespaceFromApi, podFromApi, serviceFromApi } from '../../../src/cluster/from-api.ts'
import type { Kind } from '../../../src/cluster/objects.ts'
import type { ObjectSink } from '../../../src/cluster/sink.ts'
import { explainService } from '../../../src/records/explain.ts'
import type { RecordOptions } from '../../../src/records/options.ts'
import { parseIPv6, reverseNameOfIPv6 } from '../../../src/wire/address.ts'
import { formatName, parseName } from '../../../src/wire/name.ts'
import { type Answering, type AnsweringOptions, createAnswering } from '../../support/answering.ts'

const CONVERTERS: { readonly [K in Kind]: (raw: unknown) => unknown } = {
  Service: serviceFromApi,
  EndpointSlice: endpointSliceFromApi,
  Namespace: namespaceFromApi,
  Pod: podFromApi,
}

interface Hostile extends Answering {
  /** Objects as the API sends them; @returns sentences for those that gave no object */
  give(kind: Kind, ...raw: unknown[]): string[]
  /** Why something is not answered. */
  why(): string
  addresses(name?: string, type?: string): string[]
}

function start(options: AnsweringOptions = {}): Hostile {
  const server = createAnswering({ ...options, onUnpublished: error => assert.fail(error as Error) })
  const { services, slices, namespaces, pods } = server
  const sinks = { Service: services, EndpointSlice: slices, Namespace: namespaces, Pod: pods }
  const hostile: Hostile = {
    ...server,
    give(kind, ...all) {
      const refused = all.flatMap(raw => {
        // As it comes off the wire: `__proto__` is an ordinary key then.
        const made = CONVERTERS[kind](JSON.parse(JSON.stringify(raw) ?? 'null'))
        if (typeof made === 'string') return [made]
        const sink = sinks[kind] as ObjectSink<never>
        sink.upsert(made as never)
        return []
      })
      server.flush()
      return refused
    },
    why() {
      const view = server.serving.cluster.find('default', 'web')!
      const recordOptions = { zones: [parseName('cluster.local')!], ...options } as unknown as RecordOptions
      const { notes, endpoints } = explainService(view, recordOptions)
      const answered = new Set(endpoints.filter(({ isAnswered }) => isAnswered).map(({ address }) => address))
      if (view.service.kind === 'headless') assert.deepEqual(new Set(hostile.addresses()), answered)
      return [...notes, ...endpoints.flatMap(one => one.notes.map(note => `${one.address}: ${note}`))].join('\n')
    },
    addresses(name = 'web.default.svc.cluster.local', type = 'A') {
      return server
        .ask(name, type, { stream: true })
        .answers.map(record => record.split(' ').at(-1)!)
        .sort()
    },
  }
  hostile.give('Service', service({}, 'good'))
  hostile.give('EndpointSlice', slice({ endpoints: [{ addresses: ['10.9.9.9'] }] }, 'good'))
  return hostile
}

function service(spec: unknown, name: unknown = 'web'): object {
  const common = { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] }
  return { metadata: { name, namespace: 'default' }, spec: Object.assign(common, spec) }
}

function slice(fields: object, owner = 'web', name = `${owner}-1`): object {
  const labels = { 'kubernetes.io/service-name': owner }
  return { metadata: { name, namespace: 'default', labels }, addressType: 'IPv4', ports: [], ...fields }
}

function endpoint(address: unknown, more: object = {}): object {
  return { addresses: [address], ...more }
}

const GOOD = endpoint('10.0.0.1')

/** A slice with one good endpoint and something hostile. */
function served(fields: object, spec: unknown = {}, options: AnsweringOptions = {}): Hostile {
  const server = start(options)
  assert.deepEqual(server.give('Service', service(spec)), [])
  assert.deepEqual(server.give('EndpointSlice', slice({ endpoints: [GOOD], ...fields })), [])
  assert.deepEqual(server.addresses('good.default.svc.cluster.local'), ['10.9.9.9'])
  return server
}

describe('hostile EndpointSlices', () => {
  for (const [title, address] of [
    ['an address of the other family', 'fd00::1'],
    ['an address that is none', '10.0.0.300'],
    ['an address with a zone identifier', 'fe80::1%eth0'],
    ['an address with leading zeros', '010.0.0.2'],
    ['an empty address', ''],
    ['a number as an address', 167_772_162],
    ['null as an address', null],
    ['an object as an address', { toString: 1 }],
    ['a name as an address', 'db.example.com'],
    ['two megabytes of address', '1'.repeat(2 << 20)],
  ] as const) {
    it(`${title}: the others of the slice are served`, () => {
      const server = served({ endpoints: [endpoint(address), GOOD] })
      assert.deepEqual(server.addresses(), ['10.0.0.1'])
      const why = server.why()
      assert.match(why, /web-1: the address .* is no IPv4 address that a record can carry/)
      assert.ok(why.length < 300)
    })
  }

  it('addressType FQDN: none, and it says so', () => {
    const server = served({ addressType: 'FQDN', endpoints: [endpoint('db.example.com')] })
    assert.deepEqual(server.addresses(), [])
    assert.match(server.why(), /FQDN/)
  })

  it('an addressType that is none: the slice is refused, in a sentence', () => {
    const server = start()
    assert.match(server.give('EndpointSlice', slice({ addressType: { a: 1 } }))[0]!, /addressType an object is none of/)
  })

  for (const [title, ports] of [
    ['ports: null', null],
    ['ports as an object', { 0: { port: 80 } }],
    ['null for a port', [null]],
    ['a port without a number, which means all', [{ name: 'http' }]],
    ['a port number as text', [{ name: 'http', port: '80' }]],
    ['a port of 65536', [{ name: 'http', port: 65_536 }]],
    ['a port of -1', [{ name: 'http', port: -1 }]],
    ['half a port', [{ name: 'http', port: 80.5 }]],
  ] as const) {
    it(`${title}: addresses without SRV`, () => {
      const server = served({ ports })
      assert.deepEqual(server.addresses(), ['10.0.0.1'])
      assert.deepEqual(server.ask('web.default.svc.cluster.local', 'SRV').answers, [])
      if (Array.isArray(ports)) assert.match(server.why(), /has no number from 0 to 65535/)
    })
  }

  it('a port without a name: SRV at the Service’s name alone', () => {
    const server = served({ ports: [{ port: 80 }, { name: null, port: 81 }, { name: 7, port: 82 }] })
    assert.equal(server.ask('web.default.svc.cluster.local', 'SRV').answers.length, 3)
    assert.equal(server.ask('_tcp.web.default.svc.cluster.local', 'SRV').rcode, 'NXDOMAIN')
  })

  for (const name of ['a/b', 'a.b', '_x', 'x'.repeat(63), 'ü', '__proto__', 'a\u0000b', '-a', ' ']) {
    it(`the port name ${JSON.stringify(name)}: a port without a name of its own, and a reason`, () => {
      const server = served({ ports: [{ name, port: 80 }] }, { ports: [] })
      assert.equal(server.ask('web.default.svc.cluster.local', 'SRV').answers.length, 1)
      assert.equal(server.ask('_tcp.web.default.svc.cluster.local', 'SRV').rcode, 'NXDOMAIN')
      assert.match(server.why(), /are not both DNS labels/)
    })
  }

  it('a port name longer than any label is left out', () => {
    const server = served({ ports: [{ name: 'x'.repeat(2 << 20), port: 80 }] })
    assert.match(server.why(), /the name of a port .* is longer than 63 characters/)
  })

  it('a port name of 62 octets, in upper case, is a name', () => {
    const server = served({ ports: [{ name: 'X'.repeat(62), port: 80 }] })
    assert.equal(server.ask(`_${'x'.repeat(62)}._tcp.web.default.svc.cluster.local`, 'SRV').answers.length, 1)
  })

  it('a protocol with a slash, and a weird appProtocol: no SRV name of another port', () => {
    const ports = [
      { name: 'a', port: 80, protocol: 'b/tcp', appProtocol: 'kubernetes.io/h2c' },
      { name: 'a', port: 81, appProtocol: { a: 1 } },
    ]
    const server = served({ ports })
    assert.match(server.ask('_a._tcp.web.default.svc.cluster.local', 'SRV').answers.join(), / 81 [^,]*$/)
    assert.match(server.why(), /b\/tcp/)
  })

  for (const [title, conditions] of [
    ['no conditions', undefined],
    ['conditions: null', null],
    ['conditions.ready: null', { ready: null }],
    ['conditions.ready as text', { ready: 'false' }],
    ['conditions as a list', [false]],
    ['conditions of the prototype', JSON.parse('{"__proto__":{"ready":false}}')],
  ] as const) {
    it(`${title}: ready`, () => {
      assert.deepEqual(served({ endpoints: [endpoint('10.0.0.1', { conditions })] }).addresses(), ['10.0.0.1'])
    })
  }

  it('not ready, and terminating: not answered, and it says which', () => {
    const endpoints = [
      endpoint('10.0.0.2', { conditions: { ready: false } }),
      endpoint('10.0.0.3', { conditions: { ready: false, terminating: true } }),
    ]
    const server = served({ endpoints })
    assert.match(server.why(), /^10\.0\.0\.2: it is not ready$/m)
    assert.match(server.why(), /^10\.0\.0\.3: it is terminating$/m)
    assert.match(server.why(), /without a ready endpoint a headless Service has no name/)
  })

  it('endpoints: null; an endpoint that is null, a number, a list; addresses: null', () => {
    assert.deepEqual(served({ endpoints: null }).addresses(), [])
    const endpoints = [null, 5, [], { addresses: null }, { addresses: 'x' }, GOOD]
    assert.deepEqual(served({ endpoints }).addresses(), ['10.0.0.1'])
  })

  for (const hostname of ['a.b', '-a', '*', 'ä', '_tcp', '_http', '__proto__', 'a b', 'x'.repeat(64), '\u0000']) {
    it(`the hostname ${JSON.stringify(hostname)}: the dashed address stands in, with a reason`, () => {
      const server = served({ endpoints: [endpoint('10.0.0.1', { hostname })] })
      assert.deepEqual(server.addresses('10-0-0-1.web.default.svc.cluster.local'), ['10.0.0.1'])
      assert.match(server.why(), /hostname .* is (no DNS label|longer than 63 characters)/)
    })
  }

  for (const hostname of ['constructor', 'toString', 'HASOWNPROPERTY', 'valueof']) {
    it(`the hostname ${hostname} is a name as any other`, () => {
      const server = served({ endpoints: [endpoint('10.0.0.1', { hostname })] })
      assert.deepEqual(server.addresses(`${hostname.toLowerCase()}.web.default.svc.cluster.local`), ['10.0.0.1'])
      assert.equal(server.why(), '')
    })
  }

  it('a hostname that several share, in several cases: one name with all addresses', () => {
    const endpoints = ['A', 'a', 'A'].map((hostname, i) => endpoint(`10.0.0.${i + 1}`, { hostname }))
    const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
    assert.deepEqual(served({ endpoints }).addresses('a.web.default.svc.cluster.local'), addresses)
  })

  it('a hostname that is the dashed address of another', () => {
    const endpoints = [endpoint('10.0.0.2', { hostname: '10-0-0-1' }), GOOD]
    const addresses = ['10.0.0.1', '10.0.0.2']
    assert.deepEqual(served({ endpoints }).addresses('10-0-0-1.web.default.svc.cluster.local'), addresses)
  })

  it('labels of 63 octets that make a name over 255: no name of its own, a reason, and an address', () => {
    const zones = [parseName(`${'z'.repeat(63)}.${'y'.repeat(63)}.${'x'.repeat(50)}`)!]
    const server = start({ zones })
    server.give('Service', service({}))
    server.give('EndpointSlice', slice({ endpoints: [endpoint('10.0.0.1', { hostname: 'h'.repeat(63) })] }))
    const view = server.serving.cluster.find('default', 'web')!
    const { endpoints } = explainService(view, { zones, endpointPodNames: false } as unknown as RecordOptions)
    assert.equal(endpoints[0]!.isAnswered, true)
    assert.match(endpoints[0]!.notes.join(), /its own name would be longer than 255 octets in zz/)
    const zone = `${'z'.repeat(63)}.${'y'.repeat(63)}.${'x'.repeat(50)}`
    assert.deepEqual(server.addresses(`web.default.svc.${zone}`), ['10.0.0.1'])
  })

  it('1,000 endpoints of 1,000 ports: in bounded time and memory, all addresses, and a reason', () => {
    const endpoints = Array.from({ length: 1000 }, (_, i) => endpoint(`10.1.${i >> 8}.${i & 255}`))
    const ports = Array.from({ length: 1000 }, (_, i) => ({ name: `p${i}`, port: 1000 + i }))
    const startMs = performance.now()
    const server = served({ endpoints, ports })
    assert.ok(performance.now() - startMs < 20_000)
    assert.equal(server.addresses().length, 1000)
    assert.match(server.why(), /738 of 1000 ports are left out/)
    assert.ok(server.serving.table.stats().usedOctets < 200 << 20)
  })

  it('20,000 addresses of one hostname, and the same but for one: in bounded time', () => {
    const addressOf = (i: number) => `fd00::${(i >> 8).toString(16)}:${(i & 255).toString(16)}`
    const addresses = Array.from({ length: 20_001 }, (_, i) => addressOf(i))
    const shifted = (from: number) =>
      slice({ addressType: 'IPv6', endpoints: [{ addresses: addresses.slice(from, from + 20_000), hostname: 'a' }] })
    const server = start()
    server.give('Service', service({}))
    const startMs = performance.now()
    for (const from of [0, 1]) server.give('EndpointSlice', shifted(from))
    assert.ok(performance.now() - startMs < 20_000)
    const ptr = (i: number) => server.ask(formatName(reverseNameOfIPv6(parseIPv6(addressOf(i)))), 'PTR').answers.length
    assert.deepEqual([0, 1, 19_999, 20_000].map(ptr), [0, 1, 1, 1])
  })

  it('1,000 endpoints with one address, in 20 slices that disagree', () => {
    const server = start()
    server.give('Service', service({}))
    for (let i = 0; i < 20; i++) {
      const endpoints = Array.from({ length: 1000 }, (_, k) =>
        endpoint('10.0.0.1', {
          targetRef: { kind: 'Pod', name: `p${k}`, uid: `u${k}` },
          conditions: { ready: i % 2 === 0 },
        }),
      )
      const raw = slice({ endpoints }, 'web', `web-${i}`) as { metadata: object }
      server.give('EndpointSlice', { ...raw, metadata: { ...raw.metadata, resourceVersion: String(100 + i) } })
    }
    // The newest slice, of an odd number, says of every pod that it is not ready.
    assert.deepEqual(server.addresses(), [])
    assert.match(server.why(), /a newer slice knows the same pod otherwise/)
  })

  it('two megabytes of annotation, hostname, node, zone, label and trigger time', () => {
    const big = 'x'.repeat(2 << 20)
    const server = start()
    server.give('Service', service({}))
    const annotations = { big, 'endpoints.kubernetes.io/last-change-trigger-time': big }
    const raw = slice({ endpoints: [endpoint('10.0.0.1', { hostname: big, nodeName: big, zone: big })] })
    const { metadata } = raw as { metadata: object }
    server.give('EndpointSlice', { ...raw, metadata: { ...metadata, annotations } })
    assert.deepEqual(server.addresses(), ['10.0.0.1'])
    assert.ok(JSON.stringify(server.serving.cluster.find('default', 'web')).length < 2000)
    assert.match(server.why(), /hostname .* is longer than 63 characters/)
  })

  it('ten thousand bad addresses are ten sentences and a number', () => {
    const server = served({ endpoints: [{ addresses: Array(10_000).fill('x') }, GOOD] })
    assert.deepEqual(server.addresses(), ['10.0.0.1'])
    assert.match(server.why(), /and 9990 more/)
    assert.ok(server.why().split('\n').length < 20)
  })

  it('a topology zone that is no name', () => {
    const endpoints = ['a..b', '', '.', 'z'.repeat(250), '__proto__'].map((zone, i) =>
      endpoint(`10.0.0.${i + 1}`, { zone }),
    )
    assert.equal(served({ endpoints }).addresses().length, 5)
  })

  it('the label of the Service is a number, or names a method', () => {
    const server = start()
    for (const label of [5, null, 'constructor', '__proto__', {}]) {
      const metadata = { name: 's', namespace: 'default', labels: { 'kubernetes.io/service-name': label } }
      server.give('EndpointSlice', { metadata, addressType: 'IPv4', endpoints: [GOOD] })
    }
    assert.deepEqual(server.addresses(), [])
  })
})

describe('hostile Services', () => {
  for (const [title, spec, status] of [
    ['external addresses', { externalIPs: ['203.0.113.66'] }, {}],
    ['a load balancer that is a name', {}, { loadBalancer: { ingress: [{ hostname: 'lb.example.com' }] } }],
    ['ready endpoints', {}, {}],
  ] as const) {
    it(`named as the name server of an external zone, with ${title}: it has no name there, no PTR, and a reason`, () => {
      const [zone, ours] = [parseName('ext.example')!, 'ns.dns.ext.example']
      const server = start({ external: { zones: [zone], ttl: 5, headless: true, reverse: true } })
      const raw = service({ clusterIP: 'None', ...spec }, 'ns') as { metadata: object }
      const endpoints = { ...slice({ endpoints: [endpoint('10.0.0.1', { hostname: 'a' })] }, 'ns') } as typeof raw
      server.give('Service', { ...raw, metadata: { ...raw.metadata, namespace: 'dns' }, status })
      server.give('EndpointSlice', { ...endpoints, metadata: { ...endpoints.metadata, namespace: 'dns' } })
      assert.deepEqual(server.addresses('ns.dns.svc.cluster.local'), ['10.0.0.1'])
      const isAsBefore = () => {
        assert.deepEqual(server.addresses(ours), ['127.0.0.1'])
        for (const name of ['a', '_tcp', '_http._tcp'])
          assert.equal(server.ask(`${name}.${ours}`, 'SRV').rcode, 'NXDOMAIN')
        assert.equal(server.ask('66.113.0.203.in-addr.arpa', 'PTR').rcode, 'NXDOMAIN')
      }
      isAsBefore()
      const view = server.serving.cluster.find('dns', 'ns')!
      const options = { zones: [], external: {} } as unknown as RecordOptions
      assert.match(explainService(view, options).notes.join(), /no name there, since ns\.dns is the name server/)
      server.services.remove('dns', 'ns')
      server.flush()
      isAsBefore()
    })
  }

  for (const [title, name] of [
    ['a dot in its name', 'a.b'],
    ['a slash in its name', 'a/b'],
    ['a name that begins with an underscore', '_tcp'],
    ['__proto__ as its name', '__proto__'],
    ['a name of 64 octets', 'x'.repeat(64)],
    ['a name that is a number', 5],
    ['a name that is a list', ['web']],
    ['an empty name', ''],
    ['two megabytes of name', 'x'.repeat(2 << 20)],
  ] as const) {
    it(`${title}: refused, in a short sentence`, () => {
      const server = start()
      const [why = ''] = server.give('Service', service({}, name))
      assert.match(why, /no DNS label|without metadata\.name/)
      assert.ok(why.length < 200)
    })
  }

  it('a namespace with a slash does not stand for another Service', () => {
    const server = start()
    server.give('EndpointSlice', slice({ endpoints: [GOOD] }))
    assert.equal(server.give('Service', { metadata: { namespace: 'default/web', name: 'x' } }).length, 1)
  })

  it('names of methods, and upper case, are names', () => {
    const server = start()
    for (const name of ['constructor', 'toString', 'WEB']) {
      server.give('Service', service({}, name))
      server.give('EndpointSlice', slice({ endpoints: [GOOD] }, name, `s-${name.toLowerCase()}`))
      assert.deepEqual(server.addresses(`${name.toLowerCase()}.default.svc.cluster.local`), ['10.0.0.1'])
    }
  })

  it('cluster IPs that are none: those that are one are answered, the rest has a reason', () => {
    const server = served({ endpoints: [] }, { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', 'nonsense', 5, null] })
    assert.deepEqual(server.addresses(), ['10.96.0.1'])
    assert.match(server.why(), /clusterIP "nonsense" is no address/)
  })

  it('no cluster IP at all: no address, and it says so', () => {
    const server = served({ endpoints: [] }, { clusterIP: null })
    assert.deepEqual(server.addresses(), [])
    assert.match(server.why(), /it has no cluster IP/)
  })

  for (const externalName of ['192.0.2.1', 'a..b', '', '.', 'x'.repeat(2 << 20), 5, `${'x'.repeat(64)}.example`]) {
    it(`externalName ${JSON.stringify(externalName).slice(0, 20)}: no CNAME, and a reason`, () => {
      const server = served({}, { type: 'ExternalName', externalName })
      assert.deepEqual(server.ask('web.default.svc.cluster.local', 'CNAME').answers, [])
      assert.match(server.why(), /externalName/)
    })
  }

  it('spec: null, a list, a number; ports as text; a selector that is a list', () => {
    for (const spec of [null, [], 5, { ports: 'x' }, { selector: ['a'], clusterIP: 'None' }]) {
      const server = start()
      server.give('Service', { metadata: { name: 'web', namespace: 'default' }, spec })
      assert.deepEqual(server.addresses('good.default.svc.cluster.local'), ['10.9.9.9'])
    }
  })

  it('1,000 ports of one name and one number', () => {
    const ports = Array.from({ length: 1000 }, () => ({ name: 'http', port: 80 }))
    const server = served({ ports }, { ports })
    assert.equal(server.ask('_http._tcp.web.default.svc.cluster.local', 'SRV').answers.length, 1)
  })
})

describe('any JSON in any field', () => {
  const key = fc.constantFrom(
    ...['name', 'namespace', 'uid', 'resourceVersion', 'labels', 'annotations', 'ports', 'port', 'protocol', 'ready'],
    ...['addresses', 'hostname', 'zone', 'targetRef', 'kind', '__proto__', 'constructor', 'toString', 'length'],
  )
  const leaf = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary', maxLength: 70 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('None', 'ExternalName', 'IPv4', 'IPv6', 'FQDN', '10.0.0.1', 'fd00::1', 'web', 'good', 'default'),
    fc.constantFrom('x'.repeat(63), 'x'.repeat(300), '5', '99999999999999999999', '__proto__', '_tcp', 'a.b', 'TCP'),
  )
  const { any } = fc.letrec(tie => ({
    any: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(key, tie('any'), { maxKeys: 4 }),
    ),
  }))
  /** A good value mostly, so that what is behind it is reached. */
  const mostly = <T>(good: T): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: any as fc.Arbitrary<unknown> })
  const record = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> =>
    fc.oneof(
      { weight: 9, arbitrary: fc.record(fields, { requiredKeys: [] }) },
      { weight: 1, arbitrary: any as fc.Arbitrary<unknown> },
    )
  const listOf = (one: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof(
      { weight: 5, arbitrary: fc.array(one, { maxLength: 4 }) },
      { weight: 1, arbitrary: any as fc.Arbitrary<unknown> },
    )
  const metadata = record({
    name: mostly('web'),
    namespace: mostly('default'),
    uid: mostly('u'),
    resourceVersion: mostly('7'),
    labels: record({ 'kubernetes.io/service-name': mostly('web') }),
    annotations: record({ 'endpoints.kubernetes.io/last-change-trigger-time': mostly('2026-01-02T03:04:05Z') }),
    deletionTimestamp: mostly(null),
  })
  const port = record({
    name: mostly('http'),
    port: mostly(80),
    protocol: mostly('TCP'),
    appProtocol: any as fc.Arbitrary<unknown>,
  })
  const objects: { readonly [K in Kind]: fc.Arbitrary<unknown> } = {
    Service: record({
      metadata,
      spec: record({
        type: mostly('ClusterIP'),
        clusterIP: mostly('None'),
        clusterIPs: listOf(mostly('None')),
        externalName: mostly('db.example.com'),
        selector: record({ app: mostly('web') }),
        ports: listOf(port),
      }),
    }),
    EndpointSlice: record({
      metadata,
      addressType: mostly('IPv4'),
      ports: listOf(port),
      endpoints: listOf(
        record({
          addresses: listOf(mostly('10.0.0.1')),
          hostname: mostly('a'),
          zone: mostly('z'),
          nodeName: mostly('n'),
          conditions: record({ ready: mostly(true), terminating: mostly(false) }),
          targetRef: record({ kind: mostly('Pod'), name: mostly('p'), uid: mostly('u') }),
        }),
      ),
    }),
    Namespace: record({ metadata }),
    Pod: record({
      metadata,
      status: record({
        phase: mostly('Running'),
        podIP: mostly('10.0.0.1'),
        podIPs: listOf(record({ ip: mostly('10.0.0.1') })),
      }),
    }),
  }
  const event = fc
    .constantFrom<Kind>('Service', 'EndpointSlice', 'EndpointSlice', 'Namespace', 'Pod')
    .chain(kind => objects[kind].map(raw => ({ kind, raw })))

  it('nothing is thrown, nothing is left unpublished, and what stands beside it is answered', () => {
    const server = start({ watchNamespaces: true, watchPods: true, pods: 'verified', endpointPodNames: true })
    server.give('Namespace', { metadata: { name: 'default' } })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 5 }), events => {
        for (const { kind, raw } of events) {
          // The good ones are not to be replaced by others of their names.
          if (/"good(-1)?"/.test(JSON.stringify(raw) ?? '')) continue
          for (const sentence of server.give(kind, raw)) assert.ok(sentence.length < 300)
        }
        server.give('Namespace', { metadata: { name: 'default' } })
        assert.deepEqual(server.addresses('good.default.svc.cluster.local'), ['10.9.9.9'])
        const view = server.serving.cluster.find('default', 'web')
        if (view !== undefined) server.why()
      }),
      { numRuns: 1500 },
    )
    assert.ok(server.serving.cluster.find('default', 'good') !== undefined)
  })
})

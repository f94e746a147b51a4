import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Endpoint, EndpointSlice, Port, Service } from '../../../src/cluster/objects.ts'
import type { ServiceView } from '../../../src/cluster/state.ts'
import type { RecordOptions } from '../../../src/records/options.ts'
import { ServicePublisher } from '../../../src/records/publisher.ts'
import { parseName } from '../../../src/wire/name.ts'
import { headless, slice } from '../../support/answering.ts'
import { key, MapWriter } from '../../support/map-writer.ts'

const OPTIONS: RecordOptions = {
  zones: [parseName('cluster.local')!, parseName('k8s.example')!],
  reverseZones: [parseName('in-addr.arpa')!, parseName('ip6.arpa')!],
  ttl: 5,
  negativeTtl: 1,
  pods: 'disabled',
  endpointPodNames: false,
  ignoreEmptyService: false,
  noEndpoints: false,
  namespacesAreChosen: false,
  ownV4: [],
  ownV6: new Uint8Array(0),
}

const MANY = Array.from({ length: 20 }, (_, i) => ({ address: `10.0.0.${i}`, hostname: `h${i}` }))

const port: fc.Arbitrary<Port> = fc.record({
  name: fc.constantFrom('', 'http', 'grpc', 'x'.repeat(64)),
  protocol: fc.constantFrom('tcp', 'udp'),
  port: fc.constantFrom(80, 8080),
})

const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1', 'fd00::'),
  ready: fc.oneof(fc.constant(true), fc.boolean()),
  hostname: fc.constantFrom('', '', 'a', 'A', 'b', 'x.y', '-bad', '10-0-0-1', '_tcp'),
  podName: fc.constantFrom('', 'pod-1', 'pod.2', 'Pod-1'),
  nodeName: fc.constant(''),
  zone: fc.constantFrom('', 'z1', 'Z1', 'z.2', 'y'.repeat(70)),
})

const slices: fc.Arbitrary<EndpointSlice[]> = fc.array(
  fc
    .record({
      namespace: fc.constant('default'),
      name: fc.constantFrom('one', 'two'),
      serviceName: fc.constant('web'),
      addressType: fc.constant('IPv4' as const),
      ports: fc.array(port, { maxLength: 3 }),
      endpoints: fc.array(endpoint, { maxLength: 4 }),
      lastChangeTriggerTime: fc.constant(0),
    })
    .chain(one => fc.constantFrom(one, { ...one, sourceCluster: 'east' }, { ...one, sourceCluster: 'west.example' })),
  { maxLength: 2 },
)

const service: fc.Arbitrary<Service> = fc.record({
  namespace: fc.constant('default'),
  name: fc.constant('web'),
  kind: fc.constantFrom('headless' as const, 'clusterIP' as const, 'externalName' as const),
  clusterIPs: fc.subarray(['10.96.0.1', 'fd00:96::1']),
  externalName: fc.constantFrom('', 'db.example.com', '192.0.2.1', 'a..b', 'x.cluster.local'),
  ports: fc.array(port, { maxLength: 3 }),
  externalIPs: fc.subarray(['192.0.2.1', '2001:db8::1']),
  externalHost: fc.constantFrom('', 'lb.example.com', 'not a name..'),
})

/** As cluster/from-api.ts makes them: addresses only with clusterIP, a target only with externalName. */
function consistent({ externalIPs = [], externalHost = '', ...raw }: Service): Service {
  const isReached = raw.kind !== 'externalName'
  return {
    ...raw,
    ...(isReached && externalIPs.length > 0 && { externalIPs }),
    ...(isReached && externalIPs.length === 0 && externalHost !== '' && { externalHost }),
    clusterIPs: raw.kind === 'clusterIP' ? raw.clusterIPs : [],
    externalName: raw.kind === 'externalName' ? raw.externalName : '',
    ports: raw.kind === 'externalName' ? [] : raw.ports,
  }
}

const view: fc.Arbitrary<ServiceView | undefined> = fc.option(fc.record({ service: service.map(consistent), slices }), {
  nil: undefined,
  freq: 5,
})

const options = fc.record({
  endpointPodNames: fc.boolean(),
  ignoreEmptyService: fc.boolean(),
  noEndpoints: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  external: fc.record({
    zones: fc.subarray([parseName('ext.example')!, parseName('more.example')!]),
    ttl: fc.constant(7),
    headless: fc.boolean(),
    reverse: fc.boolean(),
  }),
})

/** As it is done for one Service that changes alone. */
class Alone extends ServicePublisher {
  override publish(...change: Parameters<ServicePublisher['publish']>): void {
    super.publish(...change)
    assert.equal(this.settle().size, 0)
  }
}

describe('a Service that changes', () => {
  it('after every single write, the target of each SRV and PTR exists', () => {
    fc.assert(
      fc.property(fc.array(view, { minLength: 1, maxLength: 5 }), options, (views, chosen) => {
        const writer = new MapWriter(() => assert.deepEqual(writer.dangling(), []))
        const publisher = new Alone(writer, { ...OPTIONS, ...chosen })
        let before: ServiceView | undefined
        for (const after of [...views, undefined]) {
          publisher.publish({ before, after })
          before = after
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('leaves exactly what the new state gives when it is published alone; nothing when it goes', () => {
    fc.assert(
      fc.property(fc.array(view, { minLength: 1, maxLength: 5 }), options, (views, chosen) => {
        const writer = new MapWriter()
        const publisher = new Alone(writer, { ...OPTIONS, ...chosen })
        let before: ServiceView | undefined
        for (const after of views) {
          publisher.publish({ before, after })
          before = after
          const alone = new MapWriter()
          new Alone(alone, { ...OPTIONS, ...chosen }).publish({ before: undefined, after })
          assert.deepEqual(writer.snapshot(), alone.snapshot())
        }
        publisher.publish({ before, after: undefined })
        assert.deepEqual(writer.snapshot(), { names: [], shared: [] })
      }),
      { numRuns: 1000 },
    )
  })

  it('gives the same names from the top down, as while nobody is answered', () => {
    fc.assert(
      fc.property(view, options, (after, chosen) => {
        const [safe, unseen] = [new MapWriter(), new MapWriter()]
        new Alone(safe, { ...OPTIONS, ...chosen }).publish({ before: undefined, after })
        new Alone(unseen, { ...OPTIONS, ...chosen }).publish({ before: undefined, after }, true, true)
        assert.deepEqual(unseen.snapshot(), safe.snapshot())
      }),
      { numRuns: 500 },
    )
  })

  it('is written with one write for each name when it is new', () => {
    const writer = new MapWriter()
    const after = {
      service: headless('web'),
      slices: [slice('web', MANY, { ports: [{ name: 'http', protocol: 'tcp', port: 80 }] })],
    }
    new Alone(writer, OPTIONS).publish({ before: undefined, after })
    assert.equal(writer.writes, writer.names.size + writer.shared.size)
  })

  it('two Services share the PTRs of an address: each takes away only its own', () => {
    const writer = new MapWriter()
    const publisher = new Alone(writer, OPTIONS)
    const of = (name: string): ServiceView => ({
      service: headless(name),
      slices: [slice(name, [{ address: '10.0.0.1', hostname: 'h' }])],
    })
    for (const name of ['a', 'b']) publisher.publish({ before: undefined, after: of(name) })
    const owner = key(parseName('1.0.0.10.in-addr.arpa')!)
    assert.equal(writer.shared.get(owner)?.size, 2)
    publisher.publish({ before: of('a'), after: undefined })
    assert.deepEqual([...writer.shared.get(owner)!], [`12:${key(parseName('h.b.default.svc.cluster.local')!)}`])
  })

  it('an address that goes from one Service to another is never without a PTR, nor is any PTR without its target', () => {
    const owner = key(parseName('1.0.0.10.in-addr.arpa')!)
    const seen: number[] = []
    const writer = new MapWriter(() => {
      assert.deepEqual(writer.dangling(), [])
      seen.push(writer.shared.get(owner)?.size ?? 0)
    })
    const publisher = new ServicePublisher(writer, OPTIONS)
    const of = (name: string, addresses: readonly string[]): ServiceView => ({
      service: headless(name),
      slices: [
        slice(
          name,
          addresses.map(address => ({ address })),
        ),
      ],
    })
    const [blue, green] = [of('blue', ['10.0.0.1']), of('green', ['10.0.0.1'])]
    publisher.publish({ before: undefined, after: blue })
    publisher.publish({ before: undefined, after: of('green', []) })
    publisher.settle()
    seen.length = 0
    publisher.publish({ before: blue, after: of('blue', []) })
    publisher.publish({ before: of('green', []), after: green })
    publisher.settle()
    assert.ok(seen.length > 0 && seen.every(size => size === 1), String(seen))
    assert.deepEqual(
      [...writer.shared.get(owner)!],
      [`12:${key(parseName('10-0-0-1.green.default.svc.cluster.local')!)}`],
    )
  })

  it('an address of a thousand Services is written once when all of them come, and once when all go', () => {
    const writer = new MapWriter()
    const publisher = new ServicePublisher(writer, OPTIONS)
    const views = Array.from({ length: 1000 }, (_, i) => ({
      service: headless(`s${i}`),
      slices: [slice(`s${i}`, [{ address: '10.0.0.1' }])],
    }))
    for (const after of views) publisher.publish({ before: undefined, after })
    const before = writer.writes
    publisher.settle()
    assert.equal(writer.writes - before, 1)
    for (const view of views) publisher.publish({ before: view, after: undefined })
    const [names, writes] = [writer.names.size, writer.writes]
    publisher.settle()
    assert.equal(writer.writes - writes, 1 + names)
    assert.deepEqual(writer.snapshot(), { names: [], shared: [] })
  })

  it('addresses of several wait while others may come, with what is behind their PTRs; those of one do not', () => {
    const writer = new MapWriter(() => assert.deepEqual(writer.dangling(), []))
    const publisher = new ServicePublisher(writer, OPTIONS)
    const of = (name: string): ServiceView => ({
      service: headless(name),
      slices: [slice(name, [{ address: '10.0.0.1' }, { address: `10.0.1.${name.charCodeAt(0)}` }])],
    })
    const views = ['a', 'b', 'c'].map(of)
    for (const after of views.slice(0, 2)) publisher.publish({ before: undefined, after })
    publisher.settle(false)
    assert.equal(writer.shared.size, 2)
    publisher.publish({ before: undefined, after: views[2] })
    publisher.settle()
    assert.deepEqual([...writer.shared.values()].map(({ size }) => size).sort(), [1, 1, 1, 3])
    const names = writer.names.size
    for (const before of views) publisher.publish({ before, after: undefined })
    publisher.settle(false)
    assert.deepEqual([writer.shared.size, writer.names.size], [1, names])
    publisher.settle()
    assert.deepEqual(writer.snapshot(), { names: [], shared: [] })
  })

  it('an address whose endpoint is called otherwise has one PTR after every write: the old one, then the new one', () => {
    const owner = key(parseName('1.0.0.10.in-addr.arpa')!)
    const v6Owner = key(parseName(`1.${'0.'.repeat(29)}d.f.ip6.arpa`)!)
    const seen = [new Set<string>(), new Set<string>()]
    const writer = new MapWriter(() => {
      for (const [i, name] of [owner, v6Owner].entries()) seen[i]!.add([...(writer.shared.get(name) ?? [])].join())
    })
    const publisher = new Alone(writer, OPTIONS)
    const of = (hostname: string): ServiceView => ({
      service: headless('web'),
      slices: [
        slice('web', [{ address: '10.0.0.1', hostname }]),
        slice('web', [{ address: 'fd00::1', hostname }], { name: 'web-6', addressType: 'IPv6' }),
      ],
    })
    publisher.publish({ before: undefined, after: of('a') })
    for (const states of seen) states.clear()
    publisher.publish({ before: of('a'), after: of('b') })
    const targets = ['a', 'b'].map(label => `12:${key(parseName(`${label}.web.default.svc.cluster.local`)!)}`)
    for (const states of seen) assert.deepEqual([...states], targets)
  })

  it('an endpoint that moves to another slice is written no more than if it had stayed', () => {
    const endpoints = [{ address: '10.0.0.1', hostname: 'a' }, { address: '10.0.0.2' }]
    const whole: ServiceView = { service: headless('web'), slices: [slice('web', endpoints)] }
    const split: ServiceView = {
      service: headless('web'),
      slices: endpoints.map((one, i) => slice('web', [one], { name: `web-${i}` })),
    }
    const states: string[] = []
    const writer = new MapWriter(() => states.push(JSON.stringify(writer.snapshot())))
    const publisher = new Alone(writer, OPTIONS)
    publisher.publish({ before: undefined, after: whole })
    const settled = states.at(-1)
    states.length = 0
    publisher.publish({ before: whole, after: split })
    assert.ok(states.every(state => state === settled))
  })
})

describe('names that are too long', () => {
  it('an endpoint whose name passes 255 octets has no name, and is no SRV or PTR target', () => {
    const label = 'l'.repeat(63)
    const zone = parseName(`${label}.zone.example`)!
    const writer = new MapWriter(() => assert.deepEqual(writer.dangling(), []))
    const publisher = new Alone(writer, { ...OPTIONS, zones: [zone] })
    const http = { name: 'http', protocol: 'tcp', port: 80 }
    const endpoints = [
      { address: '10.0.0.1', hostname: 'h'.repeat(63) },
      { address: '10.0.0.2', hostname: 'b' },
    ]
    publisher.publish({
      before: undefined,
      after: {
        service: { ...headless('s'.repeat(63)), namespace: 'n'.repeat(50) },
        slices: [{ ...slice('x', endpoints, { ports: [http] }) }],
      },
    })
    const targets = [...writer.names.values()].flatMap(({ srv }) => srv?.targets.map(({ label }) => label) ?? [])
    assert.ok(targets.includes('b'))
    assert.ok(!targets.includes('h'.repeat(63)))
    assert.equal(writer.shared.size, 1)
  })
})

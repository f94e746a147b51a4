import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  endpointSliceFromApi,
  familyOf,
  namespaceFromApi,
  podFromApi,
  serviceFromApi,
  serviceImportFromApi,
} from '../../../src/cluster/from-api.ts'
import type { EndpointSlice, Service } from '../../../src/cluster/objects.ts'

const metadata = { namespace: 'default', name: 'web' }
const unknown = { uid: 0, version: 0 }

function service(spec: unknown): Service {
  return serviceFromApi({ metadata, spec }) as Service
}

function endpointSlice(fields: object): EndpointSlice {
  return endpointSliceFromApi({ metadata, addressType: 'IPv4', ...fields }) as EndpointSlice
}

describe('Services', () => {
  it('clusterIP None is headless', () => {
    assert.equal(service({ clusterIP: 'None' }).kind, 'headless')
    assert.equal(service({ clusterIP: 'None', clusterIPs: ['None'] }).kind, 'headless')
  })

  it('clusterIPs are taken, clusterIP where there are none', () => {
    assert.deepEqual(service({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'fd00::1'] }).clusterIPs, [
      '10.0.0.1',
      'fd00::1',
    ])
    assert.deepEqual(service({ clusterIP: '10.0.0.1' }).clusterIPs, ['10.0.0.1'])
  })

  it('a Service without an address yet has none', () => {
    assert.deepEqual([service({}).kind, service({}).clusterIPs], ['clusterIP', []])
    assert.deepEqual(service({ clusterIP: '' }).clusterIPs, [])
  })

  it('ExternalName: the final dot is dropped, ports and addresses do not count', () => {
    const { kind, externalName, ports, clusterIPs } = service({
      type: 'ExternalName',
      externalName: 'db.example.com.',
      clusterIP: 'None',
      ports: [{ port: 1 }],
    })
    assert.deepEqual([kind, externalName, ports, clusterIPs], ['externalName', 'db.example.com', [], []])
  })

  it('ports: TCP unless said; names in lower case; what is no port number is left out', () => {
    const ports = [{ name: 'HTTP', port: 80 }, { port: 53, protocol: 'UDP' }, { port: 65_536 }, { port: '80' }, null, 5]
    assert.deepEqual(service({ ports }).ports, [
      { name: 'http', protocol: 'tcp', port: 80 },
      { name: '', protocol: 'udp', port: 53 },
    ])
  })

  it('without name or namespace: a sentence', () => {
    assert.match(serviceFromApi({ metadata: { name: 'web' } }) as string, /namespace/)
  })
})

describe('EndpointSlices', () => {
  it('conditions.ready: nil, null and true are ready, false is not', () => {
    const { endpoints } = endpointSlice({
      endpoints: [
        { addresses: ['10.0.0.1'] },
        { addresses: ['10.0.0.2'], conditions: {} },
        { addresses: ['10.0.0.3'], conditions: { ready: null } },
        { addresses: ['10.0.0.4'], conditions: { ready: true } },
        { addresses: ['10.0.0.5'], conditions: { ready: false, serving: true } },
      ],
    })
    assert.deepEqual(
      endpoints.map(({ ready }) => ready),
      [true, true, true, true, false],
    )
  })

  it('each address of an endpoint is an endpoint; addresses that are not of the slice’s type are left out', () => {
    const endpoints = [{ addresses: ['10.0.0.1', 'fd00::1', 'nonsense', '10.0.0.2'], hostname: 'a' }]
    assert.deepEqual(
      endpointSlice({ endpoints }).endpoints.map(({ address, hostname }) => [address, hostname]),
      [
        ['10.0.0.1', 'a'],
        ['10.0.0.2', 'a'],
      ],
    )
    assert.deepEqual(
      endpointSlice({ addressType: 'IPv6', endpoints }).endpoints.map(({ address }) => address),
      ['fd00::1'],
    )
  })

  it('FQDN slices have no addresses; another addressType is refused with a sentence', () => {
    assert.deepEqual(endpointSlice({ addressType: 'FQDN', endpoints: [{ addresses: ['x.example'] }] }).endpoints, [])
    assert.match(endpointSliceFromApi({ metadata, addressType: 'IPX' }) as string, /IPX/)
  })

  it('the pod’s name is that of a targetRef of kind Pod', () => {
    const endpoints = [
      { addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: 'p' } },
      { addresses: ['10.0.0.2'], targetRef: { kind: 'Node', name: 'n' } },
    ]
    assert.deepEqual(
      endpointSlice({ endpoints }).endpoints.map(({ podName }) => podName),
      ['p', ''],
    )
  })

  it('the Service is that of the label; the trigger time is that of the annotation, 0 when it is none', () => {
    const annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-02T03:04:05Z' }
    const full = { ...metadata, labels: { 'kubernetes.io/service-name': 'web' }, annotations }
    const { serviceName, lastChangeTriggerTime } = endpointSlice({ metadata: full })
    assert.deepEqual([serviceName, lastChangeTriggerTime], ['web', Date.UTC(2026, 0, 2, 3, 4, 5)])
    assert.equal(endpointSlice({}).serviceName, '')
    assert.equal(endpointSlice({}).lastChangeTriggerTime, 0)
  })
})

describe('Pods and Namespaces', () => {
  it('all podIPs are taken, in one spelling (RFC 4291 §2.2), podIP where there are none', () => {
    const pod = (status: unknown): unknown => podFromApi({ metadata, status })
    assert.deepEqual(pod({ podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'FD00:0::0001' }] }), {
      ...metadata,
      ...unknown,
      addresses: ['10.0.0.1', 'fd00::1'],
    })
    assert.deepEqual(pod({ podIP: '10.0.0.1' }), { ...metadata, ...unknown, addresses: ['10.0.0.1'] })
    assert.deepEqual(pod({}), { ...metadata, ...unknown, addresses: [] })
  })

  it('a Pod that has ended or is being deleted has no addresses', () => {
    for (const phase of ['Succeeded', 'Failed', 'Unknown']) {
      assert.deepEqual(podFromApi({ metadata, status: { podIP: '10.0.0.1', phase } }), {
        ...metadata,
        ...unknown,
        addresses: [],
      })
    }
    const deleted = { ...metadata, deletionTimestamp: '2026-01-02T03:04:05Z' }
    assert.deepEqual(podFromApi({ metadata: deleted, status: { podIP: '10.0.0.1' } }), {
      ...metadata,
      ...unknown,
      addresses: [],
    })
  })

  it('a Namespace is its name', () => {
    assert.deepEqual(namespaceFromApi({ metadata: { name: 'default' } }), { name: 'default', ...unknown })
    assert.match(namespaceFromApi({}) as string, /name/)
  })
})

interface Made {
  readonly addresses?: string[]
  readonly clusterIPs?: string[]
  readonly endpoints?: { address: string }[]
}

function addressesIn({ addresses = [], clusterIPs = [], endpoints = [] }: Made): string[] {
  return [...addresses, ...clusterIPs, ...endpoints.map(({ address }) => address)]
}

describe('hostile input', () => {
  const converters = [serviceFromApi, endpointSliceFromApi, namespaceFromApi, podFromApi]
  const key = fc.constantFrom(
    ...['metadata', 'spec', 'status', 'name', 'namespace', 'ports', 'port', 'endpoints', 'addresses', 'conditions'],
    ...[
      'clusterIP',
      'clusterIPs',
      'type',
      'labels',
      'annotations',
      'podIPs',
      'ip',
      'targetRef',
      '__proto__',
      'toString',
    ],
  )
  const leaf = fc.oneof(
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('None', 'ExternalName', 'IPv4', 'IPv6', '10.0.0.1', 'fe80::1%eth0', '010.1.1.1', '::'),
  )
  const json = fc.letrec(tie => ({
    value: fc.oneof({ maxDepth: 5 }, leaf, fc.array(tie('value'), { maxLength: 4 }), tie('object')),
    object: fc.dictionary(key, tie('value'), { maxKeys: 6 }),
  }))

  it('any JSON gives an object or a sentence, and every address in it is one', () => {
    fc.assert(
      fc.property(fc.oneof(json.object, json.value, fc.jsonValue()), value => {
        // As it comes off the wire: `__proto__` is an ordinary key then.
        const raw: unknown = JSON.parse(JSON.stringify(value) ?? 'null')
        for (const convert of converters) {
          const made: unknown = convert(raw)
          if (typeof made === 'string') assert.notEqual(made, '')
          else for (const address of addressesIn(made as Made)) assert.notEqual(familyOf(address), 0)
        }
      }),
      { numRuns: 3000 },
    )
  })

  it('objects of the right shape with hostile leaves', () => {
    const object = fc.record({
      metadata: fc.record({ name: leaf, namespace: leaf, labels: json.value, annotations: json.value }),
      spec: fc.record({ type: leaf, clusterIP: leaf, clusterIPs: fc.array(leaf), ports: json.value }),
      addressType: fc.constantFrom('IPv4', 'IPv6', 'FQDN'),
      endpoints: fc.array(fc.record({ addresses: fc.array(leaf), hostname: leaf, conditions: json.value, zone: leaf })),
      status: fc.record({ podIPs: fc.array(fc.record({ ip: leaf })), phase: leaf }),
    })
    fc.assert(
      fc.property(object, raw => {
        for (const convert of converters) convert(raw)
      }),
      { numRuns: 1000 },
    )
  })

  it('familyOf: addresses that a record can carry, nothing else', () => {
    for (const address of ['10.0.0.1', '255.255.255.255']) assert.equal(familyOf(address), 4)
    for (const address of ['::', '::ffff:1.2.3.4', 'fd00::1']) assert.equal(familyOf(address), 6)
    for (const address of ['', '010.0.0.1', '1.2.3', '1.2.3.4.5', 'fe80::1%eth0', '[::1]', ' 1.2.3.4', 'None']) {
      assert.equal(familyOf(address), 0, address)
    }
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), text => {
        const expected = isIPv4(text) ? 4 : isIPv6(text) && !text.includes('%') ? 6 : 0
        assert.equal(familyOf(text), expected)
      }),
    )
  })
})

describe('addresses from outside', () => {
  const outside = (spec: object, ingress: unknown) => {
    const raw = { metadata, spec: { clusterIP: '10.96.0.1', ...spec }, status: { loadBalancer: { ingress } } }
    const { externalIPs, externalHost, omitted } = serviceFromApi(raw) as Service
    return { externalIPs, externalHost, omitted: omitted?.length }
  }

  it('externalIPs and those of the load balancer, each once; what is no address is left out and said', () => {
    const seen = outside({ externalIPs: ['192.0.2.1', 'lb'] }, [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }, null, 7])
    assert.deepEqual(seen, { externalIPs: ['192.0.2.1', '2001:db8::1'], externalHost: undefined, omitted: 1 })
  })

  it('addresses of a Service are there once, however they are spelled', () => {
    const given = ['2001:DB8:0::1', '2001:db8::1', '192.0.2.1', '2001:db8:0:0:0:0:0:1', '192.0.2.1', '::ffff:192.0.2.1']
    const once = ['2001:db8::1', '192.0.2.1', '::ffff:192.0.2.1']
    assert.deepEqual(
      outside(
        { externalIPs: given.slice(0, 2) },
        given.map(ip => ({ ip })),
      ).externalIPs,
      once,
    )
    const metadata = { namespace: 'default', name: 'web' }
    assert.deepEqual((serviceFromApi({ metadata, spec: { clusterIPs: given } }) as Service).clusterIPs, once)
    const imported = serviceImportFromApi({ metadata, spec: { type: 'ClusterSetIP', ips: given } }) as Service
    assert.deepEqual(imported.clusterIPs, once)
  })

  it('a host name only where there is no address', () => {
    assert.equal(outside({}, [{ hostname: 'lb.example.com.' }]).externalHost, 'lb.example.com')
    const both = outside({}, [{ hostname: 'lb.example.com' }, { ip: '192.0.2.1' }])
    assert.deepEqual([both.externalHost, both.externalIPs], [undefined, ['192.0.2.1']])
  })

  it('none: the Service has neither field, and costs nothing', () => {
    for (const ingress of [undefined, null, [], 'lb', [{}], [{ hostname: 7 }]]) {
      assert.ok(
        !('externalIPs' in (serviceFromApi({ metadata, spec: {}, status: { loadBalancer: { ingress } } }) as object)),
      )
      assert.ok(!('externalHost' in (serviceFromApi({ metadata, status: { loadBalancer: { ingress } } }) as object)))
    }
  })
})

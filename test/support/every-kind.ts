/**
 * Objects of a cluster with Services of every kind that Kubernetes has, in the form of its API. Layer: test support.
 */

import type { ApiObject } from './fake-api-objects.ts'

export interface EveryKind {
  readonly namespaces: readonly ApiObject[]
  readonly services: readonly ApiObject[]
  readonly slices: readonly ApiObject[]
  /** Those of the endpoints that have one: running, each with one address. Some have dots in their names. */
  readonly pods: readonly ApiObject[]
}

interface Port {
  readonly name?: string
  readonly port: number
  readonly protocol?: string
}

interface Endpoint {
  readonly addresses: readonly string[]
  readonly hostname?: string
  readonly conditions?: object
  readonly zone?: string
  readonly targetRef?: object
}

/** What one kind of Service is made of; `i` makes its addresses its own. */
interface Kind {
  readonly spec: object
  readonly status?: object
  /** Each is one EndpointSlice. */
  readonly slices?: readonly { readonly endpoints: readonly Endpoint[]; readonly ports?: readonly Port[] }[]
}

const NAMESPACES = ['default', 'kube-system', 'shop', 'data-9']
const HTTP: Port = { name: 'http', port: 80, protocol: 'TCP' }
const METRICS: Port = { name: 'metrics', port: 9090, protocol: 'TCP' }
const READY = { ready: true, serving: true, terminating: false }
const NOT_READY = { ready: false, serving: false, terminating: false }
const TERMINATING = { ready: false, serving: true, terminating: true }

/** The pod of that number in the cluster of the i-th Service. */
const pod4 = (i: number, n: number): string => `10.${100 + (i >> 8)}.${i & 255}.${n + 1}`
const pod6 = (i: number, n: number): string => `2001:db8:${(i + 1).toString(16)}::${(n + 1).toString(16)}`
const virtual4 = (i: number): string => `10.96.${i >> 8}.${i & 255}`
const virtual6 = (i: number): string => `fd00:96::${(i + 1).toString(16)}`

const ready = (address: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [address],
  conditions: READY,
  ...more,
})
const pods4 = (i: number, count: number): Endpoint[] => Array.from({ length: count }, (_, n) => ready(pod4(i, n)))
const pods6 = (i: number, count: number): Endpoint[] => Array.from({ length: count }, (_, n) => ready(pod6(i, n)))
const named = (endpoints: readonly Endpoint[], name: string): Endpoint[] =>
  endpoints.map((endpoint, n) => ({ ...endpoint, hostname: `${name}-${n}` }))

function virtual(i: number, ports: readonly Port[] = [HTTP], more: object = {}): object {
  return {
    type: 'ClusterIP',
    clusterIP: virtual4(i),
    clusterIPs: [virtual4(i)],
    selector: { app: 'x' },
    ports,
    ...more,
  }
}
function headless(ports: readonly Port[] = [HTTP], more: object = {}): object {
  return { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'], selector: { app: 'x' }, ports, ...more }
}
const alias = (externalName: string): Kind => ({ spec: { type: 'ExternalName', externalName } })

const KINDS: Readonly<Record<string, (i: number) => Kind>> = {
  'cluster-ip': i => ({ spec: virtual(i), slices: [{ endpoints: pods4(i, 2), ports: [HTTP] }] }),
  'several-ports': i => {
    const ports = [
      HTTP,
      METRICS,
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ]
    return { spec: virtual(i, ports), slices: [{ endpoints: pods4(i, 2), ports }] }
  },
  'unnamed-port': i => ({
    spec: virtual(i, [{ port: 8080 }]),
    slices: [{ endpoints: pods4(i, 1), ports: [{ port: 8080 }] }],
  }),
  sctp: i => ({ spec: virtual(i, [{ name: 'diameter', port: 3868, protocol: 'SCTP' }]) }),
  'dual-stack': i => ({
    spec: virtual(i, [HTTP, METRICS], { clusterIPs: [virtual4(i), virtual6(i)], ipFamilyPolicy: 'PreferDualStack' }),
    slices: [
      { endpoints: pods4(i, 2), ports: [HTTP, METRICS] },
      { endpoints: pods6(i, 2), ports: [HTTP, METRICS] },
    ],
  }),
  'ipv6-only': i => ({
    spec: { ...virtual(i), clusterIP: virtual6(i), clusterIPs: [virtual6(i)] },
    slices: [{ endpoints: pods6(i, 2), ports: [HTTP] }],
  }),
  'without-endpoints': i => ({ spec: virtual(i), slices: [{ endpoints: [], ports: [HTTP] }] }),
  'not-ready': i => ({
    spec: virtual(i),
    slices: [{ endpoints: [{ addresses: [pod4(i, 0)], conditions: NOT_READY }], ports: [HTTP] }],
  }),
  'cluster-ip-hostnames': i => ({
    spec: virtual(i),
    slices: [{ endpoints: named(pods4(i, 2), 'member'), ports: [HTTP] }],
  }),
  'node-port': i => ({
    spec: virtual(i, [{ ...HTTP, nodePort: 30_000 + i } as Port], { type: 'NodePort' }),
    slices: [{ endpoints: pods4(i, 1), ports: [HTTP] }],
  }),
  'load-balancer': i => ({
    spec: virtual(i, [HTTP], { type: 'LoadBalancer', externalIPs: ['192.0.2.7'] }),
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.8' }, { hostname: 'lb.example.com' }] } },
    slices: [{ endpoints: pods4(i, 2), ports: [HTTP] }],
  }),
  'without-selector': i => ({
    spec: { ...virtual(i), selector: undefined },
    slices: [{ endpoints: [{ addresses: [pod4(i, 0)] }], ports: [HTTP] }],
  }),
  headless: i => ({ spec: headless(), slices: [{ endpoints: pods4(i, 3), ports: [HTTP] }] }),
  'stateful-set': i => ({
    spec: headless([HTTP, METRICS]),
    slices: [{ endpoints: named(pods4(i, 3), 'db'), ports: [HTTP, METRICS] }],
  }),
  'headless-dual-stack': i => ({
    spec: headless(),
    slices: [
      { endpoints: pods4(i, 2), ports: [HTTP] },
      { endpoints: pods6(i, 2), ports: [HTTP] },
    ],
  }),
  'stateful-dual-stack': i => ({
    spec: headless([HTTP, METRICS]),
    slices: [
      { endpoints: named(pods4(i, 2), 'kv'), ports: [HTTP, METRICS] },
      { endpoints: named(pods6(i, 2), 'kv'), ports: [HTTP, METRICS] },
    ],
  }),
  'headless-ipv6': i => ({
    spec: headless(),
    slices: [{ endpoints: [...pods6(i, 1), ready(`2001:db8:ffff:${(i + 1).toString(16)}::`)], ports: [HTTP] }],
  }),
  'headless-without-selector': i => ({
    spec: { ...headless(), selector: undefined },
    slices: [{ endpoints: [{ addresses: [pod4(i, 0)] }, { addresses: [pod4(i, 1)] }], ports: [HTTP] }],
  }),
  'headless-without-slices': () => ({ spec: headless() }),
  'headless-not-ready': i => ({
    spec: headless(),
    slices: [{ endpoints: [{ addresses: [pod4(i, 0)], conditions: NOT_READY }], ports: [HTTP] }],
  }),
  'headless-some-ready': i => ({
    spec: headless(),
    slices: [
      {
        endpoints: [
          ready(pod4(i, 0)),
          { addresses: [pod4(i, 1)], conditions: NOT_READY },
          { addresses: [pod4(i, 2)], conditions: TERMINATING },
          { addresses: [pod4(i, 3)], conditions: {} },
        ],
        ports: [HTTP],
      },
    ],
  }),
  // The controller says ready of every pod of such a Service.
  'publish-not-ready': i => ({
    spec: headless([HTTP], { publishNotReadyAddresses: true }),
    slices: [
      {
        endpoints: [
          ready(pod4(i, 0)),
          ready(pod4(i, 1), { conditions: { ready: true, serving: false, terminating: true } }),
        ],
        ports: [HTTP],
      },
    ],
  }),
  'headless-without-ports': i => ({ spec: headless([]), slices: [{ endpoints: pods4(i, 2) }] }),
  'headless-unnamed-port': i => ({
    spec: headless([{ port: 5432 }]),
    slices: [{ endpoints: pods4(i, 2), ports: [{ port: 5432 }] }],
  }),
  'ports-by-slice': i => ({
    spec: headless(),
    slices: [
      { endpoints: named(pods4(i, 1), 'old'), ports: [{ ...HTTP, port: 8080 }] },
      { endpoints: [ready(pod4(i, 9), { hostname: 'new-0' })], ports: [{ ...HTTP, port: 8081 }] },
    ],
  }),
  'shared-hostname': i => ({
    spec: headless(),
    slices: [{ endpoints: pods4(i, 3).map(one => ({ ...one, hostname: 'all' })), ports: [HTTP] }],
  }),
  'twice-in-slices': i => ({
    spec: headless(),
    slices: [
      { endpoints: pods4(i, 3), ports: [HTTP] },
      { endpoints: pods4(i, 2), ports: [HTTP] },
    ],
  }),
  zonal: i => ({
    spec: headless(),
    slices: [
      {
        endpoints: [ready(pod4(i, 0), { zone: 'eu-west-1a' }), ready(pod4(i, 1), { zone: 'eu-west-1b' })],
        ports: [HTTP],
      },
    ],
  }),
  // The pods of the Service before it have two names, and two PTRs.
  'shared-pods': i => ({ spec: headless(), slices: [{ endpoints: pods4(i - 1, 2), ports: [HTTP] }] }),
  'tcp-and-udp': i => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns', port: 53, protocol: 'TCP' },
    ]
    return { spec: headless(ports), slices: [{ endpoints: pods4(i, 2), ports }] }
  },
  // More than 1,232 octets hold.
  many: i => ({ spec: headless(), slices: [{ endpoints: pods4(i, 90), ports: [HTTP] }] }),
  'alias-outside': () => alias('db.example.com'),
  'alias-cluster-ip': () => alias('cluster-ip-0.default.svc.cluster.local'),
  'alias-headless': () => alias('stateful-set-13.kube-system.svc.cluster.local.'),
  'alias-dangling': () => alias('nothing.default.svc.cluster.local'),
  'alias-address': () => alias('192.0.2.1'),
}

/** @param count of Services; kind after kind, namespace after namespace */
export function everyKind(count: number): EveryKind {
  const services: ApiObject[] = []
  const slices: ApiObject[] = []
  const pods = new Map<string, ApiObject>()
  /** One pod for each address, whichever Services have it. */
  function withPod(endpoint: Endpoint, namespace: string): Endpoint {
    const [address = ''] = endpoint.addresses
    const label = address.replaceAll(/[.:]+/g, '-').replace(/-$/, '')
    const name = /[24]$/.test(address) ? `pod.with.dots-${label}` : `pod-${label}`
    const metadata = { name, namespace, uid: `uid-of-${name}` }
    pods.set(address, { metadata, status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] } })
    return { ...endpoint, targetRef: { kind: 'Pod', ...metadata } }
  }
  const kinds = Object.entries(KINDS)
  for (let i = 0; i < count; i++) {
    const [kind, make] = kinds[i % kinds.length]!
    const name = `${kind}-${i}`
    // The next round of kinds is in other namespaces.
    const namespace = NAMESPACES[(i + Math.floor(i / kinds.length)) % NAMESPACES.length]!
    const { spec, status, slices: parts = [] } = make(i)
    services.push({ metadata: { name, namespace }, spec, ...(status && { status }) })
    for (const [n, { endpoints, ports }] of parts.entries()) {
      const isV6 = endpoints[0]?.addresses[0]?.includes(':') === true
      slices.push({
        metadata: { name: `${name}-${n}`, namespace, labels: { 'kubernetes.io/service-name': name } },
        addressType: isV6 ? 'IPv6' : 'IPv4',
        ports: ports?.map(port => ({ name: '', protocol: 'TCP', ...port })) ?? null,
        endpoints: kind.endsWith('without-selector') ? endpoints : endpoints.map(one => withPod(one, namespace)),
      })
    }
  }
  const namespaces = NAMESPACES.map(name => ({ metadata: { name }, status: { phase: 'Active' } }))
  return { namespaces, services, slices, pods: [...pods.values()] }
}

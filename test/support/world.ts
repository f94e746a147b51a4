/**
 * A cluster with one of everything: what the fuzz and the RFC 8906 list ask about.
 */

import type { EndpointSlice, Service } from '../../src/cluster/objects.ts'
import { type Answering, type AnsweringOptions, clusterIP, createAnswering, headless, slice } from './answering.ts'

const HTTP = { name: 'http', protocol: 'tcp', port: 80 }

/** What of a sink the world needs. */
interface Upserts<T> {
  upsert(object: T): void
}

export function createWorld(options: AnsweringOptions = {}): Answering {
  const server = createAnswering({ pods: 'insecure', ...options })
  putWorld(server.services, server.slices)
  server.flush()
  return server
}

export function putWorld(services: Upserts<Service>, slices: Upserts<EndpointSlice>): void {
  services.upsert(headless('web', 'default', [HTTP]))
  slices.upsert(
    slice(
      'web',
      [
        { address: '10.0.0.1', hostname: 'web-0', zone: 'zone-a' },
        { address: '10.0.0.2', hostname: 'web-1', zone: 'zone-b' },
        { address: '10.0.0.3' },
      ],
      { ports: [HTTP, { name: 'metrics', protocol: 'tcp', port: 9090 }] },
    ),
  )
  slices.upsert(slice('web', [{ address: 'fd00::1', hostname: 'web-0' }], { name: 'web-6', ports: [HTTP] }))
  services.upsert(headless('big'))
  const many = Array.from({ length: 1000 }, (_, i) => ({ address: `10.9.${i >>> 8}.${i & 255}` }))
  slices.upsert(slice('big', many, { ports: [HTTP] }))
  services.upsert(clusterIP('api', ['10.96.0.10', 'fd00:96::10'], 'default', [HTTP]))
  slices.upsert(slice('api', [{ address: '10.0.1.1', hostname: 'api-0' }], { ports: [HTTP] }))
  services.upsert(headless('empty'))
  for (const [name, externalName] of [
    ['outside', 'www.example.com'],
    ['inside', 'web.default.svc.cluster.local'],
    ['twice', 'inside.default.svc.cluster.local'],
    ['gone', 'none.default.svc.cluster.local'],
    ['loop', 'loop.default.svc.cluster.local'],
    ['to-pod', '10-1-0-5.default.pod.cluster.local'],
    ['to-big', 'big.default.svc.cluster.local'],
  ] as const) {
    services.upsert({ namespace: 'default', name, kind: 'externalName', clusterIPs: [], externalName, ports: [] })
  }
}

/** Names in the world that exist, and some that do not. */
export const WORLD_NAMES: readonly string[] = [
  'web.default.svc.cluster.local',
  'WeB.DeFault.SVC.cluster.LOCAL',
  '_http._tcp.web.default.svc.cluster.local',
  '_metrics._tcp.web.default.svc.cluster.local',
  'web-0.web.default.svc.cluster.local',
  '10-0-0-3.web.default.svc.cluster.local',
  '_tcp.web.default.svc.cluster.local',
  'zone-a.pin._zone.web.default.svc.cluster.local',
  'zone-x.prefer._zone.web.default.svc.cluster.local',
  'pin._zone.web.default.svc.cluster.local',
  'web.default.direct.cluster.local',
  'big.default.svc.cluster.local',
  '_http._tcp.big.default.svc.cluster.local',
  'api.default.svc.cluster.local',
  'api.default.direct.cluster.local',
  '_http._tcp.api.default.svc.cluster.local',
  'empty.default.svc.cluster.local',
  'outside.default.svc.cluster.local',
  'inside.default.svc.cluster.local',
  'twice.default.svc.cluster.local',
  'gone.default.svc.cluster.local',
  'loop.default.svc.cluster.local',
  'to-pod.default.svc.cluster.local',
  'to-big.default.svc.cluster.local',
  '10-1-0-5.default.pod.cluster.local',
  'fd00--5.default.pod.cluster.local',
  'no.such.pod.cluster.local',
  'dns-version.cluster.local',
  'ns.dns.cluster.local',
  'cluster.local',
  'svc.cluster.local',
  '1.0.0.10.in-addr.arpa',
  '10.0.96.10.in-addr.arpa',
  '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa',
  '0.10.in-addr.arpa',
  'in-addr.arpa',
  'none.default.svc.cluster.local',
  'a.b.c.d.e.f.cluster.local',
  'www.example.com',
  '',
]

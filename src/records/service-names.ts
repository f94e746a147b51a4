/**
 * The Kubernetes DNS rules: a Service and its joined endpoints → the names it has and what is at each.
 * Layer: records; pure. K8s DNS spec 1.1.0 §2.3 (ClusterIP), §2.4 (headless), §2.5 (ExternalName), and beyond it: SRV at
 * the Service's own name and endpoint names of ClusterIP Services (as CoreDNS has), zonal names, and
 * `<svc>.<ns>.direct.<zone>`, which has the ready endpoints of any Service. In external zones `<svc>.<ns>.<zone>` has the
 * addresses by which a Service is reached from outside, as CoreDNS's k8s_external has them.
 *
 * Names are given as the labels before the zone; `records/publisher.ts` puts them into every zone, in a safe order.
 */

import { isIP } from 'node:net'
import type { Service } from '../cluster/objects.ts'
import { parseIPv4, parseIPv6 } from '../wire/address.ts'
import { MAX_NAME_OCTETS, TYPE_CNAME } from '../wire/constants.ts'
import { parseName, prependLabels } from '../wire/name.ts'
import type { OwnerRecords, SrvSet, SrvTarget, ZoneGroup } from '../wire/owner-records.ts'
import type { JoinedEndpoints } from './join.ts'
import type { ExternalOptions } from './options.ts'
import { type EndpointName, isPortName } from './slice-word.ts'

export type Content = Omit<OwnerRecords, 'owner' | 'ttl'>

/** A name of the Service itself, not of one of its endpoints: labels before `base(service, branch)`. */
export interface ServiceName {
  readonly branch: Branch
  readonly prefix: readonly string[]
  readonly content: Content
}

const NO_OCTETS = new Uint8Array(0)
const NO_LABELS: readonly string[] = []
/** Topology zones of one Service, far above what a cluster has: the table counts their words in 16 bits. */
const MAX_ZONES = 512
/** Records of one set that the table counts. */
const MAX_TARGETS = 65_535
type Addresses = Pick<ZoneGroup, 'v4' | 'v6'>
/** The kind of name: the label before the zone, or `external`, which stands in zones of its own, without one. */
export type Branch = 'svc' | 'direct' | 'external'

const NOWHERE: readonly Branch[] = []
const IN_CLUSTER: readonly Branch[] = ['svc', 'direct']
const EVERYWHERE: readonly Branch[] = ['svc', 'direct', 'external']

/** Where the endpoints' own names are, for this Service. */
export function branchesOf(service: Service, external: ExternalOptions | undefined): readonly Branch[] {
  if (service.kind === 'externalName') return NOWHERE
  return external !== undefined && isServedOutside(service, external) ? EVERYWHERE : IN_CLUSTER
}

/**
 * @param endpoints the Service's ready endpoints; undefined when they are not looked at (`records.noEndpoints`)
 * @param external  undefined: there are no external zones
 */
export function serviceNames(
  service: Service,
  endpoints: JoinedEndpoints | undefined,
  external?: ExternalOptions,
): ServiceName[] {
  if (service.kind === 'externalName') return externalName(service)
  const names: ServiceName[] = []
  if (service.kind === 'clusterIP') names.push(...addressNames('svc', service, service.clusterIPs))
  if (external !== undefined) names.push(...externalNames(service))
  if (endpoints === undefined || endpoints.byLabel.size === 0) return names
  // K8s DNS spec §2.4.1: without ready endpoints a headless Service has no name
  const sets = endpointSets(endpoints)
  if (service.kind === 'headless') {
    for (const { prefix, content } of sets) names.push({ branch: 'svc', prefix, content })
    names.push({ branch: 'svc', prefix: ['_zone'], content: { zones: zoneGroups(endpoints) } })
  }
  for (const { prefix, content } of sets) names.push({ branch: 'direct', prefix, content })
  if (external !== undefined && isServedOutside(service, external)) {
    for (const { prefix, content } of sets) names.push({ branch: 'external', prefix, content })
  }
  return names
}

/** Whether what a Service has in external zones are its endpoints. */
function isServedOutside({ kind, externalIPs, externalHost }: Service, { headless }: ExternalOptions): boolean {
  return headless && kind === 'headless' && externalIPs === undefined && externalHost === undefined
}

/** A load balancer that is known by a name alone gives a CNAME. */
function externalNames(service: Service): ServiceName[] {
  const { externalIPs, externalHost } = service
  if (externalIPs !== undefined) return addressNames('external', service, externalIPs)
  return externalHost === undefined ? [] : aliasOf('external', externalHost)
}

/** What is at `<label>.<svc>.<ns>.svc`: K8s DNS spec §2.4.1; its SRV has the name itself as target. */
export function endpointContent(endpoint: EndpointName): Content {
  const targets = endpoint.ports.map(port => ({ port, label: '', v4: [], v6: NO_OCTETS }))
  return { a: endpoint.v4, aaaa: endpoint.v6, srv: srvSet(0, targets) }
}

export function base(service: Service, branch: Branch): string[] {
  return branch === 'external' ? [service.name, service.namespace] : [service.name, service.namespace, branch]
}

/** K8s DNS spec §2.5: a CNAME. An externalName that is an address, or no name at all, gives no record. */
function externalName(service: Service): ServiceName[] {
  return aliasOf('svc', service.externalName)
}

function aliasOf(branch: Branch, name: string): ServiceName[] {
  const target = isIP(name) === 0 ? parseName(name) : undefined
  if (target === undefined || target.length === 1) return []
  return [{ branch, prefix: NO_LABELS, content: { raw: [{ type: TYPE_CNAME, rdata: [target] }] } }]
}

/** K8s DNS spec §2.3.1 and §2.3.2: addresses that stand for all endpoints; the Service itself is the target of its SRVs. */
function addressNames(branch: Branch, service: Service, addresses: readonly string[]): ServiceName[] {
  const v4 = addresses.filter(ip => !ip.includes(':')).map(parseIPv4)
  const v6 = Buffer.concat(addresses.filter(ip => ip.includes(':')).map(parseIPv6))
  const numbers = [...new Set(service.ports.map(({ port }) => port))]
  const own = numbers.map((port, i) =>
    i === 0 ? { port, label: '', v4, v6 } : { port, label: '', v4: [], v6: NO_OCTETS },
  )
  // RFC 2782: a target has addresses. An import has none before its cluster set gives it one.
  const content = addresses.length === 0 ? {} : { a: v4, aaaa: v6, srv: srvSet(0, own) }
  const names: ServiceName[] = [{ branch, prefix: NO_LABELS, content }]
  for (const { name, protocol, port } of service.ports) {
    if (!isPortName(name, protocol)) continue
    const prefix = portLabels(name, protocol)
    const srv = srvSet(octetsOf(prefix), [{ port, label: '', v4, v6 }])
    names.push({ branch, prefix, content: addresses.length === 0 ? {} : { srv } })
  }
  return names
}

/** K8s DNS spec §2.4.1 and §2.4.2: one address per ready endpoint, one SRV per endpoint and named port. */
function endpointSets(endpoints: JoinedEndpoints): Omit<ServiceName, 'branch'>[] {
  const own = { a: endpoints.v4, aaaa: endpoints.v6, srv: srvSet(0, ownTargets(endpoints)) }
  const sets: Omit<ServiceName, 'branch'>[] = [{ prefix: NO_LABELS, content: own }]
  for (const { name, protocol, targets } of endpoints.ports) {
    const prefix = portLabels(name, protocol)
    sets.push({ prefix, content: { srv: srvSet(octetsOf(prefix), targets) } })
  }
  return sets
}

/** Every endpoint with each of its ports. */
function ownTargets(endpoints: JoinedEndpoints): readonly SrvTarget[] {
  const only = endpoints.ports[0]?.targets
  // One named port that all have, and no other: the sets are the same, and are encoded once.
  if (only?.length === endpoints.byLabel.size && endpoints.ports.length === 1 && hasOnePortEach(endpoints)) return only
  const all: SrvTarget[] = []
  // Of more than the table counts, each endpoint has its share.
  const most = Math.max(1, Math.floor(MAX_TARGETS / endpoints.byLabel.size))
  for (const endpoint of endpoints.byLabel.values()) {
    const { label, v4, v6, ports } = endpoint
    // A target's addresses go once into the additional section.
    for (let i = 0; i < Math.min(ports.length, most); i++) {
      const port = ports[i]!
      all.push(i === 0 ? { port, label, v4, v6 } : { port, label, v4: [], v6: NO_OCTETS })
    }
  }
  return all
}

function hasOnePortEach({ byLabel }: JoinedEndpoints): boolean {
  for (const { ports } of byLabel.values()) if (ports.length !== 1) return false
  return true
}

/**
 * Endpoints without a zone, with none that is a name, or of one too many are one group: `prefer` has them among all. Where zones
 * share addresses, so have all endpoints (RFC 2181 §5: each address once), and the zones' own groups come behind.
 */
function zoneGroups({ byZone, v4, v6 }: JoinedEndpoints): ZoneGroup[] {
  const all: ZoneGroup = { labels: NO_OCTETS, v4, v6 }
  const groups: ZoneGroup[] = []
  const others: Addresses[] = []
  let addresses = 0
  for (const zone of [...byZone.keys()].sort()) {
    const labels = zone === '' ? undefined : prependLabels(zone.split('.'), NO_OCTETS)
    const own = byZone.get(zone)!
    addresses += countOf(own)
    // RFC 1035 §2.3.4: with the root label no name is longer than 255 octets
    if (labels === undefined || labels.length === MAX_NAME_OCTETS || groups.length === MAX_ZONES) others.push(own)
    else groups.push({ labels, v4: own.v4, v6: own.v6 })
  }
  if (groups.length === 0) return [all]
  if (addresses > countOf(all)) return [all, ...groups.map(group => ({ ...group, isAgain: true }))]
  if (others.length === 0) return groups
  const rest = { v4: others.flatMap(one => one.v4), v6: Buffer.concat(others.map(one => one.v6)) }
  return [...groups, { labels: NO_OCTETS, ...rest }]
}

function countOf({ v4, v6 }: Addresses): number {
  return v4.length + (v6.length >>> 4)
}

/** RFC 2782: all of equal priority; equal weights that add up to about 100 and are never 0. */
function srvSet(suffixStart: number, targets: readonly SrvTarget[]): SrvSet {
  return { suffixStart, weight: Math.max(1, Math.floor(100 / targets.length)), targets }
}

/** RFC 2782: `_Service._Proto`. */
function portLabels(name: string, protocol: string): [string, string] {
  return [`_${name}`, `_${protocol}`]
}

/** Octets that labels take on the wire. They are ASCII, as those of ports are. */
function octetsOf(labels: readonly string[]): number {
  let octets = 0
  for (const label of labels) octets += 1 + label.length
  return octets
}

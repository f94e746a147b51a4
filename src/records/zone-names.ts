/**
 * The names that do not depend on any Service: zone apexes, `ns.dns`, `dns-version`, and where pod names hang.
 * Layer: records. K8s DNS spec 1.1.0 §2.2 (dns-version); SOA and NS as CoreDNS has them.
 */

import type { Service } from '../cluster/objects.ts'
import type { PodAddressChange } from '../cluster/state.ts'
import { formatIPv6, parseIPv4, parseIPv6 } from '../wire/address.ts'
import { TYPE_NS, TYPE_TXT } from '../wire/constants.ts'
import { prependLabels, type WireName } from '../wire/name.ts'
import {
  NAME_PERMANENT,
  NAME_PODS,
  NAME_PODS_ANY_NAMESPACE,
  type NameWriter,
  type OwnerRecords,
} from '../wire/owner-records.ts'
import type { RecordOptions } from './options.ts'
import { dashedAddress } from './slice-word.ts'

export const SCHEMA_VERSION = '1.1.0'
/** The schema changes with the software, not with the cluster. */
const SCHEMA_TTL = 28_800
/** The name server of every zone, below its apex. */
const NAME_SERVER = ['ns', 'dns']

/** The apexes, zones above other zones first. Their NS is `ns.dns.<zone>`. */
export function zoneApexes(options: RecordOptions): OwnerRecords[] {
  return apexesOf(options)
    .sort((a, b) => a.owner.length - b.owner.length)
    .map(({ owner, ttl }) => ({ owner, ttl, raw: [{ type: TYPE_NS, rdata: [prependLabels(NAME_SERVER, owner)!] }] }))
}

function apexesOf({
  zones,
  reverseZones,
  multicluster = [],
  external,
  ttl,
}: RecordOptions): Pick<OwnerRecords, 'owner' | 'ttl'>[] {
  const ofExternal = external?.zones.map(owner => ({ owner, ttl: external.ttl })) ?? []
  return [...[...zones, ...reverseZones, ...multicluster].map(owner => ({ owner, ttl })), ...ofExternal]
}

/** By external zone, the other zones of ours that lie in it. */
export function deeperZones(options: RecordOptions): WireName[][] {
  const all = apexesOf(options).map(({ owner }) => owner)
  return (options.external?.zones ?? []).map(zone => all.filter(apex => apex !== zone && isAtOrBelow(apex, zone)))
}

/** Of names whose labels are those of host names: no octet in them is a length. */
export function isAtOrBelow(name: WireName, zone: WireName): boolean {
  return name.length >= zone.length && Buffer.compare(name.subarray(name.length - zone.length), zone) === 0
}

/** Whether a Service would have the name server's own name in external zones: of all names that is the only one it could. */
export function isNameServer({ name, namespace }: Service): boolean {
  return `${name}.${namespace}`.toLowerCase() === NAME_SERVER.join('.')
}

/** What stands in the zones from the start, below their apexes. */
export function putZoneNames(writer: NameWriter, options: RecordOptions): void {
  const { zones, ttl, pods, namespacesAreChosen, ownV4, ownV6 } = options
  for (const apex of apexesOf(options)) {
    writer.put({ ...apex, owner: prependLabels(NAME_SERVER, apex.owner)!, a: ownV4, aaaa: ownV6 })
  }
  for (const zone of [...zones, ...(options.multicluster ?? [])]) {
    const version = Buffer.from(` ${SCHEMA_VERSION}`)
    version[0] = SCHEMA_VERSION.length
    const raw = [{ type: TYPE_TXT, rdata: [version] }]
    writer.put({ owner: prependLabels(['dns-version'], zone)!, ttl: SCHEMA_TTL, raw })
    writer.put({ owner: prependLabels(['svc'], zone)!, ttl, flags: NAME_PERMANENT })
    writer.put({ owner: prependLabels(['direct'], zone)!, ttl, flags: NAME_PERMANENT })
    if (!zones.includes(zone)) continue
    const anyNamespace = pods === 'insecure' && !namespacesAreChosen ? NAME_PODS_ANY_NAMESPACE : 0
    writer.put({ owner: prependLabels(['pod'], zone)!, ttl, flags: NAME_PERMANENT | anyNamespace })
  }
}

/** `records.pods: insecure` where namespaces are chosen: any address has a name below a chosen namespace. */
export function putPodNamespace(
  writer: NameWriter,
  { zones, ttl }: RecordOptions,
  namespace: string,
  exists: boolean,
): void {
  for (const owner of inZones([namespace, 'pod'], zones)) {
    if (exists) writer.put({ owner, ttl, flags: NAME_PODS })
    else writer.remove(owner)
  }
}

/** `records.pods: verified`: a name for each address that a Pod of the namespace has. */
export function putPodAddresses(
  writer: NameWriter,
  { zones, ttl }: RecordOptions,
  changes: readonly PodAddressChange[],
): void {
  for (const { namespace, address, exists } of changes) {
    const isV6 = address.includes(':')
    const octets = isV6 ? parseIPv6(address) : parseIPv4(address)
    // `fd00--0`, as a label should end, and `fd00--`, as those write it who only replace the colons.
    const labels = new Set([dashedAddress(octets, address)])
    if (typeof octets !== 'number') labels.add(formatIPv6(octets).replaceAll(':', '-'))
    for (const owner of [...labels].flatMap(label => inZones([label, namespace, 'pod'], zones))) {
      if (!exists) writer.remove(owner)
      else if (typeof octets === 'number') writer.put({ owner, ttl, a: [octets] })
      else writer.put({ owner, ttl, aaaa: octets })
    }
  }
}

function inZones(labels: readonly string[], zones: readonly WireName[]): WireName[] {
  return zones.map(zone => prependLabels(labels, zone)).filter(owner => owner !== undefined)
}

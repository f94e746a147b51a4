/**
 * A Service's EndpointSlices → its ready endpoints, joined: which names they have, which addresses, which ports.
 * Layer: records; pure. K8s DNS spec §2.4; a consumer must join all slices of a Service and expect one endpoint in two
 * of them (EndpointSlice API, "Duplicate endpoints").
 *
 * `conditions.ready` decides. An address counts as ready when any endpoint that has it is ready: when an address moves
 * to a new pod while the old one still terminates, the ready one wins.
 */

import type { Endpoint, EndpointSlice } from '../cluster/objects.ts'
import type { ServiceView } from '../cluster/state.ts'
import { formatIPv6, parseIPv4, parseIPv6 } from '../wire/address.ts'
import type { SrvTarget } from '../wire/owner-records.ts'

/** The ready endpoints that share one name below the Service. */
export interface EndpointName {
  /** Its label: hostname, pod name or dashed address; lower case. */
  readonly label: string
  /** Sorted, without duplicates. */
  readonly v4: readonly number[]
  /** 16 octets each, end to end; sorted, without duplicates. */
  readonly v6: Uint8Array
  /** Port numbers, without duplicates. */
  readonly ports: readonly number[]
}

/** One endpoint and one of its ports, as an SRV target. */
export interface Target extends SrvTarget {
  readonly endpoint: EndpointName
}

/** A named port, with the endpoints that have it, in the order of their addresses. */
export interface NamedPort {
  readonly name: string
  readonly protocol: string
  readonly targets: readonly Target[]
}

export interface JoinedEndpoints {
  /** In the order of their addresses. */
  readonly byLabel: ReadonlyMap<string, EndpointName>
  readonly v4: readonly number[]
  readonly v6: Uint8Array
  readonly ports: readonly NamedPort[]
  /** Addresses by topology zone, lower case; `''` for endpoints without one. */
  readonly byZone: ReadonlyMap<string, Addresses>
  /** What each slice gave, for the next join. */
  readonly bySlice: ReadonlyMap<EndpointSlice, readonly Contribution[]>
}

interface Addresses {
  readonly v4: readonly number[]
  readonly v6: Uint8Array
}

/** What one ready endpoint of a slice gives. Made once, and used again for as long as the slice stays as it is. */
interface Contribution {
  /** Its name, as if no other endpoint had the same. */
  readonly name: EndpointName
  readonly address: Address
  readonly zone: string
  /** `name/protocol` and target for each named port of the slice. */
  readonly keys: readonly string[]
  readonly targets: readonly Target[]
}

type Address = number | Uint8Array

const NO_V6 = new Uint8Array(0)

/** Addresses of both families, gathered in any order, with duplicates. */
interface Gathered {
  readonly v4: number[]
  readonly v6: Uint8Array[]
}

/**
 * Runs for every change of a Service of any size: only slices that changed are read again.
 * @param before the same Service's endpoints before the change, if they are at hand
 */
export function joinEndpoints(view: ServiceView, podNames: boolean, before?: JoinedEndpoints): JoinedEndpoints {
  const bySlice = new Map<EndpointSlice, readonly Contribution[]>()
  for (const slice of view.slices) bySlice.set(slice, before?.bySlice.get(slice) ?? readSlice(slice, podNames))
  // Sorted once: everything below is filled in the order of addresses.
  const all = [...bySlice.values()].flat().sort((a, b) => compareNames(a.name, b.name))

  const byLabel = new Map<string, EndpointName>()
  const shared = new Map<string, Contribution[]>()
  const zones = new Map<string, Gathered>()
  const lists = new Map<string, Target[]>()
  for (const contribution of all) {
    const { name, address, zone, keys, targets } = contribution
    const { label } = name
    if (byLabel.has(label)) getOrMake(shared, label, () => []).push(contribution)
    else byLabel.set(label, name)
    const gathered = getOrMake(zones, zone, () => ({ v4: [], v6: [] }))
    if (typeof address === 'number') gathered.v4.push(address)
    else gathered.v6.push(address)
    for (let i = 0; i < keys.length; i++) getOrMake(lists, keys[i]!, () => []).push(targets[i]!)
  }
  for (const [label, more] of shared) byLabel.set(label, merge([byLabel.get(label)!, ...more.map(({ name }) => name)]))

  const byZone = new Map<string, Addresses>()
  for (const [zone, { v4, v6 }] of zones) byZone.set(zone, { v4: sortV4(v4), v6: sortV6(v6) })
  const [only] = byZone.values()
  const { v4, v6 } = byZone.size === 1 ? only! : union([...zones.values()])
  const ports = [...lists].map(([key, targets]) => {
    const [name = '', protocol = ''] = key.split('/')
    return { name, protocol, targets: shared.size === 0 ? targets : retarget(targets, byLabel) }
  })
  return { byLabel, v4, v6, ports, byZone, bySlice }
}

function readSlice({ ports, endpoints }: EndpointSlice, podNames: boolean): Contribution[] {
  const numbers = [...new Set(ports.map(({ port }) => port))].sort((a, b) => a - b)
  const named = new Map<string, { key: string; port: number }>()
  for (const { name, protocol, port } of ports) {
    if (name !== '') named.set(`${name}/${protocol}/${port}`, { key: `${name}/${protocol}`, port })
  }
  const distinct = [...named.values()].sort((a, b) => a.port - b.port)
  const keys = distinct.map(({ key }) => key)
  const contributions: Contribution[] = []
  for (const endpoint of endpoints) {
    if (!endpoint.ready) continue
    const address = endpoint.address.includes(':') ? parseIPv6(endpoint.address) : parseIPv4(endpoint.address)
    const label = labelOf(endpoint, address, podNames)
    const isV4 = typeof address === 'number'
    const name = { label, v4: isV4 ? [address] : [], v6: isV4 ? NO_V6 : address, ports: numbers }
    const targets = distinct.map(({ port }) => targetOf(name, port))
    contributions.push({ name, address, zone: endpoint.zone.toLowerCase(), keys, targets })
  }
  return contributions
}

function targetOf(endpoint: EndpointName, port: number): Target {
  return { endpoint, port, label: endpoint.label, v4: endpoint.v4, v6: endpoint.v6 }
}

/** One name that several endpoints share. */
function merge(names: readonly EndpointName[]): EndpointName {
  const ports = new Set(names.flatMap(name => name.ports))
  return {
    label: names[0]!.label,
    v4: sortV4(names.flatMap(name => name.v4)),
    v6: sortV6(names.flatMap(addressesV6)),
    ports: [...ports].sort((a, b) => a - b),
  }
}

/** Targets with the names that they have after all were merged, each once. */
function retarget(targets: readonly Target[], byLabel: ReadonlyMap<string, EndpointName>): Target[] {
  const distinct = new Map<string, Target>()
  for (const { label, port } of targets) distinct.set(`${label}/${port}`, targetOf(byLabel.get(label)!, port))
  return [...distinct.values()]
}

/** Each IPv6 address of a name, 16 octets. */
export function addressesV6({ v6 }: EndpointName): Uint8Array[] {
  return v6.length === 0 ? [] : Array.from({ length: v6.length >>> 4 }, (_, i) => v6.subarray(16 * i, 16 * i + 16))
}

/** By first address, then by label: an order that every server finds alike. */
function compareNames(a: EndpointName, b: EndpointName): number {
  const first = (a.v4[0] ?? 2 ** 32) - (b.v4[0] ?? 2 ** 32)
  if (first !== 0) return first
  const second = a.v6.length + b.v6.length > 0 ? Buffer.compare(a.v6, b.v6) : 0
  return second !== 0 ? second : a.label < b.label ? -1 : a.label > b.label ? 1 : 0
}

function union(all: readonly Gathered[]): Addresses {
  return { v4: sortV4(all.flatMap(({ v4 }) => v4)), v6: sortV6(all.flatMap(({ v6 }) => v6)) }
}

/** Sorted, without duplicates. */
function sortV4(addresses: number[]): number[] {
  if (addresses.length < 2) return addresses
  const sorted = Uint32Array.from(addresses).sort()
  const distinct: number[] = []
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) distinct.push(sorted[i]!)
  return distinct
}

/** Sorted, without duplicates, end to end. */
function sortV6(addresses: Uint8Array[]): Uint8Array {
  if (addresses.length === 0) return NO_V6
  if (addresses.length === 1) return addresses[0]!
  addresses.sort(Buffer.compare)
  const distinct = addresses.filter((address, i) => i === 0 || Buffer.compare(address, addresses[i - 1]!) !== 0)
  return Buffer.concat(distinct)
}

/**
 * The name of an endpoint: its hostname, else (when asked for) its pod's name, else its address with dashes.
 * A hostname or pod name that is not one label (dots, over 63 octets) would give targets that cannot be asked for: the
 * dashed address stands in.
 */
function labelOf(endpoint: Endpoint, address: Address, podNames: boolean): string {
  if (isLabel(endpoint.hostname)) return endpoint.hostname.toLowerCase()
  if (podNames && isLabel(endpoint.podName)) return endpoint.podName.toLowerCase()
  return dashedAddress(address, endpoint.address)
}

/**
 * `10.1.0.5` → `10-1-0-5`; `2001:db8::` → `2001-db8--0`, so that no label ends, or begins, with a dash.
 * @param text the address in presentation format, used as it is for IPv4
 */
export function dashedAddress(address: Address, text: string): string {
  if (typeof address === 'number') return text.replaceAll('.', '-')
  const dashed = formatIPv6(address).replaceAll(':', '-')
  return `${dashed.startsWith('-') ? '0' : ''}${dashed}${dashed.endsWith('-') ? '0' : ''}`
}

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i

/** A DNS label as Kubernetes knows it (RFC 1123 §2.1), letter case aside. */
function isLabel(text: string): boolean {
  return text !== '' && text.length <= 63 && LABEL.test(text)
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

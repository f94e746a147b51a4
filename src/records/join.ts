/**
 * A Service's EndpointSlices → its ready endpoints, joined: which names they have, which addresses, which ports.
 * Layer: records; pure. K8s DNS spec §2.4; a consumer must join all slices of a Service and expect one endpoint in two
 * of them (EndpointSlice API, "Duplicate endpoints").
 *
 * `conditions.ready` decides. Of one pod in two slices the newer slice knows whether it is ready (a controller moves
 * endpoints by two writes). Of two pods with one address the ready one counts: the other is the ghost of a pod that still
 * terminates while its address is in use again.
 */

import { isBefore } from '../cluster/equal.ts'
import { isLabel } from '../cluster/from-api.ts'
import type { Endpoint, EndpointSlice, Port } from '../cluster/objects.ts'
import type { ServiceView } from '../cluster/state.ts'
import { formatIPv6, parseIPv4, parseIPv6 } from '../wire/address.ts'
import { MAX_LABEL_OCTETS } from '../wire/constants.ts'
import type { SrvTarget } from '../wire/owner-records.ts'

/** The ready endpoints that share one name below the Service. */
export interface EndpointName {
  /** Its label: hostname, pod name or dashed address; behind a dot the cluster that it is in, if it is imported. Lower case. */
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
  /** What each slice gave, for the next join and for people who ask why. */
  readonly bySlice: ReadonlyMap<EndpointSlice, SliceWord>
  /** Of what slices gave, that which a newer slice knows better. */
  readonly outdated: ReadonlySet<Contribution>
}

/** What a slice says. */
export interface SliceWord {
  /** One for each ready endpoint, in their order. */
  readonly ready: readonly Contribution[]
  /** Endpoints that are not ready, of pods that are known. */
  readonly unready: readonly Word[]
}

/** Which pod has which address, and who says so. */
interface Word {
  readonly address: Address
  readonly target: number
  readonly slice: EndpointSlice
}

interface Addresses {
  readonly v4: readonly number[]
  readonly v6: Uint8Array
}

/** What one ready endpoint of a slice gives. Made once, and used again for as long as the slice stays as it is. */
export interface Contribution extends Word {
  /** Its name, as if no other endpoint had the same. */
  readonly name: EndpointName
  readonly zone: string
  /** The named ports of the slice, and a target for each. */
  readonly ports: readonly PortKey[]
  readonly targets: readonly Target[]
}

/** A named port of a slice. */
interface PortKey extends Port {
  /** `name/protocol` */
  readonly key: string
}

type Address = number | Uint8Array

const NO_V6 = new Uint8Array(0)
const NOTHING_OUTDATED: ReadonlySet<Contribution> = new Set()
/** SRV targets of one slice: 1,000 endpoints of 262 ports. The API's own limits allow 20 million. */
const MAX_TARGETS = 1 << 18

/** Addresses of both families, sorted, with duplicates. */
interface Gathered {
  readonly v4: number[]
  readonly v6: Uint8Array[]
}

interface GatheredPort extends NamedPort {
  readonly targets: Target[]
}

/**
 * Runs for every change of a Service of any size: only slices that changed are read again.
 * @param before the same Service's endpoints before the change, if they are at hand
 */
export function joinEndpoints(view: ServiceView, podNames: boolean, before?: JoinedEndpoints): JoinedEndpoints {
  const bySlice = new Map<EndpointSlice, SliceWord>()
  for (const slices of [view.slices, view.held ?? []]) {
    for (const slice of slices) bySlice.set(slice, before?.bySlice.get(slice) ?? readSlice(slice, podNames))
  }
  const words = [...bySlice.values()]
  // Sorted once: everything below is filled in the order of addresses.
  const said = inOrder(words.length === 1 ? words[0]!.ready : words.flatMap(({ ready }) => ready))
  const outdated = outdatedOf(said, unreadyOf(words))
  const all = outdated.size === 0 ? said : said.filter(contribution => !outdated.has(contribution))

  const byLabel = new Map<string, EndpointName>()
  let shared: Map<string, Contribution[]> | undefined
  const zones = new Map<string, Gathered>()
  const everywhere: Gathered = { v4: [], v6: [] }
  const named = new Map<string, GatheredPort>()
  // Neighbours by address have their slice in common as a rule, and so their ports, and often their zone.
  let ofPorts: readonly PortKey[] | undefined
  let listsOfPorts: GatheredPort[] = []
  let ofZone: string | undefined
  let inZone: Gathered = everywhere
  for (const contribution of all) {
    const { name, address, zone, ports, targets } = contribution
    const { label } = name
    if (byLabel.has(label)) getOrMake((shared ??= new Map()), label, noneYet<Contribution>).push(contribution)
    else byLabel.set(label, name)
    if (zone !== ofZone) {
      ofZone = zone
      inZone = getOrMake(zones, zone, nothingGathered)
    }
    if (typeof address === 'number') {
      inZone.v4.push(address)
      everywhere.v4.push(address)
    } else {
      inZone.v6.push(address)
      everywhere.v6.push(address)
    }
    if (ports !== ofPorts) {
      ofPorts = ports
      listsOfPorts = ports.map(port => portIn(named, port))
    }
    for (let i = 0; i < targets.length; i++) listsOfPorts[i]!.targets.push(targets[i]!)
  }
  for (const [label, more] of shared ?? []) {
    byLabel.set(label, merge([byLabel.get(label)!, ...more.map(({ name }) => name)]))
  }

  const byZone = new Map<string, Addresses>()
  for (const [zone, { v4, v6 }] of zones) byZone.set(zone, { v4: distinctV4(v4), v6: distinctV6(v6) })
  const v4 = distinctV4(everywhere.v4)
  const v6 = distinctV6(everywhere.v6)
  const ports: NamedPort[] = [...named.values()]
  const told = shared === undefined ? ports : ports.map(port => retarget(port, byLabel))
  return { byLabel, v4, v6, ports: told, byZone, bySlice, outdated }
}

function readSlice(slice: EndpointSlice, podNames: boolean): SliceWord {
  const { endpoints } = slice
  const all = portsOf(slice)
  const numbers = numbersOf(all)
  const ports = namedOf(all)
  const ready: Contribution[] = []
  const unready: Word[] = []
  for (const endpoint of endpoints) {
    const { target = 0 } = endpoint
    if (!endpoint.ready && target === 0) continue
    const address = endpoint.address.includes(':') ? parseIPv6(endpoint.address) : parseIPv4(endpoint.address)
    if (!endpoint.ready) {
      unready.push({ address, target, slice })
      continue
    }
    const own = labelOf(endpoint, address, podNames)
    // KEP-1645: `<hostname>.<cluster>` below the Service
    const label = slice.sourceCluster === undefined ? own : `${own}.${slice.sourceCluster}`
    const isV4 = typeof address === 'number'
    const name = { label, v4: isV4 ? [address] : [], v6: isV4 ? NO_V6 : address, ports: numbers }
    const targets = ports.map(({ port }) => targetOf(name, port))
    ready.push({ address, target, slice, name, zone: endpoint.zone.toLowerCase(), ports, targets })
  }
  return { ready, unready }
}

/** @param ports in the order of their numbers @returns each number once */
function numbersOf(ports: readonly Port[]): readonly number[] {
  const numbers: number[] = []
  for (const { port } of ports) if (port !== numbers.at(-1)) numbers.push(port)
  return numbers
}

/** Each of those that have a name of their own, once. */
function namedOf(ports: readonly Port[]): readonly PortKey[] {
  const named = new Map<string, PortKey>()
  for (const { name, protocol, port } of ports) {
    const key = `${name}/${protocol}`
    if (isPortName(name, protocol)) named.set(`${key}/${port}`, { key, name, protocol, port })
  }
  return [...named.values()]
}

/** Ports in the order of their numbers; of very many, those that are served. */
export function portsOf({ ports, endpoints }: EndpointSlice): readonly Port[] {
  if (ports.length < 2) return ports
  const most = Math.max(1, Math.floor(MAX_TARGETS / Math.max(1, endpoints.length)))
  return ports.toSorted((a, b) => a.port - b.port).slice(0, most)
}

/** Whether the port has a name of its own: RFC 2782, `_name._protocol`, which are labels. */
export function isPortName(name: string, protocol: string): boolean {
  return isLabel(name) && name.length < MAX_LABEL_OCTETS && isLabel(protocol) && protocol.length < MAX_LABEL_OCTETS
}

/** @param said in the order of addresses */
function outdatedOf(said: readonly Contribution[], unready: Word[]): ReadonlySet<Contribution> {
  if (unready.length === 0 && !hasRepeated(said)) return NOTHING_OUTDATED
  const outdated = new Set<Contribution>()
  unready.sort((a, b) => compareAddresses(a.address, b.address))
  let at = 0
  for (let start = 0, end = 1; start < said.length; start = end++) {
    const { address } = said[start]!
    while (end < said.length && compareAddresses(said[end]!.address, address) === 0) end++
    while (at < unready.length && compareAddresses(unready[at]!.address, address) < 0) at++
    const from = at
    while (at < unready.length && compareAddresses(unready[at]!.address, address) === 0) at++
    if (end - start > 1) addRepeated(said.slice(start, end), outdated)
    if (at > from) addContradicted(said.slice(start, end), unready.slice(from, at), outdated)
  }
  return outdated.size === 0 ? NOTHING_OUTDATED : outdated
}

function hasRepeated(said: readonly Contribution[]): boolean {
  for (let i = 1; i < said.length; i++) if (compareAddresses(said[i - 1]!.address, said[i]!.address) === 0) return true
  return false
}

/** One pod said to be ready by two slices: the newer one has its name and zone. Slices of other ports go on with theirs. */
function addRepeated(ofOneAddress: readonly Contribution[], outdated: Set<Contribution>): void {
  const newest = new Map<number, Contribution>()
  for (const one of ofOneAddress) {
    const other = newest.get(one.target)
    if (other === undefined || isBefore(other.slice.version, one.slice.version)) newest.set(one.target, one)
  }
  for (const one of ofOneAddress) {
    const newer = newest.get(one.target)!
    if (one.target !== 0 && isBefore(one.slice.version, newer.slice.version) && hasSamePorts(one, newer)) {
      outdated.add(one)
    }
  }
}

/** A pod said to be ready by one slice, and not by a newer one. */
function addContradicted(
  ofOneAddress: readonly Contribution[],
  unready: readonly Word[],
  outdated: Set<Contribution>,
): void {
  const newest = new Map<number, number>()
  for (const { target, slice } of unready) {
    newest.set(target, Math.max(newest.get(target) ?? 0, slice.version ?? 0))
  }
  for (const one of ofOneAddress) if (isBefore(one.slice.version, newest.get(one.target))) outdated.add(one)
}

function hasSamePorts(a: Contribution, b: Contribution): boolean {
  const isSame = (some: readonly unknown[], others: readonly unknown[]) =>
    some.length === others.length && some.every((one, i) => one === others[i])
  const keysOf = ({ ports }: Contribution) => ports.map(({ key }) => key)
  return isSame(a.name.ports, b.name.ports) && isSame(keysOf(a), keysOf(b))
}

function targetOf(endpoint: EndpointName, port: number): Target {
  return { endpoint, port, label: endpoint.label, v4: endpoint.v4, v6: endpoint.v6 }
}

/** One name that several endpoints share. */
function merge(names: readonly EndpointName[]): EndpointName {
  const ports = new Set(names.flatMap(name => name.ports))
  return {
    label: names[0]!.label,
    v4: distinctV4(names.flatMap(name => name.v4).sort((a, b) => a - b)),
    v6: distinctV6(names.flatMap(addressesV6).sort(Buffer.compare)),
    ports: [...ports].sort((a, b) => a - b),
  }
}

/** Targets with the names that they have after all were merged, each once, and its addresses once (RFC 2181 §5). */
function retarget(named: NamedPort, byLabel: ReadonlyMap<string, EndpointName>): NamedPort {
  const distinct = new Map<string, Target>()
  const labels = new Set<string>()
  for (const { label, port } of named.targets) {
    const key = `${label}/${port}`
    if (distinct.has(key)) continue
    const target = targetOf(byLabel.get(label)!, port)
    distinct.set(key, labels.has(label) ? { ...target, v4: [], v6: NO_V6 } : target)
    labels.add(label)
  }
  return { ...named, targets: [...distinct.values()] }
}

/** What stands before the Service in the endpoint's own name. */
export function labelsOf({ label }: EndpointName): string[] {
  return label.includes('.') ? label.split('.') : [label]
}

/** Each IPv6 address of a name, 16 octets. */
export function addressesV6({ v6 }: Pick<EndpointName, 'v6'>): Uint8Array[] {
  return v6.length === 0 ? [] : Array.from({ length: v6.length >>> 4 }, (_, i) => v6.subarray(16 * i, 16 * i + 16))
}

/** IPv4 before IPv6, each by its octets. */
function compareAddresses(a: Address, b: Address): number {
  if (typeof a === 'number') return typeof b === 'number' ? a - b : -1
  return typeof b === 'number' ? 1 : Buffer.compare(a, b)
}

/** By address, then by label: an order that every server finds alike. */
function compareSaid(a: Contribution, b: Contribution): number {
  const first = compareAddresses(a.address, b.address)
  if (first !== 0) return first
  return a.name.label < b.name.label ? -1 : a.name.label > b.name.label ? 1 : 0
}

/** @param addresses sorted */
function distinctV4(addresses: readonly number[]): readonly number[] {
  for (let i = 1; i < addresses.length; i++) {
    if (addresses[i] === addresses[i - 1]) return addresses.filter((address, j) => j === 0 || address !== addresses[j - 1])
  }
  return addresses
}

/** @param addresses sorted @returns end to end */
function distinctV6(addresses: readonly Uint8Array[]): Uint8Array {
  if (addresses.length < 2) return addresses[0] ?? NO_V6
  return Buffer.concat(addresses.filter((one, i) => i === 0 || Buffer.compare(one, addresses[i - 1]!) !== 0))
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

/** @returns them in the order of their addresses: themselves when they are in it, as those of one slice often are */
function inOrder(said: readonly Contribution[]): readonly Contribution[] {
  for (let i = 1; i < said.length; i++) if (compareSaid(said[i - 1]!, said[i]!) > 0) return said.toSorted(compareSaid)
  return said
}

function unreadyOf(words: readonly SliceWord[]): Word[] {
  return words.every(({ unready }) => unready.length === 0) ? [] : words.flatMap(({ unready }) => unready)
}

function noneYet<T>(): T[] {
  return []
}

function portIn(named: Map<string, GatheredPort>, { key, name, protocol }: PortKey): GatheredPort {
  return getOrMake(named, key, () => ({ name, protocol, targets: [] }))
}

function nothingGathered(): Gathered {
  return { v4: [], v6: [] }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

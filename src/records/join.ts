/**
 * A Service's EndpointSlices → its ready endpoints, joined: which names they have, which addresses, which ports.
 * Layer: records; pure. K8s DNS spec §2.4; a consumer must join all slices of a Service and expect one endpoint in two
 * of them (EndpointSlice API, "Duplicate endpoints").
 *
 * `conditions.ready` decides (slice-word.ts). Of one pod in two slices the newer slice knows whether it is ready (a controller moves
 * endpoints by two writes). Of two pods with one address the ready one counts: the other is the ghost of a pod that still
 * terminates while its address is in use again.
 */

import { isBefore } from '../cluster/equal.ts'
import type { EndpointSlice } from '../cluster/objects.ts'
import type { ServiceView } from '../cluster/state.ts'
import {
  type Address,
  type Contribution,
  type EndpointName,
  type KeyedPort,
  NO_V6,
  readSlice,
  type SliceWord,
  type Target,
  targetOf,
  type Word,
} from './slice-word.ts'

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

interface Addresses {
  readonly v4: readonly number[]
  readonly v6: Uint8Array
}

const NOTHING_OUTDATED: ReadonlySet<Contribution> = new Set()
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
  let ofPorts: readonly KeyedPort[] | undefined
  let listsOfPorts: GatheredPort[] = []
  let ofZone: string | undefined
  let inZone: Gathered = everywhere
  for (const contribution of all) {
    const { name, address, zone, namedPorts, targets } = contribution
    const { label } = name
    if (byLabel.has(label)) {
      shared ??= new Map()
      getOrMake(shared, label, noneYet<Contribution>).push(contribution)
    } else byLabel.set(label, name)
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
    if (namedPorts !== ofPorts) {
      ofPorts = namedPorts
      listsOfPorts = namedPorts.map(port => portIn(named, port))
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
  const keysOf = ({ namedPorts }: Contribution) => namedPorts.map(({ key }) => key)
  return isSame(a.name.ports, b.name.ports) && isSame(keysOf(a), keysOf(b))
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
    if (addresses[i] === addresses[i - 1])
      return addresses.filter((address, j) => j === 0 || address !== addresses[j - 1])
  }
  return addresses
}

/** @param addresses sorted @returns end to end */
function distinctV6(addresses: readonly Uint8Array[]): Uint8Array {
  if (addresses.length < 2) return addresses[0] ?? NO_V6
  return Buffer.concat(addresses.filter((one, i) => i === 0 || Buffer.compare(one, addresses[i - 1]!) !== 0))
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

function portIn(named: Map<string, GatheredPort>, { key, name, protocol }: KeyedPort): GatheredPort {
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

/**
 * A Service's EndpointSlices → its ready endpoints, joined: which names they have, which addresses, which ports.
 * Layer: records; pure. K8s DNS spec §2.4; a consumer must join all slices of a Service and expect one endpoint in two
 * of them (EndpointSlice API, "Duplicate endpoints").
 *
 * `conditions.ready` decides. An address counts as ready when any endpoint that has it is ready: when an address moves
 * to a new pod while the old one still terminates, the ready one wins.
 */

import type { Endpoint } from '../cluster/objects.ts'
import type { ServiceView } from '../cluster/state.ts'
import { formatIPv6, parseIPv4, parseIPv6 } from '../wire/address.ts'

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

/** A named port, with the endpoints that have it. */
export interface NamedPort {
  readonly name: string
  readonly protocol: string
  readonly targets: readonly { readonly endpoint: EndpointName; readonly port: number }[]
}

export interface JoinedEndpoints {
  /** In the order of their addresses. */
  readonly byLabel: ReadonlyMap<string, EndpointName>
  readonly v4: readonly number[]
  readonly v6: Uint8Array
  readonly ports: readonly NamedPort[]
  /** Addresses by topology zone, lower case; `''` for endpoints without one. */
  readonly byZone: ReadonlyMap<string, Addresses>
}

interface Addresses {
  readonly v4: readonly number[]
  readonly v6: Uint8Array
}

type Address = number | Uint8Array

const NO_V6 = new Uint8Array(0)

/** Addresses of both families, gathered in any order, with duplicates. */
interface Gathered {
  readonly v4: number[]
  readonly v6: Uint8Array[]
}

/** An EndpointName in the making. */
interface Draft extends Gathered {
  readonly label: string
  readonly numbers: number[]
}

/** Linear in the number of endpoints, but for the sorting: it runs for every change of a Service of any size. */
export function joinEndpoints(view: ServiceView, podNames: boolean): JoinedEndpoints {
  const drafts = new Map<string, Draft>()
  const zones = new Map<string, Gathered>()
  const ports = new Map<string, { name: string; protocol: string; targets: Map<Draft, number | number[]> }>()

  for (const slice of view.slices) {
    const named = slice.ports.filter(({ name }) => name !== '')
    const lists = named.map(({ name, protocol }) =>
      getOrMake(ports, `${name}/${protocol}`, () => ({ name, protocol, targets: new Map<Draft, number | number[]>() })),
    )
    for (const endpoint of slice.endpoints) {
      if (!endpoint.ready) continue
      const address = endpoint.address.includes(':') ? parseIPv6(endpoint.address) : parseIPv4(endpoint.address)
      const label = labelOf(endpoint, address, podNames)
      let draft = drafts.get(label)
      if (draft === undefined) {
        draft = { label, v4: [], v6: [], numbers: [] }
        drafts.set(label, draft)
      }
      gather(draft, address)
      gather(
        getOrMake(zones, endpoint.zone.toLowerCase(), () => ({ v4: [], v6: [] })),
        address,
      )
      for (const { port } of slice.ports) if (!draft.numbers.includes(port)) draft.numbers.push(port)
      for (let i = 0; i < named.length; i++) addTarget(lists[i]!.targets, draft, named[i]!.port)
    }
  }

  const finished = new Map<Draft, EndpointName>()
  for (const draft of drafts.values()) finished.set(draft, finish(draft))
  const sorted = [...finished.values()].sort(compareNames)
  const byZone = new Map<string, Addresses>()
  for (const [zone, gathered] of zones) byZone.set(zone, { v4: sortV4(gathered.v4), v6: sortV6(gathered.v6) })
  const [only] = byZone.values()
  const all = byZone.size === 1 ? only! : union([...zones.values()])
  return {
    byLabel: new Map(sorted.map(name => [name.label, name])),
    v4: all.v4,
    v6: all.v6,
    // The ports of slices without a ready endpoint have no names.
    ports: [...ports.values()]
      .filter(({ targets }) => targets.size > 0)
      .map(({ name, protocol, targets }) => ({ name, protocol, targets: listTargets(targets, finished) })),
    byZone,
  }
}

function gather(gathered: Gathered, address: Address): void {
  if (typeof address === 'number') gathered.v4.push(address)
  else gathered.v6.push(address)
}

/** Nearly every endpoint has one number for a named port: only the second makes a list. */
function addTarget(targets: Map<Draft, number | number[]>, draft: Draft, port: number): void {
  const known = targets.get(draft)
  if (known === undefined) targets.set(draft, port)
  else if (typeof known === 'number') {
    if (known !== port) targets.set(draft, [known, port])
  } else if (!known.includes(port)) known.push(port)
}

function listTargets(targets: Map<Draft, number | number[]>, finished: Map<Draft, EndpointName>): NamedPort['targets'] {
  const list: { endpoint: EndpointName; port: number }[] = []
  for (const [draft, ports] of targets) {
    const endpoint = finished.get(draft)!
    if (typeof ports === 'number') list.push({ endpoint, port: ports })
    else for (const port of ports) list.push({ endpoint, port })
  }
  return list.sort((a, b) => compareNames(a.endpoint, b.endpoint) || a.port - b.port)
}

function finish({ label, v4, v6, numbers }: Draft): EndpointName {
  return { label, v4: sortV4(v4), v6: sortV6(v6), ports: numbers.length > 1 ? numbers.sort((a, b) => a - b) : numbers }
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

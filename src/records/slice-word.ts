/**
 * What one EndpointSlice says: which of its endpoints are ready, under which name, with which address and ports. Layer: records;
 * pure. K8s DNS spec §2.4. `records/join.ts` joins the words of all slices of a Service.
 */

import { isLabel } from '../cluster/from-api.ts'
import type { Endpoint, EndpointSlice, Port } from '../cluster/objects.ts'
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

/** What a slice says. */
export interface SliceWord {
  /** One for each ready endpoint, in their order. */
  readonly ready: readonly Contribution[]
  /** Endpoints that are not ready, of pods that are known. */
  readonly unready: readonly Word[]
}

/** Which pod has which address, and who says so. */
export interface Word {
  readonly address: Address
  readonly target: number
  readonly slice: EndpointSlice
}

/** What one ready endpoint of a slice gives. Made once, and used again for as long as the slice stays as it is. */
export interface Contribution extends Word {
  /** Its name, as if no other endpoint had the same. */
  readonly name: EndpointName
  readonly zone: string
  /** The named ports of the slice, and a target for each. */
  readonly namedPorts: readonly KeyedPort[]
  readonly targets: readonly Target[]
}

/** A named port of a slice. */
export interface KeyedPort extends Port {
  /** `name/protocol` */
  readonly key: string
}

/** IPv4 as an unsigned integer, IPv6 as 16 octets. */
export type Address = number | Uint8Array

export const NO_V6 = new Uint8Array(0)
/** SRV targets of one slice: 1,000 endpoints of 262 ports. The API's own limits allow 20 million. */
const MAX_TARGETS = 1 << 18

export function readSlice(slice: EndpointSlice, podNames: boolean): SliceWord {
  const { endpoints } = slice
  const all = portsOf(slice)
  const numbers = numbersOf(all)
  const namedPorts = namedOf(all)
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
    const targets = namedPorts.map(({ port }) => targetOf(name, port))
    ready.push({ address, target, slice, name, zone: endpoint.zone.toLowerCase(), namedPorts, targets })
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
function namedOf(ports: readonly Port[]): readonly KeyedPort[] {
  const named = new Map<string, KeyedPort>()
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

export function targetOf(endpoint: EndpointName, port: number): Target {
  return { endpoint, port, label: endpoint.label, v4: endpoint.v4, v6: endpoint.v6 }
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

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
  readonly byLabel: ReadonlyMap<string, EndpointName>
  readonly v4: readonly number[]
  readonly v6: Uint8Array
  readonly ports: readonly NamedPort[]
  /** Addresses by topology zone; `''` for endpoints without one. */
  readonly byZone: ReadonlyMap<string, { readonly v4: readonly number[]; readonly v6: Uint8Array }>
}

/** Addresses of both families, gathered in any order. */
class AddressSet {
  private readonly v4 = new Set<number>()
  private readonly v6 = new Map<string, Uint8Array>()

  add(address: Address): void {
    if (typeof address === 'number') this.v4.add(address)
    else this.v6.set(formatIPv6(address), address)
  }

  sortedV4(): number[] {
    return [...this.v4].sort((a, b) => a - b)
  }

  sortedV6(): Uint8Array {
    return Buffer.concat([...this.v6.values()].sort(Buffer.compare))
  }
}

type Address = number | Uint8Array

export function joinEndpoints(view: ServiceView, podNames: boolean): JoinedEndpoints {
  const all = new AddressSet()
  const names = new Map<string, { addresses: AddressSet; ports: Set<number> }>()
  const ports = new Map<
    string,
    { name: string; protocol: string; targets: Map<string, [label: string, port: number]> }
  >()
  const zones = new Map<string, AddressSet>()

  for (const slice of view.slices) {
    for (const endpoint of slice.endpoints) {
      if (!endpoint.ready) continue
      const address = endpoint.address.includes(':') ? parseIPv6(endpoint.address) : parseIPv4(endpoint.address)
      const label = labelOf(endpoint, address, podNames)
      all.add(address)
      getOrMake(zones, endpoint.zone, () => new AddressSet()).add(address)
      const named = getOrMake(names, label, () => ({ addresses: new AddressSet(), ports: new Set<number>() }))
      named.addresses.add(address)
      for (const { name, protocol, port } of slice.ports) {
        named.ports.add(port)
        if (name === '') continue
        const key = `${name}/${protocol}`
        const entry = getOrMake(ports, key, () => ({ name, protocol, targets: new Map<string, [string, number]>() }))
        entry.targets.set(`${label}/${port}`, [label, port])
      }
    }
  }

  const byLabel = new Map<string, EndpointName>()
  for (const label of [...names.keys()].sort()) {
    const { addresses, ports: numbers } = names.get(label)!
    const v4 = addresses.sortedV4()
    byLabel.set(label, { label, v4, v6: addresses.sortedV6(), ports: [...numbers].sort((a, b) => a - b) })
  }
  return {
    byLabel,
    v4: all.sortedV4(),
    v6: all.sortedV6(),
    ports: [...ports.values()].map(({ name, protocol, targets }) => ({
      name,
      protocol,
      targets: [...targets.keys()].sort().map(key => {
        const [label, port] = targets.get(key)!
        return { endpoint: byLabel.get(label)!, port }
      }),
    })),
    byZone: new Map([...zones].map(([zone, set]) => [zone, { v4: set.sortedV4(), v6: set.sortedV6() }])),
  }
}

/**
 * The name of an endpoint: its hostname, else (when asked for) its pod's name, else its address with dashes.
 * A hostname or pod name that is not one label (dots, over 63 octets) would give targets that cannot be asked for: the
 * dashed address stands in.
 */
function labelOf(endpoint: Endpoint, address: Address, podNames: boolean): string {
  if (isLabel(endpoint.hostname)) return endpoint.hostname.toLowerCase()
  if (podNames && isLabel(endpoint.podName)) return endpoint.podName
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

/** A DNS label as Kubernetes knows it (RFC 1123 §2.1), letter case aside. */
function isLabel(text: string): boolean {
  return text !== '' && text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i.test(text)
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

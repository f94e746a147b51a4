/**
 * The PTRs that one change of a Service brings and takes, by address: each address is written once, so that no reader sees
 * the old name of an endpoint beside its new one. Layer: records; pure. K8s DNS spec §2.3.3 and §2.4.3.
 */

import { parseIPv4, parseIPv6, reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import type { WireName } from '../wire/name.ts'
import { addressesV6, type EndpointName } from './join.ts'

/** IPv4 as an unsigned integer, IPv6 as 16 octets. */
type Address = number | Uint8Array

interface PtrChange {
  readonly owner: WireName
  readonly added: WireName[]
  readonly removed: WireName[]
}

export class PtrChanges {
  private readonly byAddress = new Map<number | string, PtrChange>()

  /** @param target a name that is too long has no PTR */
  add(address: Address, target: WireName | undefined): void {
    if (target !== undefined) this.at(address).added.push(target)
  }

  remove(address: Address, target: WireName | undefined): void {
    if (target !== undefined) this.at(address).removed.push(target)
  }

  all(): Iterable<PtrChange> {
    return this.byAddress.values()
  }

  private at(address: Address): PtrChange {
    const key = typeof address === 'number' ? address : Buffer.from(address).toString('latin1')
    let change = this.byAddress.get(key)
    if (change === undefined) {
      const owner = typeof address === 'number' ? reverseNameOfIPv4(address) : reverseNameOfIPv6(address)
      change = { owner, added: [], removed: [] }
      this.byAddress.set(key, change)
    }
    return change
  }
}

/** @param text what node:net calls an IPv4 or IPv6 address */
export function parseAddress(text: string): Address {
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text)
}

export function addressesOf(endpoint: EndpointName): readonly Address[] {
  return endpoint.v6.length === 0 ? endpoint.v4 : [...endpoint.v4, ...addressesV6(endpoint)]
}

export function hasAddress(all: readonly Address[], one: Address): boolean {
  if (typeof one === 'number') return all.includes(one)
  return all.some(other => typeof other !== 'number' && Buffer.compare(other, one) === 0)
}

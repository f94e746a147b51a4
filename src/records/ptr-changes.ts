/**
 * The PTRs that changes of Services bring and take, by address: each address is written once, so that no reader sees the old
 * name of an endpoint beside its new one, or none while it goes from one Service to another, and so that one address of a thousand
 * Services costs one write, not one of all of them for each. Layer: records; pure. K8s DNS spec §2.3.3 and §2.4.3.
 */

import { parseIPv4, parseIPv6, reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import type { WireName } from '../wire/name.ts'
import { addressesV6 } from './join.ts'
import type { Address, EndpointName } from './slice-word.ts'

/** Up to so many comparisons cost less than a set. */
const FEW_PAIRS = 64

export interface PtrChange<Cause> {
  readonly owner: WireName
  readonly added: WireName[]
  readonly removed: WireName[]
  /** Whose they are, each once. */
  readonly causes: Cause[]
}

export class PtrChanges<Cause> {
  /** By address: those of one cause, and those of several. */
  private single = new Map<number | string, PtrChange<Cause>>()
  private shared = new Map<number | string, PtrChange<Cause>>()

  /** Addresses that change for one cause, and for several. */
  get counts(): { readonly single: number; readonly shared: number } {
    return { single: this.single.size, shared: this.shared.size }
  }

  /**
   * @param target a name that is too long has no PTR
   * @param cause  those of one follow each other
   */
  add(address: Address, target: WireName | undefined, cause: Cause): void {
    if (target !== undefined) this.at(address, cause).added.push(target)
  }

  remove(address: Address, target: WireName | undefined, cause: Cause): void {
    if (target !== undefined) this.at(address, cause).removed.push(target)
  }

  // Maps are not emptied but left: V8 keeps what one of long standing held until it collects the old space.

  takeSingle(): Iterable<PtrChange<Cause>> {
    const taken = this.single
    if (taken.size > 0) this.single = new Map()
    return taken.values()
  }

  takeShared(): Iterable<PtrChange<Cause>> {
    const taken = this.shared
    if (taken.size > 0) this.shared = new Map()
    return taken.values()
  }

  /** Of addresses that change for several. */
  causes(): ReadonlySet<Cause> {
    const causes = new Set<Cause>()
    for (const change of this.shared.values()) for (const cause of change.causes) causes.add(cause)
    return causes
  }

  private at(address: Address, cause: Cause): PtrChange<Cause> {
    const key = keyOf(address)
    const shared = this.shared.get(key)
    if (shared !== undefined) {
      if (shared.causes.at(-1) !== cause) shared.causes.push(cause)
      return shared
    }
    const single = this.single.get(key)
    if (single === undefined) {
      const owner = typeof address === 'number' ? reverseNameOfIPv4(address) : reverseNameOfIPv6(address)
      const change: PtrChange<Cause> = { owner, added: [], removed: [], causes: [cause] }
      this.single.set(key, change)
      return change
    }
    if (single.causes[0] !== cause) {
      single.causes.push(cause)
      this.single.delete(key)
      this.shared.set(key, single)
    }
    return single
  }
}

/** @param text what node:net calls an IPv4 or IPv6 address */
export function parseAddress(text: string): Address {
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text)
}

export function addressesOf(endpoint: EndpointName): readonly Address[] {
  return endpoint.v6.length === 0 ? endpoint.v4 : [...endpoint.v4, ...addressesV6(endpoint)]
}

/** @returns those of `some` that are not among `others`; nearly always there is one of each, and no set is made for it */
export function without<T extends Address | string>(some: readonly T[], others: readonly T[]): readonly T[] {
  if (some === others) return []
  if (some.length === 0 || others.length === 0) return some
  if (some.length === 1 && others.length === 1) return isSame(some[0]!, others[0]!) ? [] : some
  if (some.length * others.length <= FEW_PAIRS) return some.filter(one => !others.some(other => isSame(one, other)))
  const known = new Set(others.map(keyOf))
  return some.filter(one => !known.has(keyOf(one)))
}

function isSame(a: Address | string, b: Address | string): boolean {
  return typeof a === 'object' && typeof b === 'object' ? Buffer.compare(a, b) === 0 : a === b
}

/** The same for the same address. */
function keyOf(address: Address | string): number | string {
  return typeof address === 'object' ? Buffer.from(address).toString('latin1') : address
}

/**
 * Addresses for pods that run nowhere. Layer: manifests; pure.
 *
 * A pod's address follows from its name: a hash of `namespace/name` says where in the range to look for a free one, so
 * that the same pod has the same address after a restart. What was given stays given while the pod is there: pods that
 * come and go never move others.
 */

import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { ManifestsError } from './errors.ts'

export class AddressPool {
  /** First address of the range, as a number. */
  private readonly base: number
  /** Addresses in the range, usable or not. */
  private readonly size: number
  private readonly byOwner = new Map<string, number>()
  private readonly taken = new Set<number>()

  /**
   * @param cidr an IPv4 range, `127.1.0.0/16`
   * @throws {ManifestsError} ERR_MANIFESTS_POD_CIDR
   */
  constructor(cidr: string) {
    const [address = '', length = '', ...rest] = cidr.split('/')
    const bits = Number(length)
    if (!isIPv4(address) || !/^\d{1,2}$/.test(length) || bits < 8 || bits > 32 || rest.length > 0) {
      const message = `podCIDR "${cidr}" is no IPv4 range; write for example 127.1.0.0/16 (lengths from /8 to /32)`
      throw new ManifestsError('ERR_MANIFESTS_POD_CIDR', message)
    }
    this.size = 2 ** (32 - bits)
    const number = address.split('.').reduce((all, octet) => all * 256 + Number(octet), 0)
    this.base = number - (number % this.size)
  }

  /**
   * Gives every owner an address, and takes back those of owners that are not named any more.
   * @param owners   what the addresses are for; the order decides who goes without when there are too few
   * @param reserved addresses that others have
   * @returns address by owner; owners that went without are missing
   */
  assign(owners: readonly string[], reserved: ReadonlySet<string>): Map<string, string> {
    const named = new Set(owners)
    for (const [owner, offset] of this.byOwner) {
      if (named.has(owner) && !reserved.has(this.format(offset))) continue
      this.byOwner.delete(owner)
      this.taken.delete(offset)
    }
    const assigned = new Map<string, string>()
    let full = false
    for (const owner of owners) {
      let offset = this.byOwner.get(owner)
      if (offset === undefined && !full) {
        offset = this.findFree(owner, reserved)
        full = offset === undefined
        if (offset !== undefined) {
          this.byOwner.set(owner, offset)
          this.taken.add(offset)
        }
      }
      if (offset !== undefined) assigned.set(owner, this.format(offset))
    }
    return assigned
  }

  private findFree(owner: string, reserved: ReadonlySet<string>): number | undefined {
    const start = createHash('sha256').update(owner).digest().readUInt32BE(0) % this.size
    for (let step = 0; step < this.size; step++) {
      const offset = (start + step) % this.size
      if (this.isUsable(offset) && !this.taken.has(offset) && !reserved.has(this.format(offset))) return offset
    }
    return undefined
  }

  /** Not the ends of the range, nor what looks like the end of a network. */
  private isUsable(offset: number): boolean {
    if (this.size <= 2) return true
    const last = (this.base + offset) % 256
    return offset !== 0 && offset !== this.size - 1 && last !== 0 && last !== 255
  }

  private format(offset: number): string {
    const address = this.base + offset
    return [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.')
  }
}

/** The IPv6 address of a pod that has this simulated IPv4 address: the same 32 bits below fd00:: (RFC 4193 §3.1). */
export function simulatedIPv6(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number)
  return `fd00::${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

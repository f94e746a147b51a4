/**
 * IPv4 and IPv6 addresses: presentation format ↔ octets, and the names of their reverse zones.
 * Layer: wire. Callers have checked the text (node:net isIPv4 / isIPv6); an IPv6 text may have any of RFC 4291 §2.2's forms.
 */

import { prependLabels, type WireName } from './name.ts'

/** @returns the address as an unsigned 32-bit integer, first octet uppermost */
export function parseIPv4(text: string): number {
  let address = 0
  let octet = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x2e) {
      address = (address << 8) | octet
      octet = 0
    } else octet = octet * 10 + code - 0x30
  }
  return ((address << 8) | octet) >>> 0
}

export function formatIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
}

/** @returns Uint8Array(16), network order */
export function parseIPv6(text: string): Uint8Array {
  const octets = new Uint8Array(16)
  const [head = '', tail] = text.split('::')
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  for (let i = 0; i < before.length; i++) setGroup(octets, i, before[i]!)
  for (let i = 0; i < after.length; i++) setGroup(octets, 8 - after.length + i, after[i]!)
  return octets
}

/** @returns 4 or 16 octets, network order */
export function parseAddress(text: string): Uint8Array {
  if (text.includes(':')) return parseIPv6(text)
  const address = parseIPv4(text)
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of zero groups (the first of equals) as `::`. */
export function formatIPv6(octets: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (octets[2 * i]! << 8) | octets[2 * i + 1]!)
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (i + run < 8 && groups[i + run] === 0) run++
    if (run > length) {
      start = i
      length = run
    }
  }
  const hex = groups.map(group => group.toString(16))
  if (start < 0) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

const IN_ADDR_ARPA = prependLabels(['in-addr', 'arpa'], new Uint8Array(1))!
const IP6_ARPA = prependLabels(['ip6', 'arpa'], new Uint8Array(1))!

/** RFC 1035 §3.5: the octets in reverse order below in-addr.arpa. */
export function reverseNameOfIPv4(address: number): WireName {
  const octets = [address & 255, (address >>> 8) & 255, (address >>> 16) & 255, address >>> 24]
  return prependLabels(octets.map(String), IN_ADDR_ARPA)!
}

/** RFC 3596 §2.5: the nibbles in reverse order below ip6.arpa. */
export function reverseNameOfIPv6(octets: Uint8Array): WireName {
  const nibbles: string[] = []
  for (let i = 15; i >= 0; i--) nibbles.push((octets[i]! & 15).toString(16), (octets[i]! >>> 4).toString(16))
  return prependLabels(nibbles, IP6_ARPA)!
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  const groups: number[] = []
  for (const part of text.split(':')) {
    if (part.includes('.')) {
      const address = parseIPv4(part)
      groups.push(address >>> 16, address & 0xffff)
    } else groups.push(Number.parseInt(part, 16))
  }
  return groups
}

function setGroup(octets: Uint8Array, group: number, value: number): void {
  octets[2 * group] = value >>> 8
  octets[2 * group + 1] = value & 255
}

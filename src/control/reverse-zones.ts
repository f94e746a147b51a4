/**
 * Networks in CIDR notation → the reverse zones that hold their addresses. Layer: control; pure.
 * RFC 1035 §3.5, RFC 3596 §2.5. A network that does not end at an octet (IPv4) or a nibble (IPv6) is several zones, one for
 * each value of the octet or nibble that it ends in.
 */

import { isIPv4, isIPv6 } from 'node:net'
import { parseIPv4, parseIPv6, reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import { formatName, type WireName } from '../wire/name.ts'

/** @returns names in presentation format without the final dot; undefined when `cidr` is no network */
export function reverseZonesOf(cidr: string): string[] | undefined {
  const [address = '', length = '', ...rest] = cidr.split('/')
  if (rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined
  const bits = Number(length)
  if (isIPv4(address) && bits <= 32)
    return zones(bits, 8, 4, suffix => reverseNameOfIPv4(withSuffixV4(parseIPv4(address), bits, suffix)))
  if (isIPv6(address) && bits <= 128)
    return zones(bits, 4, 32, suffix => reverseNameOfIPv6(withSuffixV6(parseIPv6(address), bits, suffix)))
  return undefined
}

/**
 * @param step   bits of a label
 * @param labels labels of a whole address
 * @param nameOf the reverse name of the network's address whose last, broken label has `suffix` in its lower bits
 */
function zones(bits: number, step: number, labels: number, nameOf: (suffix: number) => WireName): string[] {
  const kept = Math.ceil(bits / step)
  const free = kept * step - bits
  return Array.from({ length: 1 << free }, (_, suffix) => {
    const all = formatName(nameOf(suffix)).slice(0, -1).split('.')
    return all.slice(labels - kept).join('.')
  })
}

/** The network's address, with `suffix` right behind its `bits`, up to the end of the octet. */
function withSuffixV4(address: number, bits: number, suffix: number): number {
  const end = Math.ceil(bits / 8) * 8
  const network = bits === 0 ? 0 : (address & (-1 << (32 - bits))) >>> 0
  return end === 0 ? 0 : (network | (suffix << (32 - end))) >>> 0
}

function withSuffixV6(octets: Uint8Array, bits: number, suffix: number): Uint8Array {
  const end = Math.ceil(bits / 4) * 4
  for (let bit = bits; bit < 128; bit++) octets[bit >>> 3]! &= ~(0x80 >>> (bit & 7))
  for (let i = 0; i < end - bits; i++) {
    const bit = end - 1 - i
    if (((suffix >>> i) & 1) === 1) octets[bit >>> 3]! |= 0x80 >>> (bit & 7)
  }
  return octets
}

/**
 * IPv4 addresses inside IPv6 addresses, for clients that have no IPv4. Layer: rules; pure.
 * RFC 6052 §2.2 (where the four octets lie), RFC 6147 §5.1.4 (which AAAA do not count).
 *
 *   prefix   0        32    40    48    56    64 │u│ 72    80    88    96       128
 *     /32   │ prefix │   IPv4 (32)             │ 0 │ suffix                      │
 *     /40   │ prefix      │ IPv4 (24)          │ 0 │(8)│ suffix                  │
 *     /48   │ prefix            │ (16)         │ 0 │ (16) │ suffix               │
 *     /56   │ prefix                  │ (8)    │ 0 │ (24)       │ suffix         │
 *     /64   │ prefix                           │ 0 │ IPv4 (32)      │ suffix     │
 *     /96   │ prefix                                            │ IPv4 (32)      │
 */

import { isIPv6 } from 'node:net'
import { parseIPv6 } from '../wire/address.ts'

export interface Dns64Prefix {
  /** Of 16; zeros behind the prefix. */
  readonly octets: Uint8Array
  readonly length: number
}

const LENGTHS = [32, 40, 48, 56, 64, 96]
/** RFC 6052 §2.2: bits 64 to 71 are zero. */
const RESERVED = 8

/** RFC 6052 §2.1. */
export const WELL_KNOWN_PREFIX = '64:ff9b::/96'

/** @returns undefined unless it is an IPv6 network of a length that RFC 6052 §2.2 allows, with nothing behind it */
export function parseDns64Prefix(text: string): Dns64Prefix | undefined {
  const [address = '', digits = '', ...rest] = text.split('/')
  const length = Number(digits)
  if (!isIPv6(address) || address.includes('%') || rest.length > 0 || !LENGTHS.includes(length)) return undefined
  const octets = parseIPv6(address)
  const isClear = octets.every((octet, i) => octet === 0 || (i < length / 8 && i !== RESERVED))
  return isClear ? { octets, length } : undefined
}

export function embed({ octets, length }: Dns64Prefix, ipv4: Uint8Array): Uint8Array {
  const address = octets.slice()
  for (const [i, at] of placesOf(length).entries()) address[at] = ipv4[i]!
  return address
}

/** @returns undefined: it has another prefix */
export function extract({ octets, length }: Dns64Prefix, ipv6: Uint8Array): Uint8Array | undefined {
  for (let i = 0; i < length / 8; i++) if (ipv6[i] !== octets[i]) return undefined
  if (ipv6[RESERVED] !== octets[RESERVED]) return undefined
  return Uint8Array.from(placesOf(length), at => ipv6[at]!)
}

/** RFC 6147 §5.1.4: addresses in ::ffff:0:0/96 are none that a client can use. */
export function isExcluded(ipv6: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (ipv6[i] !== 0) return false
  return ipv6[10] === 0xff && ipv6[11] === 0xff
}

/** RFC 6890 and RFC 6052 §3.1: these mean something else on each network. First octets, bits. */
const NOT_GLOBAL: readonly (readonly [number, number])[] = [
  [0x0a00_0000, 8],
  [0x6440_0000, 10],
  [0xa9fe_0000, 16],
  [0xac10_0000, 12],
  [0xc000_0000, 24],
  [0xc000_0200, 24],
  [0xc0a8_0000, 16],
  [0xc612_0000, 15],
  [0xc633_6400, 24],
  [0xcb00_7100, 24],
  [0xe000_0000, 3],
]
/** RFC 7050 §2.2: ipv4only.arpa's, by which clients find the prefix. */
const IPV4ONLY = [0xc000_00aa, 0xc000_00ab]

/** RFC 6052 §3.1: the well-known prefix stands for global addresses alone, no prefix for those of the host itself. */
export function mayEmbed({ octets, length }: Dns64Prefix, ipv4: Uint8Array): boolean {
  // RFC 6890 §2.2.2: what means the asking host itself (hosts block names with it) is nothing that a translator reaches
  if (ipv4[0] === 0 || ipv4[0] === 127) return false
  const isWellKnown = length === 96 && octets.every((octet, i) => octet === WELL_KNOWN[i])
  if (!isWellKnown) return true
  const address = new DataView(ipv4.buffer, ipv4.byteOffset).getUint32(0)
  if (IPV4ONLY.includes(address)) return true
  return !NOT_GLOBAL.some(([first, bits]) => (address ^ first) >>> (32 - bits) === 0)
}

const WELL_KNOWN = parseIPv6('64:ff9b::')

/** Which octets of the IPv6 address hold the four of the IPv4 address. */
function placesOf(length: number): number[] {
  const first = length / 8
  return [0, 1, 2, 3].map(i => (length < 96 && first + i >= RESERVED ? first + i + 1 : first + i))
}

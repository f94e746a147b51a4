/**
 * A name below ip6.arpa → its address. Layer: rules; pure. The other way is wire/address.ts.
 */

import type { WireName } from '../wire/name.ts'

const NIBBLES = 32
/** `ip6.arpa` in wire form. */
const IP6_ARPA = [3, 0x69, 0x70, 0x36, 4, 0x61, 0x72, 0x70, 0x61, 0]

/** RFC 3596 §2.5. @returns undefined unless it names one whole address */
export function addressOfReverseName(name: WireName): Uint8Array | undefined {
  if (name.length !== 2 * NIBBLES + IP6_ARPA.length) return undefined
  if (IP6_ARPA.some((octet, i) => name[2 * NIBBLES + i] !== octet)) return undefined
  const address = new Uint8Array(NIBBLES / 2)
  for (let i = 0; i < NIBBLES; i++) {
    const nibble = '0123456789abcdef'.indexOf(String.fromCharCode(name[2 * i + 1]!))
    if (name[2 * i] !== 1 || nibble < 0) return undefined
    address[15 - (i >> 1)]! |= nibble << (4 * (i & 1))
  }
  return address
}

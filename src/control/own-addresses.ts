/**
 * The addresses under which this server can be asked, for `ns.dns.<zone>`. Layer: control.
 */

import { networkInterfaces } from 'node:os'
import { parseIPv4, parseIPv6 } from '../wire/address.ts'

/**
 * @param listen addresses listened on; a wildcard stands for all addresses of its family that are not loopback
 * @returns IPv4 as unsigned integers, IPv6 as 16 octets each, end to end
 */
export function ownAddresses(listen: readonly string[]): { v4: number[]; v6: Uint8Array } {
  const texts = new Set<string>()
  for (const address of listen) {
    if (address === '0.0.0.0' || address === '::') for (const own of interfaceAddresses(address)) texts.add(own)
    else if (!address.includes('%')) texts.add(address)
  }
  const all = [...texts]
  return {
    v4: all
      .filter(text => !text.includes(':'))
      .map(parseIPv4)
      .sort((a, b) => a - b),
    v6: Buffer.concat(all.filter(text => text.includes(':')).map(parseIPv6)),
  }
}

function interfaceAddresses(wildcard: string): string[] {
  const family = wildcard === '::' ? 'IPv6' : 'IPv4'
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const usable = all.filter(own => own.family === family && !own.internal && !own.address.startsWith('fe80:'))
  return usable.map(own => own.address)
}

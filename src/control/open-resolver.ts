/**
 * Whether strangers could use this server to ask others: it forwards, listens on a public address, and answers everybody. Layer: control;
 * pure. Such servers are found within hours and used to flood third parties (RFC 5358 §4).
 */

import { BlockList, isIPv6 } from 'node:net'
import { type Config, formatSocketAddress } from './config.ts'

/** What cannot be reached from elsewhere: loopback, private, shared (RFC 6598), link-local, unique local, documentation. */
const PRIVATE = new BlockList()
for (const [network, prefix, family] of [
  ['127.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
] as const) {
  PRIVATE.addSubnet(network, prefix, family)
}
const WILDCARDS = new Set(['0.0.0.0', '::'])

export class OpenResolverError extends Error {
  readonly code = 'ERR_OPEN_RESOLVER'
}

/**
 * @param own addresses of this machine's interfaces, for what listens on all of them
 * @throws OpenResolverError that says what to set
 */
export function refuseOpenResolver(config: Config, own: readonly string[]): void {
  if (config.forward.length === 0 || config.openResolver || isRestricted(config)) return
  for (const where of config.listen) {
    const { address } = where
    const isOfFamily = (one: string) => isIPv6(one) === isIPv6(address)
    const reached = WILDCARDS.has(address) ? own.filter(isOfFamily) : [address]
    const open = reached.find(isPublic)
    if (open === undefined) continue
    const how = open === address ? '' : `, which is ${open} among others`
    throw new OpenResolverError(
      `everybody could have names forwarded by this server: listen has the public address ${formatSocketAddress(where)}${how}. ` +
        'Say in acl who may ask ({action: allow, networks: [...]}, then {action: block}), listen on other addresses, or set openResolver: true',
    )
  }
}

export function isPublic(address: string): boolean {
  const [plain = ''] = address.split('%')
  return !PRIVATE.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
}

/** Whether the first rule for every client and every name sends them away. */
function isRestricted({ acl }: Config): boolean {
  const isForAll = (networks: readonly string[]) =>
    networks.length === 0 || (networks.includes('0.0.0.0/0') && networks.includes('::/0'))
  const first = acl.find(
    ({ networks, types, zones }) =>
      isForAll(networks) && types.length === 0 && (zones.length === 0 || zones.includes('.')),
  )
  return first !== undefined && first.action !== 'allow'
}

/**
 * Why an address cannot be listened on, in words that say what to do. Layer: transport. For every transport.
 */

import { constants } from 'node:os'
import type { ListenAddress } from './datagram.ts'

const { EADDRINUSE, EACCES, EPERM, EADDRNOTAVAIL, EAFNOSUPPORT, EMFILE, ENFILE } = constants.errno

export type ListenErrorCode =
  | 'ERR_LISTEN_IN_USE'
  | 'ERR_LISTEN_DENIED'
  | 'ERR_LISTEN_NO_ADDRESS'
  | 'ERR_LISTEN_NO_FAMILY'
  | 'ERR_LISTEN_FAILED'

export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code: ListenErrorCode

  /**
   * @param errno positive
   * @param step  what failed, for errors that are not about the address: a system call's name
   */
  constructor(protocol: 'UDP' | 'TCP', where: ListenAddress, errno: number, step: string, cause?: unknown) {
    const { code, why } = explain(protocol, where, errno, step)
    const host = where.address.includes(':') ? `[${where.address}]` : where.address
    super(`cannot listen on ${protocol} ${host}:${where.port}: ${why}`, { cause })
    this.code = code
  }
}

function explain(
  protocol: string,
  { address, port }: ListenAddress,
  errno: number,
  step: string,
): { code: ListenErrorCode; why: string } {
  switch (errno) {
    case EADDRINUSE:
      return {
        code: 'ERR_LISTEN_IN_USE',
        why: `the port is taken by another program, or by another user's server; see \`ss -l${protocol === 'UDP' ? 'u' : 't'}np\`, or choose another port`,
      }
    case EACCES:
    case EPERM:
      return {
        code: 'ERR_LISTEN_DENIED',
        why:
          port < 1024
            ? 'ports below 1024 need the capability NET_BIND_SERVICE, or the sysctl net.ipv4.ip_unprivileged_port_start=0, or choose a port from 1024'
            : `this process is not allowed to (${step})`,
      }
    case EADDRNOTAVAIL:
      return { code: 'ERR_LISTEN_NO_ADDRESS', why: `no interface of this machine has the address ${address}` }
    case EAFNOSUPPORT:
      return { code: 'ERR_LISTEN_NO_FAMILY', why: `this machine has no ${address.includes(':') ? 'IPv6' : 'IPv4'}` }
    case EMFILE:
    case ENFILE:
      return {
        code: 'ERR_LISTEN_FAILED',
        why: `no file descriptor is left for ${step} (${nameOf(errno)}); raise the limit of open files`,
      }
    default:
      return { code: 'ERR_LISTEN_FAILED', why: `${step} failed (${nameOf(errno)})` }
  }
}

function nameOf(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `error ${errno}`
}

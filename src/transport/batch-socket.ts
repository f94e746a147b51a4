/**
 * A UDP socket of the batch transport: opening it, and what the kernel tells of it. Layer: transport.
 */

import type { ListenAddress } from './datagram.ts'
import type { Libc } from './libc.ts'
import {
  AF_INET,
  AF_INET6,
  decodeSockaddr,
  encodeSockaddr,
  type Family,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU_DISCOVER,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  PMTUDISC_OMIT,
  SK_MEMINFO_DROPS,
  SK_MEMINFO_FIELDS,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCKADDR_OCTETS,
  SOL_SOCKET,
} from './linux-abi.ts'
import { ListenError } from './listen-error.ts'

export interface BatchSocket {
  readonly fd: number
  readonly family: Family
  /** True: every datagram comes with a control message that names the address it was sent to. */
  readonly pktinfo: boolean
  /** With the real port. */
  readonly local: ListenAddress
  readonly receiveBufferOctets: number
}

/** Enough that a whole batch of the largest replies fits: the kernel counts some 6 KiB for a reply of 4,096 octets. */
const SEND_BUFFER_OCTETS = 1 << 20

/**
 * Opens and binds a socket. Several may share an address (SO_REUSEPORT), of which the kernel picks one by the peer's address;
 * SO_REUSEADDR is not set: with it, another program could take the address over.
 * @param pktinfo ask for the address of each datagram; always done when `where` is a wildcard address
 * @throws ListenError
 */
export function openBatchSocket(libc: Libc, where: ListenAddress, receiveOctets: number, pktinfo = false): BatchSocket {
  const sockaddr = new DataView(new ArrayBuffer(SOCKADDR_OCTETS))
  const sockaddrAt = libc.addressOf(sockaddr.buffer as ArrayBuffer)
  const value = new Int32Array(2)
  const valueAt = libc.addressOf(value.buffer)
  const valueOctetsAt = valueAt + 4

  const family = encodeSockaddr(sockaddr, where.address, where.port)
  const { address: plain } = decodeSockaddr(sockaddr)
  const withPktinfo = pktinfo || plain === '0.0.0.0' || plain === '::'

  let fd = -1
  const check = (step: string, result: number): number => {
    if (result >= 0) return result
    const errno = libc.errno()
    if (fd >= 0) libc.close(fd)
    throw new ListenError('UDP', where, errno, step)
  }
  const set = (level: number, option: number, to: number, name: string): void => {
    value[0] = to
    check(`setsockopt ${name}`, libc.setsockopt(fd, level, option, valueAt, 4))
  }

  fd = check('socket', libc.socket(family.number, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  if (where.port !== 0) set(SOL_SOCKET, SO_REUSEPORT, 1, 'SO_REUSEPORT')
  set(SOL_SOCKET, SO_RCVBUF, receiveOctets, 'SO_RCVBUF')
  set(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_OCTETS, 'SO_SNDBUF')
  if (family.number === AF_INET6) {
    set(IPPROTO_IPV6, IPV6_V6ONLY, 1, 'IPV6_V6ONLY')
    set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_OMIT, 'IPV6_MTU_DISCOVER')
    if (withPktinfo) set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, 'IPV6_RECVPKTINFO')
  }
  if (family.number === AF_INET) {
    set(IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_OMIT, 'IP_MTU_DISCOVER')
    if (withPktinfo) set(IPPROTO_IP, IP_PKTINFO, 1, 'IP_PKTINFO')
  }
  check('bind', libc.bind(fd, sockaddrAt, family.sockaddrOctets))
  // Set earlier, it would let the kernel choose a port that another such socket of this user has; set now, others can join.
  if (where.port === 0) set(SOL_SOCKET, SO_REUSEPORT, 1, 'SO_REUSEPORT')

  value[0] = SOCKADDR_OCTETS
  check('getsockname', libc.getsockname(fd, sockaddrAt, valueAt))
  const { port } = decodeSockaddr(sockaddr)
  value[1] = 4
  check('getsockopt SO_RCVBUF', libc.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, valueAt, valueOctetsAt))
  return { fd, family, pktinfo: withPktinfo, local: { address: where.address, port }, receiveBufferOctets: value[0] }
}

/**
 * Takes a socket out of the choice of its SO_REUSEPORT group, so that what was queued can be read to its end while new
 * datagrams go to the others: the kernel gives a connected socket nothing but what its peer sends, and its peer is then
 * the socket itself. Replies with addresses of their own can still be sent.
 * @returns false: the kernel would not
 */
export function leaveGroup(libc: Libc, { fd, family }: BatchSocket): boolean {
  const sockaddr = new Uint8Array(SOCKADDR_OCTETS)
  const sockaddrAt = libc.addressOf(sockaddr.buffer as ArrayBuffer)
  const octets = new Int32Array([SOCKADDR_OCTETS])
  if (libc.getsockname(fd, sockaddrAt, libc.addressOf(octets.buffer)) < 0) return false
  return libc.connect(fd, sockaddrAt, family.sockaddrOctets) >= 0
}

/**
 * Any thread: datagrams that the kernel dropped because the socket's receive buffer was full, since it was opened.
 * @returns a count that wraps at 2^32; −1: the kernel did not say
 */
export function socketDrops(libc: Libc, fd: number): number {
  const fields = new Uint32Array(SK_MEMINFO_FIELDS + 1)
  const at = libc.addressOf(fields.buffer)
  const sizeAt = SK_MEMINFO_FIELDS
  fields[sizeAt] = SK_MEMINFO_FIELDS * 4
  if (libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, at, at + sizeAt * 4) < 0) return -1
  return fields[SK_MEMINFO_DROPS]!
}

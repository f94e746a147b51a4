/**
 * Linux's socket structures and constants on 64-bit little-endian machines (x64 and arm64 agree on all of them).
 * Layer: transport. Calls nothing. Structures are made by hand, octet by octet, because they live in
 * buffers that are filled once and then only touched where they change.
 *
 * struct mmsghdr (64 octets): a msghdr and the octets that a receive brought.
 *
 *    0          8       12    16         24          32           40            48     52    56       60
 *   ┌──────────┬───────┬─────┬──────────┬───────────┬────────────┬─────────────┬──────┬─────┬────────┬─────┐
 *   │ name     │ name  │  –  │ iov      │ iov count │ control    │ control     │ flags│  –  │ octets │  –  │
 *   │ address  │ octets│     │ address  │ (8)       │ address    │ octets (8)  │ (out)│     │ (out)  │     │
 *   └──────────┴───────┴─────┴──────────┴───────────┴────────────┴─────────────┴──────┴─────┴────────┴─────┘
 *
 * struct iovec (16):  address (8) │ octets (8)
 * struct pollfd (8):  fd (4) │ events (2) │ revents (2)
 *
 * struct sockaddr_in (16):   family (2) │ port, network order (2) │ address (4) │ – (8)
 * struct sockaddr_in6 (28):  family (2) │ port, network order (2) │ flow (4) │ address (16) │ scope (4)
 *
 * Control message with the address a datagram was sent to; sent back, it chooses the source address of the reply:
 *    IPv4 (28, padded to 32):  octets=28 (8) │ level=0 (4)  │ type=8 (4)  │ interface (4) │ source (4) │ destination (4) │ – (4)
 *    IPv6 (36, padded to 40):  octets=36 (8) │ level=41 (4) │ type=50 (4) │ address (16) │ interface (4) │ – (4)
 */

import { isIPv4 } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../wire/address.ts'

export const MMSGHDR_OCTETS = 64
export const MMSGHDR_NAME = 0
export const MMSGHDR_NAME_OCTETS = 8
export const MMSGHDR_IOV = 16
export const MMSGHDR_IOV_COUNT = 24
export const MMSGHDR_CONTROL = 32
export const MMSGHDR_CONTROL_OCTETS = 40
export const MMSGHDR_FLAGS = 48
export const MMSGHDR_LENGTH = 56

export const IOVEC_OCTETS = 16
export const IOVEC_LENGTH = 8

export const POLLFD_OCTETS = 8

/** Room for either sockaddr. */
export const SOCKADDR_OCTETS = 32
export const SOCKADDR_PORT = 2
const SOCKADDR_IN_OCTETS = 16
export const SOCKADDR_IN_ADDRESS = 4
const SOCKADDR_IN6_OCTETS = 28
export const SOCKADDR_IN6_ADDRESS = 8
const SOCKADDR_IN6_SCOPE = 24

export const CMSG_LEVEL = 8
export const CMSG_TYPE = 12
export const IN_PKTINFO_INTERFACE = 16
export const IN_PKTINFO_SOURCE = 20
export const IN6_PKTINFO_ADDRESS = 16
export const IN6_PKTINFO_INTERFACE = 32

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_DGRAM = 2
export const SOCK_CLOEXEC = 0x80000
export const EFD_NONBLOCK = 0x800
export const EFD_CLOEXEC = 0x80000

export const SOL_SOCKET = 1
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_REUSEPORT = 15
export const SO_MEMINFO = 55
export const SK_MEMINFO_DROPS = 8
export const SK_MEMINFO_FIELDS = 9
export const IPPROTO_IP = 0
export const IP_PKTINFO = 8
export const IP_MTU_DISCOVER = 10
export const IPPROTO_IPV6 = 41
export const IPV6_MTU_DISCOVER = 23
export const IPV6_V6ONLY = 26
export const IPV6_RECVPKTINFO = 49
export const IPV6_PKTINFO = 50
/** Both families: the interface's MTU holds, whatever an ICMP message (which anyone can forge) says of the path. */
export const PMTUDISC_OMIT = 5

export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_WAITFORONE = 0x10000

export const POLLIN = 1
export const POLLOUT = 4

/** What differs between the families, for a socket whose addresses are all of one. */
export interface Family {
  readonly number: number
  readonly sockaddrOctets: number
  /** Octets of the control message that names the local address. */
  readonly pktinfoOctets: number
}

export const IPV4: Family = { number: AF_INET, sockaddrOctets: SOCKADDR_IN_OCTETS, pktinfoOctets: 32 }
export const IPV6: Family = { number: AF_INET6, sockaddrOctets: SOCKADDR_IN6_OCTETS, pktinfoOctets: 40 }

/** Writes the sockaddr of an address in text form at the start of `view`. @returns its family */
export function encodeSockaddr(view: DataView, address: string, port: number): Family {
  view.setUint16(SOCKADDR_PORT, port)
  if (isIPv4(address)) {
    view.setUint16(0, AF_INET, true)
    view.setUint32(SOCKADDR_IN_ADDRESS, parseIPv4(address))
    return IPV4
  }
  const [plain = '', zone] = address.split('%')
  view.setUint16(0, AF_INET6, true)
  octetsAt(view, SOCKADDR_IN6_ADDRESS).set(parseIPv6(plain))
  view.setUint32(SOCKADDR_IN6_SCOPE, zone === undefined ? 0 : interfaceNumber(zone), true)
  return IPV6
}

/** The address and port of a sockaddr at the start of `view`; of a link-local address with its zone, as node:dgram takes it. */
export function decodeSockaddr(view: DataView): { address: string; port: number } {
  const port = view.getUint16(SOCKADDR_PORT)
  if (view.getUint16(0, true) === AF_INET) return { address: formatIPv4(view.getUint32(SOCKADDR_IN_ADDRESS)), port }
  const plain = formatIPv6(octetsAt(view, SOCKADDR_IN6_ADDRESS))
  const scope = view.getUint32(SOCKADDR_IN6_SCOPE, true)
  return { address: scope === 0 ? plain : `${plain}%${interfaceName(scope)}`, port }
}

function octetsAt(view: DataView, offset: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, 16)
}

/** RFC 4007 §11.2: a zone is written as an interface's name or number. */
function interfaceNumber(zone: string): number {
  const scope = networkInterfaces()[zone]?.find(each => each.family === 'IPv6' && each.scopeid > 0)?.scopeid
  return scope ?? (Number(zone) || 0)
}

function interfaceName(scope: number): string {
  const isIt = (each: NetworkInterfaceInfo): boolean => each.family === 'IPv6' && each.scopeid === scope
  return Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(isIt))?.[0] ?? `${scope}`
}

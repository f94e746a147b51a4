/**
 * Whether the batch transport works on this machine, asked of the machine. Layer: transport.
 * A query goes through the real structures to a socket of loopback and back; its client uses the plain calls. If the C
 * library or the kernel had other structures, an octet would be out of place. Takes under a millisecond; never throws;
 * opens nothing that can be reached from outside.
 */

import { type BatchSocket, openBatchSocket } from './batch-socket.ts'
import { STAT_FIELDS } from './datagram.ts'
import type { MessageHandler } from './handler.ts'
import { type Libc, loadLibc } from './libc.ts'
import {
  AF_INET,
  CMSG_LEVEL,
  CMSG_TYPE,
  decodeSockaddr,
  encodeSockaddr,
  IN_PKTINFO_SOURCE,
  IN6_PKTINFO_ADDRESS,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  MSG_DONTWAIT,
  POLLIN,
  SOCKADDR_OCTETS,
} from './linux-abi.ts'
import { MessageBatch, MessageSlots } from './message-batch.ts'

const LOOPBACK_IPV4 = '127.0.0.1'
const LOOPBACK_IPV6 = '::1'
const LOOPBACK_OCTETS = Buffer.from([127, 0, 0, 1])
const LOOPBACK6_OCTETS = Buffer.from([...new Array(15).fill(0), 1])
const PATIENCE_MS = 500
const BUFFER_OCTETS = 1 << 16
/** Of different lengths, so that a length in the wrong place is seen. */
const QUERY = Buffer.from('de adbeef 00 01 02 03 04 05 06 07'.replaceAll(' ', ''), 'hex')
const REPLY = Buffer.from('de adbeef 80 f1 f2 f3 f4 f5 f6 f7 f8 f9 fa fb'.replaceAll(' ', ''), 'hex')

/** @returns undefined: it works, over IPv4 and, if the machine has it, IPv6; else a sentence that says what does not */
export function checkBatch(): string | undefined {
  const libc = loadLibc()
  if (typeof libc === 'string') return libc
  return checkFamily(libc, LOOPBACK_IPV4) ?? (hasIPv6(libc) ? checkFamily(libc, LOOPBACK_IPV6) : undefined)
}

function hasIPv6(libc: Libc): boolean {
  try {
    libc.close(openBatchSocket(libc, { address: LOOPBACK_IPV6, port: 0 }, BUFFER_OCTETS).fd)
    return true
  } catch {
    return false
  }
}

function checkFamily(libc: Libc, address: string): string | undefined {
  const opened: BatchSocket[] = []
  try {
    for (const pktinfo of [true, false]) {
      opened.push(openBatchSocket(libc, { address, port: 0 }, BUFFER_OCTETS, pktinfo))
    }
    const [server, client] = opened as [BatchSocket, BatchSocket]
    return checkExchange(libc, server, client)
  } catch (error) {
    return (error as Error).message
  } finally {
    for (const { fd } of opened) libc.close(fd)
  }
}

function checkExchange(libc: Libc, server: BatchSocket, client: BatchSocket): string | undefined {
  const { address } = server.local
  const message = new Uint8Array(256)
  const peer = new DataView(new ArrayBuffer(SOCKADDR_OCTETS))
  const size = new Uint32Array([SOCKADDR_OCTETS])
  const [messageAt, peerAt, sizeAt] = [message.buffer, peer.buffer as ArrayBuffer, size.buffer].map(libc.addressOf)

  encodeSockaddr(peer, address, server.local.port)
  message.set(QUERY)
  const asked = libc.sendto(client.fd, messageAt!, QUERY.length, MSG_DONTWAIT, peerAt!, server.family.sockaddrOctets)
  if (asked !== QUERY.length || !isReadable(libc, server.fd))
    return `a datagram to ${address} of loopback did not arrive`

  const batch = new MessageBatch(libc, server, 0, new MessageSlots(2))
  let query: Buffer = Buffer.alloc(0)
  const handler: MessageHandler = {
    begin() {},
    answer(octets, _view, start, length) {
      query = Buffer.from(octets.subarray(start, start + length))
      octets.set(REPLY, start)
      return REPLY.length
    },
    end() {},
  }
  if (batch.exchange(handler, new Float64Array(STAT_FIELDS)) !== 1) return 'recvmmsg read no datagram'
  if (!query.equals(QUERY)) return 'recvmmsg put the octets elsewhere'
  if (!namesLoopback(batch.controlOf(0), server.family.number))
    return 'the kernel did not say to which address a datagram came'
  if (!isReadable(libc, client.fd)) return 'sendmmsg sent no reply'
  const got = libc.recvfrom(client.fd, messageAt!, message.length, MSG_DONTWAIT, peerAt!, sizeAt!)
  if (!REPLY.equals(message.subarray(0, Math.max(got, 0)))) return 'sendmmsg sent other octets'
  const from = decodeSockaddr(peer)
  if (size[0] === 0 || from.address !== address || from.port !== server.local.port)
    return 'the reply came from another address'
  return undefined
}

function namesLoopback(control: DataView, family: number): boolean {
  const v4 = family === AF_INET
  const address = v4 ? LOOPBACK_OCTETS : LOOPBACK6_OCTETS
  const at = control.byteOffset + (v4 ? IN_PKTINFO_SOURCE : IN6_PKTINFO_ADDRESS)
  return (
    control.getInt32(CMSG_LEVEL, true) === (v4 ? IPPROTO_IP : IPPROTO_IPV6) &&
    control.getInt32(CMSG_TYPE, true) === (v4 ? IP_PKTINFO : IPV6_PKTINFO) &&
    address.equals(new Uint8Array(control.buffer, at, address.length))
  )
}

function isReadable(libc: Libc, fd: number): boolean {
  const pollfd = new Int32Array([fd, POLLIN])
  const ready = libc.poll(libc.addressOf(pollfd.buffer), 1, PATIENCE_MS)
  return ready === 1 && pollfd[1]! >>> 16 === POLLIN
}

/**
 * Replies sent from another thread than the one that read the query, on its socket: a file descriptor belongs to the
 * process. Layer: transport. One system call each; nothing is waited for.
 */

import { PATH_CONTROL_OCTETS, PATH_SOCKADDR_OCTETS } from './handler.ts'
import type { Libc } from './libc.ts'
import {
  AF_INET,
  IOVEC_LENGTH,
  IOVEC_OCTETS,
  IPV4,
  IPV6,
  MMSGHDR_CONTROL,
  MMSGHDR_CONTROL_OCTETS,
  MMSGHDR_IOV,
  MMSGHDR_IOV_COUNT,
  MMSGHDR_NAME,
  MMSGHDR_NAME_OCTETS,
  MMSGHDR_OCTETS,
  MSG_DONTWAIT,
} from './linux-abi.ts'

const IOVEC_AT = MMSGHDR_OCTETS
const SOCKADDR_AT = IOVEC_AT + IOVEC_OCTETS
const CONTROL_AT = SOCKADDR_AT + PATH_SOCKADDR_OCTETS
const MESSAGE_AT = CONTROL_AT + PATH_CONTROL_OCTETS
const MAX_MESSAGE = 4096

export class Replies {
  /** Not sent: the kernel had no room, or no way. The client asks again. */
  lost = 0
  private readonly libc: Libc
  /** A mmsghdr, its iovec, and what they point to. */
  private readonly octets = new Uint8Array(MESSAGE_AT + MAX_MESSAGE)
  private readonly view = new DataView(this.octets.buffer)
  private readonly at: number

  constructor(libc: Libc) {
    this.libc = libc
    this.at = libc.addressOf(this.octets.buffer)
    this.setAddress(MMSGHDR_NAME, SOCKADDR_AT)
    this.setAddress(MMSGHDR_IOV, IOVEC_AT)
    this.view.setUint32(MMSGHDR_IOV_COUNT, 1, true)
    this.setAddress(MMSGHDR_CONTROL, CONTROL_AT)
    this.setAddress(IOVEC_AT, MESSAGE_AT)
  }

  /** @param message at most 4,096 octets */
  send(fd: number, sockaddr: Uint8Array, control: Uint8Array, controlOctets: number, message: Uint8Array): void {
    const { octets, view } = this
    octets.set(sockaddr, SOCKADDR_AT)
    octets.set(control, CONTROL_AT)
    octets.set(message, MESSAGE_AT)
    const family = view.getUint16(SOCKADDR_AT, true) === AF_INET ? IPV4 : IPV6
    view.setUint32(MMSGHDR_NAME_OCTETS, family.sockaddrOctets, true)
    view.setUint32(MMSGHDR_CONTROL_OCTETS, controlOctets, true)
    view.setUint32(IOVEC_AT + IOVEC_LENGTH, message.length, true)
    if (this.libc.sendmmsg(fd, this.at, 1, MSG_DONTWAIT) !== 1) this.lost++
  }

  private setAddress(offset: number, to: number): void {
    this.view.setBigUint64(offset, BigInt(this.at + to), true)
  }
}

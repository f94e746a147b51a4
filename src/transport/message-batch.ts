/**
 * The buffers of one socket's batch, and the two system calls on them. Layer: transport. Hot: allocates nothing.
 *
 * Messages lie in slots; one header per slot receives, and the first headers of a second, dense row send:
 *
 *   receive headers  │ 0 │ 1 │ 2 │ 3 │ …   each with its slot, its peer's sockaddr, its control message: never changed
 *   send headers     │ 0 │ 2 │ 3 │ …       header k points to the k-th slot that has a reply (here slot 1 has none)
 *
 * Header k nearly always points to slot k already; its three addresses are written only when it does not.
 * The kernel writes back the sizes of sockaddr and control message; they come out as they went in, since all of a
 * socket's peers are of one family and a control message fills its room exactly. What differs is set right on the way.
 */

import type { BatchSocket } from './batch-socket.ts'
import {
  STAT_BATCHES,
  STAT_PORT_ZERO,
  STAT_RECEIVED,
  STAT_SEND_BLOCKED,
  STAT_SENT,
  STAT_TRUNCATED,
  STAT_UNANSWERED,
  statOfSendError,
} from './datagram.ts'
import {
  DATAGRAM_CAPACITY,
  DEFERRED,
  type MessageHandler,
  PATH_CONTROL_OCTETS,
  type Peers,
  type ReturnPath,
} from './handler.ts'
import type { Libc } from './libc.ts'
import {
  AF_INET,
  IN_PKTINFO_INTERFACE,
  IN6_PKTINFO_ADDRESS,
  IN6_PKTINFO_INTERFACE,
  IOVEC_LENGTH,
  IOVEC_OCTETS,
  MMSGHDR_CONTROL,
  MMSGHDR_CONTROL_OCTETS,
  MMSGHDR_FLAGS,
  MMSGHDR_IOV,
  MMSGHDR_IOV_COUNT,
  MMSGHDR_LENGTH,
  MMSGHDR_NAME,
  MMSGHDR_NAME_OCTETS,
  MMSGHDR_OCTETS,
  MSG_DONTWAIT,
  MSG_TRUNC,
  POLLOUT,
  SOCKADDR_IN_ADDRESS,
  SOCKADDR_IN6_ADDRESS,
  SOCKADDR_OCTETS,
  SOCKADDR_PORT,
} from './linux-abi.ts'

/** A line of the processor's cache, in octets. */
const LINE = 64
const CONTROL_STRIDE = 64

/** Rows of a socket's memory: octets per message that lie before each. Multiplied by the batch size, the row's offset. */
const RECEIVE_HEADERS = 0
const SEND_HEADERS = RECEIVE_HEADERS + MMSGHDR_OCTETS
const CONTROLS = SEND_HEADERS + MMSGHDR_OCTETS
const SOCKADDRS = CONTROLS + CONTROL_STRIDE
const RECEIVE_IOVECS = SOCKADDRS + SOCKADDR_OCTETS
const SEND_IOVECS = RECEIVE_IOVECS + IOVEC_OCTETS
const WORDS_PER_MESSAGE = (SEND_IOVECS + IOVEC_OCTETS) / 4

/** How long a batch waits for room in a full send buffer, in ms; the queries behind it wait as long. */
const SEND_PATIENCE_MS = 5

const HEADER_WORDS = MMSGHDR_OCTETS / 4
const IOVEC_WORDS = IOVEC_OCTETS / 4
const SOCKADDR_HALVES = SOCKADDR_OCTETS / 2
const CONTROL_WORDS = CONTROL_STRIDE / 4

/** The slots, shared by all sockets of a thread: a batch is done before the next is read. */
export class MessageSlots {
  readonly octets: Uint8Array
  readonly view: DataView
  readonly count: number
  /** Octets that fit into a slot. */
  readonly capacity: number
  /**
   * Octets from slot to slot: an odd number of cache lines, since at a distance of 4,096, say, the first octets of all
   * slots would compete for the same few lines.
   */
  readonly stride: number

  constructor(count: number, capacity = DATAGRAM_CAPACITY) {
    this.count = count
    this.capacity = capacity
    this.stride = (Math.ceil(capacity / LINE) | 1) * LINE
    this.octets = new Uint8Array(count * this.stride)
    this.view = new DataView(this.octets.buffer)
  }
}

export class MessageBatch implements Peers {
  readonly socket: BatchSocket
  private readonly index: number
  private readonly libc: Libc
  private readonly slots: MessageSlots
  /** The rows, one after the other, in words of 4 octets, and addresses of their first octets. */
  private readonly words: Int32Array
  private readonly ports: Uint16Array
  /** The peers' row, in octets. */
  private readonly sockaddrs: Uint8Array
  private readonly receiveAt: number
  private readonly sendAt: number
  private readonly slotsAt: number
  /** Slot that each send header points to. */
  private readonly slotOfHeader: Int32Array
  private readonly pollfd: Int32Array
  private readonly pollfdAt: number
  /** Made when a query of the slot is first deferred. */
  private readonly paths: { -readonly [K in keyof ReturnPath]: ReturnPath[K] }[] = []

  /** @param index of the socket among the listen addresses */
  constructor(libc: Libc, socket: BatchSocket, index: number, slots: MessageSlots) {
    const { count } = slots
    this.libc = libc
    this.socket = socket
    this.index = index
    this.slots = slots
    this.words = new Int32Array(count * WORDS_PER_MESSAGE)
    this.ports = new Uint16Array(this.words.buffer, count * SOCKADDRS, count * SOCKADDR_HALVES)
    this.sockaddrs = new Uint8Array(this.words.buffer, count * SOCKADDRS, count * SOCKADDR_OCTETS)
    this.receiveAt = libc.addressOf(this.words.buffer as ArrayBuffer)
    this.sendAt = this.receiveAt + count * SEND_HEADERS
    this.slotsAt = libc.addressOf(slots.octets.buffer as ArrayBuffer)
    this.slotOfHeader = new Int32Array(count)
    this.pollfd = new Int32Array([socket.fd, POLLOUT])
    this.pollfdAt = libc.addressOf(this.pollfd.buffer as ArrayBuffer)
    for (let slot = 0; slot < count; slot++) {
      this.pointHeader(RECEIVE_HEADERS, slot, RECEIVE_IOVECS, slot)
      this.pointHeader(SEND_HEADERS, slot, SEND_IOVECS, slot)
      this.words[(count * RECEIVE_IOVECS) / 4 + slot * IOVEC_WORDS + IOVEC_LENGTH / 4] = slots.capacity
      this.slotOfHeader[slot] = slot
    }
  }

  /**
   * Reads what is there, at most a batch, and answers it; does not wait for a datagram, and for room in the send buffer
   * only with the handler ended.
   * @returns datagrams read; −1: none, for the reason in errno
   */
  exchange(handler: MessageHandler, counters: Float64Array): number {
    const { libc, socket, slots } = this
    const received = libc.recvmmsg(socket.fd, this.receiveAt, slots.count, MSG_DONTWAIT, 0)
    if (received <= 0) return -1
    handler.begin(this.index, this)
    const replies = this.answer(received, handler, counters)
    const result = replies === 0 ? 0 : this.send(0, replies)
    handler.end()
    const sent = result === replies ? result : this.sendRest(result, replies, counters)
    counters[STAT_BATCHES]! += 1
    counters[STAT_RECEIVED]! += received
    counters[STAT_SENT]! += sent
    return received
  }

  /** The control message that came with the last datagram in a slot; the layouts are drawn in linux-abi.ts. */
  controlOf(slot: number): DataView {
    return new DataView(this.words.buffer, this.slots.count * CONTROLS + slot * CONTROL_STRIDE, CONTROL_STRIDE)
  }

  copyAddress(start: number, address: Uint8Array): void {
    const { sockaddrs, slots } = this
    const isV4 = this.socket.family.number === AF_INET
    const at = (start / slots.stride) * SOCKADDR_OCTETS + (isV4 ? SOCKADDR_IN_ADDRESS : SOCKADDR_IN6_ADDRESS)
    for (let i = isV4 ? 3 : 15; i >= 0; i--) address[i] = sockaddrs[at + i]!
  }

  /** @returns how many send headers are filled */
  private answer(received: number, handler: MessageHandler, counters: Float64Array): number {
    const { words, ports, slots, slotOfHeader } = this
    const { octets, view, count, capacity, stride } = slots
    const { pktinfo } = this.socket
    const sendIovecs = (count * SEND_IOVECS) / 4
    const ahead = handler.ahead ?? 0
    let place = ahead
    let replies = 0
    let header = 0
    for (let slot = 0; slot < received; slot++, header += HEADER_WORDS, place++) {
      if (place === ahead && ahead > 0) {
        this.readAhead(slot, Math.min(ahead, received - slot), handler)
        place = 0
      }
      if ((words[header + MMSGHDR_FLAGS / 4]! & MSG_TRUNC) !== 0) {
        counters[STAT_TRUNCATED]! += 1
        continue
      }
      if (ports[slot * SOCKADDR_HALVES + SOCKADDR_PORT / 2] === 0) {
        counters[STAT_PORT_ZERO]! += 1
        continue
      }
      const length = words[header + MMSGHDR_LENGTH / 4]!
      let reply = handler.answer(octets, view, slot * stride, length, capacity, false, ahead > 0 ? place : -1)
      if (reply <= 0) {
        if (reply === DEFERRED) reply = handler.defer!(octets, slot * stride, this.pathOf(slot))
        else counters[STAT_UNANSWERED]! += 1
        if (reply <= 0) continue
        // Looked at for the path, and with that made ready to be received into again.
        words[header + MMSGHDR_CONTROL_OCTETS / 4] = this.paths[slot]!.controlOctets
      }
      words[sendIovecs + slot * IOVEC_WORDS + IOVEC_LENGTH / 4] = reply
      if (slotOfHeader[replies] !== slot) {
        this.pointHeader(SEND_HEADERS, replies, SEND_IOVECS, slot)
        slotOfHeader[replies] = slot
      }
      if (pktinfo) this.chooseSource(slot, replies)
      replies++
    }
    return replies
  }

  private readAhead(first: number, count: number, handler: MessageHandler): void {
    const { octets, view, stride } = this.slots
    for (let i = 0; i < count; i++) {
      const length = this.words[(first + i) * HEADER_WORDS + MMSGHDR_LENGTH / 4]!
      handler.readAhead!(octets, view, (first + i) * stride, length, i)
    }
    handler.fetchAhead!(count)
  }

  /** Copies nothing: it is valid until the slot is read into again. */
  private pathOf(slot: number): ReturnPath {
    const { words, index } = this
    const { count } = this.slots
    const { family, pktinfo } = this.socket
    const path = this.paths[slot] ?? {
      socket: index,
      sockaddr: new Uint8Array(words.buffer, count * SOCKADDRS + slot * SOCKADDR_OCTETS, SOCKADDR_OCTETS),
      control: new Uint8Array(words.buffer, count * CONTROLS + slot * CONTROL_STRIDE, PATH_CONTROL_OCTETS),
      controlOctets: 0,
      stream: undefined,
    }
    this.paths[slot] = path
    path.controlOctets = pktinfo && this.prepareControl(slot) ? family.pktinfoOctets : 0
    return path
  }

  /** The address the query was sent to becomes the source of the reply. */
  private chooseSource(slot: number, header: number): void {
    const { words } = this
    const { pktinfoOctets } = this.socket.family
    const at = (this.slots.count * SEND_HEADERS) / 4 + header * HEADER_WORDS + MMSGHDR_CONTROL_OCTETS / 4
    words[at] = this.prepareControl(slot) ? pktinfoOctets : 0
  }

  /**
   * The interface is left to the routing table, except for a link-local address, which means nothing without it.
   * @returns false: no control message came with the query
   */
  private prepareControl(slot: number): boolean {
    const { words } = this
    const { family } = this.socket
    const received = slot * HEADER_WORDS + MMSGHDR_CONTROL_OCTETS / 4
    const known = words[received] === family.pktinfoOctets
    words[received] = family.pktinfoOctets
    const control = (this.slots.count * CONTROLS) / 4 + slot * CONTROL_WORDS
    if (family.number === AF_INET) words[control + IN_PKTINFO_INTERFACE / 4] = 0
    // RFC 4291 §2.5.6: fe80::/10, the first two octets read as a little-endian word.
    else if ((words[control + IN6_PKTINFO_ADDRESS / 4]! & 0xc0ff) !== 0x80fe)
      words[control + IN6_PKTINFO_INTERFACE / 4] = 0
    return known
  }

  /** @returns replies sent, or the error's number, negative */
  private send(first: number, count: number): number {
    const { libc, socket } = this
    const sent = libc.sendmmsg(socket.fd, this.sendAt + first * MMSGHDR_OCTETS, count, MSG_DONTWAIT)
    return sent < 0 ? -libc.errno() : sent
  }

  /**
   * Goes on after a send that stopped early: a reply that cannot be sent is counted and left out; a full send buffer is
   * waited for, once per batch, and then costs the rest of the batch.
   * @param result of the first `send`
   * @returns replies sent in all
   */
  private sendRest(result: number, replies: number, counters: Float64Array): number {
    let sent = 0
    let next = 0
    let waited = false
    for (;;) {
      if (result >= 0) {
        sent += result
        next += result
      } else {
        const stat = statOfSendError(-result)
        if (stat !== STAT_SEND_BLOCKED) {
          counters[stat]! += 1
          next++
        } else if (waited) {
          counters[stat]! += replies - next
          return sent
        } else {
          waited = true
          this.libc.poll(this.pollfdAt, 1, SEND_PATIENCE_MS)
        }
      }
      if (next >= replies) return sent
      result = this.send(next, replies - next)
    }
  }

  /** @param headers,iovecs which rows, as octets per message that lie before them */
  private pointHeader(headers: number, header: number, iovecs: number, slot: number): void {
    const { count } = this.slots
    const { family, pktinfo } = this.socket
    const at = count * headers + header * MMSGHDR_OCTETS
    const iovec = count * iovecs + slot * IOVEC_OCTETS
    const control = pktinfo ? family.pktinfoOctets : 0
    this.setAddress(at + MMSGHDR_NAME, this.receiveAt + count * SOCKADDRS + slot * SOCKADDR_OCTETS)
    this.words[(at + MMSGHDR_NAME_OCTETS) / 4] = family.sockaddrOctets
    this.setAddress(at + MMSGHDR_IOV, this.receiveAt + iovec)
    this.words[(at + MMSGHDR_IOV_COUNT) / 4] = 1
    this.setAddress(at + MMSGHDR_CONTROL, pktinfo ? this.receiveAt + count * CONTROLS + slot * CONTROL_STRIDE : 0)
    this.words[(at + MMSGHDR_CONTROL_OCTETS) / 4] = control
    this.setAddress(iovec, this.slotsAt + slot * this.slots.stride)
  }

  private setAddress(offset: number, address: number): void {
    this.words[offset / 4] = address | 0
    this.words[offset / 4 + 1] = address / 2 ** 32
  }
}

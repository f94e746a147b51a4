/**
 * A batch against a kernel made of arrays: what real sockets do too seldom to be tested with them.
 */

import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import type { BatchSocket } from '../../../src/transport/batch-socket.ts'
import {
  STAT_FIELDS,
  STAT_PORT_ZERO,
  STAT_RECEIVED,
  STAT_SEND_BLOCKED,
  STAT_SEND_FORBIDDEN,
  STAT_SEND_OTHER,
  STAT_SEND_TOO_LONG,
  STAT_SEND_UNREACHABLE,
  STAT_SENT,
  STAT_TRUNCATED,
  STAT_UNANSWERED,
} from '../../../src/transport/datagram.ts'
import { DEFERRED, type MessageHandler, type Peers } from '../../../src/transport/handler.ts'
import type { Libc } from '../../../src/transport/libc.ts'
import {
  encodeSockaddr,
  IPV4,
  IPV6,
  MMSGHDR_FLAGS,
  MMSGHDR_LENGTH,
  MMSGHDR_OCTETS,
  MSG_TRUNC,
} from '../../../src/transport/linux-abi.ts'
import { MessageBatch, MessageSlots } from '../../../src/transport/message-batch.ts'

const { EAGAIN, EPERM, EMSGSIZE, ENETUNREACH, EINVAL } = constants.errno

interface Incoming {
  octets: number[]
  port?: number
  address?: string
  flags?: number
  control?: Uint8Array
}

/** Reads and writes the batch's memory through the structures alone, as the kernel does. */
class FakeKernel {
  readonly sent: { octets: number[]; port: number; control: DataView | undefined }[] = []
  readonly polls: number[] = []
  /** What the next sends do: so many messages, or an error as a negative number. Then all is sent. */
  sends: number[] = []
  incoming: Incoming[] = []
  private error = 0
  private readonly buffers: ArrayBuffer[] = []

  readonly libc = {
    addressOf: (buffer: ArrayBuffer) => {
      if (!this.buffers.includes(buffer)) this.buffers.push(buffer)
      // Far above 2^32, so that both halves of an address matter.
      return (this.buffers.indexOf(buffer) + 0x7f12) * 2 ** 32 + 0x1000
    },
    errno: () => this.error,
    poll: (_at: number, _count: number, timeoutMs: number) => this.polls.push(timeoutMs),
    recvmmsg: (_fd: number, at: number, count: number) => {
      const batch = this.incoming.splice(0, count)
      for (const [i, message] of batch.entries()) this.deliver(at + i * MMSGHDR_OCTETS, message)
      if (batch.length === 0) this.error = EAGAIN
      return batch.length || -1
    },
    sendmmsg: (_fd: number, at: number, count: number) => {
      const allowed = this.sends.shift() ?? count
      if (allowed < 0) {
        this.error = -allowed
        return -1
      }
      for (let i = 0; i < Math.min(allowed, count); i++) this.take(at + i * MMSGHDR_OCTETS)
      return Math.min(allowed, count)
    },
  } as unknown as Libc

  private at(address: number, octets: number): DataView {
    const buffer = this.buffers[Math.floor(address / 2 ** 32) - 0x7f12]!
    return new DataView(buffer, (address % 2 ** 32) - 0x1000, octets)
  }

  private pointer(header: DataView, offset: number): number {
    return Number(header.getBigUint64(offset, true))
  }

  private deliver(headerAt: number, { octets, port = 5353, address, flags = 0, control }: Incoming): void {
    const header = this.at(headerAt, MMSGHDR_OCTETS)
    const iovec = this.at(this.pointer(header, 16), 16)
    assert.equal(header.getBigUint64(24, true), 1n)
    assert.equal(iovec.getBigUint64(8, true), 4096n)
    const target = this.at(this.pointer(iovec, 0), 4096)
    for (const [i, octet] of octets.entries()) target.setUint8(i, octet)
    const nameOctets = header.getUint32(8, true)
    const peer = address ?? (nameOctets === 16 ? '192.0.2.7' : '2001:db8::7')
    encodeSockaddr(this.at(this.pointer(header, 0), nameOctets), peer, port)
    header.setUint32(MMSGHDR_FLAGS, flags, true)
    header.setUint32(MMSGHDR_LENGTH, octets.length, true)
    const room = Number(header.getBigUint64(40, true))
    if (control !== undefined) {
      assert.equal(room, control.length)
      for (const [i, octet] of control.entries()) this.at(this.pointer(header, 32), room).setUint8(i, octet)
    } else header.setBigUint64(40, 0n, true)
  }

  private take(headerAt: number): void {
    const header = this.at(headerAt, MMSGHDR_OCTETS)
    const iovec = this.at(this.pointer(header, 16), 16)
    const length = Number(iovec.getBigUint64(8, true))
    const source = this.at(this.pointer(iovec, 0), length)
    const controlOctets = Number(header.getBigUint64(40, true))
    this.sent.push({
      octets: Array.from({ length }, (_, i) => source.getUint8(i)),
      port: this.at(this.pointer(header, 0), header.getUint32(8, true)).getUint16(2),
      control: controlOctets === 0 ? undefined : this.at(this.pointer(header, 32), controlOctets),
    })
  }
}

class Handler implements MessageHandler {
  readonly calls: string[] = []
  /** Who sent each message. */
  readonly senders: string[] = []
  /** Where each had been read ahead. */
  readonly places: (number | undefined)[] = []
  private peers: Peers | undefined
  begin(socket: number, peers: Peers): void {
    this.calls.push(`begin ${socket}`)
    this.peers = peers
  }
  /** First octet 0: no reply; else the query and one octet more. */
  answer(
    octets: Uint8Array,
    _view: DataView,
    start: number,
    length: number,
    _capacity?: number,
    _stream?: boolean,
    place?: number,
  ): number {
    this.places.push(place)
    const address = new Uint8Array(16)
    this.peers!.copyAddress(start, address)
    this.senders.push(
      Buffer.from(address)
        .toString('hex')
        .replace(/(00)+$/, ''),
    )
    octets[start + length] = 0xee
    return octets[start] === 0 ? 0 : length + 1
  }
  end(): void {
    this.calls.push('end')
  }
}

function setUp(changes: Partial<BatchSocket> = {}) {
  const kernel = new FakeKernel()
  const socket: BatchSocket = {
    fd: 3,
    family: IPV4,
    pktinfo: false,
    local: { address: '192.0.2.1', port: 53 },
    receiveBufferOctets: 0,
    ...changes,
  }
  const counters = new Float64Array(STAT_FIELDS)
  const handler = new Handler()
  const batch = new MessageBatch(kernel.libc, socket, 4, new MessageSlots(8))
  return { kernel, counters, handler, exchange: () => batch.exchange(handler, counters) }
}

const firsts = (kernel: FakeKernel): number[] => kernel.sent.map(({ octets }) => octets[0]!)
const queries = (...firstOctets: number[]): Incoming[] =>
  firstOctets.map(first => ({ octets: [first], port: 1000 + first }))

test('nothing there: nothing is begun', () => {
  const { exchange, handler } = setUp()
  assert.equal(exchange(), -1)
  assert.deepEqual(handler.calls, [])
})

test('each reply goes to the peer that asked, also where queries got none, batch after batch', () => {
  const { kernel, counters, handler, exchange } = setUp()
  for (const batch of [
    [1, 0, 3, 0, 0, 6],
    [1, 2, 3],
    [0, 2, 0, 4],
    [0, 0],
    [5, 6, 7, 8, 9, 10, 11, 12],
  ]) {
    kernel.incoming = queries(...batch)
    kernel.sent.length = 0
    assert.equal(exchange(), batch.length)
    const answered = batch.filter(first => first !== 0)
    assert.deepEqual(
      kernel.sent.map(({ octets, port }) => ({ octets, port })),
      answered.map(first => ({ octets: [first, 0xee], port: 1000 + first })),
    )
  }
  assert.equal(counters[STAT_RECEIVED], 23)
  assert.equal(counters[STAT_SENT], 16)
  assert.equal(counters[STAT_UNANSWERED], 7)
  assert.deepEqual(handler.calls.slice(0, 2), ['begin 4', 'end'])
})

test('a handler that looks ahead is told of as many messages as it wants, then asked for their replies', () => {
  const { kernel, handler, exchange } = setUp()
  const told: string[] = []
  Object.assign(handler, {
    ahead: 3,
    readAhead: (octets: Uint8Array, _view: DataView, start: number, length: number, place: number) =>
      told.push(`read ${octets.subarray(start, start + length).join()} at ${place}`),
    fetchAhead: (count: number) => told.push(`fetch ${count}, ${handler.places.length} answered`),
  })
  kernel.incoming = queries(1, 2, 0, 4)
  kernel.incoming[1] = { octets: [2], port: 0 }
  exchange()
  assert.deepEqual(told, [
    'read 1 at 0',
    'read 2 at 1',
    'read 0 at 2',
    'fetch 3, 0 answered',
    'read 4 at 0',
    'fetch 1, 2 answered',
  ])
  assert.deepEqual(handler.places, [0, 2, 0])
  assert.deepEqual(firsts(kernel), [1, 4])
})

test('datagrams from port 0 and cut ones are dropped unread', () => {
  const { kernel, counters, exchange } = setUp()
  kernel.incoming = [{ octets: [1], port: 0 }, { octets: [2], flags: MSG_TRUNC }, { octets: [3] }]
  exchange()
  assert.deepEqual(firsts(kernel), [3])
  assert.equal(counters[STAT_PORT_ZERO], 1)
  assert.equal(counters[STAT_TRUNCATED], 1)
})

test('each message of a batch has its own sender', () => {
  const v4 = setUp()
  v4.kernel.incoming = ['192.0.2.1', '198.51.100.2', '192.0.2.3'].map(address => ({ octets: [0], address }))
  v4.exchange()
  assert.deepEqual(v4.handler.senders, ['c0000201', 'c6336402', 'c0000203'])
  const v6 = setUp({ family: IPV6 })
  v6.kernel.incoming = ['2001:db8::1', 'fd00:1::ff'].map(address => ({ octets: [0], address }))
  v6.exchange()
  assert.deepEqual(v6.handler.senders, ['20010db8000000000000000000000001', 'fd0000010000000000000000000000ff'])
})

test('a send that stops early goes on where it stopped', () => {
  const { kernel, counters, exchange } = setUp()
  kernel.incoming = queries(1, 2, 3, 4, 5)
  kernel.sends = [2, 1]
  exchange()
  assert.deepEqual(firsts(kernel), [1, 2, 3, 4, 5])
  assert.equal(counters[STAT_SENT], 5)
})

test('a reply that cannot be sent is counted by its kind and left out', () => {
  const { kernel, counters, exchange } = setUp()
  kernel.incoming = queries(1, 2, 3, 4, 5, 6)
  kernel.sends = [1, -EPERM, -EMSGSIZE, 1, -ENETUNREACH, -EINVAL]
  exchange()
  assert.deepEqual(firsts(kernel), [1, 4])
  assert.equal(counters[STAT_SENT], 2)
  for (const stat of [STAT_SEND_FORBIDDEN, STAT_SEND_TOO_LONG, STAT_SEND_UNREACHABLE, STAT_SEND_OTHER]) {
    assert.equal(counters[stat], 1)
  }
})

test('a full send buffer is waited for once, briefly, with the handler ended', () => {
  const { kernel, handler, exchange } = setUp()
  kernel.libc.poll = (_at, _count, timeoutMs) => {
    assert.equal(handler.calls.at(-1), 'end')
    return kernel.polls.push(timeoutMs)
  }
  kernel.incoming = queries(1, 2, 3)
  kernel.sends = [1, -EAGAIN]
  exchange()
  assert.deepEqual(firsts(kernel), [1, 2, 3])
  assert.equal(kernel.polls.length, 1)
  assert.ok(kernel.polls[0]! > 0 && kernel.polls[0]! <= 10)
})

test('a send buffer that stays full costs the rest of the batch, and no more', () => {
  const { kernel, counters, exchange } = setUp()
  kernel.incoming = queries(1, 2, 3)
  kernel.sends = [1, -EAGAIN, -EAGAIN]
  exchange()
  assert.deepEqual(firsts(kernel), [1])
  assert.equal(counters[STAT_SEND_BLOCKED], 2)
  kernel.incoming = queries(4)
  exchange()
  assert.deepEqual(firsts(kernel), [1, 4])
})

const V4_PKTINFO = Buffer.from(
  '1c00000000000000 00000000 08000000 05000000 7f000002 7f000002 00000000'.replaceAll(' ', ''),
  'hex',
)
const pktinfoV6 = (address: string): Buffer =>
  Buffer.from(`2400000000000000 29000000 32000000 ${address} 05000000 00000000`.replaceAll(' ', ''), 'hex')

test('IP_PKTINFO: the address asked is the source of the reply, the interface is left to routing', () => {
  const { kernel, exchange } = setUp({ pktinfo: true })
  kernel.incoming = [{ octets: [0], control: V4_PKTINFO }, { octets: [1] }, { octets: [2], control: V4_PKTINFO }]
  exchange()
  assert.deepEqual(firsts(kernel), [1, 2])
  assert.equal(kernel.sent[0]!.control, undefined)
  const { control } = kernel.sent[1]!
  assert.equal(control!.getInt32(16, true), 0)
  assert.equal(control!.getUint32(20), 0x7f000002)
  // The room that a datagram without the message took away is there again.
  kernel.incoming = [
    { octets: [1], control: V4_PKTINFO },
    { octets: [2], control: V4_PKTINFO },
  ]
  exchange()
  assert.ok(kernel.sent.slice(2).every(each => each.control !== undefined))
})

test('IP_PKTINFO: a reply in the place of a query that could not be deferred has the source of that query, or none', () => {
  const { kernel, handler, exchange } = setUp({ pktinfo: true })
  Object.assign(handler, { answer: () => DEFERRED, defer: () => 1 })
  const controls = (): (number | undefined)[] => kernel.sent.splice(0).map(({ control }) => control?.getUint32(20))
  kernel.incoming = [{ octets: [1], control: V4_PKTINFO }, { octets: [2] }]
  exchange()
  assert.deepEqual(controls(), [0x7f000002, undefined])
  kernel.incoming = [1, 2].map(first => ({ octets: [first], control: V4_PKTINFO }))
  exchange()
  assert.deepEqual(controls(), [0x7f000002, 0x7f000002])
})

test('IPV6_PKTINFO: RFC 4291 §2.5.6: a link-local address keeps its interface, another does not', () => {
  for (const [address, number] of [
    ['20010db8000000000000000000000001', 0],
    ['fe800000000000000000000000000001', 5],
    ['febf0000000000000000000000000001', 5],
    ['fec00000000000000000000000000001', 0],
    ['fd800000000000000000000000000001', 0],
  ] as const) {
    const { kernel, exchange } = setUp({ family: IPV6, pktinfo: true })
    kernel.incoming = [{ octets: [1], control: pktinfoV6(address) }]
    exchange()
    assert.equal(kernel.sent[0]!.control!.getInt32(32, true), number, address)
  }
})

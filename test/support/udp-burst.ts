/**
 * UDP clients that ask as fast as they are answered, or faster, and count what comes.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { ListenAddress } from '../../src/transport/datagram.ts'

export class Burst {
  /** Replies by RCODE. */
  readonly rcodes = new Map<number, number>()
  received = 0
  /** Replies with TC. */
  truncated = 0
  private readonly sockets: readonly Socket[]
  private onReply: (socket: Socket) => void = () => {}

  private constructor(sockets: readonly Socket[]) {
    this.sockets = sockets
    for (const socket of sockets) {
      socket.on('message', reply => this.receive(socket, reply))
      socket.on('error', () => {})
    }
  }

  /** @param from the address they send from */
  static async open(count: number, to: ListenAddress, from = '127.0.0.1'): Promise<Burst> {
    const sockets = await Promise.all(
      Array.from({ length: count }, async () => {
        const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
        socket.bind(0, from)
        await once(socket, 'listening')
        socket.connect(to.port, to.address)
        await once(socket, 'connect')
        return socket
      }),
    )
    return new Burst(sockets)
  }

  /** Sends from the first, without waiting. */
  send(query: Uint8Array, times: number): void {
    for (let i = 0; i < times; i++) this.sockets[0]!.send(query)
  }

  /**
   * Each reply is followed by another query, until so many are answered.
   * @param outstanding queries of each client
   * @returns replies by RCODE
   */
  async ask(query: Uint8Array, times: number, outstanding: number): Promise<ReadonlyMap<number, number>> {
    const target = this.received + times
    const { promise, resolve } = Promise.withResolvers<void>()
    let left = times
    this.onReply = socket => {
      if (this.received === target) resolve()
      if (left-- > 0) socket.send(query)
    }
    for (const socket of this.sockets) {
      for (let i = 0; i < outstanding && left > 0; i++, left--) socket.send(query)
    }
    await promise
    this.onReply = () => {}
    return this.rcodes
  }

  close(): void {
    for (const socket of this.sockets) socket.close()
  }

  private receive(socket: Socket, reply: Buffer): void {
    const rcode = reply[3]! & 15
    this.rcodes.set(rcode, (this.rcodes.get(rcode) ?? 0) + 1)
    this.received++
    if ((reply[2]! & 2) !== 0) this.truncated++
    this.onReply(socket)
  }
}

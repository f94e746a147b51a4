/**
 * A client with one UDP port, which the kernel therefore always gives to the same socket of a group, until the group changes.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { encodeQuery } from './dns-client.ts'

export class UdpClient {
  asked = 0
  answered = 0
  private readonly socket: Socket
  private readonly name: string

  private constructor(socket: Socket, name: string) {
    this.socket = socket
    this.name = name
    socket.on('message', () => this.answered++)
    socket.on('error', () => {})
  }

  static async open(port: number, name: string): Promise<UdpClient> {
    const socket = createSocket('udp4')
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new UdpClient(socket, name)
  }

  /** Sends a query without waiting. */
  send(name = this.name): void {
    this.asked++
    this.socket.send(encodeQuery(name, 'A', 1232))
  }

  /** @returns whether the reply came in time */
  async ask(name = this.name, limitMs = 3000): Promise<boolean> {
    const reply = once(this.socket, 'message', { signal: AbortSignal.timeout(limitMs) })
    this.send(name)
    return reply.then(
      () => true,
      () => false,
    )
  }

  close(): void {
    this.socket.close()
  }
}

/**
 * The sockets that NOTIFYs leave by and their replies come to: one for each family of addresses. Layer: control.
 */

import { createSocket, type Socket } from 'node:dgram'
import type { Secondary } from '../transfer/notifier.ts'

export type Received = (message: Uint8Array, address: string, port: number) => void

export class NotifySockets {
  private readonly received: Received
  private readonly sockets = new Map<'udp4' | 'udp6', Socket>()

  constructor(received: Received) {
    this.received = received
  }

  /** One that cannot be sent is one that is not answered: it is sent again. */
  send(message: Uint8Array, { address, port }: Secondary): void {
    this.socketFor(address.includes(':') ? 'udp6' : 'udp4').send(message, port, address, () => {})
  }

  close(): void {
    for (const socket of this.sockets.values()) socket.close()
    this.sockets.clear()
  }

  private socketFor(family: 'udp4' | 'udp6'): Socket {
    const known = this.sockets.get(family)
    if (known !== undefined) return known
    const socket = createSocket({ type: family, ipv6Only: family === 'udp6' })
    socket.on('message', (message, { address, port }) => this.received(message, address, port))
    socket.on('error', () => {
      // It could not be bound, as where there is no such family; the next NOTIFY tries again.
      if (this.sockets.get(family) === socket) this.sockets.delete(family)
      socket.close()
    })
    socket.unref()
    this.sockets.set(family, socket)
    return socket
  }
}

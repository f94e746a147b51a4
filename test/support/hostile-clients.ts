/**
 * TCP clients that mean harm, or are merely broken, from as many loopback addresses as it takes.
 */

import { connect, type Socket } from 'node:net'

/** Connections from one address. */
const PER_ADDRESS = 100
/** Connections that wait to be accepted at one time: fewer than any backlog. */
const CONNECTING = 100

export class HostileClients {
  /** Connections that were accepted, and attempts that were not. */
  opened = 0
  failed = 0
  private readonly port: number
  private readonly sockets = new Set<Socket>()
  private readonly timers: NodeJS.Timeout[] = []

  constructor(port: number) {
    this.port = port
  }

  /**
   * Opens connections, and resolves when all have been accepted or refused.
   * @param network 0..255: addresses from 127.network.0.1 on, a hundred connections from each
   */
  async connect(count: number, network: number, behave: (socket: Socket) => void): Promise<void> {
    let next = 0
    const work = async (): Promise<void> => {
      while (next < count) await this.one(next++, network, behave)
    }
    await Promise.all(Array.from({ length: Math.min(CONNECTING, count) }, work))
  }

  /** Sends one octet after the other, at once and then at an interval. */
  drip(stream: Uint8Array, everyMs: number): (socket: Socket) => void {
    return socket => {
      let sent = 0
      const timer = setInterval(send, everyMs)
      this.timers.push(timer)
      function send(): void {
        if (!socket.writable || sent >= stream.length) clearInterval(timer)
        else socket.write(stream.subarray(sent, ++sent))
      }
      socket.setNoDelay(true)
      send()
    }
  }

  destroy(): void {
    for (const timer of this.timers) clearInterval(timer)
    for (const socket of this.sockets) socket.destroy()
  }

  private one(i: number, network: number, behave: (socket: Socket) => void): Promise<void> {
    const localAddress = `127.${network}.0.${1 + Math.floor(i / PER_ADDRESS)}`
    const socket = connect({ host: '127.0.0.1', port: this.port, localAddress })
    return new Promise(resolve => {
      let isOpen = false
      socket.on('connect', () => {
        isOpen = true
        this.opened++
        this.sockets.add(socket)
        behave(socket)
        resolve()
      })
      socket.on('data', () => {})
      socket.on('error', () => {})
      socket.on('close', () => {
        this.sockets.delete(socket)
        if (!isOpen) this.failed++
        resolve()
      })
    })
  }
}

/** Asks `count` times and never reads; the rest waits in this process once the server reads no more. */
export function neverReads(query: Uint8Array, count: number): (socket: Socket) => void {
  const framed = Buffer.concat([Buffer.of(query.length >> 8, query.length & 0xff), query])
  const hundred = Buffer.concat(Array.from({ length: 100 }, () => framed))
  return socket => {
    socket.pause()
    let left = count / 100
    const send = (): void => {
      while (left-- > 0) if (!socket.write(hundred)) return void socket.once('drain', send)
    }
    send()
  }
}

/**
 * Many clients at a steady rate, each with a UDP port of its own, so that the kernel spreads them over all sockets of a
 * port; every query is accounted for: answered as it should be, answered otherwise, refused by the kernel, or lost.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeQuery } from './dns-client.ts'

export interface Account {
  readonly asked: number
  readonly right: number
  /** Another RCODE, or another number of answers. */
  readonly wrong: number
  /** ECONNREFUSED: nobody had the port. */
  readonly refused: number
  /** No reply in time, whatever the reason. */
  readonly lost: number
}

const TICK_MS = 1

export class ManyClients {
  private readonly sockets: Socket[]
  private readonly query: Buffer
  private readonly answers: number
  /** IDs of the queries that each socket waits for. */
  private readonly waiting: readonly Set<number>[]
  private timer: NodeJS.Timeout | undefined
  private asked = 0
  private right = 0
  private wrong = 0
  private refused = 0
  private lost = 0

  private constructor(sockets: Socket[], name: string, answers: number) {
    this.sockets = sockets
    this.query = encodeQuery(name, 'A', 1232)
    this.answers = answers
    this.waiting = sockets.map(() => new Set())
    for (const [i, socket] of sockets.entries()) {
      socket.on('message', reply => this.receive(i, reply))
      socket.on('error', () => this.refused++)
    }
  }

  /** @param answers how many records a right reply has */
  static async open(port: number, name: string, answers: number, count = 64): Promise<ManyClients> {
    const sockets = await Promise.all(
      Array.from({ length: count }, async () => {
        const socket = createSocket('udp4')
        socket.connect(port, '127.0.0.1')
        await once(socket, 'connect')
        return socket
      }),
    )
    return new ManyClients(sockets, name, answers)
  }

  /** Asks from now on. @param rate queries a second of all together */
  start(rate: number): void {
    const begin = performance.now()
    const already = this.asked
    this.timer = setInterval(() => {
      const due = already + ((performance.now() - begin) * rate) / 1000
      while (this.asked < due) this.ask()
    }, TICK_MS)
  }

  /** Asks no more, and waits until the last replies are there or cannot come any more. May be called again. */
  async stop(patienceMs = 2000): Promise<Account> {
    clearInterval(this.timer)
    await this.settled(patienceMs)
    for (const socket of this.sockets.splice(0)) socket.close()
    return this.account
  }

  /** Resolves when every query asked before the call is answered, or counted as lost. */
  async settled(patienceMs = 2000): Promise<void> {
    const before = this.waiting.map(ids => [...ids])
    const end = performance.now() + patienceMs
    const isOpen = () => before.some((ids, i) => ids.some(id => this.waiting[i]!.has(id)))
    while (isOpen() && performance.now() < end) await sleep(10)
    for (const [i, ids] of before.entries()) for (const id of ids) if (this.waiting[i]!.delete(id)) this.lost++
  }

  get account(): Account {
    const { asked, right, wrong, refused, lost } = this
    return { asked, right, wrong, refused, lost }
  }

  private ask(): void {
    const i = this.asked % this.sockets.length
    const id = Math.floor(this.asked / this.sockets.length) & 0xffff
    this.asked++
    this.waiting[i]!.add(id)
    const query = Buffer.from(this.query)
    query.writeUInt16BE(id)
    this.sockets[i]!.send(query)
  }

  private receive(i: number, reply: Buffer): void {
    if (!this.waiting[i]!.delete(reply.readUInt16BE(0))) return
    const isRight = (reply[3]! & 15) === 0 && reply.readUInt16BE(6) === this.answers
    if (isRight) this.right++
    else this.wrong++
  }
}

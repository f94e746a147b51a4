/**
 * A TCP proxy in front of the API server, to break a server's connections without stopping what others use.
 */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface ApiProxy {
  readonly port: number
  /** Connections that were made so far. */
  accepted(): number
  /** Resets all connections; while `isAway`, new ones are reset at once. */
  cut(isAway: boolean): void
  /** Nothing goes over connections any more, in either direction, though the kernel acknowledges what comes. */
  freeze(): void
  /** New connections are taken again, those that were made meanwhile too, as those that a stopped process has not accepted yet. */
  comeBack(): void
  close(): Promise<void>
}

export async function openProxy(target: { host: string; port: number }): Promise<ApiProxy> {
  const sockets = new Set<Socket>()
  const waiting = new Set<Socket>()
  let isAway = false
  let isFrozen = false
  let accepted = 0
  const track = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // Its other half is closed with it; who broke first does not matter.
    socket.on('error', () => {})
  }
  const join = (client: Socket) => {
    const upstream = connect(target)
    track(upstream)
    client.pipe(upstream).pipe(client)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  }
  const server = createServer(client => {
    accepted++
    track(client)
    client.on('close', () => waiting.delete(client))
    if (isAway) client.resetAndDestroy()
    else if (isFrozen) waiting.add(client)
    else join(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as { port: number }).port,
    accepted: () => accepted,
    cut(away) {
      isAway = away
      cut()
    },
    freeze() {
      isFrozen = true
      for (const socket of sockets) socket.unpipe().pause()
    },
    comeBack() {
      isFrozen = false
      isAway = false
      for (const client of waiting) join(client)
      waiting.clear()
    },
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

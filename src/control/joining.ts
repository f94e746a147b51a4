/**
 * A port that another process has: the server of before, most likely, in an update of the DaemonSet with `maxSurge`.
 * Layer: control. It is joined (SO_REUSEPORT) once there is something to answer; who has a free port begins at once, since
 * SERVFAIL sends a client to its next server, and silence costs it 5 s.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ListenAddress } from '../transport/datagram.ts'

const POLL_MS = 50

/**
 * Asked by binding without SO_REUSEPORT, which no datagram can get into: who shares a port is given its share at once.
 * @returns whether any of the addresses is in use
 */
export async function isAnyTaken(listen: readonly ListenAddress[]): Promise<boolean> {
  for (const { address, port } of listen) {
    if (port === 0) continue
    const v6 = isIPv6(address)
    const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6 })
    try {
      const bound = once(socket, 'listening')
      socket.bind({ address, port, exclusive: true })
      await bound
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return true
      // Anything else is said when the address is opened in earnest.
    } finally {
      socket.close()
    }
  }
  return false
}

/**
 * Resolves when there is something to answer, or nobody else who answers: never perhaps.
 * @throws the reason of `ending` when it is aborted
 */
export async function untilJoinable(
  listen: readonly ListenAddress[],
  isSynced: () => boolean,
  ending: AbortSignal,
): Promise<void> {
  while (!isSynced() && (await isAnyTaken(listen))) {
    await sleep(POLL_MS)
    ending.throwIfAborted()
  }
}

/**
 * Datagrams that the kernel dropped before a worker could read them, by listen address. Layer: control.
 * A socket's own count goes with the socket. So what is new of it is added up whenever somebody looks, the last time before
 * it is closed.
 */

import type { Sample } from '../admin/prometheus.ts'
import { socketDrops } from '../transport/batch-socket.ts'
import type { DatagramReport } from '../transport/datagram.ts'
import { loadLibc } from '../transport/libc.ts'
import { formatSocketAddress } from './config.ts'

export class KernelDrops {
  private readonly totals = new Map<string, number>()
  private readonly dropsOf: (fd: number) => number

  /** @param dropsOf of a socket since it was opened, modulo 2^32; −1: not known */
  constructor(dropsOf = askKernel()) {
    this.dropsOf = dropsOf
  }

  /** @returns adds what is new; not to be called when the sockets are closed */
  follow({ fds, addresses }: Pick<DatagramReport, 'fds' | 'addresses'>): () => void {
    const seen = fds.map(() => 0)
    const keys = fds.map((_, i) => formatSocketAddress(addresses[i]!))
    return () => {
      for (const [i, fd] of fds.entries()) {
        const drops = this.dropsOf(fd)
        const more = drops < 0 ? 0 : Math.max(0, (drops - seen[i]!) | 0)
        seen[i]! += more
        this.totals.set(keys[i]!, (this.totals.get(keys[i]!) ?? 0) + more)
      }
    }
  }

  samples(): Sample[] {
    return [...this.totals].map(([address, value]) => ({ labels: { address }, value }))
  }
}

function askKernel(): (fd: number) => number {
  const libc = loadLibc()
  return fd => (typeof libc === 'string' ? -1 : socketDrops(libc, fd))
}

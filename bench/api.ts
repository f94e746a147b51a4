/**
 * A fake API server in a process of its own, so that what it costs is not counted as the bench's or a server's.
 * Layer: bench.
 */

import { once } from 'node:events'
import { join } from 'node:path'
import type { HeadlessService } from './dataset.ts'
import { LOAD_CORE, startChild } from './processes.ts'

export type ApiOrder =
  | { readonly order: 'load'; readonly services: readonly HeadlessService[] }
  /** Gives the pod of that hostname another address. */
  | { readonly order: 'swap'; readonly service: string; readonly hostname: string; readonly address: string }
  /** Ends every watch and forgets their versions, so that each client lists anew. */
  | { readonly order: 'expire' }
  /** Changes nothing; for the counts of the reply. */
  | { readonly order: 'count' }

export interface ApiReply {
  readonly url: string
  /** When the event's octets were handed to the kernel's socket, ns of the host's monotonic clock. */
  readonly at: string
  /** Lists of EndpointSlices asked for since the start. */
  readonly lists: number
  readonly error?: string
}

export interface Api {
  readonly url: string
  do(order: ApiOrder): Promise<ApiReply>
  stop(): Promise<void>
}

const REPLY_MS = 30_000

export async function startApi(services: readonly HeadlessService[]): Promise<Api> {
  const child = startChild(process.execPath, [join(import.meta.dirname, 'api-process.ts')], {
    core: LOAD_CORE,
    ipc: true,
  })
  const api = async (order: ApiOrder): Promise<ApiReply> => {
    child.process.send(order)
    const signal = AbortSignal.timeout(REPLY_MS)
    const [reply] = (await once(child.process, 'message', { signal }).catch(() => {
      throw new Error(`the fake API server does not reply. ${child.complaints()}`)
    })) as [ApiReply]
    if (reply.error !== undefined) throw new Error(`the fake API server: ${reply.error}`)
    return reply
  }
  try {
    const { url } = await api({ order: 'load', services })
    return { url, do: api, stop: child.stop }
  } catch (error) {
    await child.stop()
    throw error
  }
}

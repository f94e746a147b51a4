/**
 * The whole conversation between the main thread and a worker, besides shared memory. Layer: dataplane; types only.
 */

import type { Forwarding } from '../answer/elsewhere.ts'
import type { OrderName } from '../answer/order.ts'
import type { SharedMemory } from '../table/memory.ts'
import type { DatagramReport, ListenAddress } from '../transport/datagram.ts'
import type { CacheAccess } from './cache-access.ts'
import type { QueryLogRules } from './query-log.ts'
import type { ScreenRules } from './query-screen.ts'
import type { ReplyLimits } from './reply-limits.ts'
import type { SearchGateSetup } from './search-gate.ts'
import type { TransferRule } from './transfer-gate.ts'

/** Given to a worker at its start. */
export interface WorkerSetup {
  readonly memory: SharedMemory
  /** Its row among the table's readers. */
  readonly reader: number
  /** Its row of counters (counters.ts), over shared memory. */
  readonly row: Float64Array
  /** One word, by which it is told to stop and asked whether it still turns, over shared memory. */
  readonly control: Int32Array
  readonly transport: 'batch' | 'portable'
  readonly sockets: readonly ListenAddress[]
  readonly order: OrderName
  readonly maxUdpSize: number
  readonly replyLimits: ReplyLimits
  /** Where names are forwarded: in which zones what does not exist is, and the ring (deferred.ts) to put queries in. */
  readonly forwarding?: Forwarding & { readonly deferred: SharedArrayBuffer }
  /** What is looked at before the table is; undefined: nothing. */
  readonly screen?: ScreenRules
  /** Who may have transfers; undefined: nobody. */
  readonly transfers?: readonly TransferRule[]
  /** Which names that do not exist are looked for elsewhere; undefined: none. */
  readonly search?: SearchGateSetup
  /** Where queries are put for the log, and which; undefined: none. */
  readonly log?: { readonly ring: SharedArrayBuffer; readonly rules: QueryLogRules }
  /** What was forwarded before, and where it is looked for first. */
  readonly cache?: CacheAccess
  /** 32 random bits for the order of answers. */
  readonly random: number
}

/** Said by a worker: once that it serves, or that it cannot. */
export type WorkerMessage =
  | { readonly report: DatagramReport }
  | { readonly error: { readonly message: string; readonly code: string } }

/** Said to a worker whose transport sends deferred replies itself. */
export interface DeferredReply {
  readonly socket: number
  readonly sockaddr: Uint8Array
  readonly message: Uint8Array
}

/**
 * What a server is started with, and what it is for those who started it. Layer: control; types only.
 */

import type { OrderName } from '../answer/order.ts'
import type { CacheOptions } from '../cache/store.ts'
import type { QueryLogRules } from '../dataplane/query-log.ts'
import type { ReplyLimits } from '../dataplane/reply-limits.ts'
import type { RecordOptions } from '../records/options.ts'
import type { ListenAddress } from '../transport/datagram.ts'
import type { TcpOptions } from '../transport/tcp.ts'
import type { AutopathSetup } from './autopath.ts'
import type { ForwardingOptions, ForwardService } from './forwarding.ts'
import type { Observed } from './metrics.ts'
import type { NameRules } from './name-rules.ts'
import type { NameService } from './name-service.ts'
import type { Serving } from './serving.ts'
import type { TransferOptions, TransferService } from './transfer-service.ts'
import type { UncaughtErrors } from './uncaught.ts'
import type { Workers } from './workers.ts'

/** Something that feeds the cluster's state: the API server, or files. */
export interface Source {
  stop(): Promise<void>
  /** Its own metrics: families of gauges and counters. */
  metrics?(): Pick<Observed, 'gauges' | 'counters'>
  /** Sentences on what should be known while all is ready. */
  notes?(): string[]
}

export interface ServerOptions {
  readonly version: string
  readonly listen: readonly ListenAddress[]
  readonly admin: ListenAddress | undefined
  /** Probes at ports of their own. */
  readonly health?: ListenAddress | undefined
  readonly ready?: ListenAddress | undefined
  readonly workers: number
  readonly transport: 'auto' | 'batch' | 'portable'
  readonly records: Omit<RecordOptions, 'ownV4' | 'ownV6'>
  readonly namespaces: readonly string[]
  /** How long an endpoint that leaves a slice is held; 0: not at all. */
  readonly moveWindowMs: number
  readonly order: OrderName
  readonly maxUdpSize: number
  readonly tcp: Omit<TcpOptions, 'sockets'>
  readonly replyLimits: ReplyLimits
  /** Who is asked for names that are not ours; undefined: nobody, they are REFUSED. */
  readonly forwarding?: ForwardingOptions
  /** Names besides the cluster's, and rules for all; undefined: there are none. */
  readonly rules?: NameRules
  /** Clients whose search path is walked for them; undefined: nobody's. Needs `rules`; the same at every reload. */
  readonly autopath?: AutopathSetup | undefined
  /** Who may have zone transfers; undefined: nobody. */
  readonly transfer?: readonly TransferOptions[]
  /** What is kept of forwarded answers; undefined: nothing. Without `forwarding` it does nothing. */
  readonly cache?: CacheOptions
  /** Undefined: queries are not logged. */
  readonly queryLog?: QueryLogRules | undefined
  readonly lameduckMs: number
  /** What a worker runs, in tests. */
  readonly workerEntry?: URL
  /** How often workers are rung, in tests. */
  readonly ringMs?: number
  /** Whether answers from a snapshot say that they may be old (EDE 3). */
  readonly staleError: boolean
  /** What is reported besides the server's own: of reloads. */
  readonly report?: Pick<Source, 'metrics' | 'notes'>
  /**
   * Opens its sinks before it returns, so that the server cannot think itself synced before.
   * @param setStale whether what is served may be old
   */
  readonly startSources: (serving: Serving, setStale: (isStale: boolean) => void) => Promise<Source[]>
}

/** What other options are for: each is made anew, or goes on as it is. */
export interface ReloadedParts {
  /** order, maxUdpSize, forwarding, rules, cache */
  readonly names: boolean
  readonly transfers: boolean
  /** workers, transport, replyLimits, queryLog */
  readonly workers: boolean
}

export interface RunningServer {
  readonly addresses: readonly ListenAddress[]
  readonly adminAddress: ListenAddress | undefined
  /** Of `/health` and `/ready`, those that are open. */
  readonly probeAddresses: readonly ListenAddress[]
  readonly serving: Serving
  readonly workers: Workers
  /** Told of errors that nobody caught: `/healthz` and `/metrics` count on it. */
  readonly uncaught: UncaughtErrors
  /** Undefined: names that are not ours are REFUSED. */
  readonly forward: ForwardService | undefined
  /** Undefined: there are no rules, and nobody to forward to. */
  readonly names: NameService | undefined
  /** Undefined: zone transfers are REFUSED. */
  readonly transfers: TransferService | undefined
  /**
   * Takes over what can be changed while it runs; queries under way are answered as they were begun. One at a time.
   * @param options those of before, but for what ReloadedParts speaks of, and lameduckMs, staleError
   * @throws what cannot be had, with a stable `code`: what ran goes on
   */
  reload(options: ServerOptions, changed: ReloadedParts): Promise<void>
  /** @param lameduckMs overrides the configured time of answering on */
  stop(lameduckMs?: number): Promise<void>
}

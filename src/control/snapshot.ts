/**
 * `source.snapshot`: when it is read, when it is served, when it is written, and what is said of it. Layer: control.
 *
 * A young snapshot is served at once: it is hardly older than what a server that had not been restarted might know. An older
 * one waits until the API server has failed once, or has not given all its lists within a second.
 */

import type { EndpointSlice, Kind } from '../cluster/objects.ts'
import type { ClusterSink } from '../cluster/sink.ts'
import { type ClusterState, endpointsIn } from '../cluster/state.ts'
import type { ReflectorDeps } from '../kubernetes/reflector-types.ts'
import { decodeSnapshot, type SnapshotList } from '../snapshot/codec.ts'
import { SnapshotError } from '../snapshot/errors.ts'
import { FallbackSink } from '../snapshot/fallback-sink.ts'
import { readSnapshotFile } from '../snapshot/file.ts'
import { digestOf, type SnapshotIds } from '../snapshot/format.ts'
import { SnapshotKeeper } from '../snapshot/keeper.ts'
import { favourMemory, useFlags } from './heap.ts'
import type { Logger } from './log.ts'
import type { Observed } from './metrics.ts'
import type { Source } from './server-options.ts'

export interface SnapshotOptions {
  /** Absolute path. */
  readonly path: string
  readonly intervalMs: number
  /** What was chosen from the cluster: a snapshot taken with another choice is refused. */
  readonly filters: string
}

/** What the API server is waited for before an old snapshot is served. */
const API_GRACE_MS = 1000
/** A snapshot confirmed within so many intervals is young: one for the last write, one for the restart. */
const YOUNG_INTERVALS = 2
/** Published without favouring memory they cost 340 MB at the peak instead of 160; 100,000 cost 460 MB. */
const FEW_ENDPOINTS = 30_000
/** A file system that hangs keeps nobody from being answered, nor the process alive. */
const READ_MS = 5000
const LAST_WRITE_MS = 2000

export class SnapshotSource implements Source {
  private readonly options: SnapshotOptions
  private readonly cluster: ClusterState
  private readonly setStale: (isStale: boolean) => void
  private readonly log: Logger
  private readonly deps: ReflectorDeps
  private readonly fallback: FallbackSink
  private readonly stopped = new AbortController()
  private keeper: SnapshotKeeper | undefined
  /** When what the snapshot says was true, on the monotonic clock. */
  private trueAtMs = 0
  private wasServed = false
  private endpoints = 0

  constructor(
    options: SnapshotOptions,
    cluster: ClusterState,
    setStale: (isStale: boolean) => void,
    log: Logger,
    deps: ReflectorDeps,
  ) {
    this.options = options
    this.cluster = cluster
    this.setStale = setStale
    this.log = log
    this.deps = deps
    this.fallback = new FallbackSink(cluster, {
      onStale: () => this.becameStale(),
      onSynced: () => this.synced(),
      onUnpublished: error => log.error(`a part of the snapshot is not served: ${(error as Error).message}`),
    })
  }

  /** For the API server's source. */
  get sink(): ClusterSink {
    return this.fallback
  }

  /** For other sources. */
  get beside(): ClusterSink {
    return this.fallback.beside
  }

  /**
   * Reads the file and serves it when it is due; a snapshot that cannot be used is as none. After all sources have opened
   * their sinks.
   * @param cluster what tells the cluster from others
   */
  async start(cluster: string): Promise<void> {
    const ids = { cluster: digestOf(cluster), filters: digestOf(this.options.filters) }
    const kept = {
      isTrue: () => this.fallback.isTrue,
      version: () => this.cluster.changes,
      lists: () => this.fallback.watches.map(watch => this.listOf(watch)),
    }
    this.keeper = new SnapshotKeeper(this.options.path, ids, kept, this.log)
    if (this.fallback.isSynced) {
      void this.keepOn()
      return
    }
    try {
      await this.read(ids)
    } catch (error) {
      this.fallback.withdraw()
      const { code, message } = error as SnapshotError
      this.log.warn(`the snapshot ${this.options.path} is not used: ${message}`, { code })
    }
  }

  async stop(): Promise<void> {
    this.stopped.abort()
    const limit = new AbortController()
    await Promise.race([this.keeper?.finish(), this.deps.sleep(LAST_WRITE_MS, limit.signal)])
    limit.abort()
  }

  notes(): string[] {
    if (!this.fallback.isStale) return []
    const age = Math.round(this.ageSeconds())
    return [
      `stale: answers come from the snapshot ${this.options.path}, ${age} s old, until the API server gives its lists`,
    ]
  }

  metrics(): Pick<Observed, 'gauges' | 'counters'> {
    const { writes, failures, octets } = this.keeper?.counts() ?? { writes: 0, failures: 0, octets: 0 }
    const isStale = this.fallback.isStale
    const one = (name: string, help: string, value: number) => ({ name, help, samples: [{ value }] })
    return {
      gauges: [
        one('headless_dns_stale', '1 while answers come from a snapshot.', Number(isStale)),
        one(
          'headless_dns_stale_age_seconds',
          'Age of the snapshot that answers come from; 0: from none.',
          isStale ? this.ageSeconds() : 0,
        ),
        one('headless_dns_snapshot_bytes', 'Size of the snapshot last written; 0: none yet.', octets),
      ],
      counters: [
        one('headless_dns_snapshot_writes_total', 'Snapshots written.', writes),
        one('headless_dns_snapshot_failures_total', 'Snapshots that could not be written.', failures),
      ],
    }
  }

  private async read(ids: SnapshotIds): Promise<void> {
    const { path, intervalMs } = this.options
    const file = await Promise.race([readSnapshotFile(path), this.tooLate()])
    if (file === undefined) {
      this.fallback.withdraw()
      return
    }
    const snapshot = decodeSnapshot(file.octets)
    if (snapshot.cluster !== ids.cluster) {
      throw new SnapshotError(
        'ERR_SNAPSHOT_CLUSTER',
        'it is of another cluster: address or certificate authority differ',
      )
    }
    if (snapshot.filters !== ids.filters) {
      throw new SnapshotError('ERR_SNAPSHOT_FILTERS', 'it was taken with other keys of source.kubernetes or records')
    }
    const ageMs = Date.now() - file.confirmedAtMs
    this.trueAtMs = this.deps.now() - ageMs
    this.endpoints = endpointsIn(slicesIn(snapshot.lists))
    if (this.endpoints > FEW_ENDPOINTS) useFlags()
    this.fallback.offer(snapshot.lists)
    // A time to come is that of a clock that was wrong: nothing is known of the age.
    if (ageMs >= 0 && ageMs <= intervalMs * YOUNG_INTERVALS) this.fallback.serve()
    else void this.serveLater()
  }

  private async serveLater(): Promise<void> {
    const { signal } = this.stopped
    await this.deps.sleep(API_GRACE_MS, signal)
    if (!signal.aborted) this.fallback.serve()
  }

  private async tooLate(): Promise<never> {
    await this.deps.sleep(READ_MS, this.stopped.signal)
    throw new SnapshotError('ERR_SNAPSHOT_READ', `it cannot be read in ${READ_MS / 1000} s`)
  }

  private async keepOn(): Promise<void> {
    const { signal } = this.stopped
    while (!signal.aborted) {
      await this.keeper!.keep()
      await this.deps.sleep(this.options.intervalMs, signal)
    }
  }

  private becameStale(): void {
    // What is being published is on the way to be answered; with few endpoints there is the memory to do it fast.
    if (this.endpoints <= FEW_ENDPOINTS) favourMemory(false)
    this.wasServed = true
    this.setStale(true)
    const fields = { file: this.options.path, ageSeconds: Math.round(this.ageSeconds()) }
    this.log.warn('answers come from a snapshot until the API server gives its lists', fields)
  }

  private synced(): void {
    if (this.wasServed) {
      this.setStale(false)
      this.log.info('the lists of the API server have taken the place of the snapshot')
    }
    if (this.keeper !== undefined) void this.keepOn()
  }

  private listOf({ kind, partition }: { kind: Kind; partition: string }) {
    return { kind, partition, objects: this.cluster.objectsOf(kind, partition) }
  }

  private ageSeconds(): number {
    return Math.max(0, this.deps.now() - this.trueAtMs) / 1000
  }
}

function slicesIn(lists: readonly SnapshotList[]): EndpointSlice[] {
  return lists.filter(({ kind }) => kind === 'EndpointSlice').flatMap(({ objects }) => objects as EndpointSlice[])
}

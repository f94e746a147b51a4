/**
 * Keeps the file up to date: written when something has changed, at most once in an interval; else only confirmed.
 * Layer: snapshot. A write that fails costs nothing but the write: it is said once, counted, and tried again.
 */

import { performance } from 'node:perf_hooks'
import { encodeSnapshot, type SnapshotList } from './codec.ts'
import { confirmSnapshotFile, writeSnapshotFile } from './file.ts'
import type { SnapshotIds } from './format.ts'

export interface KeptCluster {
  /** What is known is true now; what is not is never written. */
  isTrue(): boolean
  /** A number that differs whenever the objects do. */
  version(): number
  /** All objects, of this moment. */
  lists(): SnapshotList[]
}

export interface KeeperLogger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
}

export interface KeeperCounts {
  readonly writes: number
  readonly failures: number
  /** Octets of the file as it was last written; 0: it was not. */
  readonly octets: number
}

export class SnapshotKeeper {
  private readonly path: string
  private readonly ids: SnapshotIds
  private readonly cluster: KeptCluster
  private readonly log: KeeperLogger
  /** The version that was written, and the file. */
  private written: { readonly version: number; readonly ino: number } | undefined
  private running: Promise<void> | undefined
  private lastFailure: string | undefined
  private counted = { writes: 0, failures: 0, octets: 0 }

  constructor(path: string, ids: SnapshotIds, cluster: KeptCluster, log: KeeperLogger) {
    this.path = path
    this.ids = ids
    this.cluster = cluster
    this.log = log
  }

  counts(): KeeperCounts {
    return this.counted
  }

  /** Never rejects. Called once in an interval, when the first lists are in, and at the end. One write at a time. */
  keep(): Promise<void> {
    this.running ??= this.keepNow().finally(() => {
      this.running = undefined
    })
    return this.running
  }

  /** As `keep`, after what may be under way: for the end. */
  async finish(): Promise<void> {
    await this.running
    await this.keep()
  }

  private async keepNow(): Promise<void> {
    if (!this.cluster.isTrue()) return
    const version = this.cluster.version()
    try {
      const { written } = this
      const isConfirmed = written?.version === version && (await confirmSnapshotFile(this.path, written.ino))
      if (!isConfirmed) await this.write(version)
      if (this.lastFailure !== undefined) this.log.info('the snapshot is written again', { file: this.path })
      this.lastFailure = undefined
    } catch (error) {
      this.failed(error as Error & { code?: string })
    }
  }

  private async write(version: number): Promise<void> {
    const startedMs = performance.now()
    const pieces = await encodeSnapshot({ ...this.ids, lists: this.cluster.lists() })
    this.written = { version, ino: await writeSnapshotFile(this.path, pieces) }
    const octets = pieces.reduce((sum, piece) => sum + piece.length, 0)
    this.counted = { ...this.counted, writes: this.counted.writes + 1, octets }
    const ms = Math.round(performance.now() - startedMs)
    this.log.debug('snapshot written', { file: this.path, octets, ms })
  }

  private failed({ message, code }: Error & { code?: string }): void {
    this.counted = { ...this.counted, failures: this.counted.failures + 1 }
    // What was there before may be gone: the next try writes.
    this.written = undefined
    const failure = `${code}`
    if (failure === this.lastFailure) return
    this.lastFailure = failure
    this.log.warn(`the snapshot ${this.path}: ${message}; tried again, answers are not affected`, { code })
  }
}

/**
 * What becomes of changes: how long the API server's took to be served, and which cannot be. Layer: control.
 */

import type { Changes } from '../cluster/state.ts'
import type { Log } from './log.ts'
import { DurationHistogram } from './metrics.ts'
import type { Serving } from './serving.ts'

/** Changes that cannot be served are spoken of once in so long. */
const UNPUBLISHED_SILENCE_MS = 60_000

export class PublishWatch {
  /** By kind of Service. */
  readonly programming = new Map<string, DurationHistogram>()
  /** Times that not all changes could be served. */
  errors = 0
  private readonly log: Log

  constructor(log: Log) {
    this.log = log
  }

  published({ first, slices }: Changes, { cluster }: Serving): void {
    if (first) this.log.info('synced: names are answered', cluster.counts())
    const now = Date.now()
    for (const { namespace, serviceName, lastChangeTriggerTime } of slices) {
      const view = cluster.find(namespace, serviceName)
      if (view === undefined) continue
      const kind = view.service.kind === 'headless' ? 'headless_with_selector' : 'cluster_ip'
      const histogram = this.programming.get(kind) ?? new DurationHistogram()
      this.programming.set(kind, histogram)
      histogram.observe(Math.max(0, now - lastChangeTriggerTime) / 1000)
    }
  }

  unpublished(error: unknown, waiting: number): void {
    this.errors++
    const log = this.log.oncePer('unpublished', UNPUBLISHED_SILENCE_MS)
    const { message, stack } = error as Error
    log.error(`not all changes are served, what was served stays: ${message}`, { waiting, stack })
  }
}

/**
 * What the admin port says of the server: health, readiness, notes, metrics. Layer: control. It looks when it is asked, and
 * changes nothing.
 */

import type { AdminRoutes } from '../admin/http.ts'
import type { Family } from '../admin/prometheus.ts'
import { NOT_DEFERRED } from '../dataplane/counters.ts'
import type { TcpServer } from '../transport/tcp.ts'
import type { Answering } from './answering.ts'
import { forwardFamilies } from './forward-metrics.ts'
import { type Condition, formatCondition, healthConditions } from './health.ts'
import { metricFamilies } from './metrics.ts'
import { nameList } from './name-list.ts'
import { nameFamilies } from './name-metrics.ts'
import type { PublishWatch } from './publish-watch.ts'
import type { QueryLog } from './query-log.ts'
import type { ReaderWatch } from './reader-watch.ts'
import { serverMetrics } from './server-metrics.ts'
import type { ServerOptions, Source } from './server-options.ts'
import type { Serving } from './serving.ts'
import type { UncaughtErrors } from './uncaught.ts'
import type { Workers } from './workers.ts'

/** The parts of a server, as they are at the moment. */
export interface ServerParts {
  readonly options: ServerOptions
  readonly serving: Serving
  /** Ours, by their numbers, in presentation format. */
  readonly zones: readonly string[]
  readonly answering: Answering
  readonly queryLog: QueryLog | undefined
  readonly publishing: PublishWatch
  readonly readers: ReaderWatch
  readonly uncaught: UncaughtErrors
  /** Counters of TCP. */
  readonly tcpRow: Float64Array
  readonly tcp: TcpServer | undefined
  /** Undefined: they are not started yet. */
  readonly data: Workers | undefined
  readonly sources: readonly Source[]
  readonly stopping: boolean
}

export class ServerReport {
  private readonly parts: ServerParts

  constructor(parts: ServerParts) {
    this.parts = parts
  }

  routes(): AdminRoutes {
    const { parts } = this
    const { serving } = parts
    return {
      unhealthy: () => this.conditions().flatMap(({ bad = [] }) => bad),
      conditions: () => this.conditions().map(formatCondition),
      unready: () => this.unready(),
      notes: () => [...parts.sources, parts.options.report].flatMap(each => each?.notes?.() ?? []),
      metrics: () => this.metrics(),
      names: () => ({ count: serving.table.stats().names, text: nameList(serving.memory) }),
      get purge() {
        const { cache } = parts.answering
        return cache && ((name: string | undefined) => cache.purge(name))
      },
    }
  }

  private conditions(): Condition[] {
    const { data, serving, stopping, uncaught } = this.parts
    return healthConditions({
      lostWorkers: data?.lost ?? 0,
      silentMs: stopping ? 0 : (data?.silentMs ?? 0),
      errors: uncaught.problem(),
      unpublished: serving.unpublished(),
      table: serving.table.stats(),
    })
  }

  private unready(): string[] {
    const { data, serving, stopping } = this.parts
    const missing: string[] = []
    if (stopping) missing.push('the server is shutting down')
    if (data === undefined || data.serving === 0) missing.push('no worker answers yet')
    const states = serving.cluster.states()
    if (states.length === 0) missing.push('no source has been opened yet')
    for (const { kind, partition, synced, stale } of states) {
      const where = partition === '' ? kind : `${kind} of ${partition}`
      if (!synced) missing.push(`the first list of ${where} is not complete${stale === undefined ? '' : `: ${stale}`}`)
    }
    return missing
  }

  private metrics(): Family[] {
    const { serving, data, tcp, tcpRow, options, answering, publishing, readers, uncaught, sources } = this.parts
    const { forward, names, deferred, deferredRows, cache, transfers } = answering
    const first = tcp?.addresses[0] ?? options.listen[0]!
    const isWildcard = first.address === '0.0.0.0' || first.address === '::'
    const process = serverMetrics({
      data,
      tcp,
      deferred: deferredRows.udp,
      readerLag: readers.lag(),
      unpublished: serving.unpublished(),
      unpublishedErrors: publishing.errors,
      uncaughtErrors: uncaught.count,
    })
    const all = [process, ...[...sources, options.report].flatMap(each => each?.metrics?.() ?? [])]
    const rows = [...(data?.rows ?? []), tcpRow]
    const notDeferred = rows.reduce((sum, row) => sum + row[NOT_DEFERRED]!, 0)
    const forwarded = forward === undefined ? [] : forwardFamilies(forward, notDeferred, data?.lostReplies ?? 0)
    const server = `dns://${isWildcard ? '' : first.address}:${first.port}`
    const named =
      options.rules === undefined ? [] : nameFamilies(options.rules, names, server, [...rows, deferredRows.udp])
    const families = metricFamilies({
      version: options.version,
      server,
      zones: this.parts.zones,
      udp: data?.rows ?? [],
      tcp: tcpRow,
      deferred: deferredRows,
      isDeferring: deferred !== undefined,
      table: serving.table.stats(),
      counts: serving.cluster.counts(),
      sources: [...serving.cluster.states(), ...(serving.imports?.states() ?? [])],
      programming: publishing.programming,
      gauges: all.flatMap(({ gauges }) => gauges),
      counters: all.flatMap(({ counters }) => counters),
    })
    const kept = cache?.families(server, rows) ?? []
    const logged = this.parts.queryLog?.families() ?? []
    return [...families, ...forwarded, ...named, ...kept, ...(transfers?.families(server) ?? []), ...logged]
  }
}

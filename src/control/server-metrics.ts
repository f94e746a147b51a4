/**
 * The figures of this process beside those of the queries: threads, readers, connections, what could not be served.
 * Layer: control.
 */

import type { TcpServer } from '../transport/tcp.ts'
import type { Observed } from './metrics.ts'
import { transportCounters } from './transport-metrics.ts'
import type { Workers } from './workers.ts'

export interface ServerFigures {
  readonly data: Workers | undefined
  readonly tcp: TcpServer | undefined
  readonly readerLag: number
  /** Row of queries over UDP that were left to the main thread. */
  readonly deferred: Float64Array
  /** Changes that wait for room, and how often that was so. */
  readonly unpublished: number
  readonly unpublishedErrors: number
  readonly uncaughtErrors: number
}

export function serverMetrics(figures: ServerFigures): Pick<Observed, 'gauges' | 'counters'> {
  const { data, tcp, deferred, readerLag, unpublished, unpublishedErrors, uncaughtErrors } = figures
  const one = (name: string, help: string, value: number) => ({
    name: `headless_dns_${name}`,
    help,
    samples: [{ value }],
  })
  return {
    gauges: [
      one('workers', 'Threads that answer over UDP.', data?.serving ?? 0),
      one(
        'workers_lost',
        'Threads that hang in a system call and cannot be ended: only a restart of the process helps.',
        data?.lost ?? 0,
      ),
      one('reader_lag_epochs', 'Changes of the table that its oldest reader has not seen the end of.', readerLag),
      one(
        'unpublished_changes',
        'Changes that are not served, for want of room or by a defect; each is tried again.',
        unpublished,
      ),
      one('tcp_connections', 'TCP connections open.', tcp?.connections() ?? 0),
    ],
    counters: [
      ...transportCounters(data, tcp, deferred),
      one('worker_deaths_total', 'Threads that died and were replaced.', data?.deaths ?? 0),
      one(
        'worker_hangs_total',
        'Threads that did not turn any more, and were ended where that is possible.',
        data?.hangs ?? 0,
      ),
      one('unpublished_errors_total', 'Times that not all changes could be served.', unpublishedErrors),
      one('uncaught_errors_total', 'Errors of the main thread that nobody caught.', uncaughtErrors),
    ],
  }
}

/**
 * What `/healthz` says: bad only when a restart of the process would help. Layer: control; pure.
 *
 *   condition   bad when                                                     not bad when
 *   workers     one hangs in a system call and cannot be ended; or none      a worker died and another took its place
 *               has answered for 10 s, though each is replaced
 *   errors      uncaught errors keep coming in a process that ran well       they came soon after its start: they would
 *               for 10 minutes (uncaught.ts)                                 come again
 *   table       changes find no room although less than half of the table    what is served needs the room: a restart
 *               holds what is served                                         would serve less
 *
 * Never: the API server's state, stale answers, lists that are not complete (`/readyz` tells those), a log that cannot be
 * written, a full disk. A main thread that does not turn answers nothing, which the probe takes as bad by itself.
 */

import type { TableStats } from '../table/writer.ts'

export interface HealthObserved {
  readonly lostWorkers: number
  /** Since when no worker serves, ms. */
  readonly silentMs: number
  /** A sentence on errors that keep coming. */
  readonly errors: string | undefined
  /** Changes that are not served. */
  readonly unpublished: number
  readonly table: Pick<TableStats, 'memoryOctets' | 'usedOctets' | 'retiredOctets'>
}

export interface Condition {
  readonly name: string
  /** What a restart would help against. */
  readonly bad?: string
  /** What is not as it should be, and a restart would not better. */
  readonly note?: string
}

/** Replacements are tried every 5 s by then. */
const SILENT_MS = 10_000
const SPARSE = 0.5

export function healthConditions(observed: HealthObserved): Condition[] {
  return [
    { name: 'workers', ...workers(observed) },
    { name: 'errors', ...(observed.errors === undefined ? {} : { bad: observed.errors }) },
    { name: 'table', ...table(observed) },
  ]
}

export function formatCondition({ name, bad, note }: Condition): string {
  if (bad !== undefined) return `[-]${name}: ${bad}`
  return note === undefined ? `[+]${name}` : `[+]${name}: ${note}`
}

function workers({ lostWorkers, silentMs }: HealthObserved): Omit<Condition, 'name'> {
  if (lostWorkers > 0) return { bad: `workers that hang in a system call and cannot be ended: ${lostWorkers}` }
  if (silentMs <= SILENT_MS) return {}
  return { bad: `no worker has answered for ${Math.floor(silentMs / 1000)} s, though each that ended was replaced` }
}

function table({ unpublished, table }: HealthObserved): Omit<Condition, 'name'> {
  if (unpublished === 0) return {}
  const needed = (table.usedOctets - table.retiredOctets) / table.memoryOctets
  const said = `changes that are not served: ${unpublished}`
  if (needed >= SPARSE) return { note: `${said}; the log says why` }
  return { bad: `${said}, with ${Math.round(needed * 100)} % of the table in use` }
}

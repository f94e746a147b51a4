/**
 * From objects to published names: the joined cluster state, the record rules and the table's writer, wired together.
 * Layer: control. No sockets and no threads: the same in production, in tests and in tools.
 */

import { type Changes, ClusterState, type ServiceChange } from '../cluster/state.ts'
import type { RecordOptions } from '../records/options.ts'
import { ServicePublisher } from '../records/publisher.ts'
import { putPodAddresses, putPodNamespace, putZoneNames, zoneApexes } from '../records/zone-names.ts'
import { createSharedMemory, type SharedMemory } from '../table/memory.ts'
import { TableWriter } from '../table/writer.ts'
import { useHugePages } from './huge-pages.ts'

/** RFC 1912 §2.2 in spirit; no secondary asks yet. Seconds. */
const REFRESH = 7200
const RETRY = 1800
const EXPIRE = 86_400
/** 16 MiB of address space to begin with; it becomes memory when it is written. */
const INITIAL_PAGES = 64
/** The row of the table's own writer among its readers; workers and TCP have the others. */
export const WRITER_ROW = 0

export interface ServingOptions {
  readonly records: RecordOptions
  /** The only namespaces to expose; empty: all. */
  readonly namespaces: readonly string[]
  /** 32 secret random bits for the table's hash. */
  readonly seed: number
  /** The first SOA serial, 32 bits. */
  readonly serial: number
  /** Called after a change is published. What could not be (TableFullError) is thrown at `flush` afterwards. */
  readonly onPublished?: (changes: Changes) => void
  /** Told when a complete list begins to come in, and when all that came is published. */
  readonly onListing?: (isListing: boolean) => void
}

export interface Serving {
  readonly memory: SharedMemory
  readonly cluster: ClusterState
  readonly table: TableWriter
}

export function createServing({ records, namespaces, seed, serial, onPublished, onListing }: ServingOptions): Serving {
  const memory = createSharedMemory(INITIAL_PAGES)
  useHugePages(memory)
  const table = new TableWriter(memory, WRITER_ROW, seed)
  const timers = { refresh: REFRESH, retry: RETRY, expire: EXPIRE, minimum: records.negativeTtl }
  let lastSerial = serial
  for (const apex of zoneApexes(records)) table.addZone(apex, timers, lastSerial)
  putZoneNames(table, records)
  if (records.pods === 'insecure') for (const name of namespaces) putPodNamespace(table, records, name, true)

  const services = new ServicePublisher(table, records)
  let unpublished: ServiceChange[] = []
  const cluster = new ClusterState(
    namespaces,
    changes => {
      const before = table.changes
      const problem = publishServices(changes.services)
      if (records.pods === 'verified') putPodAddresses(table, records, changes)
      if (records.pods === 'insecure') {
        for (const [name, exists] of changes.namespaces) putPodNamespace(table, records, name, exists)
      }
      // RFC 1982 §3: serial numbers move forward, modulo 2³²
      if (table.changes !== before) {
        lastSerial = (lastSerial + 1) >>> 0
        table.setSerial(lastSerial)
      }
      if (changes.first) table.setSynced()
      table.commit()
      onPublished?.(changes)
      if (problem !== undefined) throw problem
    },
    onListing,
  )

  /** One Service that cannot be published does not stop the others; it is tried again with the next change. */
  function publishServices(changes: readonly ServiceChange[]): unknown {
    const all = [...unpublished, ...changes]
    unpublished = []
    let problem: unknown
    for (const change of all) {
      try {
        services.publish(change)
      } catch (error) {
        problem ??= error
        unpublished.push(change)
      }
    }
    return problem
  }

  return { memory, cluster, table }
}

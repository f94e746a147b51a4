/**
 * From objects to published names: the joined cluster state, the record rules and the table's writer, wired together.
 * Layer: control. No sockets and no threads: the same in production, in tests and in tools.
 */

import type { MoveClock } from '../cluster/moves.ts'
import { keyOf } from '../cluster/source.ts'
import { type Changes, ClusterState, type PodAddressChange } from '../cluster/state.ts'
import type { RecordOptions } from '../records/options.ts'
import { putPodAddresses, putPodNamespace, putZoneNames, zoneApexes } from '../records/zone-names.ts'
import { createSharedMemory, type SharedMemory } from '../table/memory.ts'
import { TableWriter } from '../table/writer.ts'
import { useHugePages } from './huge-pages.ts'
import { type Attempt, ServiceChanges } from './service-changes.ts'

/** RFC 1912 §2.2 in spirit; secondaries that are listed hear of changes at once (transfer.notify). Seconds. */
const REFRESH = 7200
const RETRY = 1800
const EXPIRE = 86_400
/**
 * 32 MiB of address space to begin with; it becomes memory when it is written. With less a list of some thousand Services would grow
 * it: V8 then throws away the code that it has just optimized for the way without, and large pages are not given.
 */
const INITIAL_PAGES = 512
/** The row of the table's own writer among its readers; workers and TCP have the others. */
export const WRITER_ROW = 0

export interface ServingOptions {
  readonly records: RecordOptions
  /** The only namespaces to expose; empty: all. */
  readonly namespaces: readonly string[]
  /** 32 secret random bits for the table's hash. */
  readonly seed: number
  /** Of SOA serials, 32 bits: `latest` is the first. */
  readonly serials: { readonly latest: number; next(): number }
  /** For how long an endpoint that leaves a slice is held; undefined: not at all. */
  readonly moves?: ServingClock
  /** Memory of one's own; made when left out. */
  readonly memory?: SharedMemory
  /** Called after a change is published, as far as it could be. */
  readonly onPublished?: ((changes: Changes) => void) | undefined
  /** Called then with the first error when something could not be (TableFullError). What was served of it is served on. */
  readonly onUnpublished?: (error: unknown) => void
  /** Told when a complete list begins to come in, and when all that came is published. */
  readonly onListing?: (isListing: boolean) => void
}

/** One clock of all states, each of which is woken for itself. */
export interface ServingClock extends Pick<MoveClock, 'windowMs' | 'now'> {
  wake(afterMs: number, run: () => void): void
}

export interface Serving {
  readonly memory: SharedMemory
  readonly cluster: ClusterState
  /** ServiceImports as Services, with their slices; undefined: there are no zones of a clusterset. */
  readonly imports?: ClusterState
  readonly table: TableWriter
  /** Changes that wait for room. */
  unpublished(): number
  /** Tries them again: something else may have made room. */
  retry(): void
}

export function createServing(options: ServingOptions): Serving {
  const { records, seed, serials } = options
  const { multicluster = [] } = records
  const memory = options.memory ?? createSharedMemory(INITIAL_PAGES)
  useHugePages(memory)
  const table = new TableWriter(memory, WRITER_ROW, seed)
  const timers = { refresh: REFRESH, retry: RETRY, expire: EXPIRE, minimum: records.negativeTtl }
  for (const apex of zoneApexes(records)) {
    table.addZone(apex, timers, serials.latest, multicluster.includes(apex.owner))
  }
  putZoneNames(table, records)
  if (records.pods === 'insecure') for (const name of options.namespaces) putPodNamespace(table, records, name, true)

  /** States in which a list comes in. */
  let listing = 0
  const onListing = (isListing: boolean): void => {
    listing += isListing ? 1 : -1
    if (listing === (isListing ? 1 : 0)) options.onListing?.(isListing)
  }
  const own = publishInto(table, records, { ...options, onListing }, () => table.setSynced())
  if (multicluster.length === 0) return { memory, table, ...own }
  const { external: _, ...shared } = records
  const ofImports: RecordOptions = {
    ...shared,
    zones: multicluster,
    reverseZones: [],
    pods: 'disabled',
    isImported: true,
  }
  const imports = publishInto(table, ofImports, { ...options, onListing, onPublished: undefined }, () =>
    table.endWaiting(),
  )
  return {
    memory,
    cluster: own.cluster,
    imports: imports.cluster,
    table,
    unpublished: () => own.unpublished() + imports.unpublished(),
    retry() {
      own.retry()
      imports.retry()
    },
  }
}

const NO_CHANGES: Changes = { services: [], podAddresses: [], namespaces: new Map(), slices: [], first: false }

/** @param onFirst all names are published that the first complete lists give */
function publishInto(
  table: TableWriter,
  records: RecordOptions,
  { namespaces, serials, onPublished, onUnpublished, onListing, moves }: ServingOptions,
  onFirst: () => void,
): Pick<Serving, 'cluster' | 'unpublished' | 'retry'> {
  const services = new ServiceChanges(table, records)
  /** What found no room, or met a defect, by address and namespace: tried again with every change. */
  const unpublishedPods = new Map<string, PodAddressChange>()
  const unpublishedNamespaces = new Map<string, boolean>()
  /** Names have changed under a serial that found no room: secondaries would not ask for them. */
  let isSerialDue = false
  const publish = (changes: Changes): void => {
    const before = table.changes
    let problem: unknown
    /** What cannot be done does not stop the rest. */
    const attempt: Attempt = step => {
      try {
        step()
        return true
      } catch (error) {
        problem ??= error
        return false
      }
    }
    services.publish(changes.services, changes.first, attempt)
    if (records.pods === 'verified') {
      const byAddress = new Map(changes.podAddresses.map(each => [keyOf(each.namespace, each.address), each]))
      publishEach(unpublishedPods, byAddress, attempt, (_, change) => putPodAddresses(table, records, [change]))
    }
    if (records.pods === 'insecure') {
      publishEach(unpublishedNamespaces, changes.namespaces, attempt, (name, exists) =>
        putPodNamespace(table, records, name, exists),
      )
    }
    if (table.changes !== before || isSerialDue) isSerialDue = !attempt(() => table.setSerial(serials.next()))
    if (changes.first) onFirst()
    table.commit()
    onPublished?.(changes)
    if (problem !== undefined) onUnpublished?.(problem)
  }
  const cluster = new ClusterState(
    namespaces,
    publish,
    onListing,
    moves && {
      windowMs: moves.windowMs,
      now: () => moves.now(),
      wake: afterMs => moves.wake(afterMs, () => cluster.expire()),
    },
  )

  const waiting = (): number =>
    services.waiting + unpublishedPods.size + unpublishedNamespaces.size + (isSerialDue ? 1 : 0)
  return {
    cluster,
    unpublished: waiting,
    retry() {
      if (waiting() > 0) publish(NO_CHANGES)
    },
  }
}

/** @param waiting what was tried before and could not be done; then what is left of it and of `changes` */
function publishEach<T>(
  waiting: Map<string, T>,
  changes: ReadonlyMap<string, T>,
  attempt: Attempt,
  put: (key: string, change: T) => void,
): void {
  const due = new Map([...waiting, ...changes])
  waiting.clear()
  for (const [key, change] of due) if (!attempt(() => put(key, change))) waiting.set(key, change)
}

/**
 * From objects to published names: the joined cluster state, the record rules and the table's writer, wired together.
 * Layer: control. No sockets and no threads: the same in production, in tests and in tools.
 */

import type { MoveClock } from '../cluster/moves.ts'
import { keyOf } from '../cluster/source.ts'
import {
  type Changes,
  ClusterState,
  endpointsIn,
  type PodAddressChange,
  type ServiceChange,
  type ServiceView,
} from '../cluster/state.ts'
import type { RecordOptions } from '../records/options.ts'
import { ServicePublisher } from '../records/publisher.ts'
import { putPodAddresses, putPodNamespace, putZoneNames, zoneApexes } from '../records/zone-names.ts'
import { TableFullError } from '../table/allocator.ts'
import { createSharedMemory, type SharedMemory } from '../table/memory.ts'
import { TableWriter } from '../table/writer.ts'
import { useHugePages } from './huge-pages.ts'

/** RFC 1912 §2.2 in spirit; secondaries that are listed hear of changes at once (transfer.notify). Seconds. */
const REFRESH = 7200
const RETRY = 1800
const EXPIRE = 86_400
/**
 * 32 MiB of address space to begin with; it becomes memory when it is written. With less a list of some thousand Services would grow
 * it: V8 then throws away the code that it has just optimized for the way without, and large pages are not given.
 */
const INITIAL_PAGES = 512
/** A list that comes in, rather than what happens in a cluster. */
const MANY_CHANGES = 1000
/**
 * Services that lose names, and addresses of one and of several Services, that are settled together: some hundred octets each. While
 * nobody is answered no address is missed, and what lives on makes V8's young space grow.
 */
const MOST_UNSETTLED = { own: 20_000, shared: 20_000 }
const MOST_UNSETTLED_UNSEEN = { own: 20, shared: 500 }
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

/** A change of a Service that waits for room. */
interface Unpublished {
  readonly change: ServiceChange
  /** Of these some may be in the table: they could be neither made whole nor taken back. */
  readonly tried: readonly ServiceView[]
}

/** More than one is there only where not even taking away went well. */
const MOST_TRIED = 8
const NONE_TRIED: readonly ServiceView[] = []
const NO_CHANGES: Changes = { services: [], podAddresses: [], namespaces: new Map(), slices: [], first: false }

/** @param onFirst all names are published that the first complete lists give */
function publishInto(
  table: TableWriter,
  records: RecordOptions,
  { namespaces, serials, onPublished, onUnpublished, onListing, moves }: ServingOptions,
  onFirst: () => void,
): Pick<Serving, 'cluster' | 'unpublished' | 'retry'> {
  const services = new ServicePublisher(table, records)
  /** What found no room, or met a defect, by Service, address and namespace: tried again with every change. */
  const unpublished = new Map<string, Unpublished>()
  const unpublishedPods = new Map<string, PodAddressChange>()
  const unpublishedNamespaces = new Map<string, boolean>()
  /** Names have changed under a serial that found no room: secondaries would not ask for them. */
  let isSerialDue = false
  const publish = (changes: Changes): void => {
    const before = table.changes
    let problem: unknown
    /** What cannot be done does not stop the rest. */
    const attempt = (step: () => void): boolean => {
      try {
        step()
        return true
      } catch (error) {
        problem ??= error
        return false
      }
    }
    publishServices(changes.services, changes.first, attempt)
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

  function publishServices(
    changes: readonly ServiceChange[],
    isFirst: boolean,
    attempt: (step: () => void) => boolean,
  ): void {
    const due = allDue(changes)
    unpublished.clear()
    /** Half of it may be served: what was served before is put back, whole. */
    const giveUp = (change: ServiceChange, tried: readonly ServiceView[]): void => {
      const half = views([...tried, change.after])
      const isBack = attempt(() => services.mend(change.before, half))
      unpublished.set(keyOfService(change, half), { change, tried: isBack ? NONE_TRIED : half.slice(-MOST_TRIED) })
    }
    const settle = (isLast = true): void => {
      // One that finds no room does not stop the others of its addresses. What goes makes some for what comes, and for others that go.
      let left = [...services.settle(isLast)].toSorted(([a], [b]) => Number(isLess(b)) - Number(isLess(a)))
      for (let tried = 0; left.length > 0 && left.length !== tried; ) {
        tried = left.length
        left = left.flatMap(([change, error]) => {
          const problem = error instanceof TableFullError ? publishAlone(change) : error
          return problem === undefined ? [] : [[change, problem] as const]
        })
      }
      for (const [change, error] of left) {
        attempt(() => {
          throw error
        })
        giveUp(change, NONE_TRIED)
      }
    }
    const most = isFirst ? MOST_UNSETTLED_UNSEEN : MOST_UNSETTLED
    for (const { change, tried } of due) {
      const publish = () => services.publish(change, due.length > MANY_CHANGES, isFirst)
      const isDone = attempt(() => {
        if (tried.length > 0) return services.mend(change.after, views([change.before, ...tried]))
        try {
          publish()
        } catch (error) {
          if (!(error instanceof TableFullError)) throw error
          makeRoom(error, change, settle, publish)
        }
      })
      if (!isDone) giveUp(change, tried)
      const { leaving, single, shared } = services.unsettled
      if (shared >= most.shared || leaving >= most.own) settle()
      else if (single >= most.own) settle(false)
    }
    settle()
  }

  /** Nothing else waits to be settled. @returns what kept it from being whole */
  function publishAlone(change: ServiceChange): unknown {
    try {
      if (isLess(change)) services.mend(change.after, views([change.before]))
      else services.publish(change, true)
    } catch (error) {
      return error
    }
    return services.settle().get(change)
  }

  /** There is no room for what comes beside what goes: what goes makes some, first that of others, then its own. */
  function makeRoom(error: TableFullError, change: ServiceChange, settle: () => void, publish: () => void): void {
    const { leaving, single, shared } = services.unsettled
    if (leaving + single + shared > 0) {
      // The half of it that found room leaves none to the others.
      services.mend(change.before, views([change.after]))
      settle()
      try {
        publish()
        return
      } catch (again) {
        if (!(again instanceof TableFullError)) throw again
      }
    }
    if (!isLess(change)) throw error
    services.mend(change.after, views([change.before]))
  }

  /** What waits for room, as it has become by these changes, and the others of them. */
  function allDue(changes: readonly ServiceChange[]): readonly Unpublished[] {
    if (unpublished.size === 0) return changes.map(change => ({ change, tried: NONE_TRIED }))
    const due = new Map(unpublished)
    for (const change of changes) {
      const key = keyOfService(change)
      const waiting = due.get(key)
      // What is served is still what it was before the first change that failed.
      const { before } = waiting?.change ?? change
      const { after } = change
      const tried = waiting?.tried ?? NONE_TRIED
      // It came and went while it waited.
      if (before === undefined && after === undefined && tried.length === 0) due.delete(key)
      else due.set(key, { change: { before, after }, tried })
    }
    return [...due.values()]
  }

  const waiting = (): number =>
    unpublished.size + unpublishedPods.size + unpublishedNamespaces.size + (isSerialDue ? 1 : 0)
  return {
    cluster,
    unpublished: waiting,
    retry() {
      if (waiting() > 0) publish(NO_CHANGES)
    },
  }
}

/** What goes is more than what comes. */
function isLess({ before, after }: ServiceChange): boolean {
  return after === undefined || endpointsIn(after.slices) < endpointsIn(before?.slices ?? [])
}

/** @param tried what stands for a Service that was not there and is no more, and of which some may be in the table */
function keyOfService({ before, after }: ServiceChange, tried = NONE_TRIED): string {
  const { namespace, name } = (after ?? before ?? tried[0])!.service
  return keyOf(namespace, name)
}

/** @param waiting what was tried before and could not be done; then what is left of it and of `changes` */
function publishEach<T>(
  waiting: Map<string, T>,
  changes: ReadonlyMap<string, T>,
  attempt: (step: () => void) => boolean,
  put: (key: string, change: T) => void,
): void {
  const due = new Map([...waiting, ...changes])
  waiting.clear()
  for (const [key, change] of due) if (!attempt(() => put(key, change))) waiting.set(key, change)
}

function views(some: readonly (ServiceView | undefined)[]): ServiceView[] {
  return some.filter(view => view !== undefined)
}

/**
 * Changes of Services, put into the table as far as there is room. What finds none is taken back, so that what was served is served
 * on, whole, and is tried again with every change. Layer: control.
 */

import { keyOf } from '../cluster/source.ts'
import { endpointsIn, type ServiceChange, type ServiceView } from '../cluster/state.ts'
import type { RecordOptions } from '../records/options.ts'
import { ServicePublisher } from '../records/publisher.ts'
import { TableFullError } from '../table/allocator.ts'
import type { TableWriter } from '../table/writer.ts'

/** Runs a step, and keeps what it throws for who is to be told. @returns whether it threw nothing */
export type Attempt = (step: () => void) => boolean

/** A change of a Service that waits for room. */
interface Unpublished {
  readonly change: ServiceChange
  /** Of these some may be in the table: they could be neither made whole nor taken back. */
  readonly tried: readonly ServiceView[]
}

/** A list that comes in, rather than what happens in a cluster. */
const MANY_CHANGES = 1000
/**
 * Services that lose names, and addresses of one and of several Services, that are settled together: some hundred octets each. While
 * nobody is answered no address is missed, and what lives on makes V8's young space grow.
 */
const MOST_UNSETTLED = { own: 20_000, shared: 20_000 }
const MOST_UNSETTLED_UNSEEN = { own: 20, shared: 500 }
/** More than one is there only where not even taking away went well. */
const MOST_TRIED = 8
const NONE_TRIED: readonly ServiceView[] = []

export class ServiceChanges {
  private readonly table: TableWriter
  private readonly services: ServicePublisher
  /** What found no room, or met a defect, by Service. */
  private readonly unpublished = new Map<string, Unpublished>()

  constructor(table: TableWriter, records: RecordOptions) {
    this.table = table
    this.services = new ServicePublisher(table, records)
  }

  /** Changes that wait for room. */
  get waiting(): number {
    return this.unpublished.size
  }

  /**
   * These, and what waits.
   * @param isFirst nobody is answered yet
   * @param attempt what cannot be done does not stop the rest
   */
  publish(changes: readonly ServiceChange[], isFirst: boolean, attempt: Attempt): void {
    const { services } = this
    const due = this.allDue(changes)
    this.unpublished.clear()
    if (isFirst) this.table.reserve(leastNamesOf(changes))
    const most = isFirst ? MOST_UNSETTLED_UNSEEN : MOST_UNSETTLED
    for (const { change, tried } of due) {
      const publish = () => services.publish(change, due.length > MANY_CHANGES, isFirst)
      const isDone = attempt(() => {
        if (tried.length > 0) return services.mend(change.after, views([change.before, ...tried]))
        try {
          publish()
        } catch (error) {
          if (!(error instanceof TableFullError)) throw error
          this.makeRoom(error, change, publish, attempt)
        }
      })
      if (!isDone) this.giveUp(change, tried, attempt)
      const { leaving, single, shared } = services.unsettled
      if (shared >= most.shared || leaving >= most.own) this.settle(attempt)
      else if (single >= most.own) this.settle(attempt, false)
    }
    this.settle(attempt)
  }

  /** One that finds no room does not stop the others of its addresses. What goes makes some for what comes, and for others that go. */
  private settle(attempt: Attempt, isLast = true): void {
    let left = [...this.services.settle(isLast)].toSorted(([a], [b]) => Number(isLess(b)) - Number(isLess(a)))
    for (let tried = 0; left.length > 0 && left.length !== tried; ) {
      tried = left.length
      left = left.flatMap(([change, error]) => {
        const problem = error instanceof TableFullError ? this.publishAlone(change) : error
        return problem === undefined ? [] : [[change, problem] as const]
      })
    }
    for (const [change, error] of left) {
      attempt(() => {
        throw error
      })
      this.giveUp(change, NONE_TRIED, attempt)
    }
  }

  /** Nothing else waits to be settled. @returns what kept it from being whole */
  private publishAlone(change: ServiceChange): unknown {
    try {
      if (isLess(change)) this.services.mend(change.after, views([change.before]))
      else this.services.publish(change, true)
    } catch (error) {
      return error
    }
    return this.services.settle().get(change)
  }

  /** There is no room for what comes beside what goes: what goes makes some, first that of others, then its own. */
  private makeRoom(error: TableFullError, change: ServiceChange, publish: () => void, attempt: Attempt): void {
    const { services } = this
    const { leaving, single, shared } = services.unsettled
    if (leaving + single + shared > 0) {
      // The half of it that found room leaves none to the others.
      services.mend(change.before, views([change.after]))
      this.settle(attempt)
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

  /** Half of it may be served: what was served before is put back, whole. */
  private giveUp(change: ServiceChange, tried: readonly ServiceView[], attempt: Attempt): void {
    const half = views([...tried, change.after])
    const isBack = attempt(() => this.services.mend(change.before, half))
    this.unpublished.set(keyOfService(change, half), { change, tried: isBack ? NONE_TRIED : half.slice(-MOST_TRIED) })
  }

  /** What waits for room, as it has become by these changes, and the others of them. */
  private allDue(changes: readonly ServiceChange[]): readonly Unpublished[] {
    if (this.unpublished.size === 0) return changes.map(change => ({ change, tried: NONE_TRIED }))
    const due = new Map(this.unpublished)
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
}

/** A Service has its name in two branches; a ready endpoint too, and a PTR. Names of ports and of more zones come on top. */
function leastNamesOf(changes: readonly ServiceChange[]): number {
  return changes.reduce((sum, { after }) => sum + (after === undefined ? 0 : 2 + 3 * endpointsIn(after.slices)), 0)
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

function views(some: readonly (ServiceView | undefined)[]): ServiceView[] {
  return some.filter(view => view !== undefined)
}

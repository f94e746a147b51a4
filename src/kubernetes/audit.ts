/**
 * Compares, once in a while, what the API server holds with what is served: events get lost (etcd formed anew, a defect of
 * the API server, of a proxy, or of ours), and no event tells of that. Layer: kubernetes.
 *
 *   what is held is noted ─▶ a list that is no older ─▶ suspects: what differs from the note
 *                                                          │ the watch comes to the list's version, or has had its time
 *                                        drift: of these, what the watch has left as it was noted ─▶ list again
 *
 * An object that the watch changes meanwhile is not suspected any more, however it was changed: what differed was an event
 * on its way. The list is from the API server's watch cache, and every object of it is compared and let go. Kubernetes API
 * concepts, "Resource versions": NotOlderThan; a server that cannot give it has another history.
 */

import { isEqual } from '../cluster/equal.ts'
import type { ObjectSink } from '../cluster/sink.ts'
import { keyOf } from '../cluster/source.ts'
import { ApiError } from './errors.ts'
import type { ReflectorDeps, ReflectorLogger, Resource } from './reflector-types.ts'
import type { Requests } from './requests.ts'
import { SilenceLimit } from './silence-limit.ts'
import { asApiError } from './status.ts'
import { isLess } from './versions.ts'

/** The watch is waited for so long. In order it is there in milliseconds. */
const CHANCE_MS = 15_000
const STEP_MS = 500
/** More are not kept in mind: a list repairs all the same. */
const MOST_SUSPECTS = 1000
const MOST_NAMED = 10

/** The watch that is audited. */
export interface Audited<T> {
  readonly resource: Resource<T>
  readonly sink: ObjectSink<T>
  readonly requests: Requests
  /** Where the watch stands; '' while it does not run. */
  readonly watched: () => string
  /** Number of the list that the watch goes on from. */
  readonly lists: () => number
  /** Lists again; what is served stays served until that is in. */
  readonly repair: (why: ApiError) => void
  /** There is no watch that a list could be held against. */
  readonly unwatched: () => void
}

export class Audit<T> {
  /** Comparisons that came to an end. */
  count = 0
  /** Objects that were not served as the API server held them. */
  drifted = 0
  private readonly audited: Audited<T>
  private readonly log: ReflectorLogger
  private readonly deps: ReflectorDeps
  private lastError = ''

  constructor(audited: Audited<T>, log: ReflectorLogger, deps: ReflectorDeps) {
    this.audited = audited
    this.log = log
    this.deps = deps
  }

  /** Never further apart than the interval, at random times, so that the servers of a cluster do not list at one moment. */
  async run(intervalMs: number, stopped: AbortSignal): Promise<void> {
    for (let share = 0; !stopped.aborted; share = 0.5) {
      await this.deps.sleep((share + this.deps.random() * (1 - share)) * intervalMs, stopped)
      if (stopped.aborted) return
      if (this.audited.watched() === '') this.audited.unwatched()
      else await this.audit(stopped)
    }
  }

  private async audit(stopped: AbortSignal): Promise<void> {
    const { watched, lists, repair } = this.audited
    const list = lists()
    const isSame = () => watched() !== '' && lists() === list
    try {
      const { suspects, version } = await this.compare(stopped)
      for (let ms = 0; suspects.size > 0 && isSame() && isLess(watched(), version) && ms < CHANCE_MS; ms += STEP_MS) {
        await this.deps.sleep(STEP_MS, stopped)
      }
      // A watch that broke or a list that came in meanwhile: the next audit tells.
      if (!isSame()) return
      this.lastError = ''
      this.count++
      this.judge(suspects)
    } catch (error) {
      if (stopped.aborted) return
      const failure = asApiError(error)
      if (failure.code === 'ERR_API_HISTORY' && isSame()) repair(failure)
      else this.failed(failure.message)
    }
  }

  /** @returns what was held before of every object that the list has otherwise, or one of both has alone */
  private async compare(stopped: AbortSignal): Promise<{ suspects: Map<string, T | undefined>; version: string }> {
    const { resource, sink, requests, watched } = this.audited
    const held = new Map(sink.objects)
    const suspects = new Map<string, T | undefined>()
    const suspect = (key: string, object: T | undefined) => {
      if (suspects.size < MOST_SUSPECTS) suspects.set(key, object)
    }
    const silence = new SilenceLimit(this.deps, stopped)
    try {
      // Without a limit: older servers take pages of a version from etcd instead of their cache.
      const query = { resourceVersion: watched(), resourceVersionMatch: 'NotOlderThan' }
      const version = await requests.list(query, silence, raw => {
        const { namespace, name } = resource.identityOf(raw)
        const object = resource.fromApi(raw)
        if (typeof object === 'string') return
        const key = keyOf(namespace, name)
        const before = held.get(key)
        held.delete(key)
        if (before === undefined || !isEqual(before, object)) suspect(key, before)
      })
      for (const [key, object] of held) suspect(key, object)
      return { suspects, version }
    } finally {
      silence.end()
    }
  }

  private judge(suspects: ReadonlyMap<string, T | undefined>): void {
    const { resource, sink, repair } = this.audited
    const drift = [...suspects].filter(([key, object]) => sink.objects.get(key) === object).map(([key]) => key)
    if (drift.length === 0) return
    this.drifted += drift.length
    const message = 'what is served is not what the API server holds: events were lost; all is listed again'
    this.log.warn(message, {
      resource: resource.name,
      partition: resource.partition,
      count: drift.length,
      objects: drift.slice(0, MOST_NAMED),
    })
    repair(new ApiError('ERR_API_DRIFT', `${drift.length} objects were not served as the API server holds them`))
  }

  private failed(message: string): void {
    if (message === this.lastError) return
    this.lastError = message
    this.log.warn(`what is served could not be compared with the API server: ${message}`, {
      resource: this.audited.resource.name,
    })
  }
}

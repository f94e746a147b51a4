/**
 * What the API server says of one resource's objects → one ObjectSink, event by event. Layer: kubernetes; no requests, no clock.
 * Kubernetes API concepts: "Efficient detection of changes", "Streaming lists", "Watch bookmarks".
 */

import type { ObjectSink, Replacement } from '../cluster/sink.ts'
import { ApiError } from './errors.ts'
import type { Position } from './position.ts'
import type { Resource } from './reflector-types.ts'
import type { Refusals } from './refusals.ts'
import { MAX_QUOTED, metadataOf, statusError } from './status.ts'

export class WatchEvents<T> {
  private readonly resource: Resource<T>
  private readonly sink: ObjectSink<T>
  private readonly position: Position
  private readonly refusals: Refusals
  /** Events in a row that say nothing but that something is wrong. */
  errors = 0

  constructor(resource: Resource<T>, sink: ObjectSink<T>, position: Position, refusals: Refusals) {
    this.resource = resource
    this.sink = sink
    this.position = position
    this.refusals = refusals
  }

  /**
   * @param initial the list that the first events of a stream make
   * @returns true at the bookmark that ends the initial events
   * @throws ApiError for what is an error, of another history, or no event
   */
  apply(event: unknown, initial: Replacement<T> | undefined): boolean {
    const { type, object } = Object(event) as { type?: unknown; object?: unknown }
    if (type === 'ERROR') {
      this.errors++
      throw statusError(object, this.resource.name, 'watch', 0)
    }
    this.errors = 0
    const { resourceVersion, annotations } = metadataOf(object)
    // What is older than what was seen is of no use: nothing of it may be served, not even until the list is in.
    if (initial === undefined) this.position.refuseOlder(resourceVersion)
    if (type !== 'BOOKMARK' && this.resource.identityOf(object).name === '') {
      throw malformed(`an event ${quoted(type)} without the name of an object`)
    }
    switch (type) {
      case 'BOOKMARK':
        // No other bookmark comes before the one that ends a streaming list.
        if (initial !== undefined && annotations['k8s.io/initial-events-end'] !== 'true') throw noStreamingList()
        if (initial !== undefined && resourceVersion === '')
          throw malformed('the end of a list without a resourceVersion')
        this.position.moveTo(resourceVersion)
        return initial !== undefined
      case 'ADDED':
      case 'MODIFIED': {
        const converted = this.convert(object)
        if (converted === undefined) this.remove(object, initial)
        else if (initial === undefined) this.sink.upsert(converted)
        else initial.add(converted)
        break
      }
      case 'DELETED':
        this.remove(object, initial)
        break
      default:
        throw malformed(`an event ${quoted(type)}`)
    }
    // Before the end of the initial events a version is that of an object, not of the list.
    if (initial === undefined) this.position.moveTo(resourceVersion)
    return false
  }

  /** @returns undefined for an object that is refused: it is counted, and told of */
  convert(raw: unknown): T | undefined {
    const converted = this.resource.fromApi(raw)
    if (typeof converted !== 'string') return converted
    this.refusals.add(this.resource.identityOf(raw), converted)
    return undefined
  }

  private remove(raw: unknown, initial: Replacement<T> | undefined): void {
    const identity = this.resource.identityOf(raw)
    if (initial === undefined) this.sink.remove(identity.namespace, identity.name, identity)
    else initial.drop(identity.namespace, identity.name)
  }
}

/** Whatever came in the place of a type may be of any size and depth. */
function quoted(type: unknown): string {
  return typeof type === 'string' ? `of type ${JSON.stringify(type.slice(0, MAX_QUOTED))}` : 'whose type is no string'
}

function malformed(what: string): ApiError {
  return new ApiError('ERR_API_MALFORMED', `the API server sent ${what}`)
}

export function noStreamingList(): ApiError {
  return new ApiError('ERR_API_NO_STREAMING_LIST', 'the end of the list was not marked')
}

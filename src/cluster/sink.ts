/**
 * The one interface between the sources of truth (Kubernetes, manifests, a snapshot) and the rest of the server.
 * Layer: cluster. Every call is made on the main thread; calls take effect in the order they are made.
 *
 *   source ──open(kind)──▶ ObjectSink ──replaceAll / upsert / remove──▶ (held)  ──flush──▶ served
 *
 * Nothing that was given is served before `flush`, so that what belongs together is published together: a relist, the
 * events of one chunk of a watch stream, or a whole folder of manifests.
 */

import type { Identified, Kind, Kinds } from './objects.ts'

/**
 * A complete list in progress. Objects are added one by one; those that are as they were are let go at once, so no second
 * copy of the list is ever held. Nothing of it is seen, by anybody, before `commit`: half a list is not what there is.
 */
export interface Replacement<T> {
  add(object: T): void
  /** An object that was added is gone again. */
  drop(namespace: string, name: string): void
  /**
   * The list is complete: what it did not name is gone. The sink counts as synced and fresh from now on. When it throws, the list
   * is still open, to be aborted.
   */
  commit(): void
  /** The list broke off: all is as if it had not begun. */
  abort(): void
}

export interface ObjectSink<T> {
  /** What was given and is not gone, by `namespace/name` (`/name` when cluster-scoped), to be compared with the source. */
  readonly objects: ReadonlyMap<string, T>
  /** Starts a complete list; one may be open at a time per sink. */
  replaceAll(): Replacement<T>
  /** An object as it is now. One that is older than what is known of it is let go. */
  upsert(object: T): void
  /**
   * @param namespace `''` for a cluster-scoped kind
   * @param last      the object as it was when it was removed: a removal from before the object that is known is let go
   */
  remove(namespace: string, name: string, last?: Identified): void
  /** What is served may be old: the watch is broken. Said with every failure; `reason` is for people. */
  stale(reason: string): void
  /** The watch runs again from where it stopped: nothing was missed. */
  fresh(): void
}

export interface ClusterSink {
  /**
   * Declares a source of one kind of object. The cluster is synced when every opened sink has committed a list.
   * @param partition distinguishes several watches of one kind (a namespace, a selector): a list or a removal of one
   *                  partition never removes an object that another partition holds.
   */
  open<K extends Kind>(kind: K, partition?: string): ObjectSink<Kinds[K]>
  /** Publishes all that was given since the last flush, as one change. */
  flush(): void
}

/** A whole list at once. @throws as `commit` does; it is as if it had not begun */
export function replaceWith<T>(sink: Pick<ObjectSink<T>, 'replaceAll'>, objects: readonly T[]): void {
  const list = sink.replaceAll()
  try {
    for (const object of objects) list.add(object)
    list.commit()
  } catch (error) {
    list.abort()
    throw error
  }
}

/**
 * One source of one kind of object: what it said last of each, and the list it is in the middle of. Layer: cluster; pure.
 *
 * A watch tells of each object in the order of its versions. What comes again or late all the same is known by its version
 * and let go, removals too. A list is the truth of its moment whatever the versions in it: after a restore of etcd they
 * begin anew from an earlier one.
 */

import { isBefore, isEqual } from './equal.ts'
import type { EndpointSlice, Identified, Kind, Kinds } from './objects.ts'
import type { ObjectSink, Replacement } from './sink.ts'

/** The state that sources feed. */
export interface SourceOwner {
  /**
   * Puts `next` in the place of `previous` (undefined: it was not there, or is there no more).
   * @param isEvent it came by a watch, not by a list
   */
  apply<K extends Kind>(kind: K, previous: Kinds[K] | undefined, next: Kinds[K] | undefined, isEvent: boolean): void
  /** Sources of the same kind, this one included. */
  sourcesOf<K extends Kind>(kind: K): readonly Source<K>[]
  touched(slice: EndpointSlice): void
  listBegins(): void
  listEnds(): void
  /** A complete list has said what there is: nothing else is served of its slices. */
  listed(source: Source<Kind>): void
}

/** Removals that are remembered: an event that is late comes soon. */
const MAX_REMOVED = 1000

export class Source<K extends Kind> implements ObjectSink<Kinds[K]> {
  readonly kind: K
  readonly partition: string
  readonly objects = new Map<string, Kinds[K]>()
  synced = false
  staleReason: string | undefined
  private readonly owner: SourceOwner
  /** Objects that were removed, oldest first, and in which version. */
  private readonly removed = new Map<string, number>()
  /** In which version it told last of an object that is known by another source: it is removed here by what is told here. */
  private readonly told = new Map<string, number>()

  constructor(kind: K, partition: string, owner: SourceOwner) {
    this.kind = kind
    this.partition = partition
    this.owner = owner
  }

  replaceAll(): Replacement<Kinds[K]> {
    /** What is other than it was: of a cluster that is listed again next to nothing. */
    const changed = new Map<string, Kinds[K]>()
    // Of the first list all is.
    const seen = this.objects.size === 0 ? undefined : new Set<string>()
    this.owner.listBegins()
    return {
      add: object => {
        const key = identityKey(object)
        seen?.add(key)
        const own = seen && this.objects.get(key)
        if (own === undefined || !isEqual(own, object)) changed.set(key, object)
        else changed.delete(key)
      },
      drop: (namespace, name) => {
        const key = keyOf(namespace, name)
        seen?.delete(key)
        changed.delete(key)
      },
      commit: () => {
        for (const [key, object] of changed) this.put(key, object, false)
        const there = seen ?? changed
        for (const key of this.objects.keys()) if (!there.has(key)) this.unset(key, false)
        this.removed.clear()
        this.owner.listed(this as unknown as Source<Kind>)
        this.synced = true
        this.staleReason = undefined
        this.owner.listEnds()
      },
      abort: () => this.owner.listEnds(),
    }
  }

  upsert(object: Kinds[K]): void {
    const key = identityKey(object)
    const { version = 0 } = object
    const known = this.objects.get(key)
    if (known === undefined ? isBefore(version, (this.removed.get(key) ?? -1) + 1) : isBefore(version, known.version))
      return
    this.removed.delete(key)
    this.put(key, object, true)
    if (this.kind === 'EndpointSlice') this.owner.touched(object as EndpointSlice)
  }

  remove(namespace: string, name: string, last: Identified = {}): void {
    const key = keyOf(namespace, name)
    const known = this.objects.get(key)
    if (known !== undefined && isOfAnother(last, { ...known, version: this.told.get(key) ?? known.version ?? 0 }))
      return
    this.unset(key, true)
    if (last.version) this.remember(key, Math.max(last.version, this.removed.get(key) ?? 0))
  }

  stale(reason: string): void {
    this.staleReason = reason
  }

  fresh(): void {
    this.staleReason = undefined
  }

  private put(key: string, object: Kinds[K], isEvent: boolean): void {
    const own = this.objects.get(key)
    this.told.delete(key)
    if (own !== undefined && isEqual(own, object)) return
    // Only of slices it matters which one is newer.
    if (own !== undefined && this.kind !== 'EndpointSlice' && isEqual(own, { ...object, version: own.version })) {
      this.objects.set(key, object)
      return
    }
    const sources = this.owner.sourcesOf(this.kind)
    // As nearly always: a first list is taken in in a fifth less time than by what follows.
    if (sources.length === 1) {
      // In this order: what could not be applied is not known, and the next list brings it again.
      this.owner.apply(this.kind, own, object, isEvent)
      this.objects.set(key, object)
      return
    }
    const before = this.known(key)
    this.objects.set(key, object)
    // All that hold an object hold what was said of it last, unless they know better, or mean another: one with a version
    // is an API server's, one without is a file's.
    for (const other of sources) {
      const theirs = other.objects.get(key)
      if (other === this || theirs === undefined || isVersioned(theirs) !== isVersioned(object)) continue
      if (!isBefore(object.version, theirs.version)) other.hear(key, theirs, object)
    }
    this.owner.apply(this.kind, before, this.known(key), isEvent)
  }

  /** Another source has told of an object that this one holds. */
  private hear(key: string, own: Kinds[K], object: Kinds[K]): void {
    if (!this.told.has(key)) this.told.set(key, own.version ?? 0)
    this.objects.set(key, object)
  }

  private unset(key: string, isEvent: boolean): void {
    const before = this.known(key)
    this.told.delete(key)
    if (!this.objects.delete(key)) return
    this.owner.apply(this.kind, before, this.known(key), isEvent)
  }

  /** The newest of what all sources hold. */
  private known(key: string): Kinds[K] | undefined {
    let newest: Kinds[K] | undefined
    for (const { objects } of this.owner.sourcesOf(this.kind)) {
      const one = objects.get(key)
      if (newest === undefined || (one !== undefined && isBefore(newest.version, one.version))) newest = one
    }
    return newest
  }

  private remember(key: string, version: number): void {
    this.removed.delete(key)
    this.removed.set(key, version)
    if (this.removed.size <= MAX_REMOVED) return
    for (const oldest of this.removed.keys()) {
      this.removed.delete(oldest)
      break
    }
  }
}

export function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

export function identityKey(object: Kinds[Kind]): string {
  return keyOf('namespace' in object ? object.namespace : '', object.name)
}

function isVersioned({ version }: Identified): boolean {
  return version !== undefined && version > 0
}

/** A removal of what was there before the object that is known, by its version, else by its uid. */
function isOfAnother(last: Identified, known: Identified): boolean {
  if (last.version && known.version) return last.version < known.version
  return (
    last.uid !== undefined && known.uid !== undefined && last.uid !== 0 && known.uid !== 0 && last.uid !== known.uid
  )
}

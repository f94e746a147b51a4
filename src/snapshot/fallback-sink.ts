/**
 * Stands between the API's watches and the cluster's state, so that a snapshot can be served until the API has given every
 * list. Layer: snapshot; pure: whoever owns a clock says when the API has been waited for long enough.
 *
 *   waiting ── the snapshot is due ──▶ stale ── every list is complete ──▶ direct
 *      └────── every list is complete, or there is no snapshot ─────────────▲
 *
 * waiting  what the API says is kept back: a list in progress and a snapshot must not be mixed.
 * stale    the snapshot is served. What the API says is taken in and published when every list is complete, as one change:
 *          Services of today with endpoints of yesterday would be wrong in a new way.
 * direct   nothing is in between.
 */

import type { Identified, Kind, Kinds } from '../cluster/objects.ts'
import { type ClusterSink, type ObjectSink, type Replacement, replaceWith } from '../cluster/sink.ts'
import type { SnapshotList } from './codec.ts'
import { SnapshotError } from './errors.ts'

export interface FallbackEvents {
  /** The snapshot is about to be served. */
  onStale(): void
  /** Every list of the API is published: what is served is true. Said once. */
  onSynced(): void
  /** Some of the snapshot could not be published (a full table): it is tried again with the next change. */
  onUnpublished(error: unknown): void
}

const REASON = 'the API server has not given its lists: a snapshot is served'

export class FallbackSink implements ClusterSink {
  private phase: 'waiting' | 'stale' | 'direct' = 'waiting'
  private readonly cluster: ClusterSink
  private readonly events: FallbackEvents
  private readonly feeds: Feed<Kind>[] = []
  private lists: readonly SnapshotList[] | undefined
  /** The snapshot is to be served as soon as it is there. */
  private isDue = false
  /** What the API said while waiting. */
  private kept: (() => void)[] = []
  private synced = false

  constructor(cluster: ClusterSink, events: FallbackEvents) {
    this.cluster = cluster
    this.events = events
  }

  /** For other sources of the same cluster, which no snapshot holds; while lists are half there, their changes wait too. */
  readonly beside: ClusterSink = {
    open: (kind, partition) => this.cluster.open(kind, partition),
    flush: () => this.flush(),
  }

  open<K extends Kind>(kind: K, partition = ''): ObjectSink<Kinds[K]> {
    const feed = new Feed<K>(kind, partition, this, this.cluster.open(kind, partition))
    this.feeds.push(feed as unknown as Feed<Kind>)
    return feed
  }

  flush(): void {
    const hasAll = this.feeds.length > 0 && this.feeds.every(feed => feed.isListed)
    if (hasAll && !this.synced) {
      this.synced = true
      this.goDirect()
      try {
        this.cluster.flush()
      } finally {
        this.events.onSynced()
      }
    } else if (this.phase === 'direct' || (this.phase === 'stale' && this.feeds.every(feed => !feed.isTouched))) {
      this.cluster.flush()
    }
  }

  /**
   * A snapshot is there, to be served when it is due; after every sink was opened.
   * @throws SnapshotError ERR_SNAPSHOT_FILTERS: it does not hold what is watched; it is then as if there were none
   */
  offer(lists: readonly SnapshotList[]): void {
    if (this.phase !== 'waiting') return
    if (this.feeds.some(feed => listFor(lists, feed) === undefined)) {
      this.withdraw()
      throw new SnapshotError('ERR_SNAPSHOT_FILTERS', 'it does not hold every kind of object that is watched')
    }
    this.lists = lists
    if (this.isDue) this.serve()
  }

  /** There is no snapshot. */
  withdraw(): void {
    this.goDirect()
  }

  /** The API has been waited for long enough. Without effect once it has given every list. */
  serve(): void {
    this.isDue = true
    if (this.phase !== 'waiting' || this.lists === undefined) return
    this.phase = 'stale'
    for (const feed of this.feeds) feed.fill(listFor(this.lists, feed)!.objects)
    this.lists = undefined
    this.events.onStale()
    try {
      this.cluster.flush()
    } catch (error) {
      this.events.onUnpublished(error)
    }
    this.replay()
  }

  get isStale(): boolean {
    return this.phase === 'stale'
  }

  /** The API has given every list. */
  get isSynced(): boolean {
    return this.synced
  }

  /** Every list is complete, none is being replaced, and no watch is broken: what is known is true. */
  get isTrue(): boolean {
    return this.synced && this.feeds.every(feed => feed.isTrue)
  }

  /** The watches that a snapshot holds. */
  get watches(): readonly { readonly kind: Kind; readonly partition: string }[] {
    return this.feeds
  }

  /** Does what a watch says, now or when it is decided what it is said to. */
  hand(say: () => void): void {
    if (this.phase === 'waiting') this.kept.push(say)
    else say()
  }

  private goDirect(): void {
    this.phase = 'direct'
    this.lists = undefined
    this.replay()
  }

  private replay(): void {
    const { kept } = this
    this.kept = []
    for (const say of kept) say()
  }
}

function listFor(lists: readonly SnapshotList[], feed: Feed<Kind>): SnapshotList | undefined {
  return lists.find(({ kind, partition }) => kind === feed.kind && partition === feed.partition)
}

/** One watch of the API. */
class Feed<K extends Kind> implements ObjectSink<Kinds[K]> {
  readonly kind: K
  readonly partition: string
  /** The API has given a complete list. */
  isListed = false
  /** The API has said anything of its objects. */
  isTouched = false
  private listsOpen = 0
  private isBroken = false
  private readonly owner: FallbackSink
  private readonly inner: ObjectSink<Kinds[K]>

  constructor(kind: K, partition: string, owner: FallbackSink, inner: ObjectSink<Kinds[K]>) {
    this.kind = kind
    this.partition = partition
    this.owner = owner
    this.inner = inner
  }

  get objects(): ReadonlyMap<string, Kinds[K]> {
    return this.inner.objects
  }

  get isTrue(): boolean {
    return this.listsOpen === 0 && !this.isBroken
  }

  fill(objects: readonly Kinds[Kind][]): void {
    replaceWith(this.inner, objects as readonly Kinds[K][])
    this.inner.stale(REASON)
  }

  replaceAll(): Replacement<Kinds[K]> {
    let list: Replacement<Kinds[K]>
    this.listsOpen++
    this.owner.hand(() => {
      list = this.inner.replaceAll()
    })
    return {
      add: object => {
        this.isTouched = true
        this.owner.hand(() => list.add(object))
      },
      drop: (namespace, name) => this.owner.hand(() => list.drop(namespace, name)),
      commit: () => {
        this.isTouched = true
        // When this throws, the list is still open: `abort` comes next.
        this.owner.hand(() => list.commit())
        this.listsOpen--
        this.isListed = true
        this.isBroken = false
      },
      abort: () => {
        this.listsOpen--
        this.isBroken = true
        this.owner.hand(() => list.abort())
      },
    }
  }

  upsert(object: Kinds[K]): void {
    this.isTouched = true
    this.owner.hand(() => this.inner.upsert(object))
  }

  remove(namespace: string, name: string, last?: Identified): void {
    this.isTouched = true
    this.owner.hand(() => this.inner.remove(namespace, name, last))
  }

  stale(reason: string): void {
    this.isBroken = true
    this.owner.hand(() => this.inner.stale(reason))
    this.owner.serve()
  }

  fresh(): void {
    this.isBroken = false
    this.owner.hand(() => this.inner.fresh())
  }
}

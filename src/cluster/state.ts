/**
 * The joined state of the cluster: takes objects from any number of sources, hands on which Services changed and how.
 * Layer: cluster; pure. A Service is seen with all its EndpointSlices or not at all, and nothing is handed on before
 * every source has given its first complete list.
 */

import { ByNamespace, namespaceOf } from './by-namespace.ts'
import { type MoveClock, Moves } from './moves.ts'
import type { EndpointSlice, Kind, Kinds, Namespace, Pod, Service } from './objects.ts'
import type { ClusterSink, ObjectSink } from './sink.ts'
import { identityKey, keyOf, Source, type SourceOwner } from './source.ts'

/** A Service that is to be answered, with every slice that names it. Never changes. */
export interface ServiceView {
  readonly service: Service
  readonly slices: readonly EndpointSlice[]
  /** Endpoints that have vanished from a slice a moment ago, and may be on their way to another: still answered. */
  readonly held?: readonly EndpointSlice[]
}

/** Endpoints, ready or not. */
export function endpointsIn(slices: readonly EndpointSlice[]): number {
  return slices.reduce((sum, { endpoints }) => sum + endpoints.length, 0)
}

/** One Service, as it was served and as it is to be served; undefined: not at all. */
export interface ServiceChange {
  readonly before: ServiceView | undefined
  readonly after: ServiceView | undefined
}

/** An address of a Pod in a namespace, for `records.pods: verified`. */
export interface PodAddressChange {
  readonly namespace: string
  readonly address: string
  readonly exists: boolean
}

export interface Changes {
  readonly services: readonly ServiceChange[]
  readonly podAddresses: readonly PodAddressChange[]
  /** Namespaces that came (true) or went (false); only while Namespaces are watched. */
  readonly namespaces: ReadonlyMap<string, boolean>
  /** Slices that came by a watch event since the last change, for the latency metric. */
  readonly slices: readonly EndpointSlice[]
  /** These changes make the cluster complete for the first time. */
  readonly first: boolean
}

export interface SourceState {
  readonly kind: Kind
  readonly partition: string
  readonly synced: boolean
  /** Why what it gave may be old; undefined while it is fresh. */
  readonly stale: string | undefined
}

interface ServiceEntry {
  service: Service | undefined
  readonly slices: Map<string, EndpointSlice>
  published: ServiceView | undefined
}

const NO_MOVES: MoveClock = { windowMs: 0, now: () => 0, wake: () => {} }

export class ClusterState implements ClusterSink, SourceOwner {
  private readonly onChange: (changes: Changes) => void
  /** Namespaces to expose; empty: all. */
  private readonly exposed: ReadonlySet<string>
  private readonly sources: Source<Kind>[] = []
  private readonly byKind = new Map<Kind, readonly Source<Kind>[]>()
  private readonly services = new ByNamespace<ServiceEntry>()
  private readonly namespaces = new Map<string, Namespace>()
  private readonly podAddresses = new ByNamespace<number>()
  private readonly moves: Moves

  private readonly dirtyServices = new Set<string>()
  private readonly dirtyPodAddresses = new Set<string>()
  private readonly dirtyNamespaces = new Map<string, boolean>()
  private readonly touchedSlices = new Map<string, EndpointSlice>()
  private complete = false

  private readonly onListing: (isListing: boolean) => void
  private listsOpen = 0
  private isListing = false

  /** Objects put, replaced or removed so far. */
  changes = 0

  /**
   * @param namespaces the only namespaces to expose; empty: all
   * @param onListing  told when a complete list begins to come in, and when all that came is published
   * @param moves      for how long an endpoint that leaves a slice is held
   */
  constructor(
    namespaces: readonly string[],
    onChange: (changes: Changes) => void,
    onListing: (isListing: boolean) => void = () => {},
    moves = NO_MOVES,
  ) {
    this.moves = new Moves(moves)
    this.onListing = onListing
    this.exposed = new Set(namespaces)
    this.onChange = onChange
  }

  open<K extends Kind>(kind: K, partition = ''): ObjectSink<Kinds[K]> {
    const source = new Source<K>(kind, partition, this)
    this.sources.push(source as unknown as Source<Kind>)
    this.byKind.set(kind, [...this.sourcesOf(kind as Kind), source as unknown as Source<Kind>])
    return source
  }

  flush(): void {
    if (!this.synced) return
    this.publish()
    this.endListing()
  }

  /**
   * Publishes the Services whose endpoints were held for long enough, and nothing else that waits for a flush.
   * @throws as `flush` does
   */
  expire(): void {
    const keys = [...this.moves.expire()].filter(key => !this.dirtyServices.has(key))
    const services = keys.map(key => this.takeChange(key)).filter(change => change !== undefined)
    if (services.length === 0) return
    this.onChange({ services, podAddresses: [], namespaces: new Map(), slices: [], first: false })
  }

  private publish(): void {
    const first = !this.complete
    const services: ServiceChange[] = []
    for (const key of this.dirtyServices) {
      const change = this.takeChange(key)
      if (change !== undefined) services.push(change)
    }
    this.dirtyServices.clear()
    const podAddresses = [...this.dirtyPodAddresses].map(key => this.podAddressChange(key))
    const namespaces = new Map(this.dirtyNamespaces)
    const slices = [...this.touchedSlices.values()]
    this.touchedSlices.clear()
    if (!first && services.length + podAddresses.length + namespaces.size === 0) return
    this.dirtyPodAddresses.clear()
    this.dirtyNamespaces.clear()
    this.complete = true
    this.onChange({ services, podAddresses, namespaces, slices: first ? [] : slices, first })
  }

  listBegins(): void {
    this.listsOpen++
    if (this.isListing) return
    this.isListing = true
    this.onListing(true)
  }

  /** Nothing is published of it before all have been given, which may never be. */
  listEnds(): void {
    this.listsOpen--
    if (!this.synced) this.endListing()
  }

  private endListing(): void {
    if (!this.isListing || this.listsOpen > 0) return
    this.isListing = false
    this.onListing(false)
  }

  /** Every source has given a complete list. */
  get synced(): boolean {
    return this.sources.length > 0 && this.sources.every(source => source.synced)
  }

  states(): SourceState[] {
    return this.sources.map(({ kind, partition, synced, staleReason }) => ({
      kind,
      partition,
      synced,
      stale: staleReason,
    }))
  }

  /** Services served, and their ready addresses counted by slice. */
  counts(): { services: number; endpoints: number } {
    let services = 0
    let endpoints = 0
    for (const { published } of this.services.values()) {
      if (published === undefined) continue
      services++
      for (const slice of published.slices) for (const endpoint of slice.endpoints) if (endpoint.ready) endpoints++
    }
    return { services, endpoints }
  }

  /** All objects that one source holds, as they are now. */
  objectsOf(kind: Kind, partition: string): Kinds[Kind][] {
    const source = this.sources.find(one => one.kind === kind && one.partition === partition)
    return source === undefined ? [] : [...source.objects.values()]
  }

  /** What is served of a Service, for people who ask why. */
  find(namespace: string, name: string): ServiceView | undefined {
    return this.services.get(keyOf(namespace, name))?.published
  }

  apply<K extends Kind>(kind: K, previous: Kinds[K] | undefined, next: Kinds[K] | undefined, isEvent: boolean): void {
    this.changes++
    switch (kind) {
      case 'Service':
        this.applyService(previous as Service | undefined, next as Service | undefined)
        break
      case 'EndpointSlice':
        this.applySlice(previous as EndpointSlice | undefined, next as EndpointSlice | undefined, isEvent)
        break
      case 'Namespace':
        this.applyNamespace((next ?? previous) as Namespace, next as Namespace | undefined)
        break
      default:
        this.applyPod(previous as Pod | undefined, next as Pod | undefined)
    }
  }

  sourcesOf<K extends Kind>(kind: K): readonly Source<K>[] {
    return (this.byKind.get(kind) ?? []) as unknown as Source<K>[]
  }

  listed({ kind, objects }: Source<Kind>): void {
    if (kind !== 'EndpointSlice') return
    for (const key of this.moves.keys()) {
      if (this.moves.release(key, slice => objects.has(identityKey(slice)))) this.dirtyServices.add(key)
    }
  }

  touched(slice: EndpointSlice): void {
    if (this.complete && slice.lastChangeTriggerTime > 0) this.touchedSlices.set(identityKey(slice), slice)
  }

  private applyService(previous: Service | undefined, next: Service | undefined): void {
    const { namespace, name } = (next ?? previous)!
    const key = keyOf(namespace, name)
    this.entry(key).service = next
    if (next === undefined) this.moves.forget(key)
    else if (previous !== undefined && meansOthers(previous, next)) this.moves.reselected(key)
    this.dirtyServices.add(key)
  }

  private applySlice(previous: EndpointSlice | undefined, next: EndpointSlice | undefined, isEvent: boolean): void {
    const stays = previous !== undefined && previous.serviceName === next?.serviceName
    if (previous !== undefined && !stays) {
      const key = keyOf(previous.namespace, previous.serviceName)
      this.entry(key).slices.delete(previous.name)
      this.moves.release(key, ({ name }) => name === previous.name)
      this.dirtyServices.add(key)
    }
    if (next !== undefined && next.serviceName !== '') {
      const key = keyOf(next.namespace, next.serviceName)
      const { service, slices } = this.entry(key)
      slices.set(next.name, next)
      // Of a Service that is not there, or by a list, nothing is held.
      if (stays && isEvent && service !== undefined) this.moves.changed(key, previous, next, slices.values())
      else this.moves.heard(key, next)
      this.dirtyServices.add(key)
    }
  }

  private applyNamespace(identity: Namespace, namespace: Namespace | undefined): void {
    if (namespace === undefined) this.namespaces.delete(identity.name)
    else if (this.namespaces.has(identity.name)) return
    else this.namespaces.set(identity.name, namespace)
    this.dirtyNamespaces.set(identity.name, namespace !== undefined)
    for (const key of this.services.keysIn(identity.name)) this.dirtyServices.add(key)
    for (const key of this.podAddresses.keysIn(identity.name)) this.dirtyPodAddresses.add(key)
  }

  private applyPod(previous: Pod | undefined, next: Pod | undefined): void {
    for (const address of next?.addresses ?? []) this.countPodAddress(next!.namespace, address, 1)
    for (const address of previous?.addresses ?? []) this.countPodAddress(previous!.namespace, address, -1)
  }

  private countPodAddress(namespace: string, address: string, change: 1 | -1): void {
    const key = keyOf(namespace, address)
    const count = (this.podAddresses.get(key) ?? 0) + change
    if (count === 0) this.podAddresses.delete(key)
    else this.podAddresses.set(key, count)
    this.dirtyPodAddresses.add(key)
  }

  private podAddressChange(key: string): PodAddressChange {
    const namespace = namespaceOf(key)
    return {
      namespace,
      address: key.slice(namespace.length + 1),
      exists: this.podAddresses.get(key) !== undefined && this.isExposed(namespace),
    }
  }

  private entry(key: string): ServiceEntry {
    let entry = this.services.get(key)
    if (entry === undefined) {
      entry = { service: undefined, slices: new Map(), published: undefined }
      this.services.set(key, entry)
    }
    return entry
  }

  private takeChange(key: string): ServiceChange | undefined {
    const entry = this.services.get(key)
    if (entry === undefined) return undefined
    const { service, slices, published: before } = entry
    // Slices without their Service are kept, not served: the Service may come after them.
    const visible = service !== undefined && this.isExposed(service.namespace)
    const after = visible ? { service, slices: [...slices.values()], held: this.moves.heldOf(key) } : undefined
    entry.published = after
    if (service === undefined && slices.size === 0) this.services.delete(key)
    return before === undefined && after === undefined ? undefined : { before, after }
  }

  private isExposed(namespace: string): boolean {
    if (this.exposed.size > 0 && !this.exposed.has(namespace)) return false
    return this.namespaces.has(namespace) || !this.sources.some(source => source.kind === 'Namespace')
  }
}

/** The pods of one are not those of the other. */
function meansOthers(a: Service, b: Service): boolean {
  return a.kind !== b.kind || a.selection !== b.selection || (a.uid ?? 0) !== (b.uid ?? 0)
}

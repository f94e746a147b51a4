/**
 * The joined state of the cluster: takes objects from any number of sources, hands on which Services changed and how.
 * Layer: cluster; pure. A Service is seen with all its EndpointSlices or not at all, and nothing is handed on before
 * every source has given its first complete list.
 */

import { isEqual } from './equal.ts'
import type { EndpointSlice, Kind, Kinds, Namespace, Pod, Service } from './objects.ts'
import type { ClusterSink, ObjectSink, Replacement } from './sink.ts'

/** A Service that is to be answered, with every slice that names it. Never changes. */
export interface ServiceView {
  readonly service: Service
  readonly slices: readonly EndpointSlice[]
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

export class ClusterState implements ClusterSink {
  private readonly onChange: (changes: Changes) => void
  /** Namespaces to expose; empty: all. */
  private readonly exposed: ReadonlySet<string>
  private readonly sources: Source<Kind>[] = []
  private readonly services = new Map<string, ServiceEntry>()
  private readonly namespaces = new Map<string, Namespace>()
  private readonly podAddresses = new Map<string, number>()

  private readonly dirtyServices = new Set<string>()
  private readonly dirtyPodAddresses = new Set<string>()
  private readonly dirtyNamespaces = new Map<string, boolean>()
  private touchedSlices: EndpointSlice[] = []
  private complete = false

  private readonly onListing: (isListing: boolean) => void
  private listsOpen = 0
  private isListing = false

  /** Objects put, replaced or removed so far. */
  changes = 0

  /**
   * @param namespaces the only namespaces to expose; empty: all
   * @param onListing  told when a complete list begins to come in, and when all that came is published
   */
  constructor(
    namespaces: readonly string[],
    onChange: (changes: Changes) => void,
    onListing: (isListing: boolean) => void = () => {},
  ) {
    this.onListing = onListing
    this.exposed = new Set(namespaces)
    this.onChange = onChange
  }

  open<K extends Kind>(kind: K, partition = ''): ObjectSink<Kinds[K]> {
    const source = new Source<K>(kind, partition, this)
    this.sources.push(source as unknown as Source<Kind>)
    return source
  }

  flush(): void {
    if (!this.synced) return
    this.publish()
    if (this.isListing && this.listsOpen === 0) {
      this.isListing = false
      this.onListing(false)
    }
  }

  private publish(): void {
    const first = !this.complete
    const held = new Set<string>()
    for (const source of this.sources) for (const key of source.held) held.add(key)
    const services: ServiceChange[] = []
    for (const key of this.dirtyServices) {
      if (held.has(key)) continue
      this.dirtyServices.delete(key)
      const change = this.takeChange(key)
      if (change !== undefined) services.push(change)
    }
    const podAddresses = [...this.dirtyPodAddresses].map(key => this.podAddressChange(key))
    const namespaces = new Map(this.dirtyNamespaces)
    const slices = this.touchedSlices
    if (!first && services.length + podAddresses.length + namespaces.size === 0) return
    this.dirtyPodAddresses.clear()
    this.dirtyNamespaces.clear()
    this.touchedSlices = []
    this.complete = true
    this.onChange({ services, podAddresses, namespaces, slices: first ? [] : slices, first })
  }

  listBegins(): void {
    this.listsOpen++
    if (this.isListing) return
    this.isListing = true
    this.onListing(true)
  }

  listEnds(): void {
    this.listsOpen--
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

  /**
   * Puts `next` in the place of `previous` (undefined: it was not there, or is there no more).
   * @returns the Services it concerns
   */
  apply<K extends Kind>(kind: K, previous: Kinds[K] | undefined, next: Kinds[K] | undefined): string[] {
    this.changes++
    switch (kind) {
      case 'Service':
        return this.applyService((next ?? previous) as Service, next as Service | undefined)
      case 'EndpointSlice':
        return this.applySlice(previous as EndpointSlice | undefined, next as EndpointSlice | undefined)
      case 'Namespace':
        return this.applyNamespace((next ?? previous) as Namespace, next as Namespace | undefined)
      default:
        this.applyPod(previous as Pod | undefined, next as Pod | undefined)
        return []
    }
  }

  /**
   * The object of that kind and key that a source other than `except` holds.
   * @param newer what they hold from now on: all that hold an object hold what was said of it last
   */
  elsewhere<K extends Kind>(except: Source<K>, key: string, newer?: Kinds[K]): Kinds[K] | undefined {
    let found: Kinds[K] | undefined
    for (const source of this.sources) {
      if (source.kind !== except.kind || source === (except as unknown as Source<Kind>)) continue
      const object = source.objects.get(key)
      if (object === undefined) continue
      found = object as Kinds[K]
      if (newer !== undefined) source.objects.set(key, newer)
    }
    return found
  }

  touched(slice: EndpointSlice): void {
    if (this.complete && slice.lastChangeTriggerTime > 0) this.touchedSlices.push(slice)
  }

  private applyService(identity: Service, service: Service | undefined): string[] {
    const key = keyOf(identity.namespace, identity.name)
    this.entry(key).service = service
    return this.markDirty(key)
  }

  private applySlice(previous: EndpointSlice | undefined, next: EndpointSlice | undefined): string[] {
    const keys: string[] = []
    if (previous !== undefined && previous.serviceName !== next?.serviceName) {
      const key = keyOf(previous.namespace, previous.serviceName)
      this.entry(key).slices.delete(previous.name)
      keys.push(...this.markDirty(key))
    }
    if (next !== undefined && next.serviceName !== '') {
      const key = keyOf(next.namespace, next.serviceName)
      this.entry(key).slices.set(next.name, next)
      keys.push(...this.markDirty(key))
    }
    return keys
  }

  private applyNamespace(identity: Namespace, namespace: Namespace | undefined): string[] {
    if (namespace === undefined) this.namespaces.delete(identity.name)
    else if (this.namespaces.has(identity.name)) return []
    else this.namespaces.set(identity.name, namespace)
    this.dirtyNamespaces.set(identity.name, namespace !== undefined)
    const keys: string[] = []
    const prefix = `${identity.name}/`
    for (const key of this.services.keys()) if (key.startsWith(prefix)) keys.push(...this.markDirty(key))
    for (const key of this.podAddresses.keys()) if (key.startsWith(prefix)) this.dirtyPodAddresses.add(key)
    return keys
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
    const slash = key.indexOf('/')
    const namespace = key.slice(0, slash)
    return {
      namespace,
      address: key.slice(slash + 1),
      exists: this.podAddresses.has(key) && this.isExposed(namespace),
    }
  }

  private markDirty(key: string): string[] {
    this.dirtyServices.add(key)
    return [key]
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
    const after = visible ? { service, slices: [...slices.values()] } : undefined
    entry.published = after
    if (service === undefined && slices.size === 0) this.services.delete(key)
    return before === undefined && after === undefined ? undefined : { before, after }
  }

  private isExposed(namespace: string): boolean {
    if (this.exposed.size > 0 && !this.exposed.has(namespace)) return false
    return this.namespaces.has(namespace) || !this.sources.some(source => source.kind === 'Namespace')
  }
}

/** One source of one kind: its objects, and the list it is in the middle of. */
class Source<K extends Kind> implements ObjectSink<Kinds[K]> {
  readonly kind: K
  readonly partition: string
  readonly objects = new Map<string, Kinds[K]>()
  /** Services that the open list has touched; not to be published before it ends. */
  readonly held = new Set<string>()
  synced = false
  staleReason: string | undefined
  private readonly state: ClusterState

  constructor(kind: K, partition: string, state: ClusterState) {
    this.kind = kind
    this.partition = partition
    this.state = state
  }

  replaceAll(): Replacement<Kinds[K]> {
    const seen = new Set<string>()
    this.state.listBegins()
    return {
      add: object => {
        const key = identityKey(object)
        seen.add(key)
        for (const service of this.set(key, object)) this.held.add(service)
      },
      commit: () => {
        for (const key of this.objects.keys()) if (!seen.has(key)) this.unset(key)
        this.held.clear()
        this.synced = true
        this.staleReason = undefined
        this.state.listEnds()
      },
      abort: () => {
        this.held.clear()
        this.state.listEnds()
      },
    }
  }

  upsert(object: Kinds[K]): void {
    this.set(identityKey(object), object)
    if (this.kind === 'EndpointSlice') this.state.touched(object as EndpointSlice)
  }

  remove(namespace: string, name: string): void {
    this.unset(keyOf(namespace, name))
  }

  stale(reason: string): void {
    this.staleReason = reason
  }

  fresh(): void {
    this.staleReason = undefined
  }

  private set(key: string, object: Kinds[K]): string[] {
    const own = this.objects.get(key)
    if (own !== undefined && isEqual(own, object)) return []
    const others = this.state.elsewhere(this, key, object)
    const previous = own ?? others
    this.objects.set(key, object)
    return this.state.apply(this.kind, previous, object)
  }

  private unset(key: string): void {
    const previous = this.objects.get(key)
    if (previous === undefined) return
    this.objects.delete(key)
    this.state.apply(this.kind, previous, this.state.elsewhere(this, key))
  }
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

function identityKey(object: Kinds[Kind]): string {
  return keyOf('namespace' in object ? object.namespace : '', object.name)
}

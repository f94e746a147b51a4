/**
 * Whose an address is, among pods that walk the search path of their namespace (`autopath`). Layer: cluster; pure.
 *
 * It must never say the wrong namespace, and may say at any time that it does not know: until every source has given a
 * complete list, while one cannot be heard, of an address that two pods hold (one may be gone, and nobody knows which), of a pod that is being deleted
 * or has ended (its address is given to another soon). Which pods have addresses at all here: `clientPodFromApi`.
 */

import type { Kind, Kinds, Pod } from './objects.ts'
import type { ClusterSink, ObjectSink } from './sink.ts'
import { Source, type SourceOwner } from './source.ts'

/** Told when an address comes to a namespace (`isHere`), or leaves it; once for each pod. */
export type OnClient = (address: string, namespace: string, isHere: boolean) => void

export class ClientPods implements ClusterSink, SourceOwner {
  /** Address → its namespace, or those of all pods that hold it. */
  private readonly holders = new Map<string, string | readonly string[]>()
  private readonly sources: Source<'Pod'>[] = []
  private readonly keyOf: (address: string) => string
  private readonly listeners: OnClient[] = []

  /** @param keyOf an address in presentation format → what it is looked up by: one for each address */
  constructor(keyOf: (address: string) => string) {
    this.keyOf = keyOf
  }

  /** @param listener told of every change from now on */
  follow(listener: OnClient): void {
    this.listeners.push(listener)
  }

  /** @returns undefined: not known, or not for sure */
  namespaceOf(key: string): string | undefined {
    if (!this.synced) return undefined
    const namespace = this.holders.get(key)
    return typeof namespace === 'string' ? namespace : undefined
  }

  /** Every source has given a complete list, and is heard. */
  get synced(): boolean {
    return (
      this.sources.length > 0 && this.sources.every(({ synced, staleReason }) => synced && staleReason === undefined)
    )
  }

  /** Addresses that are known. */
  get size(): number {
    return this.holders.size
  }

  open<K extends Kind>(_kind: K, partition = ''): ObjectSink<Kinds[K]> {
    const source = new Source('Pod', partition, this)
    this.sources.push(source)
    return source as unknown as ObjectSink<Kinds[K]>
  }

  /** What was given holds at once: a deletion must not wait. */
  flush(): void {}

  apply<K extends Kind>(_kind: K, previous: Kinds[K] | undefined, next: Kinds[K] | undefined): string[] {
    this.change(previous as Pod | undefined, false)
    this.change(next as Pod | undefined, true)
    return []
  }

  sourcesOf<K extends Kind>(): readonly Source<K>[] {
    return this.sources as unknown as Source<K>[]
  }

  touched(): void {}
  listBegins(): void {}
  listEnds(): void {}
  listed(): void {}

  private change(pod: Pod | undefined, isHere: boolean): void {
    if (pod === undefined) return
    const { namespace } = pod
    for (const address of new Set(pod.addresses.map(this.keyOf))) {
      const holders = [this.holders.get(address) ?? []].flat()
      const rest = isHere ? [...holders, namespace] : holders.toSpliced(holders.indexOf(namespace), 1)
      if (rest.length === 0) this.holders.delete(address)
      else this.holders.set(address, rest.length === 1 ? rest[0]! : rest)
      for (const listener of this.listeners) listener(address, namespace, isHere)
    }
  }
}

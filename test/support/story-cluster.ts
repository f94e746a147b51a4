/**
 * A cluster of random Services and pods for stories, and random changes of it: the same from the same seed.
 * Layer: test support.
 */

import type { Random } from './random.ts'
import type { StoryWorld } from './story-world.ts'

const MOST_ENDPOINTS = 4
/** Addresses that the pods of one Service have in turn, and hostnames. */
const ADDRESSES = 8
const HOSTNAMES = 4

export interface EndpointOptions {
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
  readonly hostname?: string
  readonly pod?: string
  /** Tells pods of one name apart. */
  readonly generation?: number
  readonly zone?: string
}

/** @param options `ready` is left out, as the API allows, when it is not given */
export function endpoint(address: string, options: EndpointOptions = {}): object {
  const { hostname, pod, generation = 0, zone, ...conditions } = options
  const uid = generation === 0 ? `uid-of-${pod}` : `uid-of-${pod}-${generation}`
  const targetRef = pod === undefined ? undefined : { kind: 'Pod', name: pod, namespace: 'default', uid }
  return { addresses: [address], conditions, hostname, zone, targetRef }
}

export function slice(
  name: string,
  service: string,
  endpoints: readonly object[],
  ports: readonly object[] | null = [{ name: 'http', port: 80, protocol: 'TCP' }],
): object {
  const addressType = isV6(endpoints[0]) ? 'IPv6' : 'IPv4'
  const labels = { 'kubernetes.io/service-name': service }
  return { metadata: { name, namespace: 'default', labels }, addressType, ports, endpoints }
}

function isV6(first: object | undefined): boolean {
  return (first as { addresses: string[] } | undefined)?.addresses[0]?.includes(':') ?? false
}

/** Services `s0`, `s1`… of one to some pods each; every fourth has slices written by hand, of endpoints that are no pods. */
export type ChangedWorld = Pick<StoryWorld, 'random' | 'putService' | 'deleteService' | 'putSlices' | 'deleteSlice'>

export interface ClusterOptions {
  readonly services?: number
  /** Of one Service, at most. */
  readonly slices?: number
  /** How long the second write of a move may come after the first; 0: other changes may come between them, time does not. */
  readonly gapMs?: number
}

interface Pod {
  readonly name: string
  /** Counts how often a pod of its name was made anew. */
  readonly generation: number
  readonly address: string
  readonly hostname: string | undefined
  state: 'ready' | 'unready' | 'terminating'
  /** Names of slices; two of them in the midst of a move, none as well. */
  readonly places: Set<string>
}

interface RandomService {
  readonly slices: Set<string>
  readonly pods: Set<Pod>
  /** The second write of a move. */
  pending: (() => void) | undefined
}

export class RandomCluster {
  /** Moves between slices that were begun. */
  moves = 0
  private readonly world: ChangedWorld
  private readonly random: Random
  private readonly services = new Map<string, RandomService>()
  private readonly most: number
  private readonly mostSlices: number
  private readonly gapMs: number
  private made = 0

  constructor(world: ChangedWorld, { services = 12, slices = 2, gapMs = 0 }: ClusterOptions = {}) {
    this.world = world
    this.random = world.random
    this.most = services
    this.mostSlices = slices
    this.gapMs = gapMs
    for (let i = 0; i < services; i++) this.create(`s${i}`)
  }

  /** One thing changes. */
  step(): void {
    const name = `s${this.random.below(this.most)}`
    const known = this.services.get(name)
    known?.pending?.()
    if (known === undefined) this.create(name)
    else if (this.isByHand(name)) this.stepByHand(name, known)
    else this.stepOfPods(name, known)
  }

  /** Moves that are begun in them are over at their end. */
  steps(count: number): void {
    for (let i = 0; i < count; i++) this.step()
    this.settle()
  }

  /** The second writes of all moves. */
  settle(): void {
    for (const { pending } of this.services.values()) pending?.()
  }

  private isByHand(name: string): boolean {
    return Number(name.slice(1)) % 4 === 3
  }

  private stepByHand(name: string, { slices }: RandomService): void {
    const dice = this.random.below(10)
    if (dice === 0) this.delete(name)
    else if (dice === 1) this.world.putService(this.service(name))
    else if (dice === 2 && slices.size > 0) this.deleteSlice(name, this.random.oneOf([...slices]))
    else this.putByHand(name, `${name}-${this.random.below(this.mostSlices)}`)
  }

  private stepOfPods(name: string, service: RandomService): void {
    const { slices, pods } = service
    const dice = this.random.below(20)
    if (dice === 0) this.delete(name)
    else if (dice === 1) this.world.putService(this.service(name))
    else if (dice === 2 && slices.size > 0) this.deleteSlice(name, this.random.oneOf([...slices]))
    else if (pods.size === 0 || (dice < 7 && pods.size < MOST_ENDPOINTS * this.mostSlices)) this.addPod(name, service)
    else {
      const pod = this.random.oneOf([...pods])
      if (dice < 12 && this.mostSlices > 1) this.move(name, service, pod)
      else if (dice < 14) this.replace(name, service, pod)
      else if (dice < 16) this.remove(name, service, pod)
      else this.turn(name, pod)
    }
  }

  private create(name: string): void {
    const service: RandomService = { slices: new Set(), pods: new Set(), pending: undefined }
    this.services.set(name, service)
    const isServiceFirst = this.random.below(2) === 0
    if (isServiceFirst) this.world.putService(this.service(name))
    if (this.isByHand(name)) this.putByHand(name, `${name}-0`)
    else {
      for (let left = this.random.below(MOST_ENDPOINTS + 1); left > 0; left--) {
        service.pods.add(this.pod(name, service, `${name}-0`))
      }
      this.write(name, `${name}-0`)
    }
    if (!isServiceFirst) this.world.putService(this.service(name))
  }

  private delete(name: string): void {
    this.world.deleteService(name)
    for (const one of this.services.get(name)!.slices) this.world.deleteSlice(one, name)
    this.services.delete(name)
  }

  private deleteSlice(service: string, name: string): void {
    const { slices, pods } = this.services.get(service)!
    slices.delete(name)
    for (const pod of pods) if (pod.places.has(name)) pods.delete(pod)
    this.world.deleteSlice(name, service)
  }

  private service(name: string): object {
    const isHeadless = this.random.below(4) > 0
    const clusterIP = isHeadless ? 'None' : `10.96.${this.random.below(200)}.${1 + this.random.below(200)}`
    return {
      metadata: { name, namespace: 'default' },
      spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
    }
  }

  private addPod(name: string, service: RandomService): void {
    const place = `${name}-${this.random.below(this.mostSlices)}`
    service.pods.add(this.pod(name, service, place))
    this.write(name, place)
  }

  /** Without a word before: as when a pod is deleted by force. */
  private remove(name: string, { pods }: RandomService, pod: Pod): void {
    pods.delete(pod)
    for (const place of pod.places) this.write(name, place)
  }

  /** Another pod of its name, as of a StatefulSet: at its address, or at another. */
  private replace(name: string, service: RandomService, pod: Pod): void {
    const [place = ''] = pod.places
    service.pods.delete(pod)
    const address = this.random.below(2) === 0 ? { address: pod.address } : {}
    const { name: podName, generation, hostname } = pod
    service.pods.add({
      ...this.pod(name, service, place),
      ...address,
      name: podName,
      generation: generation + 1,
      hostname,
    })
    this.write(name, place)
  }

  /** It becomes ready, or not, or begins to end; one that ends stays at it. */
  private turn(name: string, pod: Pod): void {
    if (this.random.below(3) === 0) pod.state = 'terminating'
    else if (pod.state !== 'terminating') pod.state = pod.state === 'ready' ? 'unready' : 'ready'
    for (const place of pod.places) this.write(name, place)
  }

  /** By two writes, in either order. */
  private move(name: string, service: RandomService, pod: Pod): void {
    const [from = ''] = pod.places
    const others = Array.from({ length: this.mostSlices }, (_, i) => `${name}-${i}`).filter(place => place !== from)
    const to = this.random.oneOf(others)
    this.moves++
    const leave = () => {
      pod.places.delete(from)
      this.write(name, from)
    }
    const arrive = () => {
      pod.places.add(to)
      this.write(name, to)
    }
    const [first, second] = this.random.below(2) === 0 ? [leave, arrive] : [arrive, leave]
    first()
    const timer = this.gapMs === 0 ? undefined : setTimeout(() => service.pending?.(), this.random.below(this.gapMs))
    service.pending = () => {
      clearTimeout(timer)
      service.pending = undefined
      second()
    }
  }

  /** Of addresses that are free, or that others have who are not ready, or at times of any. */
  private pod(service: string, { pods }: RandomService, place: string): Pod {
    const number = ++this.made
    const network = 1 + Number(service.slice(1))
    const taken = new Set([...pods].filter(({ state }) => state === 'ready').map(({ address }) => address))
    const all = Array.from({ length: ADDRESSES }, (_, i) => `10.${network}.0.${1 + i}`)
    const free = all.filter(address => !taken.has(address))
    return {
      name: `${service}-pod-${number}`,
      generation: 0,
      address: this.random.oneOf(free.length === 0 || this.random.below(8) === 0 ? all : free),
      hostname: this.random.below(2) === 0 ? `pod-${this.random.below(HOSTNAMES)}` : undefined,
      state: this.random.below(5) > 0 ? 'ready' : 'unready',
      places: new Set([place]),
    }
  }

  private write(service: string, name: string): void {
    const { slices, pods } = this.services.get(service)!
    slices.add(name)
    const endpoints = [...pods]
      .filter(({ places }) => places.has(name))
      .map(({ name: pod, generation, address, hostname, state }) => {
        const ready = state === 'ready'
        const ending = state === 'terminating' ? { serving: true, terminating: true } : {}
        return endpoint(address, { ready, ...ending, pod, generation, ...(hostname && { hostname }) })
      })
    this.world.putSlices(slice(name, service, endpoints))
  }

  private putByHand(service: string, name: string): void {
    this.services.get(service)!.slices.add(name)
    const network = 1 + Number(service.slice(1))
    const first = this.random.below(ADDRESSES)
    const endpoints = Array.from({ length: this.random.below(MOST_ENDPOINTS + 1) }, (_, i) => {
      const hostname = this.random.below(2) === 0 ? { hostname: `pod-${this.random.below(HOSTNAMES)}` } : {}
      const ready = this.random.below(5) > 0
      return endpoint(`10.${network}.0.${1 + ((first + i) % ADDRESSES)}`, { ready, ...hostname })
    })
    this.world.putSlices(slice(name, service, endpoints))
  }
}

/** `count` headless Services of `pods` pods each, `big0`…: one slice of each. */
export function putMany(world: StoryWorld, count: number, pods: number): void {
  for (let i = 0; i < count; i++) {
    const name = `big${i}`
    world.putService({ metadata: { name, namespace: 'default' }, spec: { clusterIP: 'None', ports: [] } })
    const endpoints = Array.from({ length: pods }, (_, pod) => {
      const number = i * pods + pod
      return endpoint(`10.${100 + (number >>> 16)}.${(number >>> 8) & 255}.${number & 255}`)
    })
    world.putSlices(slice(`${name}-0`, name, endpoints))
  }
}

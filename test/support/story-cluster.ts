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
  readonly zone?: string
}

/** @param options `ready` is left out, as the API allows, when it is not given */
export function endpoint(address: string, options: EndpointOptions = {}): object {
  const { hostname, pod, zone, ...conditions } = options
  const targetRef =
    pod === undefined ? undefined : { kind: 'Pod', name: pod, namespace: 'default', uid: `uid-of-${pod}` }
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

/** Services `s0`, `s1`… of one to some pods each. */
export type ChangedWorld = Pick<StoryWorld, 'random' | 'putService' | 'deleteService' | 'putSlices' | 'deleteSlice'>

export class RandomCluster {
  private readonly world: ChangedWorld
  private readonly random: Random
  private readonly services = new Map<string, Set<string>>()
  private readonly most: number
  private readonly mostSlices: number

  constructor(world: ChangedWorld, { services = 12, slices = 2 } = {}) {
    this.world = world
    this.random = world.random
    this.most = services
    this.mostSlices = slices
    for (let i = 0; i < services; i++) this.create(`s${i}`)
  }

  /** One thing changes. */
  step(): void {
    const name = `s${this.random.below(this.most)}`
    const slices = this.services.get(name)
    if (slices === undefined) this.create(name)
    else {
      const dice = this.random.below(10)
      if (dice === 0) this.delete(name)
      else if (dice === 1) this.world.putService(this.service(name))
      else if (dice === 2 && slices.size > 0) this.deleteSlice(name, this.random.oneOf([...slices]))
      else this.putSlice(name, `${name}-${this.random.below(this.mostSlices)}`)
    }
  }

  steps(count: number): void {
    for (let i = 0; i < count; i++) this.step()
  }

  private create(name: string): void {
    this.services.set(name, new Set())
    const isServiceFirst = this.random.below(2) === 0
    if (isServiceFirst) this.world.putService(this.service(name))
    this.putSlice(name, `${name}-0`)
    if (!isServiceFirst) this.world.putService(this.service(name))
  }

  private delete(name: string): void {
    this.world.deleteService(name)
    for (const one of this.services.get(name)!) this.world.deleteSlice(one, name)
    this.services.delete(name)
  }

  private deleteSlice(service: string, name: string): void {
    this.services.get(service)!.delete(name)
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

  private putSlice(service: string, name: string): void {
    this.services.get(service)!.add(name)
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

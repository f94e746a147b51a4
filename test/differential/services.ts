/**
 * Some hundred Services of every kind, made from a seed: as API objects for our server, and in the few words from which
 * zone-model.ts says what must be served of them. Shares no code with src/.
 */

import type { EndpointSlice, Pod, Service } from '../../src/cluster/objects.ts'
import { clusterIP, headless, slice } from '../support/answering.ts'
import type { Random } from '../support/random.ts'

export interface PortModel {
  readonly name: string
  readonly protocol: string
  readonly port: number
}

export interface EndpointModel {
  readonly address: string
  readonly ready: boolean
  /** `''`: none. */
  readonly hostname: string
  readonly zone: string
}

/** One slice: its endpoints have one family, and its ports. */
export interface SliceModel {
  readonly ports: readonly PortModel[]
  readonly endpoints: readonly EndpointModel[]
}

export interface ServiceModel {
  readonly namespace: string
  readonly name: string
  readonly kind: 'headless' | 'clusterIP' | 'externalName'
  readonly clusterIPs: readonly string[]
  readonly externalName: string
  readonly ports: readonly PortModel[]
  readonly slices: readonly SliceModel[]
}

export interface PodModel {
  readonly namespace: string
  readonly address: string
}

export interface World {
  readonly services: readonly ServiceModel[]
  readonly pods: readonly PodModel[]
}

export const TOPOLOGY_ZONES = ['zone-a', 'zone-b', 'zone-c']
const NAMESPACES = ['default', 'kube-system', 'db', 'x'.repeat(63), 'a-0']
const PORTS: readonly PortModel[] = [
  { name: 'http', protocol: 'tcp', port: 80 },
  { name: 'metrics', protocol: 'tcp', port: 9090 },
  { name: 'dns', protocol: 'udp', port: 53 },
  { name: 'dns', protocol: 'tcp', port: 53 },
  { name: 'sigtran', protocol: 'sctp', port: 65_535 },
  { name: '', protocol: 'tcp', port: 8080 },
]
/** Endpoints of the larger Services: around the sizes at which 512 and 1232 octets are full, and near to 64 KiB of SRVs. */
const LARGE = [9, 10, 26, 27, 28, 29, 30, 40, 68, 69, 70, 71, 72, 200, 800]

export function makeWorld(random: Random, count: number): World {
  const services: ServiceModel[] = []
  let v4 = 0
  let v6 = 0
  const nextV4 = (): string => {
    v4++
    return `10.${(v4 >> 16) & 255}.${(v4 >> 8) & 255}.${v4 & 255}`
  }
  // Already in the form of RFC 5952: no group is zero before the gap, and the gap is longer than one group.
  const nextV6 = (): string => `fd00:1:${(++v6 >> 8) + 1}::${((v6 & 255) + 1).toString(16)}`
  const some = <T>(all: readonly T[], most: number): T[] => all.filter(() => random.below(all.length) < most)

  const makeSlice = (size: number, ports: readonly PortModel[], isV6: boolean): SliceModel => ({
    ports,
    endpoints: Array.from({ length: size }, (_, i) => ({
      address: isV6 ? nextV6() : nextV4(),
      ready: size > 20 || random.below(8) > 0,
      hostname: random.below(3) === 0 ? `node-${i}` : '',
      zone: random.below(3) === 0 ? '' : random.oneOf(TOPOLOGY_ZONES),
    })),
  })
  const makeSlices = (size: number): SliceModel[] => {
    const ports = some(PORTS, 2)
    // Hostnames `node-N` come again in every slice: one name then has addresses of both families, and several.
    const slices = [makeSlice(size, ports, random.below(4) === 0)]
    if (random.below(3) === 0)
      slices.push(makeSlice(random.below(4), random.below(2) === 0 ? ports : some(PORTS, 2), true))
    if (random.below(4) === 0) slices.push(makeSlice(random.below(4), ports, false))
    return slices
  }
  const add = (service: Partial<ServiceModel> & Pick<ServiceModel, 'kind' | 'name'>): void => {
    const namespace = random.oneOf(NAMESPACES)
    services.push({ namespace, clusterIPs: [], externalName: '', ports: [], slices: [], ...service })
  }

  for (const size of LARGE) {
    add({
      kind: 'headless',
      namespace: 'db',
      name: `large-${size}`,
      slices: [makeSlice(size, PORTS.slice(0, 1), size === 40)],
    })
  }
  for (let i = 0; services.length < count; i++) {
    const name = random.below(20) === 0 ? `${'y'.repeat(58)}-${i}` : `svc-${i}`
    const slices = makeSlices(random.below(13))
    const kind = random.below(10)
    if (kind < 5) add({ kind: 'headless', name, slices })
    else if (kind < 8) {
      const families = random.below(3)
      const clusterIPs = [...(families < 2 ? [nextV4()] : []), ...(families > 0 ? [nextV6()] : [])]
      add({ kind: 'clusterIP', name, clusterIPs, ports: some(PORTS, 2), slices: random.below(2) === 0 ? slices : [] })
    } else {
      const other = random.oneOf(services)
      const externalName = random.oneOf([
        'www.example.com',
        `${other.name}.${other.namespace}.svc.cluster.local`,
        `${other.name}.${other.namespace}.direct.cluster.local`,
        `gone-${i}.default.svc.cluster.local`,
        'WWW.Example.NET',
        `${'z'.repeat(63)}.${'z'.repeat(63)}.${'z'.repeat(63)}.example`,
        'cluster.local',
        'svc.cluster.local',
      ])
      add({ kind: 'externalName', name, externalName })
    }
  }
  const pods = Array.from({ length: 40 }, (_, i) => ({
    namespace: random.oneOf(NAMESPACES),
    address: i % 3 === 0 ? nextV6() : nextV4(),
  }))
  return { services, pods }
}

export function toService({ namespace, name, kind, clusterIPs, externalName, ports }: ServiceModel): Service {
  if (kind === 'headless') return headless(name, namespace, [...ports])
  const service = clusterIP(name, [...clusterIPs], namespace, [...ports])
  return kind === 'clusterIP' ? service : { ...service, kind, externalName }
}

export function toSlices({ namespace, name, slices }: ServiceModel): EndpointSlice[] {
  return slices
    .filter(({ endpoints }) => endpoints.length > 0)
    .map(({ ports, endpoints }, i) =>
      slice(name, [...endpoints], { namespace, name: `${name}-${i}`, ports: [...ports] }),
    )
}

export function toPods(pods: readonly PodModel[]): Pod[] {
  return pods.map(({ namespace, address }, i) => ({ namespace, name: `pod-${i}`, addresses: [address] }))
}

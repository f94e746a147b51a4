/**
 * A Service and the Pods that it selects → its EndpointSlices, by the rules of the EndpointSlice controller.
 * Layer: manifests; pure.
 */

import { familyOf } from '../cluster/from-api.ts'
import type { Endpoint, EndpointSlice, Port, Service } from '../cluster/objects.ts'
import { type Labels, textOf } from './label-selector.ts'
import type { PodFacts } from './pods.ts'

export type Family = 'IPv4' | 'IPv6'
const FAMILIES: readonly Family[] = ['IPv4', 'IPv6']
/** Of a Node; a Pod may carry its node's. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone'
/** Stands for the node of a pod that runs nowhere. */
const SIMULATED_NODE = 'simulated'

export interface RawServiceSpec {
  readonly selector?: Labels | null
  readonly publishNotReadyAddresses?: boolean | null
  readonly ipFamilies?: readonly (Family | null)[] | null
  readonly ipFamilyPolicy?: string | null
  readonly ports?: readonly (RawServicePort | null)[] | null
}
interface RawServicePort {
  readonly name?: string | null
  readonly port?: number | null
  readonly protocol?: string | null
  readonly targetPort?: number | string | null
}

/** A Service with what is read of it more than the domain's words hold. */
export interface ServiceFacts {
  readonly service: Service
  readonly spec: RawServiceSpec
  /** undefined: those of its pods. */
  readonly families: readonly Family[] | undefined
  readonly selects: boolean
}

/** @returns undefined when the Service does not say: those of its pods */
export function familiesOf(
  service: Service,
  { ipFamilies, ipFamilyPolicy }: RawServiceSpec,
): readonly Family[] | undefined {
  if (ipFamilyPolicy === 'PreferDualStack' || ipFamilyPolicy === 'RequireDualStack') return FAMILIES
  const named = FAMILIES.filter(family => ipFamilies?.includes(family))
  if (named.length > 0) return named
  if (service.clusterIPs.length > 0) return FAMILIES.filter(family => service.clusterIPs.some(ip => isOf(family, ip)))
  return ipFamilyPolicy === 'SingleStack' ? ['IPv4'] : undefined
}

/** Pods whose named ports stand for other numbers are in other slices; no pods at all make one empty slice. */
export function generateSlices(
  facts: ServiceFacts,
  pods: readonly PodFacts[],
  zones: ReadonlyMap<string, string>,
): EndpointSlice[] {
  const { service, spec } = facts
  const alive = pods.filter(pod => !pod.ended && pod.addresses.length > 0)
  const present = FAMILIES.filter(family => alive.some(pod => pod.addresses.some(address => isOf(family, address))))
  const slices: EndpointSlice[] = []
  for (const addressType of facts.families ?? (present.length > 0 ? present : ['IPv4' as const])) {
    const groups = new Map<string, { ports: readonly Port[]; endpoints: Endpoint[] }>()
    for (const pod of alive) {
      const addresses = pod.addresses.filter(address => isOf(addressType, address))
      if (addresses.length === 0) continue
      const ports = portsOf(spec, pod)
      const key = JSON.stringify(ports)
      const group = groups.get(key) ?? { ports, endpoints: [] }
      groups.set(key, group)
      for (const address of addresses) group.endpoints.push(toEndpoint(address, pod, facts, zones))
    }
    if (groups.size === 0) groups.set('', { ports: [], endpoints: [] })
    for (const { ports, endpoints } of groups.values()) {
      const { namespace, name: serviceName } = service
      const name = `${serviceName}.generated.${slices.length}`
      slices.push({ namespace, name, serviceName, addressType, ports, endpoints, lastChangeTriggerTime: 0 })
    }
  }
  return slices
}

function toEndpoint(
  address: string,
  pod: PodFacts,
  { service, spec }: ServiceFacts,
  zones: ReadonlyMap<string, string>,
): Endpoint {
  return {
    address,
    ready: spec.publishNotReadyAddresses === true || (pod.ready && !pod.terminating),
    hostname: pod.subdomain === service.name ? pod.hostname : '',
    podName: pod.name,
    nodeName: pod.nodeName || (pod.simulated ? SIMULATED_NODE : ''),
    zone: zones.get(pod.nodeName) ?? textOf(pod.labels[ZONE_LABEL]),
  }
}

/** A port whose name the pod does not have is left out. */
function portsOf(spec: RawServiceSpec, pod: PodFacts): readonly Port[] {
  const ports: Port[] = []
  for (const entry of spec.ports ?? []) {
    const protocol = entry?.protocol ?? 'TCP'
    const target = entry?.targetPort || entry?.port
    const port = typeof target === 'string' ? pod.ports.get(`${target}/${protocol}`) : target
    if (port != null) ports.push({ name: (entry?.name ?? '').toLowerCase(), protocol: protocol.toLowerCase(), port })
  }
  return ports
}

function isOf(family: Family, address: string): boolean {
  return familyOf(address) === (family === 'IPv4' ? 4 : 6)
}

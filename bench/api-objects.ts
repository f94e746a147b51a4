/**
 * The bench's services as objects of the Kubernetes API, in the form its server sends them. Layer: bench; pure.
 */

import { type HeadlessService, NAMESPACE, PORT, PORT_NAME } from './dataset.ts'

/** The endpoints a slice holds at most, as the cluster's own controller makes them. */
const SLICE_ENDPOINTS = 100

export interface ApiObject {
  readonly kind: string
  readonly metadata: { readonly namespace?: string; readonly name: string; resourceVersion?: string }
}

export interface SliceObject extends ApiObject {
  readonly endpoints: { addresses: string[]; readonly hostname: string }[]
}

const PORTS = [{ name: PORT_NAME, port: PORT, protocol: 'TCP' }]

export function namespaceObject(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, status: { phase: 'Active' } } as ApiObject
}

export function serviceObject({ name }: HeadlessService): ApiObject {
  const spec = { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'], ports: PORTS, selector: { app: name } }
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace: NAMESPACE, name }, spec } as ApiObject
}

export function sliceObjects({ name, pods }: HeadlessService): SliceObject[] {
  const slices: SliceObject[] = []
  for (let first = 0; first < pods.length; first += SLICE_ENDPOINTS) {
    const labels = {
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      'kubernetes.io/service-name': name,
      'service.kubernetes.io/headless': '',
    }
    slices.push({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace: NAMESPACE, name: `${name}-${first / SLICE_ENDPOINTS}`, labels },
      addressType: 'IPv4',
      endpoints: pods.slice(first, first + SLICE_ENDPOINTS).map(({ hostname, address }, i) => ({
        addresses: [address],
        conditions: { ready: true, serving: true, terminating: false },
        hostname,
        nodeName: `node-${(first + i) % 100}`,
        targetRef: { kind: 'Pod', namespace: NAMESPACE, name: hostname },
        zone: `zone-${(first + i) % 3}`,
      })),
      ports: PORTS,
    } as SliceObject)
  }
  return slices
}

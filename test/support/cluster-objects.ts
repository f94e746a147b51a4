/**
 * API objects for tests, as short as the API takes them. Their namespace is that of the kubectl that applies them.
 */

const POD_SPEC = { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'none' }] }

const labelsOf = (app: string) => ({ app })

/** @param spec what differs from a Service with a virtual address and these ports */
export function service(name: string, spec: object): object {
  const ports = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'gossip', port: 7000, protocol: 'UDP' },
  ]
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports, ...spec } }
}

export function selecting(app: string): object {
  return { selector: labelsOf(app) }
}

export function statefulSet(name: string, replicas: number): object {
  const spec = { replicas, serviceName: name, selector: { matchLabels: labelsOf(name) }, template: template(name) }
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name }, spec }
}

/** Its rolling update never has fewer pods than `replicas`. */
export function deployment(name: string, replicas: number): object {
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
  const spec = { replicas, strategy, selector: { matchLabels: labelsOf(name) }, template: template(name) }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec }
}

/** A slice made by hand: no controller touches it. */
export function slice(
  serviceName: string,
  name: string,
  endpoints: readonly object[],
  ports: readonly object[] = [{ name: 'http', port: 8080, protocol: 'TCP' }],
  addressType = 'IPv4',
): object {
  const labels = { 'kubernetes.io/service-name': serviceName, 'endpointslice.kubernetes.io/managed-by': 'hand' }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels },
    addressType,
    endpoints,
    ports,
  }
}

function template(app: string): object {
  return { metadata: { labels: labelsOf(app) }, spec: POD_SPEC }
}

/** ServiceImports, as far as they are read: the API server has none by itself. */
export const SERVICE_IMPORTS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'serviceimports.multicluster.x-k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes/enhancements/pull/1646' },
  },
  spec: {
    group: 'multicluster.x-k8s.io',
    scope: 'Namespaced',
    names: { plural: 'serviceimports', singular: 'serviceimport', kind: 'ServiceImport' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
  },
}

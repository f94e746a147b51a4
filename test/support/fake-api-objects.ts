/**
 * Objects of the fake API server, and the selectors that choose among them. Layer: test support.
 */

export interface ApiObject {
  metadata: {
    name: string
    namespace?: string
    labels?: Record<string, string>
    resourceVersion?: string
    uid?: string
  }
  [field: string]: unknown
}

export const SERVICES = '/api/v1/services'
export const SLICES = '/apis/discovery.k8s.io/v1/endpointslices'
export const PODS = '/api/v1/pods'
export const NAMESPACES = '/api/v1/namespaces'

export function serviceOf(name: string, namespace = 'default', clusterIP = 'None'): ApiObject {
  return { metadata: { name, namespace }, spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] } }
}

export function sliceOf(
  name: string,
  service: string,
  addresses: readonly string[],
  namespace = 'default',
  labels: Record<string, string> = {},
): ApiObject {
  return {
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': service, ...labels } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
  }
}

export function keyOf({ metadata }: ApiObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

/** Label selectors `k`, `!k`, `k=v`, `k!=v`; field selectors `path=v` and `path!=v`. */
export function matches(object: ApiObject, query: URLSearchParams): boolean {
  const labels = object.metadata.labels ?? {}
  for (const term of termsOf(query.get('labelSelector'))) {
    const { key, operator, value } = parse(term)
    const held = labels[key.replace(/^!/, '')]
    if (
      operator === '='
        ? held !== value
        : operator === '!='
          ? held === value
          : (held === undefined) !== key.startsWith('!')
    )
      return false
  }
  for (const term of termsOf(query.get('fieldSelector'))) {
    const { key, operator, value } = parse(term)
    const held = String(
      key.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown>)?.[part], object) ?? '',
    )
    if ((held === value) !== (operator === '=')) return false
  }
  return true
}

function termsOf(selector: string | null): string[] {
  return (selector ?? '').split(',').filter(term => term !== '')
}

function parse(term: string): { key: string; operator: string; value: string } {
  const found = /^([^=!]+)(!=|==?)(.*)$/.exec(term)
  return found === null
    ? { key: term, operator: '', value: '' }
    : { key: found[1]!, operator: found[2] === '!=' ? '!=' : '=', value: found[3]! }
}

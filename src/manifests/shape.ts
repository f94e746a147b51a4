/**
 * Whether an API object has the shape that the API server would accept, in the fields that are read here.
 * Layer: manifests; pure. What is absent or null is right: the rules of the field decide what that means.
 */

import { isIP } from 'node:net'

/** What a value must be; an object lists the fields that are looked at (`*`: all), an array the shape of its elements. */
type Shape = Check | readonly [Shape] | { readonly [field: string]: Shape }
/** @returns what it must be, when it is not */
type Check = (value: unknown) => string | undefined
type Path = readonly (string | number)[]

export interface Misfit {
  readonly path: Path
  readonly reason: string
}

/** Kinds that are read, by `group/kind` (group `''` is core): of another group the same kind is another thing. */
export type KnownKind = keyof typeof SHAPES

const text: Check = value => (typeof value === 'string' ? undefined : 'text (write it in quotes)')
const flag: Check = value => (typeof value === 'boolean' ? undefined : 'true or false')
const address: Check = value => (typeof value === 'string' && isIP(value) !== 0 ? undefined : 'an IP address')
const addressOrNone: Check = value => (value === '' ? undefined : address(value))
const port: Check = value => (isWithin(value, 1, 65535) ? undefined : 'a number from 1 to 65535')
const count: Check = value => (isWithin(value, 0, 2 ** 31 - 1) ? undefined : 'a number from 0')
const portOrName: Check = value =>
  typeof value === 'string' || isWithin(value, 0, 65535) ? undefined : 'a port number or the name of a port'
const clusterIP: Check = value =>
  value === '' || value === 'None' || address(value) === undefined ? undefined : 'None or an IP address'
const texts = { '*': text } as const

const oneOf =
  (...words: string[]): Check =>
  value =>
    words.includes(value as string) ? undefined : `one of ${words.join(', ')}`

const protocol = oneOf('TCP', 'UDP', 'SCTP')
const metadata = {
  name: text,
  namespace: text,
  labels: texts,
  annotations: texts,
  ownerReferences: [{ kind: text, name: text }],
} as const
const containers = [{ restartPolicy: text, ports: [{ name: text, containerPort: port, protocol }] }] as const
const podSpec = { hostname: text, subdomain: text, nodeName: text, containers, initContainers: containers } as const
const workload = {
  metadata,
  spec: {
    replicas: count,
    serviceName: text,
    ordinals: { start: count },
    selector: {
      matchLabels: texts,
      matchExpressions: [{ key: text, operator: oneOf('In', 'NotIn', 'Exists', 'DoesNotExist'), values: [text] }],
    },
    template: { metadata: { labels: texts, annotations: texts }, spec: podSpec },
  },
} as const

const SHAPES = {
  '/Namespace': { metadata },
  '/Node': { metadata },
  '/Pod': {
    metadata,
    spec: podSpec,
    status: {
      phase: text,
      podIP: addressOrNone,
      podIPs: [{ ip: address }],
      conditions: [{ type: text, status: oneOf('True', 'False', 'Unknown') }],
    },
  },
  '/Service': {
    metadata,
    spec: {
      type: oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
      clusterIP,
      clusterIPs: [clusterIP],
      externalName: text,
      selector: texts,
      publishNotReadyAddresses: flag,
      ipFamilies: [oneOf('IPv4', 'IPv6')],
      ipFamilyPolicy: oneOf('SingleStack', 'PreferDualStack', 'RequireDualStack'),
      ports: [{ name: text, port, protocol, targetPort: portOrName }],
    },
  },
  'discovery.k8s.io/EndpointSlice': {
    metadata,
    addressType: oneOf('IPv4', 'IPv6', 'FQDN'),
    ports: [{ name: text, port, protocol }],
    endpoints: [
      {
        addresses: [text],
        conditions: { ready: flag },
        hostname: text,
        nodeName: text,
        zone: text,
        targetRef: { kind: text, name: text },
      },
    ],
  },
  'apps/Deployment': workload,
  'apps/ReplicaSet': workload,
  'apps/StatefulSet': workload,
  'apps/DaemonSet': workload,
} as const satisfies Record<string, Shape>

/** @returns the kind, or undefined for one that is none of ours */
export function knownKindOf(apiVersion: string, kind: string): KnownKind | undefined {
  const slash = apiVersion.indexOf('/')
  const name = `${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`
  return Object.hasOwn(SHAPES, name) ? (name as KnownKind) : undefined
}

/** @returns the first field that does not fit, or undefined */
export function findMisfit(kind: KnownKind, raw: unknown): Misfit | undefined {
  return misfit(raw, SHAPES[kind], [])
}

function misfit(value: unknown, shape: Shape, path: Path): Misfit | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof shape === 'function') {
    const wanted = shape(value)
    return wanted === undefined
      ? undefined
      : { path, reason: `${format(path)} is ${describe(value)}; it must be ${wanted}` }
  }
  if (isList(shape)) {
    if (!Array.isArray(value)) return { path, reason: `${format(path)} is ${describe(value)}; it must be a list` }
    return firstMisfit(value.keys(), index => misfit(value[index], shape[0], [...path, index]))
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    return { path, reason: `${format(path)} is ${describe(value)}; it must be a mapping` }
  }
  const fields = value as Record<string, unknown>
  return firstMisfit(Object.keys('*' in shape ? fields : shape), key =>
    Object.hasOwn(fields, key) ? misfit(fields[key], shape['*'] ?? shape[key]!, [...path, key]) : undefined,
  )
}

function firstMisfit<T>(steps: Iterable<T>, look: (step: T) => Misfit | undefined): Misfit | undefined {
  for (const step of steps) {
    const found = look(step)
    if (found !== undefined) return found
  }
  return undefined
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape)
}

/** `spec.ports[0].port` */
function format(path: Path): string {
  return path.reduce<string>(
    (all, step) => (typeof step === 'number' ? `${all}[${step}]` : all === '' ? step : `${all}.${step}`),
    '',
  )
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}

function isWithin(value: unknown, low: number, high: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high
}

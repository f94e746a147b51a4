/**
 * Which resources are watched, and how they are narrowed at the server. Layer: kubernetes.
 * Services and EndpointSlices always; Namespaces only when they are chosen by label; Pods only for verified pod names, and
 * those of this Node for `autopath`; ServiceImports for the zones of a clusterset: the role needs list and watch on exactly
 * these.
 */

import {
  clientPodFromApi,
  endpointSliceFromApi,
  identityOf,
  importedSliceFromApi,
  namespaceFromApi,
  podFromApi,
  serviceFromApi,
  serviceImportFromApi,
} from '../cluster/from-api.ts'
import type { Kind, Kinds } from '../cluster/objects.ts'
import type { ClusterSink } from '../cluster/sink.ts'
import { type ClientOptions, openClient } from './client.ts'
import { Reflector } from './reflector.ts'
import type { ReflectorDeps, ReflectorLogger, ReflectorStatus, Resource } from './reflector-types.ts'

export interface KubernetesOptions extends ClientOptions {
  /** The only namespaces to watch, each on its own; empty: all at once. */
  readonly namespaces: readonly string[]
  /** Label selector for Namespaces; '' : none. */
  readonly namespaceLabels: string
  /** Label selector for Services, EndpointSlices and Pods; '' : none. */
  readonly labels: string
  /** `headless`: Services with a virtual address, and their slices, are not even sent by the server. */
  readonly scope: 'all' | 'headless'
  /** Watch Pods. */
  readonly pods: boolean
  /** Watch EndpointSlices. */
  readonly endpoints: boolean
  /** Who is told of pods that ask, those of one Node (`''`: of all); undefined: nobody. */
  readonly clients?: { readonly sink: ClusterSink; readonly nodeName: string } | undefined
  /** Who is told of ServiceImports, as Services, and of their slices; undefined: nobody. */
  readonly imports?: ClusterSink | undefined
  /** How often what is served is compared with what the API server holds; 0: never. */
  readonly auditIntervalMs: number
}

export interface KubernetesSource {
  readonly server: string
  /** What tells this cluster from others without asking it. */
  readonly identity: string
  status(): ReflectorStatus[]
  stop(): Promise<void>
}

/** Starts are spread, so that the servers of a whole cluster do not list at one moment. */
const START_JITTER_MS = 200

interface Watch {
  readonly resource: keyof typeof RESOURCES
  readonly namespace: string
  readonly labels: string
  readonly fields: string
}

/** What is asked for, and as what it is taken in. */
interface ResourceKind<K extends Kind = Kind> {
  readonly kind: K
  readonly path: string
  readonly plural: string
  /** As RBAC names it. */
  readonly rbac: string
  readonly fromApi: (raw: unknown) => Kinds[K] | string
  /** Set where it goes to a sink of its own, which is then part of the partition's name. */
  readonly sink?: 'autopath' | 'multicluster'
}

const CORE = '/api/v1'
const SLICES = { path: '/apis/discovery.k8s.io/v1', plural: 'endpointslices', rbac: 'endpointslices.discovery.k8s.io' }
const PODS = { path: CORE, plural: 'pods', rbac: 'pods' }

const RESOURCES = {
  Service: { kind: 'Service', path: CORE, plural: 'services', rbac: 'services', fromApi: serviceFromApi },
  EndpointSlice: { kind: 'EndpointSlice', ...SLICES, fromApi: endpointSliceFromApi },
  Namespace: { kind: 'Namespace', path: CORE, plural: 'namespaces', rbac: 'namespaces', fromApi: namespaceFromApi },
  Pod: { kind: 'Pod', ...PODS, fromApi: podFromApi },
  ClientPod: { kind: 'Pod', ...PODS, fromApi: clientPodFromApi, sink: 'autopath' },
  ServiceImport: {
    kind: 'Service',
    path: '/apis/multicluster.x-k8s.io/v1alpha1',
    plural: 'serviceimports',
    rbac: 'serviceimports.multicluster.x-k8s.io',
    fromApi: serviceImportFromApi,
    sink: 'multicluster',
  },
  ImportedSlice: { kind: 'EndpointSlice', ...SLICES, fromApi: importedSliceFromApi, sink: 'multicluster' },
} satisfies Record<string, ResourceKind>

/** @throws ApiError ERR_API_CONFIG; an API server that cannot be reached is no error: it is tried until it can */
export async function startKubernetes(
  options: KubernetesOptions,
  sink: ClusterSink,
  log: ReflectorLogger,
  deps: ReflectorDeps,
): Promise<KubernetesSource> {
  const client = await openClient(options)
  const sinks = { autopath: options.clients?.sink, multicluster: options.imports }
  const reflectors = watchesOf(options).map(watch => {
    const resource: ResourceKind = RESOURCES[watch.resource]
    return open(watch, client, (resource.sink && sinks[resource.sink]) ?? sink, log, deps)
  })
  for (const reflector of reflectors) reflector.start(deps.random() * START_JITTER_MS, options.auditIntervalMs)
  return {
    server: client.server,
    identity: client.identity,
    status: () => reflectors.map(reflector => reflector.status()),
    async stop() {
      await Promise.all(reflectors.map(reflector => reflector.stop()))
      client.close()
    },
  }
}

/** In no other phase does a pod hold its address. */
const LIVING = 'status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown'

/** The slices of ServiceImports, those of this cluster included. */
const IMPORTED = 'multicluster.kubernetes.io/service-name'

function watchesOf(options: KubernetesOptions): Watch[] {
  const { namespaces, namespaceLabels, labels, scope, pods, endpoints, clients, imports } = options
  const watches: Watch[] = []
  for (const namespace of namespaces.length > 0 ? namespaces : ['']) {
    const isHeadless = scope === 'headless'
    watches.push({ resource: 'Service', namespace, labels, fields: isHeadless ? 'spec.clusterIP=None' : '' })
    if (endpoints && !isHeadless) watches.push({ resource: 'EndpointSlice', namespace, labels, fields: '' })
    if (endpoints && isHeadless) {
      // The controller labels the slices of headless Services; hand-made and mirrored slices it does not label.
      for (const more of [
        'service.kubernetes.io/headless',
        'endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io',
      ]) {
        watches.push({
          resource: 'EndpointSlice',
          namespace,
          labels: labels === '' ? more : `${labels},${more}`,
          fields: '',
        })
      }
    }
    if (pods) watches.push({ resource: 'Pod', namespace, labels, fields: LIVING })
    if (clients !== undefined) {
      const fields = clients.nodeName === '' ? LIVING : `spec.nodeName=${clients.nodeName},${LIVING}`
      watches.push({ resource: 'ClientPod', namespace, labels: '', fields })
    }
    if (imports !== undefined) {
      watches.push({ resource: 'ServiceImport', namespace, labels, fields: '' })
      watches.push({ resource: 'ImportedSlice', namespace, labels: IMPORTED, fields: '' })
    }
  }
  if (namespaceLabels !== '')
    watches.push({ resource: 'Namespace', namespace: '', labels: namespaceLabels, fields: '' })
  return watches
}

function open(
  watch: Watch,
  client: Parameters<typeof newReflector>[0],
  sink: ClusterSink,
  log: ReflectorLogger,
  deps: ReflectorDeps,
): Reflector<Kinds[Kind]> {
  const { namespace, labels } = watch
  const { kind, path, plural, rbac, fromApi, sink: whose }: ResourceKind = RESOURCES[watch.resource]
  const partition = [namespace, labels, whose ?? ''].filter(part => part !== '').join(' ')
  const resource: Resource<Kinds[Kind]> = {
    path: namespace === '' ? `${path}/${plural}` : `${path}/namespaces/${encodeURIComponent(namespace)}/${plural}`,
    name: rbac,
    partition,
    labelSelector: labels,
    fieldSelector: watch.fields,
    fromApi,
    identityOf,
  }
  return newReflector(client, resource, sink, kind, partition, log, deps)
}

function newReflector(
  client: Awaited<ReturnType<typeof openClient>>,
  resource: Resource<Kinds[Kind]>,
  sink: ClusterSink,
  kind: Kind,
  partition: string,
  log: ReflectorLogger,
  deps: ReflectorDeps,
): Reflector<Kinds[Kind]> {
  return new Reflector(client, resource, sink.open(kind, partition) as never, () => sink.flush(), log, deps)
}

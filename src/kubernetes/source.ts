/**
 * Which resources are watched, and how they are narrowed at the server. Layer: kubernetes.
 * Services and EndpointSlices always; Namespaces only when they are chosen by label; Pods only for verified pod names, and
 * those of this Node for `autopath`: the role needs list and watch on exactly these.
 */

import {
  clientPodFromApi,
  endpointSliceFromApi,
  identityOf,
  namespaceFromApi,
  podFromApi,
  serviceFromApi,
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
  readonly kind: Kind
  readonly namespace: string
  readonly labels: string
  readonly fields: string
  /** For `autopath`. */
  readonly isOfClients?: true
}

const RESOURCES: {
  readonly [K in Kind]: { path: string; plural: string; rbac: string; fromApi: (raw: unknown) => Kinds[K] | string }
} = {
  Service: { path: '/api/v1', plural: 'services', rbac: 'services', fromApi: serviceFromApi },
  EndpointSlice: {
    path: '/apis/discovery.k8s.io/v1',
    plural: 'endpointslices',
    rbac: 'endpointslices.discovery.k8s.io',
    fromApi: endpointSliceFromApi,
  },
  Namespace: { path: '/api/v1', plural: 'namespaces', rbac: 'namespaces', fromApi: namespaceFromApi },
  Pod: { path: '/api/v1', plural: 'pods', rbac: 'pods', fromApi: podFromApi },
}

/** @throws ApiError ERR_API_CONFIG; an API server that cannot be reached is no error: it is tried until it can */
export async function startKubernetes(
  options: KubernetesOptions,
  sink: ClusterSink,
  log: ReflectorLogger,
  deps: ReflectorDeps,
): Promise<KubernetesSource> {
  const client = await openClient(options)
  const reflectors = watchesOf(options).map(watch =>
    open(watch, client, watch.isOfClients ? options.clients!.sink : sink, log, deps),
  )
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

function watchesOf(options: KubernetesOptions): Watch[] {
  const { namespaces, namespaceLabels, labels, scope, pods, endpoints, clients } = options
  const watches: Watch[] = []
  for (const namespace of namespaces.length > 0 ? namespaces : ['']) {
    const isHeadless = scope === 'headless'
    watches.push({ kind: 'Service', namespace, labels, fields: isHeadless ? 'spec.clusterIP=None' : '' })
    if (endpoints && !isHeadless) watches.push({ kind: 'EndpointSlice', namespace, labels, fields: '' })
    if (endpoints && isHeadless) {
      // The controller labels the slices of headless Services; hand-made and mirrored slices it does not label.
      for (const more of [
        'service.kubernetes.io/headless',
        'endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io',
      ]) {
        watches.push({
          kind: 'EndpointSlice',
          namespace,
          labels: labels === '' ? more : `${labels},${more}`,
          fields: '',
        })
      }
    }
    if (pods) watches.push({ kind: 'Pod', namespace, labels, fields: LIVING })
    if (clients !== undefined) {
      const fields = clients.nodeName === '' ? LIVING : `spec.nodeName=${clients.nodeName},${LIVING}`
      watches.push({ kind: 'Pod', namespace, labels: '', fields, isOfClients: true })
    }
  }
  if (namespaceLabels !== '') watches.push({ kind: 'Namespace', namespace: '', labels: namespaceLabels, fields: '' })
  return watches
}

function open(
  watch: Watch,
  client: Parameters<typeof newReflector>[0],
  sink: ClusterSink,
  log: ReflectorLogger,
  deps: ReflectorDeps,
): Reflector<Kinds[Kind]> {
  const { path, plural, rbac, fromApi } = RESOURCES[watch.kind]
  const { namespace, labels, isOfClients } = watch
  const partition = [namespace, labels, isOfClients ? 'autopath' : ''].filter(part => part !== '').join(' ')
  const resource: Resource<Kinds[Kind]> = {
    path: namespace === '' ? `${path}/${plural}` : `${path}/namespaces/${encodeURIComponent(namespace)}/${plural}`,
    name: rbac,
    partition,
    labelSelector: labels,
    fieldSelector: watch.fields,
    fromApi: isOfClients ? clientPodFromApi : fromApi,
    identityOf,
  }
  return newReflector(client, resource, sink, watch.kind, partition, log, deps)
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

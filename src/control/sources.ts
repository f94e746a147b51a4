/**
 * Configuration → the sources that feed the cluster's state. Layer: control.
 */

import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ClientPods } from '../cluster/client-pods.ts'
import type { ClusterState } from '../cluster/state.ts'
import type { ReflectorDeps } from '../kubernetes/reflector-types.ts'
import { type KubernetesSource, startKubernetes } from '../kubernetes/source.ts'
import { startManifests } from '../manifests/source.ts'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'
import type { Observed } from './metrics.ts'
import type { ServerOptions, Source } from './server-options.ts'
import { SnapshotSource } from './snapshot.ts'

/**
 * @param deps    the clock and the chance that reflectors go by
 * @param clients told of pods that ask (`autopath`)
 * @returns what opens every source that `config` names; Kubernetes first, so that files alone never count as synced
 */
export function sourcesOf(
  config: Config,
  log: Logger,
  deps: ReflectorDeps = DEPS,
  clients?: ClientPods,
): ServerOptions['startSources'] {
  return async ({ cluster, imports }, setStale) => {
    const sources: Source[] = []
    const { kubernetes, manifests } = config.source
    const snapshot = snapshotOf(config, cluster, setStale, log, deps)
    // Stopped first: what it writes last is what was known while the watches ran.
    if (snapshot !== undefined) sources.push(snapshot)
    let identity = ''
    const pods = config.records.pods === 'verified'
    const { namespaces = [], namespaceLabels = '', labels = '' } = kubernetes ?? {}
    if (kubernetes !== undefined) {
      const source = await startKubernetes(
        {
          ...kubernetes,
          pods,
          endpoints: !config.records.noEndpoints,
          imports,
          clients: clients && { sink: clients, nodeName: config.node.name },
        },
        snapshot?.sink ?? cluster,
        log,
        deps,
      )
      identity = source.identity
      log.info('watching the API server', { server: source.server })
      sources.push({ stop: () => source.stop(), metrics: () => reflectorMetrics(source, deps.now()) })
    }
    if (manifests !== undefined) {
      const options = { ...manifests, namespaces, namespaceLabels, labels, pods, clients }
      const source = await startManifests(options, snapshot?.beside ?? cluster, log)
      sources.push({ stop: async () => source.stop() })
    }
    if (clients !== undefined) sources.push({ stop: async () => {}, notes: () => clientNotes(clients) })
    if (imports !== undefined) sources.push({ stop: async () => {}, notes: () => importNotes(imports) })
    await snapshot?.start(identity)
    return sources
  }
}

function snapshotOf(
  { source, records }: Config,
  cluster: ClusterState,
  setStale: (isStale: boolean) => void,
  log: Logger,
  deps: ReflectorDeps,
): SnapshotSource | undefined {
  const { kubernetes, snapshot: path, snapshotIntervalMs: intervalMs } = source
  if (path === undefined || kubernetes === undefined) return undefined
  const { namespaces, namespaceLabels, labels, scope } = kubernetes
  const filters = JSON.stringify([
    namespaces,
    namespaceLabels,
    labels,
    scope,
    records.pods === 'verified',
    records.noEndpoints,
  ])
  return new SnapshotSource({ path, intervalMs, filters }, cluster, setStale, log, deps)
}

function clientNotes(clients: ClientPods): string[] {
  return clients.synced ? [] : ['the list of pods is not complete: nobody is spared the search path (autopath)']
}

function importNotes(imports: ClusterState): string[] {
  return imports.synced
    ? []
    : ['the lists of ServiceImports are not complete: zones of records.multicluster are SERVFAIL']
}

const RANDOM_BITS = 2 ** 32

const DEPS: ReflectorDeps = {
  now: () => performance.now(),
  random: () => randomInt(RANDOM_BITS) / RANDOM_BITS,
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
}

function reflectorMetrics(source: KubernetesSource, now: number): Pick<Observed, 'gauges' | 'counters'> {
  const status = source.status()
  const each = (value: (one: (typeof status)[number]) => number) =>
    status.map(one => ({ labels: { resource: one.resource, partition: one.partition }, value: value(one) }))
  return {
    gauges: [
      {
        name: 'headless_dns_watch_silence_seconds',
        help: 'Time since the API server last said anything, bookmarks included.',
        samples: each(({ lastEventMs }) => (lastEventMs === undefined ? -1 : (now - lastEventMs) / 1000)),
      },
    ],
    counters: [
      {
        name: 'headless_dns_watch_connects_total',
        help: 'Requests to list or watch.',
        samples: each(one => one.connects),
      },
      { name: 'headless_dns_lists_total', help: 'Complete lists taken in.', samples: each(one => one.lists) },
      {
        name: 'headless_dns_watch_failures_total',
        help: 'Lists and watches that failed, by reason: forbidden, unauthorized, malformed, unreachable and others.',
        samples: status.flatMap(({ resource, partition, failures }) =>
          [...failures].map(([reason, value]) => ({ labels: { resource, partition, reason }, value })),
        ),
      },
      {
        name: 'headless_dns_audits_total',
        help: 'Comparisons of all that is served with all that the API server holds.',
        samples: each(one => one.audits),
      },
      {
        name: 'headless_dns_index_drift_objects_total',
        help: 'Objects that an audit found not to be served as the API server holds them; repaired by a new list.',
        samples: each(one => one.drifted),
      },
      {
        name: 'headless_dns_objects_refused_total',
        help: 'Objects that could not be used.',
        samples: each(one => one.refused),
      },
    ],
  }
}

/**
 * The file's values → Config: paths made absolute, defaults that depend on the surroundings, and what only several values
 * together can get wrong. Layer: control; pure.
 */

import { resolve } from 'node:path'
import type { CacheOptions } from '../cache/store.ts'
import { MAX_SOCKETS } from '../dataplane/deferred.ts'
import { MAX_ZONES } from '../table/layout.ts'
import {
  type Config,
  formatSocketAddress,
  type KubernetesConfig,
  type ManifestsConfig,
  type Surroundings,
} from './config.ts'
import { type FileConfig, type Path, type Problem, validate } from './config-schema.ts'
import { isPath, parseUpstream } from './config-values.ts'
import { liesIn, ownZones } from './fallthrough.ts'
import { answersNames, nameRulesOf } from './name-rules.ts'

const KUBERNETES: Path = ['source', 'kubernetes']
const LEAST_AUDIT_MS = 10_000
/** RFC 1035 §2.3.4: 253 without `dns-version.`. */
const LONGEST_ZONE = 241

/** @param base folder that the file's paths are relative to */
export function resolveConfig(
  values: FileConfig,
  base: string,
  surroundings: Surroundings,
  needsSource: boolean,
): { config: Config; problems: Problem[] } {
  const problems: Problem[] = []
  const { source, node, limits, lameduck: lameduckMs, ...rest } = values
  const { idle: idleMs, ...tcp } = limits.tcp
  const { window: windowMs, ...responseRate } = limits.responseRate
  const { moveWindow: moveWindowMs, ...records } = values.records
  const config: Config = {
    ...rest,
    reverseZones: values.reverseZones.flat(),
    admin: values.admin === 'off' ? undefined : values.admin,
    health: values.health === 'off' ? undefined : values.health,
    ready: values.ready === 'off' ? undefined : values.ready,
    source: {
      kubernetes: kubernetesOf(values, base, surroundings),
      manifests: source.manifests == null ? undefined : manifestsOf(source.manifests, base),
      snapshot: source.snapshot == null ? undefined : resolve(base, source.snapshot),
      snapshotIntervalMs: source.snapshotInterval,
    },
    records: { ...records, moveWindowMs },
    forward: values.forward.map(({ upstreams, tlsCa, ...each }) => ({
      ...each,
      upstreams: upstreams.map(upstream => (isPath(upstream) ? resolve(base, upstream) : upstream)),
      tlsCa: tlsCa == null ? undefined : resolve(base, tlsCa),
    })),
    hosts: { ...values.hosts, files: values.hosts.files.map(file => resolve(base, file)) },
    template: values.template.map(({ match, ...each }) => ({ ...each, match: match ?? undefined })),
    rewrite: values.rewrite.map(({ from, to, ...each }) => ({ ...each, from: from ?? '', to: to ?? '' })),
    autopath: {
      ...values.autopath,
      search: values.autopath.search.map(each => (isPath(each) ? resolve(base, each) : each)),
    },
    cache: cacheOf(values),
    node: { name: node.name ?? surroundings.nodeName },
    limits: { ...limits, tcp: { ...tcp, idleMs }, responseRate: { ...responseRate, windowMs } },
    lameduckMs,
  }
  checkLists(config, problems)
  checkZones(config, problems)
  checkKubernetes(values, problems)
  checkForward(config, problems)
  checkTransfer(config, problems)
  problems.push(...nameRulesOf(config).problems)
  checkCache(config, problems)
  checkAutopath(config, problems)
  if (config.source.manifests?.paths.length === 0) {
    problems.push({ path: ['source', 'manifests'], reason: 'at least one path is needed' })
  }
  if (config.source.snapshot !== undefined && config.source.kubernetes === undefined) {
    const reason = 'a snapshot is of source.kubernetes, and there is none; manifests are there at every start'
    problems.push({ path: ['source', 'snapshot'], reason })
  }
  if (needsSource) checkSource(config, surroundings, problems)
  return { config, problems }
}

function cacheOf({ cache: { enabled, serveStale, prefetch, ...rest } }: FileConfig): CacheOptions | undefined {
  if (!enabled) return undefined
  return { ...rest, serveStale: serveStale / 1000, prefetch: { ...prefetch, duration: prefetch.duration / 1000 } }
}

function checkCache({ cache }: Config, problems: Problem[]): void {
  for (const part of ['success', 'denial'] as const) {
    if (cache === undefined || cache[part].minTtl <= cache[part].ttl) continue
    problems.push({ path: ['cache', part, 'minTtl'], reason: `it must not be above cache.${part}.ttl` })
  }
}

function checkAutopath({ autopath, zones }: Config, problems: Problem[]): void {
  for (const [i, zone] of autopath.zones.entries()) {
    if (!zones.includes(zone)) problems.push({ path: ['autopath', 'zones', i], reason: `${zone} is none of zones` })
  }
}

function kubernetesOf({ source }: FileConfig, base: string, { isInPod }: Surroundings): KubernetesConfig | undefined {
  const isDefault = isInPod && source.manifests == null
  const given = source.kubernetes ?? (isDefault ? DEFAULT_KUBERNETES : undefined)
  if (given === undefined) return undefined
  const { kubeconfig, context, endpoint, inCluster, auditInterval: auditIntervalMs, ...rest } = given
  return {
    ...rest,
    auditIntervalMs,
    kubeconfig: kubeconfig == null ? undefined : resolve(base, kubeconfig),
    context: context ?? undefined,
    endpoint: endpoint ?? undefined,
    inCluster: inCluster ?? (kubeconfig == null && endpoint == null),
  }
}

const DEFAULT_KUBERNETES = (validate({ source: { kubernetes: {} } }) as FileConfig).source.kubernetes!

function manifestsOf({ paths, podCIDR }: ManifestsConfig, base: string): ManifestsConfig {
  return { paths: paths.map(path => resolve(base, path)), podCIDR }
}

function checkZones(config: Config, problems: Problem[]): void {
  const { zones, reverseZones, records } = config
  const { multicluster, external } = records
  const count = [zones, reverseZones, multicluster, external.zones].reduce((sum, list) => sum + list.length, 0)
  if (count > MAX_ZONES) {
    const reason = `with reverseZones, records.multicluster and records.external.zones there are ${count} zones, and ${MAX_ZONES} may be: a network that ends at an octet or a nibble is one`
    problems.push({ path: ['zones'], reason })
  }
  const lists: [Path, readonly string[]][] = [
    [['zones'], zones],
    [['records', 'multicluster'], multicluster],
    [['records', 'external', 'zones'], external.zones],
  ]
  for (const [path, list] of lists) {
    for (const [i, zone] of list.entries()) {
      const at = [...path, i]
      if (zone.length > LONGEST_ZONE) {
        problems.push({
          path: at,
          reason: `it is longer than ${LONGEST_ZONE} characters, and no name would fit below it`,
        })
      }
      if (list !== zones && ownZones(config).filter(each => each === zone).length > 1) {
        problems.push({ path: at, reason: `${zone} is given twice, here or under zones` })
      }
    }
  }
}

function checkLists(config: Config, problems: Problem[]): void {
  const { zones, reverseZones, listen, admin, health, ready } = config
  for (const [key, list] of Object.entries({ zones, listen })) {
    if (list.length === 0) problems.push({ path: [key], reason: 'at least one is needed' })
  }
  if (listen.length > MAX_SOCKETS) {
    problems.push({ path: ['listen'], reason: `there are ${listen.length} addresses, and ${MAX_SOCKETS} may be` })
  }
  const addresses = listen.filter(({ port }) => port !== 0).map(formatSocketAddress)
  for (const [key, list] of Object.entries({ zones, reverseZones, listen: addresses })) {
    const twice = list.find((text, i) => list.indexOf(text) !== i)
    if (twice !== undefined) problems.push({ path: [key], reason: `${twice} is given twice` })
  }
  const taken = new Map(addresses.map(address => [address, 'DNS over TCP']))
  for (const [key, where] of Object.entries({ admin, health, ready })) {
    if (where === undefined || where.port === 0) continue
    const address = formatSocketAddress(where)
    const by = taken.get(address)
    if (by !== undefined) problems.push({ path: [key], reason: `${address} is where ${by} listens` })
    taken.set(address, key)
  }
}

function checkForward(config: Config, problems: Problem[]): void {
  const { fallthrough, forward, listen } = config
  const own = listen.map(formatSocketAddress)
  for (const [i, { zone, upstreams }] of forward.entries()) {
    const path = ['forward', i]
    if (upstreams.length === 0) problems.push({ path, reason: 'upstreams are needed: at least one' })
    if (forward.findIndex(each => each.zone === zone) !== i) {
      problems.push({ path: [...path, 'zone'], reason: `${zone} is given twice` })
    }
    for (const upstream of upstreams) {
      const where = isPath(upstream) ? undefined : parseUpstream(upstream)
      if (where !== undefined && own.includes(formatSocketAddress(where))) {
        problems.push({ path: [...path, 'upstreams'], reason: `${upstream} is where this server listens` })
      }
    }
  }
  for (const [i, zone] of fallthrough.entries()) {
    if (ownZones(config).some(own => liesIn(own, zone) || liesIn(zone, own))) continue
    problems.push({ path: ['fallthrough', i], reason: `${zone} lies in none of zones and reverseZones` })
  }
  if (fallthrough.length > 0 && forward.length === 0 && !answersNames(config)) {
    problems.push({
      path: ['fallthrough'],
      reason: 'there is nothing to fall through to: no forward, hosts or template',
    })
  }
}

function checkTransfer(config: Config, problems: Problem[]): void {
  for (const [i, { zones: covered, networks, notify }] of config.transfer.entries()) {
    const path = ['transfer', i]
    if (networks.length + notify.length === 0) {
      problems.push({ path, reason: 'networks or notify are needed: nobody else may have a transfer' })
    }
    for (const [n, zone] of covered.entries()) {
      if (ownZones(config).some(own => liesIn(own, zone))) continue
      problems.push({ path: [...path, 'zones', n], reason: `none of zones and reverseZones is ${zone} or below it` })
    }
  }
}

function checkKubernetes({ source: { kubernetes } }: FileConfig, problems: Problem[]): void {
  if (kubernetes == null) return
  const { kubeconfig, context, endpoint, inCluster, namespaces, namespaceLabels, auditInterval } = kubernetes
  const ways = [kubeconfig != null, endpoint != null, inCluster === true].filter(Boolean).length
  if (ways > 1) problems.push({ path: KUBERNETES, reason: 'kubeconfig, endpoint and inCluster exclude each other' })
  if (ways === 0 && inCluster === false) {
    problems.push({ path: KUBERNETES, reason: 'without inCluster, kubeconfig or endpoint is needed' })
  }
  if (context != null && kubeconfig == null) {
    problems.push({ path: [...KUBERNETES, 'context'], reason: 'a context is one of a kubeconfig, and none is given' })
  }
  if (namespaces.length > 0 && namespaceLabels !== '') {
    const reason = 'namespaces and namespaceLabels exclude each other: namespaces are chosen by name or by label'
    problems.push({ path: [...KUBERNETES, 'namespaceLabels'], reason })
  }
  if (auditInterval > 0 && auditInterval < LEAST_AUDIT_MS) {
    const reason = 'each audit lists all objects: it must be 0s, which is never, or at least 10s'
    problems.push({ path: [...KUBERNETES, 'auditInterval'], reason })
  }
}

function checkSource(
  { source: { kubernetes, manifests }, records }: Config,
  { isInPod }: Surroundings,
  problems: Problem[],
): void {
  if (records.multicluster.length > 0 && kubernetes === undefined) {
    const reason = 'ServiceImports come from an API server alone: source.kubernetes is needed'
    problems.push({ path: ['records', 'multicluster'], reason })
  }
  if (records.multicluster.length > 0 && kubernetes !== undefined && kubernetes.namespaceLabels !== '') {
    const reason = 'it cannot be narrowed by source.kubernetes.namespaceLabels: choose namespaces by name, or all'
    problems.push({ path: ['records', 'multicluster'], reason })
  }
  if (kubernetes === undefined && manifests === undefined) {
    const reason =
      'there is nothing to serve: give --demo, --manifests PATH or --kubeconfig FILE, or source in the configuration file (in a pod, the API server is found by itself)'
    problems.push({ path: [], reason })
  }
  if (kubernetes?.inCluster && !isInPod) {
    const reason =
      "this is no pod with a service account's token, so the API server is not known: give kubeconfig or endpoint"
    problems.push({ path: KUBERNETES, reason })
  }
}

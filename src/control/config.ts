/**
 * Configuration: file and flags → one frozen, checked value. Layer: control; pure but for reading the file.
 * Flags win over the file, the file over defaults.
 */

import { isIP } from 'node:net'
import { parseName } from '../wire/name.ts'
import { ConfigError } from './config-error.ts'
import { type FileConfig, validate } from './config-schema.ts'
import { reverseZonesOf } from './reverse-zones.ts'

export interface Address {
  readonly address: string
  readonly port: number
}

export interface KubernetesConfig {
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
  readonly inCluster: boolean
  readonly endpoint: string | undefined
  readonly namespaces: readonly string[]
  readonly namespaceLabels: string
  readonly labels: string
  readonly scope: 'all' | 'headless'
}

export interface ManifestsConfig {
  readonly paths: readonly string[]
  readonly podCIDR: string
}

/** Every value checked; durations in ms, TTLs in seconds, sizes in octets; zones lower-case, without the final dot. */
export interface Config {
  readonly zones: readonly string[]
  readonly reverseZones: readonly string[]
  readonly listen: readonly Address[]
  readonly admin: Address | undefined
  readonly workers: number
  readonly transport: 'auto' | 'batch' | 'portable'
  readonly source: {
    readonly kubernetes: KubernetesConfig | undefined
    readonly manifests: ManifestsConfig | undefined
  }
  readonly records: FileConfig['records']
  readonly answers: FileConfig['answers']
  readonly limits: FileConfig['limits']
  readonly lameduck: number
  readonly log: FileConfig['log']
}

/** What flags say; each absent one leaves the file's word. */
export interface Flags {
  readonly manifests?: readonly string[]
  readonly kubeconfig?: string
  readonly context?: string
  readonly inCluster?: boolean
  readonly listen?: readonly string[]
  readonly admin?: string
  readonly workers?: string
  readonly transport?: string
  readonly logLevel?: string
}

/** The parts of the environment that the defaults depend on. */
export interface Surroundings {
  /** A service account's token is mounted and KUBERNETES_SERVICE_HOST is set. */
  readonly isInPod: boolean
}

/**
 * @param raw  the file, parsed; undefined without one
 * @param file its name, for messages
 * @throws ConfigError with every problem found
 */
export function resolveConfig(raw: unknown, flags: Flags, surroundings: Surroundings, file?: string): Config {
  const values = validate(withFlags(raw, flags))
  if (Array.isArray(values)) throw new ConfigError(values, file)
  const problems: string[] = []
  const config = build(values, surroundings, problems)
  if (problems.length > 0) throw new ConfigError(problems, file)
  return Object.freeze(config)
}

/** The effective configuration, as plain values that resolve to the same Config. */
export function effectiveConfig(config: Config): object {
  const { listen, admin, limits, lameduck, source, ...rest } = config
  const { kubernetes, manifests } = source
  return {
    ...rest,
    listen: listen.map(formatAddress),
    admin: admin === undefined ? 'off' : formatAddress(admin),
    source: {
      ...(kubernetes === undefined ? {} : { kubernetes: withoutUndefined(kubernetes) }),
      ...(manifests === undefined ? {} : { manifests }),
    },
    limits: { tcp: { ...limits.tcp, idle: `${limits.tcp.idle}ms` } },
    lameduck: `${lameduck}ms`,
  }
}

export function formatAddress({ address, port }: Address): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** `1.2.3.4:53`, `[::1]:53`; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  const bracketsFit = isIP(address.replace(/%.*$/, '')) === (match?.[1] === undefined ? 4 : 6)
  return match !== null && bracketsFit && port <= 65_535 ? { address, port } : undefined
}

function withFlags(raw: unknown, flags: Flags): unknown {
  if (typeof raw !== 'object' && raw !== undefined) return raw
  const { source: rawSource, log, ...rest } = (raw ?? {}) as Record<string, object | undefined>
  const source = { ...rawSource } as Record<string, object | undefined>
  if (flags.manifests !== undefined) source['manifests'] = flags.manifests
  const cluster = {
    ...(flags.kubeconfig === undefined ? {} : { kubeconfig: flags.kubeconfig }),
    ...(flags.context === undefined ? {} : { context: flags.context }),
    ...(flags.inCluster === undefined ? {} : { inCluster: flags.inCluster }),
  }
  if (Object.keys(cluster).length > 0) source['kubernetes'] = { ...source['kubernetes'], ...cluster }
  return {
    ...rest,
    ...(rawSource === undefined || typeof rawSource === 'object' ? { source } : { source: rawSource }),
    ...(flags.listen === undefined ? {} : { listen: flags.listen }),
    ...(flags.admin === undefined ? {} : { admin: flags.admin }),
    ...(flags.workers === undefined ? {} : { workers: Number(flags.workers) }),
    ...(flags.transport === undefined ? {} : { transport: flags.transport }),
    ...(flags.logLevel === undefined ? (log === undefined ? {} : { log }) : { log: { ...log, level: flags.logLevel } }),
  }
}

function build(values: FileConfig, { isInPod }: Surroundings, problems: string[]): Config {
  const zones = values.zones.map(zone => zoneName(zone, 'zones', problems))
  const reverseZones = values.reverseZones.flatMap(zone => {
    if (!zone.includes('/')) return [zoneName(zone, 'reverseZones', problems)]
    const names = reverseZonesOf(zone)
    if (names === undefined) problems.push(`reverseZones: ${zone} is no network in CIDR notation`)
    return names ?? []
  })
  if (zones.length === 0 || zones.every(zone => /(^|\.)(in-addr|ip6)\.arpa$/.test(zone))) {
    problems.push(
      'zones: at least one zone that is not a reverse zone is needed, for names such as web.default.svc.cluster.local',
    )
  }
  for (const zone of duplicates([...zones, ...reverseZones])) problems.push(`zones: ${zone} is given twice`)
  const listen = values.listen.map(text => addressOf(text, 'listen', problems))
  if (listen.length === 0) problems.push('listen: at least one address is needed')
  const fixed = values.listen.filter((_, i) => listen[i]!.port !== 0)
  for (const text of duplicates(fixed)) problems.push(`listen: ${text} is given twice`)
  const kubernetes = kubernetesOf(values, isInPod, problems)
  const given = values.source.manifests
  const manifests = given === undefined ? undefined : manifestsOf(given)
  if (manifests?.paths.length === 0) problems.push('source.manifests: no path is given')
  if (manifests !== undefined && reverseZonesOf(manifests.podCIDR) === undefined) {
    problems.push(`source.manifests.podCIDR: ${manifests.podCIDR} is no network in CIDR notation`)
  }
  return {
    zones,
    reverseZones,
    listen,
    admin: values.admin === 'off' ? undefined : addressOf(values.admin, 'admin', problems),
    workers: values.workers,
    transport: values.transport,
    source: { kubernetes, manifests },
    records: values.records,
    answers: values.answers,
    limits: values.limits,
    lameduck: values.lameduck,
    log: values.log,
  }
}

function kubernetesOf(values: FileConfig, isInPod: boolean, problems: string[]): KubernetesConfig | undefined {
  const given = values.source.kubernetes
  if (given === undefined && (!isInPod || values.source.manifests !== undefined)) return undefined
  const at = 'source.kubernetes'
  const {
    kubeconfig,
    context,
    endpoint,
    namespaces = [],
    namespaceLabels = '',
    labels = '',
    scope = 'all',
  } = given ?? {}
  const inCluster = given?.inCluster ?? (kubeconfig === undefined && endpoint === undefined && isInPod)
  const ways = [kubeconfig !== undefined, endpoint !== undefined, inCluster].filter(Boolean).length
  if (ways === 0) problems.push(`${at}: one of kubeconfig, endpoint or inCluster: true is needed`)
  if (ways > 1) problems.push(`${at}: kubeconfig, endpoint and inCluster exclude each other`)
  if (context !== undefined && kubeconfig === undefined)
    problems.push(`${at}.context: a context is one of a kubeconfig`)
  if (namespaces.length > 0 && namespaceLabels !== '')
    problems.push(`${at}: namespaces and namespaceLabels exclude each other`)
  for (const key of ['labels', 'namespaceLabels'] as const) {
    const text = given?.[key] ?? ''
    if (text !== '' && !isSelector(text))
      problems.push(`${at}.${key}: ${text} is no label selector such as app=web,tier!=test`)
  }
  if (endpoint !== undefined && !/^https?:\/\//.test(endpoint))
    problems.push(`${at}.endpoint: ${endpoint} is no http(s) URL`)
  return { kubeconfig, context, inCluster, endpoint, namespaces, namespaceLabels, labels, scope }
}

function manifestsOf(given: NonNullable<FileConfig['source']['manifests']>): ManifestsConfig {
  if (typeof given === 'string') return { paths: [given], podCIDR: DEFAULT_POD_CIDR }
  return 'paths' in given ? given : { paths: given, podCIDR: DEFAULT_POD_CIDR }
}

const DEFAULT_POD_CIDR = '127.1.0.0/16'

/** Kubernetes label selectors: equality and set-based requirements, joined by commas. */
function isSelector(text: string): boolean {
  const key = '[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?'
  const value = '([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?'
  const requirement = String.raw`\s*(!?\s*${key}|${key}\s*(=|==|!=)\s*${value}|${key}\s+(in|notin)\s+\(\s*${value}(\s*,\s*${value})*\s*\))\s*`
  return new RegExp(`^${requirement}(,${requirement})*$`).test(text)
}

function zoneName(text: string, key: string, problems: string[]): string {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (name === '' || parseName(name) === undefined) problems.push(`${key}: ${JSON.stringify(text)} is no domain name`)
  return name
}

function addressOf(text: string, key: string, problems: string[]): Address {
  const parsed = parseAddress(text)
  if (parsed === undefined)
    problems.push(`${key}: ${JSON.stringify(text)} is no address and port such as 127.0.0.1:1053 or [::1]:1053`)
  return parsed ?? { address: '', port: 0 }
}

function duplicates(texts: readonly string[]): Set<string> {
  return new Set(texts.filter((text, i) => texts.indexOf(text) !== i))
}

function withoutUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
}

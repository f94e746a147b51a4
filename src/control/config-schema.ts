/**
 * The keys of the configuration file: their types and defaults. Layer: control. The only door to valibot.
 * Defaults are written as a user would write them. `config/README.md` documents every key; a test keeps the two equal.
 */

import * as v from 'valibot'
import * as read from './config-values.ts'
import { LOG_LEVELS } from './log.ts'
import { nearest } from './nearest.ts'

export type Path = readonly (string | number)[]

/** Something in a configuration that cannot be used. */
export interface Problem {
  readonly path: Path
  /** A sentence without the path. */
  readonly reason: string
}

/** Without a default. For all keys, absent and empty (`key:`) are the same. */
const optional = <const T>(reader: read.Read<T>) => v.nullish(leaf(reader))
const key = <const T>(reader: read.Read<T>, fallback: string | number | boolean) => v.nullish(leaf(reader), fallback)
const list = <const T>(reader: read.Read<T>, fallback: string[]) =>
  v.nullish(
    v.array(leaf(reader), issue => `it must be a list, such as [a, b], not ${say(issue.input)}`),
    fallback,
  )
const mappings = <const E extends v.ObjectEntries>(entries: E) =>
  v.nullish(
    v.array(v.object(entries), issue => `it must be a list of mappings, not ${say(issue.input)}`),
    [],
  )
const group = <const E extends v.ObjectEntries>(entries: E) => v.nullish(v.object(entries), {} as never)

const cachePart = (ttl: number) => ({
  capacity: key(read.readWhole(1, 1_000_000), 9984),
  ttl: key(read.readWhole(1, 86_400, ' of seconds'), ttl),
  minTtl: key(read.readWhole(0, 3600, ' of seconds'), 5),
})

const SCHEMA = v.object({
  zones: list(read.readZone, ['cluster.local']),
  reverseZones: list(read.readReverseZone, ['in-addr.arpa', 'ip6.arpa']),
  listen: list(read.readSocketAddress, ['127.0.0.1:1053']),
  admin: key(read.readAdmin, '127.0.0.1:9153'),
  health: key(read.readAdmin, 'off'),
  ready: key(read.readAdmin, 'off'),
  workers: key(read.readWhole(1, 60), 1),
  transport: key(read.readOneOf(['auto', 'batch', 'portable']), 'auto'),
  source: group({
    kubernetes: v.nullish(
      v.object({
        kubeconfig: optional(read.readText),
        context: optional(read.readText),
        inCluster: optional(read.readFlag),
        endpoint: optional(read.readEndpoint),
        namespaces: list(read.readNamespace, []),
        namespaceLabels: key(read.readSelector, ''),
        labels: key(read.readSelector, ''),
        scope: key(read.readOneOf(['all', 'headless']), 'all'),
        auditInterval: key(read.readDuration('0s', '1440m'), '10m'),
      }),
    ),
    manifests: v.nullish(v.object({ paths: list(read.readText, []), podCIDR: key(read.readPodCIDR, '127.1.0.0/16') })),
    snapshot: optional(read.readText),
    snapshotInterval: key(read.readDuration('1s', '60m'), '30s'),
  }),
  records: group({
    ttl: key(read.readWhole(0, 3600, ' of seconds'), 5),
    negativeTtl: key(read.readWhole(0, 3600, ' of seconds'), 1),
    pods: key(read.readOneOf(['disabled', 'insecure', 'verified']), 'disabled'),
    endpointPodNames: key(read.readFlag, false),
    ignoreEmptyService: key(read.readFlag, false),
    noEndpoints: key(read.readFlag, false),
    moveWindow: key(read.readDuration('0s', '10s'), '100ms'),
    multicluster: list(read.readZone, []),
    external: group({
      zones: list(read.readZone, []),
      ttl: key(read.readWhole(0, 3600, ' of seconds'), 5),
      headless: key(read.readFlag, false),
      reverse: key(read.readFlag, false),
    }),
  }),
  answers: group({
    order: key(read.readOneOf(['shuffle', 'rotate', 'stable']), 'shuffle'),
    maxUdpSize: key(read.readWhole(512, 4096, ' of octets'), 1232),
    staleError: key(read.readFlag, false),
  }),
  fallthrough: list(read.readAnyZone, []),
  forward: v.nullish(
    v.array(
      v.object({
        zone: key(read.readForwardZone, '.'),
        upstreams: list(read.readUpstream, []),
        policy: key(read.readOneOf(['random', 'roundRobin', 'sequential']), 'random'),
        except: list(read.readAnyZone, []),
        forceTcp: key(read.readFlag, false),
        mixCase: key(read.readFlag, false),
        failover: list(read.readOneOf(['SERVFAIL', 'REFUSED', 'NOTIMP', 'FORMERR']), []),
        maxConcurrent: key(read.readWhole(1, 10_000), 1000),
        tlsCa: optional(read.readText),
      }),
      issue => `it must be a list of mappings, each with upstreams, not ${say(issue.input)}`,
    ),
    [],
  ),
  hosts: group({
    files: list(read.readText, []),
    entries: list(read.readHostsLine, []),
    ttl: key(read.readWhole(0, 65_535, ' of seconds'), 3600),
    reverse: key(read.readFlag, true),
    zones: list(read.readAnyZone, []),
  }),
  template: mappings({
    zone: key(read.readForwardZone, '.'),
    match: optional(read.readPattern),
    types: list(read.readType, []),
    rcode: key(read.readOneOf(['NOERROR', 'NXDOMAIN', 'SERVFAIL', 'REFUSED']), 'NOERROR'),
    answer: list(read.readRecord, []),
    ttl: key(read.readWhole(0, 86_400, ' of seconds'), 60),
  }),
  rewrite: mappings({
    match: key(read.readOneOf(['exact', 'suffix', 'prefix', 'regex', 'type']), 'exact'),
    from: optional(read.readWord),
    to: optional(read.readWord),
    continue: key(read.readFlag, false),
  }),
  acl: mappings({
    action: key(read.readOneOf(['allow', 'block', 'filter', 'drop']), 'block'),
    networks: list(read.readClientNetwork, []),
    types: list(read.readType, []),
    zones: list(read.readForwardZone, []),
  }),
  openResolver: key(read.readFlag, false),
  transfer: mappings({
    zones: list(read.readAnyZone, []),
    networks: list(read.readClientNetwork, []),
    notify: list(read.readSecondary, []),
  }),
  dns64: group({
    prefix: key(read.readDns64Prefix, 'off'),
    translateAll: key(read.readFlag, false),
    allowIPv4: key(read.readFlag, false),
  }),
  localhost: key(read.readFlag, true),
  autopath: group({
    enabled: key(read.readFlag, false),
    zones: list(read.readZone, []),
    search: list(read.readSearch, ['/etc/resolv.conf']),
  }),
  cache: group({
    enabled: key(read.readFlag, true),
    maxOctets: key(read.readWhole(65_536, 268_435_456, ' of octets'), 16_777_216),
    success: group(cachePart(3600)),
    denial: group(cachePart(1800)),
    servfailTtl: key(read.readWhole(0, 300, ' of seconds'), 5),
    keepTtl: key(read.readFlag, false),
    serveStale: key(read.readDuration('0s', '4320m'), '0s'),
    prefetch: group({
      amount: key(read.readWhole(0, 1_000_000), 0),
      duration: key(read.readDuration('1s', '60m'), '1m'),
      percentage: key(read.readWhole(10, 90), 10),
    }),
  }),
  node: group({ name: optional(read.readNodeName) }),
  limits: group({
    tcp: group({
      connections: key(read.readWhole(1, 100_000), 1000),
      perClient: key(read.readWhole(1, 100_000), 100),
      idle: key(read.readDuration('1s', '10m'), '10s'),
    }),
    errorRate: key(read.readRate, 100),
    responseRate: group({
      perSecond: key(read.readRate, 'off'),
      window: key(read.readDuration('100ms', '1m'), '1s'),
      slip: key(read.readWhole(0, 100), 2),
      exempt: list(read.readNetwork, []),
    }),
    forward: group({
      concurrent: key(read.readWhole(1, 10_000), 1000),
      perClient: key(read.readWhole(1, 10_000), 100),
    }),
  }),
  lameduck: key(read.readDuration('0s', '10m'), '5s'),
  reload: key(read.readFlag, true),
  log: group({
    level: key(read.readOneOf(LOG_LEVELS), 'info'),
    queries: group({
      classes: list(read.readOneOf(['all', 'success', 'denial', 'error']), []),
      sample: key(read.readFraction, 1),
      zones: list(read.readForwardZone, []),
    }),
  }),
})

export type FileConfig = v.InferOutput<typeof SCHEMA>

const SECTIONS = Object.entries(SCHEMA.entries)
/** Of a file without any; most files have few. */
const DEFAULTS: FileConfig = v.parse(SCHEMA, {})

/** Keys that are known to come: said so, rather than called unknown. */
const PLANNED = new Set(['node.zone', 'answers.topology'])
/** For people: the rest would say the same, and each takes time. */
export const MAX_PROBLEMS = 20

/**
 * @param raw  the file, parsed, with its long forms
 * @param most problems that are told
 * @returns the values with defaults filled in, or what is wrong, in part when there is very much of it
 */
export function validate(raw: unknown, most = MAX_PROBLEMS): FileConfig | Problem[] {
  const whole = raw ?? {}
  const problems: Problem[] = []
  checkShape(SCHEMA, whole, [], problems, most)
  if (!isMapping(whole)) return problems
  const misshapen = [...problems]
  const values: Record<string, unknown> = { ...DEFAULTS }
  for (const [name, section] of SECTIONS) {
    if (whole[name] === undefined || whole[name] === null) continue
    const result = v.safeParse(section, whole[name])
    values[name] = result.output
    for (const issue of result.issues ?? []) {
      // A mapping that is none was found by checkShape.
      if (issue.type === 'object' || problems.length >= most) continue
      const path = [name, ...(issue.path ?? []).map(item => item.key as string | number)]
      // A list in the place of a mapping has functions of that name.
      if (misshapen.some(each => isBelow(path, each.path))) continue
      problems.push({ path, reason: issue.message })
    }
  }
  return problems.length === 0 ? (values as FileConfig) : problems
}

function isBelow(path: Path, group: Path): boolean {
  return group.length < path.length && group.every((step, i) => step === path[i])
}

/** Every key that can be set, with its default as written; undefined where there is none. */
export function describeKeys(): { path: string; fallback: unknown }[] {
  return keysBelow(SCHEMA, '')
}

export function formatPath(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('')
}

function leaf<T>(reader: read.Read<T>) {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      const result = reader(dataset.value)
      if (!(result instanceof read.Misfit)) return result
      addIssue({ message: `it must be ${result.wanted}, not ${say(dataset.value)}` })
      return NEVER
    }),
  )
}

/**
 * `manifests: path` and `manifests: [path]` stand for `manifests: {paths: [path]}`, `cache: false` for `{enabled: false}`, so `autopath: true`,
 * `transfer: [network]` for `transfer: [{networks: [network]}]`, `transfer: off` for none.
 */
export function withLongForms(raw: unknown): unknown {
  if (!isMapping(raw)) return raw
  for (const name of ['cache', 'autopath']) {
    if (typeof raw[name] === 'boolean') return withLongForms({ ...raw, [name]: { enabled: raw[name] } })
  }
  const { transfer } = raw
  // YAML 1.1 reads `off` as false.
  if (transfer === false || transfer === 'off') return withLongForms({ ...raw, transfer: [] })
  if (Array.isArray(transfer) && transfer.length > 0 && transfer.every(each => typeof each === 'string')) {
    return withLongForms({ ...raw, transfer: [{ networks: transfer }] })
  }
  if (!isMapping(raw['source'])) return raw
  const { manifests } = raw['source']
  const paths = typeof manifests === 'string' ? [manifests] : manifests
  return Array.isArray(paths) ? { ...raw, source: { ...raw['source'], manifests: { paths } } } : raw
}

interface AnySchema {
  readonly type: string
  readonly wrapped?: AnySchema
  readonly default?: unknown
  readonly entries?: Record<string, AnySchema>
  readonly item?: AnySchema
}

/** Finds keys that do not exist, and what should be a mapping and is none. */
function checkShape(schema: AnySchema, raw: unknown, path: Path, problems: Problem[], most: number): void {
  const { entries, item } = schema.wrapped ?? schema
  if (item?.entries !== undefined && Array.isArray(raw)) {
    for (const [i, each] of raw.entries()) {
      const at = [...path, i]
      if (each !== null) checkShape(item, each, at, problems, most)
      else if (problems.length < most) problems.push({ path: at, reason: noMapping(item.entries, each) })
    }
    return
  }
  if (entries === undefined || raw === undefined || raw === null) return
  if (!isMapping(raw)) {
    problems.push({ path, reason: noMapping(entries, raw) })
    return
  }
  for (const name of Object.keys(raw)) {
    if (problems.length >= most) return
    if (Object.hasOwn(entries, name)) checkShape(entries[name]!, raw[name], [...path, name], problems, most)
    else problems.push({ path: [...path, name], reason: explainUnknown(name, path, entries) })
  }
}

function noMapping(entries: object, raw: unknown): string {
  return `it must be a mapping of ${Object.keys(entries).join(', ')}, not ${say(raw)}`
}

function explainUnknown(name: string, path: Path, siblings: object): string {
  const full = formatPath([...path, name])
  if (PLANNED.has(full)) return 'planned, not built yet'
  const names = Object.keys(siblings)
  const plural = names.find(each => each === `${name}s` || `${each}s` === name)
  const near = plural ?? nearest(name, names)
  const place = plural === undefined ? placeOf(name) : undefined
  const meant = place ?? (near === undefined ? undefined : formatPath([...path, near]))
  return `there is no such key${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

/** Where a key or group of this very name stands. */
function placeOf(name: string): string | undefined {
  places ??= placesByName()
  return places.get(name)
}

let places: ReadonlyMap<string, string> | undefined

function placesByName(): ReadonlyMap<string, string> {
  const byName = new Map<string, string>()
  for (const { path } of describeKeys()) {
    const steps = path.split('.')
    for (const [at, step] of steps.entries()) {
      if (!byName.has(step)) byName.set(step, steps.slice(0, at + 1).join('.'))
    }
  }
  return byName
}

function keysBelow(schema: AnySchema, prefix: string): { path: string; fallback: unknown }[] {
  return Object.entries((schema.wrapped ?? schema).entries ?? {}).flatMap(([name, child]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`
    const { item } = child.wrapped ?? child
    if (item?.entries !== undefined) return [{ path, fallback: child.default }, ...keysBelow(item, path)]
    const below = keysBelow(child, path)
    return below.length > 0 ? below : [{ path, fallback: child.default }]
  })
}

function say(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return value === null ? 'nothing' : 'a mapping'
  return typeof value === 'string'
    ? JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
    : String(value)
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The configuration file's keys, with their types and defaults. Layer: control. The only door to valibot.
 * `config/README.md` documents every key; a test keeps the two equal.
 */

import * as v from 'valibot'
import { LOG_LEVELS } from './log.ts'
import { nearest } from './nearest.ts'

const seconds = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3600))
const strings = v.array(v.string())
const count = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most))
const duration = v.pipe(
  v.string(),
  v.regex(/^\d+(ms|s|m)$/, 'Expected a duration such as 500ms, 5s or 1m'),
  v.transform(text => Number.parseInt(text, 10) * (text.endsWith('ms') ? 1 : text.endsWith('m') ? 60_000 : 1000)),
  v.maxValue(600_000, 'Expected at most 10m'),
)

const KUBERNETES = v.strictObject({
  kubeconfig: v.optional(v.string()),
  context: v.optional(v.string()),
  inCluster: v.optional(v.boolean()),
  endpoint: v.optional(v.string()),
  namespaces: v.optional(strings, []),
  namespaceLabels: v.optional(v.string(), ''),
  labels: v.optional(v.string(), ''),
  scope: v.optional(v.picklist(['all', 'headless']), 'all'),
})

const MANIFESTS = v.strictObject({ paths: strings, podCIDR: v.optional(v.string(), '127.1.0.0/16') })

export const SCHEMA = v.strictObject({
  zones: v.optional(strings, ['cluster.local']),
  reverseZones: v.optional(strings, ['in-addr.arpa', 'ip6.arpa']),
  listen: v.optional(strings, ['127.0.0.1:1053']),
  admin: v.optional(v.string(), '127.0.0.1:9153'),
  workers: v.optional(count(1, 64), 1),
  transport: v.optional(v.picklist(['auto', 'batch', 'portable']), 'auto'),
  source: v.optional(
    v.strictObject({
      kubernetes: v.optional(KUBERNETES),
      manifests: v.optional(
        v.union([v.string(), strings, MANIFESTS], 'Expected a path, a list of paths, or {paths, podCIDR}'),
      ),
    }),
    {},
  ),
  records: v.optional(
    v.strictObject({
      ttl: v.optional(seconds, 5),
      negativeTtl: v.optional(seconds, 1),
      pods: v.optional(v.picklist(['disabled', 'insecure', 'verified']), 'disabled'),
      endpointPodNames: v.optional(v.boolean(), false),
      ignoreEmptyService: v.optional(v.boolean(), false),
      noEndpoints: v.optional(v.boolean(), false),
    }),
    {},
  ),
  answers: v.optional(
    v.strictObject({
      order: v.optional(v.picklist(['shuffle', 'rotate', 'stable']), 'shuffle'),
      maxUdpSize: v.optional(count(512, 4096), 1232),
    }),
    {},
  ),
  limits: v.optional(
    v.strictObject({
      tcp: v.optional(
        v.strictObject({
          connections: v.optional(count(1, 100_000), 1000),
          perClient: v.optional(count(1, 100_000), 100),
          idle: v.optional(duration, '10s'),
        }),
        {},
      ),
    }),
    {},
  ),
  lameduck: v.optional(duration, '5s'),
  log: v.optional(v.strictObject({ level: v.optional(v.picklist(LOG_LEVELS), 'info') }), {}),
})

export type FileConfig = v.InferOutput<typeof SCHEMA>

/** Keys of the design that this version has not: said so, rather than called unknown. */
const PLANNED = [
  'forward',
  'cache',
  'hosts',
  'rewrite',
  'autopath',
  'transfer',
  'fallthrough',
  'node',
  'records.multicluster',
  'source.snapshot',
  'answers.topology',
]

/** @returns the configuration with defaults filled in, or sentences on what is wrong with it */
export function validate(raw: unknown): FileConfig | string[] {
  const result = v.safeParse(SCHEMA, raw ?? {}, { abortEarly: false })
  return result.success ? result.output : result.issues.map(describe)
}

/** Every key that can be set, by its path. */
export function allKeys(): string[] {
  return keysBelow(SCHEMA, '')
}

interface Issue {
  readonly type: string
  readonly message: string
}

function describe(issue: Issue & Parameters<typeof v.getDotPath>[0]): string {
  const path = v.getDotPath(issue) ?? 'the file'
  if (issue.type !== 'strict_object' || !issue.message.startsWith('Invalid key')) return `${path}: ${issue.message}`
  if (PLANNED.includes(path)) return `${path}: this version has no such key yet`
  const guess = nearest(path, allKeys())
  return `${path}: there is no such key${guess === undefined ? '' : `; did you mean ${guess}?`}`
}

interface AnySchema {
  readonly type: string
  readonly wrapped?: AnySchema
  readonly entries?: Record<string, AnySchema>
}

function keysBelow(schema: AnySchema, prefix: string): string[] {
  const inner = schema.wrapped ?? schema
  const keys: string[] = []
  for (const [name, child] of Object.entries(inner.entries ?? {})) {
    const path = prefix === '' ? name : `${prefix}.${name}`
    const below = keysBelow(child, path)
    if (below.length > 0) keys.push(...below)
    else keys.push(path)
  }
  return keys
}

/**
 * Config → a configuration file in YAML that loads to the same Config. Layer: control; pure.
 */

import type { CacheOptions } from '../cache/store.ts'
import { type Config, formatSocketAddress, type KubernetesConfig, type SocketAddress } from './config.ts'
import { formatDuration } from './config-values.ts'

export type Plain = string | number | boolean | readonly string[] | readonly Mapping[] | Mapping | undefined
export type Mapping = { readonly [key: string]: Plain }

/** @returns every key with its value, defaults included */
export function formatEffective(config: Config): string {
  return lines(fileOf(config), '').join('')
}

/** @returns what a file would hold: every key with its value */
export function fileOf(config: Config): Mapping {
  const { kubernetes, manifests, snapshot, snapshotIntervalMs } = config.source
  const { moveWindowMs, ...records } = config.records
  return {
    zones: config.zones,
    reverseZones: config.reverseZones,
    listen: config.listen.map(formatSocketAddress),
    admin: addressOr(config.admin),
    health: addressOr(config.health),
    ready: addressOr(config.ready),
    workers: config.workers,
    transport: config.transport,
    source: {
      kubernetes: kubernetes === undefined ? undefined : kubernetesOf(kubernetes),
      manifests: manifests === undefined ? undefined : { ...manifests },
      snapshot,
      snapshotInterval: formatDuration(snapshotIntervalMs),
    },
    records: { ...records, moveWindow: formatDuration(moveWindowMs), external: { ...records.external } },
    answers: config.answers,
    fallthrough: config.fallthrough,
    forward: config.forward.map(each => ({ ...each })),
    hosts: { ...config.hosts },
    template: config.template.map(each => ({ ...each })),
    rewrite: config.rewrite.map(each => ({ ...each })),
    acl: config.acl.map(each => ({ ...each })),
    openResolver: config.openResolver,
    transfer: config.transfer.map(each => ({ ...each, notify: each.notify.map(formatSocketAddress) })),
    dns64: config.dns64,
    localhost: config.localhost,
    autopath: { ...config.autopath },
    cache: cacheOf(config.cache),
    node: config.node,
    limits: limitsOf(config.limits),
    lameduck: formatDuration(config.lameduckMs),
    reload: config.reload,
    log: { ...config.log, queries: { ...config.log.queries } },
  }
}

function kubernetesOf({ auditIntervalMs, ...rest }: KubernetesConfig) {
  return { ...rest, auditInterval: formatDuration(auditIntervalMs) }
}

function limitsOf({ tcp: { idleMs, ...tcp }, forward, errorRate, responseRate }: Config['limits']) {
  const { perSecond, windowMs, ...rest } = responseRate
  return {
    tcp: { ...tcp, idle: formatDuration(idleMs) },
    errorRate: rateOf(errorRate),
    responseRate: { perSecond: rateOf(perSecond), window: formatDuration(windowMs), ...rest },
    forward,
  }
}

function addressOr(where: SocketAddress | undefined): string {
  return where === undefined ? 'off' : formatSocketAddress(where)
}

function rateOf(perSecond: number): number | 'off' {
  return perSecond === 0 ? 'off' : perSecond
}

function cacheOf(cache: CacheOptions | undefined): Mapping {
  if (cache === undefined) return { enabled: false }
  const { serveStale, prefetch, success, denial, ...rest } = cache
  return {
    ...rest,
    success: { ...success },
    denial: { ...denial },
    serveStale: formatDuration(serveStale * 1000),
    prefetch: { ...prefetch, duration: formatDuration(prefetch.duration * 1000) },
  }
}

function isMappings(value: NonNullable<Plain>): value is readonly Mapping[] {
  return Array.isArray(value) && typeof value[0] === 'object'
}

function lines(mapping: { readonly [key: string]: Plain }, indent: string): string[] {
  return Object.entries(mapping).flatMap(([key, value]) => {
    if (value === undefined) return []
    if (isMappings(value)) {
      const items = value.map(each =>
        lines(each, `${indent}    `)
          .join('')
          .replace(/^ *(?= ) {2}/, `${indent}  - `),
      )
      return [`${indent}${key}:\n`, ...items]
    }
    if (!isMapping(value)) return [`${indent}${key}: ${flow(value)}\n`]
    const below = lines(value, `${indent}  `)
    return [below.length === 0 ? `${indent}${key}: {}\n` : `${indent}${key}:\n`, ...below]
  })
}

function flow(value: string | number | boolean | readonly string[]): string {
  return typeof value === 'object' ? `[${value.map(scalar).join(', ')}]` : scalar(value)
}

/** A JSON string is a YAML string; what could be read as something else, or ends a line in YAML 1.1, is quoted or escaped. */
function scalar(value: string | number | boolean): string {
  if (typeof value !== 'string' || /^(?!(y|n|yes|no|on|true|false|null)$)[a-z][a-z.-]*$/i.test(value))
    return String(value)
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function isMapping(value: NonNullable<Plain>): value is Mapping {
  return typeof value === 'object' && !Array.isArray(value)
}

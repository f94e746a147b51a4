/**
 * What is other in one configuration than in another, by key, and what of it a running server can take over.
 * Layer: control; pure.
 */

import type { Config } from './config.ts'
import { fileOf, type Mapping } from './config-format.ts'
import type { ReloadedParts } from './server-options.ts'

// Not imported, as in cli/main.ts.
const { isDeepStrictEqual } = process.getBuiltinModule('node:util')

/** Keys, or what is above them. All others are what the table is built from, or belong to the process: they need a restart. */
const NAMES = [
  'answers',
  'fallthrough',
  'forward',
  'hosts',
  'template',
  'rewrite',
  'acl',
  'dns64',
  'localhost',
  'cache',
  'limits.forward',
]
const TRANSFERS = ['transfer', 'answers.maxUdpSize']
const WORKERS = ['workers', 'transport', 'limits.errorRate', 'limits.responseRate', 'log.queries']
const AT_ONCE = ['limits.tcp', 'lameduck', 'log.level', 'openResolver', 'reload']

/** @param path of a key, such as `limits.tcp.idle` */
export function needsRestart(path: string): boolean {
  return ![NAMES, TRANSFERS, WORKERS, AT_ONCE].some(keys => isBelow(path, keys))
}

export function partsOf(changes: readonly string[]): ReloadedParts {
  const touches = (keys: readonly string[]): boolean => changes.some(path => isBelow(path, keys))
  return { names: touches(NAMES), transfers: touches(TRANSFERS), workers: touches(WORKERS) }
}

/** @returns paths of the keys whose values differ; of a list, the list's */
export function changesOf(before: Config, after: Config): string[] {
  return differences(fileOf(before), fileOf(after), '')
}

/** @returns `after` as far as a running server can take it over from `before` */
export function applicable(before: Config, after: Config): Config {
  const { answers, fallthrough, forward, hosts, template, rewrite, acl, dns64, localhost, cache, transfer } = after
  const { workers, transport, limits, lameduckMs, log, openResolver, reload } = after
  return {
    ...before,
    ...{ answers, fallthrough, forward, hosts, template, rewrite, acl, dns64, localhost, cache, transfer },
    ...{ workers, transport, limits, lameduckMs, log, openResolver, reload },
  }
}

function differences(before: Mapping, after: Mapping, prefix: string): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap(key => {
    const [old, now] = [before[key], after[key]]
    const path = prefix === '' ? key : `${prefix}.${key}`
    if (isMapping(old) && isMapping(now)) return differences(old, now, path)
    return isDeepStrictEqual(old, now) ? [] : [path]
  })
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isBelow(path: string, keys: readonly string[]): boolean {
  return keys.some(key => path === key || path.startsWith(`${key}.`))
}

/**
 * The configuration's rules about names and clients, compiled, and what in them cannot be. Layer: control; pure.
 */

import type { FirstHosts } from '../local/local-names.ts'
import { ACL_ALLOW, ACL_BLOCK, ACL_DROP, ACL_FILTER, type AclRule } from '../rules/acl.ts'
import { type Dns64Prefix, parseDns64Prefix } from '../rules/dns64.ts'
import type { HandOverRules } from '../rules/hand-over.ts'
import type { HostsOptions } from '../rules/hosts.ts'
import { type HostEntry, parseHostLine } from '../rules/hosts-file.ts'
import { parseNetwork } from '../rules/networks.ts'
import { compilePattern } from '../rules/patterns.ts'
import { parseRecord } from '../rules/record-text.ts'
import type { RewriteRule } from '../rules/rewrite.ts'
import type { TemplateRule } from '../rules/template.ts'
import { RCODE_NOERROR, RCODE_NXDOMAIN, RCODE_REFUSED, RCODE_SERVFAIL } from '../wire/constants.ts'
import { parseType } from '../wire/mnemonics.ts'
import { parseName, type WireName } from '../wire/name.ts'
import type { Config, RewriteConfig, TemplateConfig } from './config.ts'
import type { Problem } from './config-schema.ts'
import { ownZones } from './fallthrough.ts'

export interface NameRules {
  readonly hosts: {
    /** Absolute paths. */
    readonly files: readonly string[]
    readonly entries: readonly HostEntry[]
    readonly options: HostsOptions
    readonly first: FirstHosts
  }
  readonly templates: readonly TemplateRule[]
  readonly rewrites: readonly RewriteRule[]
  readonly acl: readonly AclRule[]
  readonly dns64: Dns64Options | undefined
  readonly localhost: boolean
  /** Zones of ours in which what does not exist is looked for here, or forwarded. */
  readonly fallthrough: readonly WireName[]
  /** What data-plane threads leave to the main thread before they look into the table. */
  readonly handOver: HandOverRules
}

export interface Dns64Options {
  readonly prefix: Dns64Prefix
  /** Names with AAAA records of their own too. */
  readonly translateAll: boolean
  /** Clients that ask over IPv4 too. */
  readonly allowIPv4: boolean
}

type RuleConfig = Pick<
  Config,
  | 'hosts'
  | 'template'
  | 'rewrite'
  | 'acl'
  | 'dns64'
  | 'localhost'
  | 'fallthrough'
  | 'zones'
  | 'reverseZones'
  | 'records'
>
type Report = (path: Problem['path'], reason: string) => void

const ACTIONS = { allow: ACL_ALLOW, block: ACL_BLOCK, filter: ACL_FILTER, drop: ACL_DROP }
const RCODES = { NOERROR: RCODE_NOERROR, NXDOMAIN: RCODE_NXDOMAIN, SERVFAIL: RCODE_SERVFAIL, REFUSED: RCODE_REFUSED }

/** Whether queries go to the main thread for these rules alone. */
export function hasLocalNames({ hosts, templates, rewrites }: NameRules): boolean {
  const { files, entries, options } = hosts
  return files.length + entries.length + options.zones.length + templates.length + rewrites.length > 0
}

/** Whether there are answers besides the cluster's, so that names of others are looked at without a forwarder too. */
export function answersNames({ hosts, template }: Pick<Config, 'hosts' | 'template'>): boolean {
  return hosts.files.length + hosts.entries.length + hosts.zones.length + template.length > 0
}

export function nameRulesOf(config: RuleConfig): { rules: NameRules; problems: Problem[] } {
  const problems: Problem[] = []
  const report: Report = (path, reason) => problems.push({ path, reason })
  const { hosts, dns64 } = config
  const own = ownZones(config).map(wire)
  const isOurs = (name: WireName): boolean => own.some(zone => endsWith(name, zone))
  const templates = config.template.flatMap((each, i) => templateOf(each, isOurs, ['template', i], report))
  const rewrites = config.rewrite.flatMap((each, i) => rewriteOf(each, ['rewrite', i], report))
  const entries = hosts.entries.map(parseHostLine).filter(each => typeof each === 'object')
  const prefix = parseDns64Prefix(dns64.prefix)
  const zones = hosts.zones.map(wire)
  const first: FirstHosts = {
    entries: entries
      .map(({ address, names }) => ({ address, names: names.filter(isOurs) }))
      .filter(({ names }) => names.length > 0),
    zones: zones.filter(isOurs),
  }
  const rules: NameRules = {
    hosts: {
      files: hosts.files,
      entries,
      options: { ttl: hosts.ttl, reverse: hosts.reverse, zones },
      first,
    },
    templates,
    rewrites,
    acl: config.acl.map(({ action, networks, types, zones }) => ({
      action: ACTIONS[action],
      networks: networks.map(each => parseNetwork(each)!),
      types: types.map(each => parseType(each)!),
      zones: zones.map(wire),
    })),
    dns64: prefix && { ...dns64, prefix },
    localhost: config.localhost,
    fallthrough: config.fallthrough.map(wire),
    handOver: handOverOf(first, templates, rewrites),
  }
  return { rules, problems }
}

function templateOf(
  config: TemplateConfig,
  isOurs: (name: WireName) => boolean,
  path: Problem['path'],
  report: Report,
): TemplateRule[] {
  const { answer, rcode } = config
  for (const [i, text] of answer.entries()) {
    const isFixed = config.match === undefined || !text.includes('$')
    if (isFixed && parseRecord(text) === undefined) report([...path, 'answer', i], `${text} is no record`)
  }
  if (answer.length > 0 && rcode !== 'NOERROR')
    report([...path, 'answer'], `with the rcode ${rcode} there is no answer`)
  const match = config.match === undefined ? undefined : compilePattern(config.match)
  if (typeof match === 'string') return []
  const types = config.types.map(each => parseType(each)!)
  const zone = wire(config.zone)
  const { ttl } = config
  return [{ zone, match, types, rcode: RCODES[rcode], answers: answer, ttl, beforeCluster: isOurs(zone) }]
}

function rewriteOf(config: RewriteConfig, path: Problem['path'], report: Report): RewriteRule[] {
  const { match, from, to, continue: goesOn } = config
  const words = Object.entries({ from, to })
  const missing = words.filter(([, word]) => word === '')
  for (const [key] of missing) report([...path, key], 'it is needed')
  if (missing.length > 0) return []
  const read = <T>(parse: (word: string) => T | undefined, wanted: string): (T | undefined)[] =>
    words.map(([key, word]) => {
      const value = parse(word)
      if (value === undefined) report([...path, key], `${word} is no ${wanted}`)
      return value
    })
  if (match === 'prefix') return [{ match, from: from.toLowerCase(), to: to.toLowerCase(), continue: goesOn }]
  if (match === 'regex') {
    const pattern = compilePattern(from)
    if (typeof pattern !== 'string') return [{ match, from: pattern, to, continue: goesOn }]
    report([...path, words[0]![0]], `it is no regular expression: ${pattern}`)
    return []
  }
  if (match === 'type') {
    const [old, other] = read(parseType, 'type of records')
    return old === undefined || other === undefined ? [] : [{ match, from: old, to: other, continue: goesOn }]
  }
  const below = match === 'suffix' && /^\../.test(from)
  const [old, other] = read(word => parseName(match === 'suffix' ? word.replace(/^\.(?=.)/, '') : word), 'name')
  if (old === undefined || other === undefined) return []
  if (match === 'suffix') return [{ match, from: old, to: other, below, continue: goesOn }]
  return [{ match, from: old, to: other, continue: goesOn }]
}

/** Names of ours are the table's; those that a rule is about are looked at by the rule first. */
function handOverOf(
  first: FirstHosts,
  templates: readonly TemplateRule[],
  rewrites: readonly RewriteRule[],
): HandOverRules {
  const below = [...first.zones, ...templates.filter(each => each.beforeCluster).map(({ zone }) => zone)]
  return {
    names: [
      ...first.entries
        .flatMap(({ names }) => names)
        .map(name =>
          isWildcard(name) ? { name: name.subarray(2), self: false, below: true } : { name, self: true, below: false },
        ),
      ...below.map(name => ({ name, self: true, below: true })),
      ...rewrites.flatMap(rule => {
        if (rule.match === 'exact') return [{ name: rule.from, self: true, below: false }]
        return rule.match === 'suffix' ? [{ name: rule.from, self: !rule.below, below: true }] : []
      }),
    ],
    prefixes: rewrites.flatMap(rule => (rule.match === 'prefix' ? [rule.from] : [])),
    patterns: rewrites.flatMap(rule => (rule.match === 'regex' ? [rule.from] : [])),
    types: rewrites.flatMap(rule => (rule.match === 'type' ? [rule.from] : [])),
  }
}

function isWildcard(name: WireName): boolean {
  return name[0] === 1 && name[1] === 0x2a
}

function endsWith(name: WireName, zone: WireName): boolean {
  const at = name.length - zone.length
  return at >= 0 && zone.every((octet, i) => name[at + i] === octet)
}

function wire(name: string): WireName {
  return parseName(name)!
}

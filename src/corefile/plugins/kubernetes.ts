/**
 * The plugin kubernetes → `zones`, `reverseZones`, `source.kubernetes`, `records`, `fallthrough`. Layer: corefile.
 */

import type { Directive } from '../directive.ts'
import type { MapPlugin, Mapping } from '../mapping.ts'
import { isReverse, isWithin, normalZone } from '../zones.ts'
import { numberOf } from './values.ts'

export const mapKubernetes: MapPlugin = (directive, mapping) => {
  const zones = carryZones(directive, mapping)
  const open = directive.body.filter(({ name }) => name === 'fallthrough')
  const isOpen = (zone: string) =>
    open.some(({ args }) => args.length === 0 || mapping.namesOf(args).some(each => isWithin(zone, each)))
  const closed = zones.filter(zone => isReverse(zone) && !isOpen(zone))
  if (closed.length > 0) mapping.gathered.closed.push({ zones: closed, directive })
  const isElsewhere = directive.body.some(({ name }) => name === 'endpoint' || name === 'kubeconfig')
  if (!isElsewhere) mapping.set('source.kubernetes.inCluster', true, directive)
  const records = (key: string) => (option: Directive) => mapping.set(`records.${key}`, true, option)
  const source = (key: string) => (option: Directive) =>
    mapping.set(`source.kubernetes.${key}`, option.args.join(' '), option)
  mapping.options(directive, {
    endpoint(option) {
      const [url = '', ...others] = option.args
      if (directive.body.some(({ name }) => name === 'kubeconfig')) {
        mapping.note(option, ['builtIn', 'Nothing: kubeconfig stands beside it and wins.', 'Nothing needs to be done.'])
        return
      }
      mapping.set('source.kubernetes.endpoint', url, option)
      if (others.length > 0) {
        const did = 'CoreDNS used the first URL alone and warned of the others.'
        mapping.note(option, ['leftOut', did, 'The first was carried over.'])
      }
    },
    tls: [
      'changesAnswers',
      'It gave the certificate, key and authority with which the API server of endpoint was asked.',
      'Write a kubeconfig with the URL and these three files, and name it in source.kubernetes.kubeconfig instead of endpoint.',
    ],
    kubeconfig(option) {
      const [file = '', context] = option.args
      mapping.set('source.kubernetes.kubeconfig', file, option)
      if (context !== undefined) mapping.set('source.kubernetes.context', context, option)
    },
    namespaces(option) {
      for (const name of option.args) mapping.add('source.kubernetes.namespaces', name, option)
    },
    namespace_labels: source('namespaceLabels'),
    labels: source('labels'),
    pods(option) {
      const [mode = 'disabled'] = option.args
      mapping.set('records.pods', mode, option)
    },
    ttl: option => mapping.set('records.ttl', numberOf(option.args[0]), option),
    endpoint_pod_names: records('endpointPodNames'),
    noendpoints: records('noEndpoints'),
    ignore(option) {
      if (option.args[0] === 'empty_service') mapping.set('records.ignoreEmptyService', true, option)
    },
    fallthrough: option => carryFallthrough(option, zones, mapping),
    multicluster(option) {
      for (const zone of mapping.namesOf(option.args)) mapping.add('records.multicluster', zone, option)
    },
    zonal: ['builtIn', 'It answered zonal names.', 'They are always answered.'],
    startup_timeout: [
      'builtIn',
      'It bounded how long the start waits for the first lists of the API server.',
      'The start waits for nothing: cluster names are SERVFAIL until the lists are in, and /readyz says so.',
    ],
    apiserver_qps: API_RATES,
    apiserver_burst: API_RATES,
    apiserver_max_inflight: API_RATES,
    upstream: [
      'builtIn',
      'Nothing since CoreDNS 1.6: it named who resolves the targets of ExternalName.',
      'forward does that.',
    ],
    resyncperiod: ['builtIn', 'Nothing since CoreDNS 1.5.', 'source.kubernetes.auditInterval is the nearest, and on.'],
    transfer: [
      'changesAnswers',
      'Until CoreDNS 1.7 it allowed zone transfers.',
      'Set transfer to the networks that may have them.',
    ],
  })
}

const API_RATES = [
  'builtIn',
  'It limited how fast the API server is asked.',
  'Requests are few, and waits after failures grow up to 40 s.',
] as const

/** @returns the zones as names */
function carryZones(directive: Directive, mapping: Mapping): string[] {
  const { block, gathered } = mapping
  const zones = mapping.zones(directive.args)
  // What is answered from ServiceImports is not answered from Services.
  const imported = directive.body.flatMap(({ name, args }) => (name === 'multicluster' ? mapping.namesOf(args) : []))
  for (const zone of zones) {
    const owner = gathered.blocks
      .filter(other => other.zones.some(each => isWithin(zone, each)))
      .toSorted((a, b) => longest(b.zones, zone) - longest(a.zones, zone))[0]
    if (owner !== undefined && longest(owner.zones, zone) > longest(block.zones, zone)) {
      const did = `Nothing for ${zone}: the server block ${owner.keys.join(' ')} (${owner.file}:${owner.line}) took its queries.`
      mapping.note(directive, [
        'changesAnswers',
        did,
        `Here ${zone} is answered from the cluster: take it out of zones if that is not meant.`,
      ])
    }
    gathered.clusterZones.push(zone)
    if (!isReverse(zone) && !imported.includes(zone)) mapping.add('zones', zone, directive)
  }
  // As written where that is what is answered: a network stays one line.
  const isWhole = block.zones.includes('.')
  const reverse = isWhole && directive.args.length > 0 ? directive.args.map(normalZone) : zones
  for (const zone of reverse) if (isReverse(zone) || zone.includes('/')) mapping.add('reverseZones', zone, directive)
  if (zones.length === 0) {
    const did = 'Nothing: none of its zones lies in its server block.'
    mapping.note(directive, ['leftOut', did, 'Nothing needs to be done.'])
  }
  return zones
}

function longest(zones: readonly string[], name: string): number {
  return Math.max(-1, ...zones.filter(zone => isWithin(name, zone)).map(zone => (zone === '.' ? 0 : zone.length)))
}

/** @param zones of the plugin */
export function carryFallthrough(option: Directive, zones: readonly string[], mapping: Mapping): void {
  const names = option.args.length === 0 ? zones : mapping.namesOf(option.args)
  const forward = names.filter(zone => zone !== '.' && !isReverse(zone))
  for (const zone of names.includes('.') ? zones.filter(each => !isReverse(each)) : forward) {
    mapping.add('fallthrough', zone, option)
  }
  const remark = 'Addresses that the cluster does not know were asked for elsewhere.'
  if (forward.length === 0) mapping.note(option, ['builtIn', remark, 'They always are, where there is a forward.'])
}

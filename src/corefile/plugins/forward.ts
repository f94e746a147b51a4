/**
 * The plugin forward, and proxy, which it was until CoreDNS 1.5 → `forward`. Layer: corefile.
 * A server block's zones and FROM together are the zone. Routes are written when all blocks are known, since what a block keeps
 * to itself is excepted from the routes of the others.
 */

import type { Directive } from '../directive.ts'
import { type Entry, entryOf, rawOf, type Value } from '../draft.ts'
import type { Remark } from '../finding.ts'
import type { Gathered, MapPlugin, Mapping, Route } from '../mapping.ts'
import { isReverse, isWithin } from '../zones.ts'
import { numberOf } from './values.ts'

const POLICIES: Readonly<Record<string, string>> = {
  random: 'random',
  round_robin: 'roundRobin',
  sequential: 'sequential',
}
const MAX_CONCURRENT = 10_000
/** CoreDNS does not start with more in one forward. */
const MAX_UPSTREAMS = 15
/** What node-local-dns (kubernetes/dns) replaces by addresses when it runs. */
const CLUSTER_DNS = '__PILLAR__CLUSTER__DNS__'
const NODE_UPSTREAMS = '__PILLAR__UPSTREAM__SERVERS__'

export const mapForward: MapPlugin = (directive, mapping) => {
  const [from = '.', ...to] = directive.args
  const zones = mapping.zones([from])
  if (zones.length === 0) {
    const did = `Nothing: ${from} does not lie in the zones of its server block.`
    mapping.note(directive, ['leftOut', did, 'Nothing needs to be done.'])
  }
  const value: Record<string, Value> = {}
  const serverName = directive.body.find(({ name }) => name === 'tls_servername')
  // One that is named twice is asked no more often than others here.
  const upstreams = [...new Set(to)]
  if (upstreams.length > MAX_UPSTREAMS) {
    const did = `It named ${upstreams.length} upstreams; CoreDNS does not start with more than ${MAX_UPSTREAMS}.`
    mapping.note(directive, ['changesAnswers', did, `The first ${MAX_UPSTREAMS} were carried over. Choose.`])
  }
  value['upstreams'] = upstreams.slice(0, MAX_UPSTREAMS).map(each => upstreamOf(each, serverName, directive))
  carryOptions(directive, mapping, value)
  for (const zone of zones) mapping.gathered.routes.push({ zone, block: mapping.block, directive, value })
  mapping.handle(directive)
}

function carryOptions(directive: Directive, mapping: Mapping, value: Record<string, Value>): void {
  const carry = (key: string, made: Value, option: Directive) => {
    value[key] = entryOf(made, option)
    mapping.handle(option)
  }
  mapping.options(directive, {
    ...ALWAYS_SO,
    except: option => carry('except', mapping.namesOf(option.args), option),
    force_tcp: option => carry('forceTcp', true, option),
    policy: option => carry('policy', POLICIES[option.args[0] ?? ''] ?? option.args[0] ?? '', option),
    max_concurrent(option) {
      const most = numberOf(option.args[0])
      if (typeof most === 'number' && (most === 0 || most > MAX_CONCURRENT)) {
        carry('maxConcurrent', MAX_CONCURRENT, option)
        const did = most === 0 ? 'It set no limit.' : 'It bounded the queries in flight.'
        mapping.note(option, [
          'leftOut',
          did,
          `${MAX_CONCURRENT} in flight is the most here; beyond it the answer is SERVFAIL.`,
        ])
      } else carry('maxConcurrent', most, option)
    },
    failover: option =>
      carry(
        'failover',
        option.args.map(rcode => rcode.toUpperCase()),
        option,
      ),
    tls(option) {
      const { args } = option
      if (args.length === 1 || args.length === 3) carry('tlsCa', args.at(-1)!, option)
      if (args.length >= 2) {
        const did = 'It showed the upstreams a certificate of the client.'
        mapping.note(option, [
          'changesAnswers',
          did,
          'No client certificate is shown here: ask an upstream that needs none.',
        ])
      }
      if (args.length === 0)
        mapping.note(option, ['builtIn', 'It checked certificates with the usual authorities.', 'tls:// does.'])
    },
    tls_servername: option => mapping.handle(option),
    next(option) {
      const did = `Upon ${option.args.join(', ')} the next forward of its server block was asked.`
      const isLast = mapping.block.plugins.filter(({ name }) => name === 'forward').at(-1) === directive
      if (isLast) mapping.note(option, ['builtIn', 'Nothing: no forward follows it.', 'Nothing needs to be done.'])
      else
        mapping.note(option, [
          'changesAnswers',
          did,
          'A zone has one list of upstreams here; failover asks the next of them, for errors alone.',
        ])
    },
    next_on_nodata: [
      'changesAnswers',
      'Upon an empty answer the next forward of its server block was asked.',
      'A zone has one list of upstreams here, and its answer counts.',
    ],
    resolver: [
      'leftOut',
      'It named who resolves upstreams that are given by name.',
      'Upstreams are addresses here: write them out.',
    ],
    health_check(option) {
      mapping.note(option, HEALTH_CHECK)
    },
  })
}

const HEALTH_CHECK: Remark = [
  'builtIn',
  'It set how often and with what an upstream that failed is probed.',
  'One that failed is probed every 500 ms until it says anything.',
]

const CONNECTIONS: Remark = [
  'builtIn',
  'It set how connections to upstreams are kept or counted.',
  'That needs no setting here.',
]

const ALWAYS_SO: Readonly<Record<string, Remark>> = {
  prefer_udp: ['builtIn', 'Upstreams were asked over UDP first, whatever the client used.', 'They always are.'],
  max_fails: [
    'builtIn',
    'It set how many failed probes make an upstream bad.',
    'Two failures in a row put it behind the others.',
  ],
  expire: CONNECTIONS,
  max_idle_conns: CONNECTIONS,
  max_age: CONNECTIONS,
  max_connect_attempts: [
    'builtIn',
    'It bounded how many connections one query may try.',
    'Three upstreams are asked at most, in 4.4 s at most.',
  ],
  doh_method: ['leftOut', 'It set the method of DNS over HTTPS.', 'DNS over HTTPS is not spoken here.'],
  failfast_all_unhealthy_upstreams: [
    'leftOut',
    'With all upstreams bad it answered SERVFAIL at once.',
    'Bad ones are asked too, last; SERVFAIL comes after 4.4 s at most, and for 5 s at once when a question has failed.',
  ],
  spray: ['builtIn', 'With all upstreams bad one was chosen at random.', 'Bad ones are asked too, last.'],
}

/** `tls://9.9.9.9%dns.quad9.net:853` is ours with `#` and the name at the end. */
function upstreamOf(text: string, serverName: Directive | undefined, origin: Directive): Entry {
  if (text === NODE_UPSTREAMS) return entryOf('/etc/resolv.conf', origin)
  const bare = text.replace(/^dns:\/\//, '')
  const [, address = bare, own, port = ''] = /^(tls:\/\/[^%]+)%([^:]+)(:\d+)?$/.exec(bare) ?? []
  const name = own ?? (bare.startsWith('tls://') ? serverName?.args[0] : undefined)
  const made = entryOf(name === undefined ? bare : `${address}${port}#${name}`, origin)
  if (own === undefined && name !== undefined && serverName !== undefined) made.origins.push(serverName)
  return made
}

/** Writes the routes of all server blocks. */
export function writeRoutes(gathered: Gathered): void {
  const written = new Map<string, Route>()
  const isCache = gathered.clusterZones.length === 0
  for (const route of gathered.routes) {
    const { zone, directive, block } = route
    const before = written.get(zone)
    const covering = gathered.routes.find(other => other.block === block && isWithin(zone, other.zone))
    if (isCache && isClusterDns(route)) {
      noteClusterDns(gathered, route)
    } else if (covering !== undefined && covering.zone !== zone && covering.directive !== directive) {
      const did = `Nothing for ${zone}: the forward of ${covering.zone} before it (${covering.directive.file}:${covering.directive.line}) took its queries.`
      gathered.note(directive, [
        'changesAnswers',
        did,
        'Here the longest zone counts, whatever the order: take it out of forward if that is not meant.',
      ])
      written.set(zone, route)
    } else if (before !== undefined && !isSame(before, route)) {
      const did = `${zone} was forwarded there too, in another server block or after what the first left over.`
      const where = `${before.directive.file}:${before.directive.line}`
      gathered.note(directive, [
        'changesAnswers',
        did,
        `A zone has one list of upstreams here: that of ${where} was kept. Choose one.`,
      ])
    } else if (before !== undefined) {
      const did = `It asked the same for ${zone} as ${before.directive.file}:${before.directive.line}.`
      gathered.note(directive, ['builtIn', did, 'That was carried over.'])
    } else written.set(zone, route)
  }
  for (const [zone, { directive }] of written) {
    const above = gathered.clusterZones.find(each => each !== zone && isWithin(zone, each) && !isReverse(each))
    if (above === undefined) continue
    const did = `It asked for all names below ${zone}.`
    const instead = `They lie in ${above}, where the cluster is asked first: add ${above} to fallthrough, or they are NXDOMAIN.`
    gathered.note(directive, ['changesAnswers', did, instead])
  }
  for (const { zones, directive } of gathered.closed) {
    if (!zones.some(zone => nearest(zone, written) !== undefined)) continue
    const names = zones.length > 3 ? 'its reverse zones' : zones.join(', ')
    const did = `Addresses of ${names} that the cluster does not know were NXDOMAIN, for lack of fallthrough.`
    const instead = `They are forwarded. To keep them in, and have them REFUSED, add the zones to except of forward.`
    gathered.note(directive, ['changesAnswers', did, instead])
  }
  for (const [zone, { directive, value }] of written) {
    const except = keptApart(gathered, zone, written)
    const own = value['except'] as Entry | undefined
    const entries = [...((own?.value as Entry[] | undefined) ?? []), ...except]
    gathered.draft.add(
      ['forward'],
      { zone, ...value, except: entries.length === 0 ? undefined : { origins: own?.origins ?? [], value: entries } },
      directive,
    )
  }
}

function isSame(one: Route, other: Route): boolean {
  return said(one) === said(other)
}

function said({ value, directive }: Route): string {
  return JSON.stringify(rawOf(entryOf(value, directive)))
}

/** Zones of server blocks that forward nothing, below a zone that is forwarded: their names went nowhere. */
function keptApart(gathered: Gathered, zone: string, written: ReadonlyMap<string, Route>): Entry[] {
  return gathered.blocks.flatMap(block =>
    block.zones
      .filter(each => each !== zone && isWithin(each, zone) && !written.has(each))
      .filter(each => !gathered.routes.some(route => route.block === block) && nearest(each, written) === zone)
      .filter(each => !gathered.clusterZones.includes(each) || isReverse(each))
      .map(each => ({ origins: [{ ...block, name: block.keys.join(' '), args: [], body: [] }], value: each })),
  )
}

function nearest(name: string, written: ReadonlyMap<string, Route>): string | undefined {
  return [...written.keys()].filter(zone => isWithin(name, zone)).toSorted((a, b) => b.length - a.length)[0]
}

function isClusterDns({ directive, zone }: Route): boolean {
  return directive.args.includes(CLUSTER_DNS) || zone === 'cluster.local'
}

/** A node-local cache asks the cluster's DNS; this server is one itself. */
function noteClusterDns(gathered: Gathered, { zone, directive }: Route): void {
  const isOwn = gathered.clusterZones.includes(zone)
  if (!isOwn && !isReverse(zone)) {
    gathered.clusterZones.push(zone)
    gathered.draft.add(['zones'], zone, directive)
    gathered.draft.set(['source', 'kubernetes', 'inCluster'], true, directive)
  }
  const did = `It asked ${directive.args.slice(1).join(', ')} for ${zone}.`
  if (isReverse(zone)) {
    gathered.note(directive, ['builtIn', did, 'Addresses of the cluster are answered from the API server.'])
    return
  }
  const rights = 'it needs list and watch on services and endpointslices (config/kubernetes)'
  const rest = 'records.ttl, records.pods and the like stand in the Corefile of the DNS that was asked: import that too'
  const instead = `${zone} is answered from the API server itself: ${rights}; ${rest}.`
  gathered.note(directive, ['changesAnswers', did, instead])
}

/**
 * What must be served of a world of Services, written down a second time and in another way than in src/: as master files
 * (RFC 1035 §5) that any name server can load.
 *
 * Two things have no exact form in a master file. A name that exists with nothing at or below it gets a record of
 * MARKER_TYPE, which nobody asks for; so does a wildcard where names below are NODATA. A wildcard stands for the zonal
 * names of topology zones that no endpoint is in.
 */

import type { ServiceModel, SliceModel, World } from './services.ts'

export const ZONES = ['cluster.local', 'k8s.test']
export const REVERSE_ZONES = ['in-addr.arpa', 'ip6.arpa']
export const MARKER_TYPE = 65_280
const MARKER = `TYPE${MARKER_TYPE} \\# 1 00`
const TTL = 5
const VERSION_TTL = 28_800

export interface MasterFile {
  readonly zone: string
  readonly text: string
}

export interface ZoneModel {
  readonly files: readonly MasterFile[]
  /** Every owner name. */
  readonly names: readonly string[]
}

interface Target {
  readonly label: string
  readonly port: number
}

/** Owner, then type and RDATA. */
type Records = Map<string, Set<string>>

/** @param serials of the SOA of each zone, in the order of ZONES and REVERSE_ZONES */
export function modelOf({ services, pods }: World, serials: readonly number[], negativeTtl: number): ZoneModel {
  const records: Records = new Map()
  const add = (owner: string, rdata: string): void => {
    const known = records.get(owner)
    if (known === undefined) records.set(owner, new Set([rdata]))
    else known.add(rdata)
  }
  const addAddress = (owner: string, address: string): void =>
    add(owner, `${address.includes(':') ? 'AAAA' : 'A'} ${address}`)

  const all = [...ZONES, ...REVERSE_ZONES]
  for (const [i, zone] of all.entries()) {
    add(zone, `SOA ns.dns.${zone}. hostmaster.${zone}. ${serials[i]} 7200 1800 86400 ${negativeTtl}`)
    add(zone, `NS ns.dns.${zone}.`)
    for (const address of ['127.0.0.1', '::1']) addAddress(`ns.dns.${zone}`, address)
  }
  for (const zone of ZONES) {
    add(`dns-version.${zone}`, 'TXT "1.1.0"')
    for (const branch of ['svc', 'direct', 'pod']) add(`${branch}.${zone}`, MARKER)
    for (const service of services) addService(service, zone)
    for (const { namespace, address } of pods) addAddress(`${dashed(address)}.${namespace}.pod.${zone}`, address)
  }

  function addService(service: ServiceModel, zone: string): void {
    const { namespace, name, kind, clusterIPs, externalName, ports } = service
    const own = `${name}.${namespace}.svc.${zone}`
    if (kind === 'externalName') {
      add(own, `CNAME ${externalName}.`)
      return
    }
    for (const address of clusterIPs) {
      addAddress(own, address)
      if (zone === ZONES[0]) add(reverse(address), `PTR ${own}.`)
    }
    if (kind === 'clusterIP') {
      addSrv(
        own,
        [...new Set(ports.map(({ port }) => port))].map(port => ({ port, label: own })),
      )
      for (const { name: port, protocol, port: number } of ports) {
        if (port !== '') addSrv(`_${port}._${protocol}.${own}`, [{ port: number, label: own }])
      }
    }
    const endpoints = readyOf(service.slices)
    if (endpoints.length === 0) return
    const branches = kind === 'headless' ? ['svc', 'direct'] : ['direct']
    for (const branch of branches) addSets(`${name}.${namespace}.${branch}.${zone}`)
    if (kind === 'headless') addZonal(own)
    for (const branch of ['svc', 'direct']) {
      for (const { address, label, ports } of endpoints) {
        const owner = `${label}.${name}.${namespace}.${branch}.${zone}`
        addAddress(owner, address)
        const numbers = endpoints.filter(other => other.label === label).flatMap(other => other.ports)
        if (ports.length > 0)
          addSrv(
            owner,
            [...new Set(numbers.map(({ port }) => port))].map(port => ({ port, label: owner })),
          )
        if (branch === 'svc' && zone === ZONES[0]) add(reverse(address), `PTR ${owner}.`)
      }
    }

    function addSets(base: string): void {
      const every: Target[] = []
      const named = new Map<string, Target[]>()
      for (const { address, label, ports } of endpoints) {
        addAddress(base, address)
        for (const { name: port, protocol, port: number } of ports) {
          const target = { label: `${label}.${base}`, port: number }
          every.push(target)
          if (port === '') continue
          const key = `_${port}._${protocol}`
          named.set(key, [...(named.get(key) ?? []), target])
        }
      }
      addSrv(base, every)
      for (const [key, targets] of named) addSrv(`${key}.${base}`, targets)
    }

    function addZonal(base: string): void {
      add(`_zone.${base}`, MARKER)
      add(`*.pin._zone.${base}`, MARKER)
      for (const { address } of endpoints) addAddress(`*.prefer._zone.${base}`, address)
      for (const { address, zone: topology } of endpoints) {
        if (topology === '') continue
        for (const policy of ['pin', 'prefer']) addAddress(`${topology}.${policy}._zone.${base}`, address)
      }
    }
  }

  /** RFC 2782: equal priority, equal weights of together about 100. */
  function addSrv(owner: string, targets: readonly Target[]): void {
    const distinct = new Map(targets.map(target => [`${target.label} ${target.port}`, target]))
    const weight = Math.max(1, Math.floor(100 / distinct.size))
    for (const { label, port } of distinct.values()) add(owner, `SRV 0 ${weight} ${port} ${label}.`)
  }

  return { files: all.map(zone => fileOf(zone, records)), names: [...records.keys()] }
}

function fileOf(zone: string, records: Records): MasterFile {
  const lines: string[] = []
  for (const [owner, all] of records) {
    if (owner !== zone && !owner.endsWith(`.${zone}`)) continue
    const ttl = owner.startsWith('dns-version.') ? VERSION_TTL : TTL
    // The apex, and with it the SOA, comes first.
    for (const rdata of all) lines.push(`${owner}. ${ttl} IN ${rdata}`)
  }
  return { zone, text: `${lines.join('\n')}\n` }
}

interface ReadyEndpoint {
  readonly address: string
  readonly label: string
  readonly zone: string
  readonly ports: SliceModel['ports']
}

function readyOf(slices: readonly SliceModel[]): ReadyEndpoint[] {
  return slices.flatMap(({ ports, endpoints }) =>
    endpoints
      .filter(({ ready }) => ready)
      .map(({ address, hostname, zone }) => ({ address, label: hostname || dashed(address), zone, ports })),
  )
}

/** No address of the model begins or ends with a colon. */
function dashed(address: string): string {
  return address.replaceAll(/[.:]/g, '-')
}

function reverse(address: string): string {
  if (!address.includes(':')) return `${address.split('.').reverse().join('.')}.in-addr.arpa`
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const missing = 8 - groups(head).length - groups(tail).length
  const whole = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)]
  const nibbles = whole.map(group => group.padStart(4, '0')).join('')
  return `${[...nibbles].reverse().join('.')}.ip6.arpa`
}

/**
 * What Services and EndpointSlices imply, written from the Kubernetes DNS specification 1.1.0 and the documentation of this
 * server, with nothing of its code: the second opinion that its answers are compared with. Slow and plain on purpose.
 *
 * Weights, order, TTLs and the additional section are no part of it: cluster-check.ts holds them to their own rules.
 */

import type { ApiObject, Snapshot } from './cluster-api.ts'

export const ZONE = 'cluster.local'
const REVERSE_ZONES = ['in-addr.arpa', 'ip6.arpa']
const MAX_ALIASES = 8

export interface Expected {
  readonly rcode: 'NOERROR' | 'NXDOMAIN'
  /** `owner TYPE data`, sorted; for SRV `port target` is the data. */
  readonly answers: readonly string[]
  /** The answer ends in our zones: there is no data of the type, and a SOA says so. */
  readonly isNegative: boolean
}

export class Model {
  private readonly records = new Map<string, Map<string, Set<string>>>()
  /** Every name that exists, those without records included. */
  private readonly existing = new Set<string>()

  constructor({ services, slices }: Snapshot) {
    for (const name of [`svc.${ZONE}`, `pod.${ZONE}`, `direct.${ZONE}`]) this.exist(name)
    for (const zone of REVERSE_ZONES) this.exist(zone)
    this.add(`dns-version.${ZONE}`, 'TXT', '1.1.0')
    for (const service of services)
      this.addService(
        service,
        slices.filter(slice => isOf(slice, service)),
      )
  }

  /** Names that have records or names below them. */
  names(): string[] {
    return [...this.existing]
  }

  data(name: string, type: string): ReadonlySet<string> {
    return this.records.get(this.preferred(name))?.get(type) ?? new Set()
  }

  /** `<zone>.prefer._zone.<svc>…`: the endpoints of that zone, or all where it has none. */
  private preferred(name: string): string {
    const [, zone, service] = /^(.+)\.prefer\._zone\.(.+)$/.exec(name) ?? []
    if (service === undefined) return name
    const local = `${zone}.pin._zone.${service}`
    return this.records.has(local) ? local : service
  }

  expect(name: string, type: string): Expected {
    const answers: string[] = []
    let owner = name
    for (let step = 0; step < MAX_ALIASES; step++) {
      if (!isOurs(owner)) return { rcode: 'NOERROR', answers: answers.sort(), isNegative: false }
      const found = this.data(owner, type)
      for (const data of found) answers.push(`${owner} ${type} ${data}`)
      const alias = type === 'CNAME' ? [] : [...this.data(owner, 'CNAME')]
      if (alias.length === 0) {
        const rcode = this.exists(owner) ? 'NOERROR' : 'NXDOMAIN'
        return { rcode, answers: answers.sort(), isNegative: found.size === 0 }
      }
      answers.push(`${owner} CNAME ${alias[0]}`)
      owner = alias[0]!
    }
    throw new Error(`the model does not know what ${MAX_ALIASES} aliases at ${name} imply`)
  }

  private addService(service: ApiObject, slices: readonly ApiObject[]): void {
    const { name, namespace } = service.metadata
    const { spec } = service
    const own = `${name}.${namespace}.svc.${ZONE}`
    if (spec.type === 'ExternalName') {
      this.add(own, 'CNAME', spec.externalName.toLowerCase().replace(/\.$/, ''))
      return
    }
    const isHeadless = spec.clusterIP === 'None'
    if (!isHeadless) this.addVirtual(own, spec.clusterIPs, spec.ports)
    for (const slice of slices) {
      for (const endpoint of slice['endpoints'] ?? []) {
        if (endpoint.conditions?.ready === false) continue
        for (const text of endpoint.addresses) {
          const address = canonical(text)
          const label = isLabel(endpoint.hostname) ? endpoint.hostname.toLowerCase() : dashed(address)
          this.add(reverseName(address), 'PTR', `${label}.${own}`)
          const direct = `${name}.${namespace}.direct.${ZONE}`
          this.addEndpoint(direct, label, address, slice['ports'] ?? [])
          if (isHeadless) {
            this.addEndpoint(own, label, address, slice['ports'] ?? [])
            if (endpoint.zone !== undefined) this.addAddress(`${endpoint.zone}.pin._zone.${own}`, address)
            else this.exist(`_zone.${own}`)
          } else this.addEndpointName(own, label, address, slice['ports'] ?? [])
        }
      }
    }
  }

  /** §2.3: a Service with virtual addresses. */
  private addVirtual(own: string, addresses: readonly string[], ports: readonly ApiObject[]): void {
    for (const text of addresses) {
      const address = canonical(text)
      this.addAddress(own, address)
      this.add(reverseName(address), 'PTR', own)
    }
    for (const { name, protocol, port } of ports as unknown as Port[]) {
      this.add(own, 'SRV', `${port} ${own}`)
      if (name) this.add(`_${name}._${(protocol ?? 'TCP').toLowerCase()}.${own}`, 'SRV', `${port} ${own}`)
    }
  }

  /** §2.4: a ready endpoint below the name that lists all of them. */
  private addEndpoint(service: string, label: string, address: string, ports: readonly Port[]): void {
    this.addAddress(service, address)
    this.addEndpointName(service, label, address, ports)
    for (const { name, protocol, port } of ports) {
      const srv = `${port} ${label}.${service}`
      this.add(service, 'SRV', srv)
      if (name) this.add(`_${name}._${(protocol ?? 'TCP').toLowerCase()}.${service}`, 'SRV', srv)
    }
  }

  private addEndpointName(service: string, label: string, address: string, ports: readonly Port[]): void {
    const own = `${label}.${service}`
    this.addAddress(own, address)
    for (const { port } of ports) this.add(own, 'SRV', `${port} ${own}`)
  }

  private addAddress(name: string, address: string): void {
    this.add(name, address.includes(':') ? 'AAAA' : 'A', address)
  }

  private add(name: string, type: string, data: string): void {
    const types = this.records.get(name) ?? new Map<string, Set<string>>()
    const set = types.get(type) ?? new Set()
    this.records.set(name, types.set(type, set))
    set.add(data)
    this.exist(name)
  }

  /** Whether there is a zone of that name or not, `<zone>.pin._zone.<svc>…` is there: endpoints may come to it. So is `prefer`. */
  private exists(name: string): boolean {
    const [, service] = /\.(?:pin|prefer)(\._zone\..*)$/.exec(name) ?? []
    return this.existing.has(name) || (service !== undefined && this.existing.has(service.slice(1)))
  }

  /** RFC 8020: where a name exists, all above it do, up to its zone. */
  private exist(name: string): void {
    for (let rest = name; !this.existing.has(rest); rest = rest.slice(rest.indexOf('.') + 1)) {
      this.existing.add(rest)
      if (rest === ZONE || REVERSE_ZONES.includes(rest)) return
    }
  }
}

interface Port {
  readonly name?: string
  readonly protocol?: string
  readonly port: number
}

/** The form that the URL standard and RFC 5952 agree on. */
export function canonical(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}

export function reverseName(address: string): string {
  if (!address.includes(':')) return `${address.split('.').reverse().join('.')}.in-addr.arpa`
  const [head = '', tail] = address.split('::').map(half => half)
  const groups = (half: string | undefined) => (half ? half.split(':') : [])
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...(tail === undefined ? [] : Array(missing).fill('0')), ...groups(tail)]
  const nibbles = all.map(group => group.padStart(4, '0')).join('')
  return `${[...nibbles].reverse().join('.')}.ip6.arpa`
}

/** A label neither begins nor ends with a dash: `::1` is `0--1`, `fd00::` is `fd00--0`. */
function dashed(address: string): string {
  return address.replace(/^:/, '0:').replace(/:$/, ':0').replaceAll(/[.:]/g, '-')
}

/** RFC 1123 §2.1; what is none cannot be a name's label, whatever a slice made by hand says. */
function isLabel(text: unknown): text is string {
  return typeof text === 'string' && text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i.test(text)
}

function isOf(slice: ApiObject, { metadata }: ApiObject): boolean {
  const { namespace, labels } = slice.metadata
  return namespace === metadata.namespace && labels?.['kubernetes.io/service-name'] === metadata.name
}

function isOurs(name: string): boolean {
  return [ZONE, ...REVERSE_ZONES].some(zone => name === zone || name.endsWith(`.${zone}`))
}

/**
 * Writes the names of a Service that changed, in an order in which no reader can follow an answer to a name that does
 * not exist: targets before the SRVs and PTRs that name them, and away in reverse. Layer: records.
 */

import type { Service } from '../cluster/objects.ts'
import type { ServiceChange, ServiceView } from '../cluster/state.ts'
import { parseIPv4, parseIPv6, reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import { MAX_LABEL_OCTETS, MAX_NAME_OCTETS, TYPE_PTR } from '../wire/constants.ts'
import { prependLabels, type WireName } from '../wire/name.ts'
import type { NameWriter } from '../wire/owner-records.ts'
import { addressesV6, type EndpointName, type JoinedEndpoints, joinEndpoints } from './join.ts'
import type { RecordOptions } from './options.ts'
import { type Branch, base, branchesOf, type Content, endpointContent, serviceNames } from './service-names.ts'

/** All that is published for one state of a Service. */
interface Plan {
  readonly service: Service | undefined
  readonly endpoints: JoinedEndpoints | undefined
  readonly names: ReadonlyMap<string, { labels: readonly string[]; content: Content }>
}

const NOTHING: Plan = { service: undefined, endpoints: undefined, names: new Map() }
const NO_ENDPOINTS: ReadonlyMap<string, EndpointName> = new Map()

/** Endpoints in all plans that are kept for the next change; some hundred octets each. */
const MAX_KEPT_ENDPOINTS = 2000

export class ServicePublisher {
  private readonly writer: NameWriter
  private readonly options: RecordOptions
  /** The latest plans, oldest first: a Service that changed is the likeliest to change again. */
  private readonly kept = new Map<ServiceView, Plan>()
  private keptEndpoints = 0

  constructor(writer: NameWriter, options: RecordOptions) {
    this.writer = writer
    this.options = options
  }

  publish({ before, after }: ServiceChange): void {
    const old = this.takeKept(before) ?? this.plan(before)
    const now = this.plan(after, old.endpoints)
    this.putEndpoints(old, now)
    // The Service's own name, which comes first, is the target of others.
    for (const { labels, content } of now.names.values()) this.put(labels, content)
    this.changePtrs(old, now, 'add')
    this.changePtrs(now, old, 'remove')
    for (const [key, { labels }] of [...old.names].reverse()) if (!now.names.has(key)) this.remove(labels)
    this.removeEndpoints(old, now)
    if (after !== undefined) this.keep(after, now)
  }

  private takeKept(view: ServiceView | undefined): Plan | undefined {
    const plan = view === undefined ? undefined : this.kept.get(view)
    if (plan !== undefined) {
      this.kept.delete(view!)
      this.keptEndpoints -= endpointsOf(plan).size
    }
    return plan
  }

  private keep(view: ServiceView, plan: Plan): void {
    this.kept.set(view, plan)
    this.keptEndpoints += endpointsOf(plan).size
    for (const oldest of this.kept.keys()) {
      if ((this.keptEndpoints <= MAX_KEPT_ENDPOINTS && this.kept.size <= MAX_KEPT_ENDPOINTS) || this.kept.size === 1)
        break
      this.takeKept(oldest)
    }
  }

  /** @param before the endpoints of the plan that it follows */
  private plan(view: ServiceView | undefined, before?: JoinedEndpoints): Plan {
    if (view === undefined) return NOTHING
    const { service } = view
    const { noEndpoints, endpointPodNames, ignoreEmptyService } = this.options
    const isLooked = !noEndpoints && service.kind !== 'externalName'
    const looked = isLooked ? joinEndpoints(view, endpointPodNames, before) : undefined
    if (ignoreEmptyService && service.kind === 'clusterIP' && looked?.byLabel.size === 0) return NOTHING
    const names = new Map(serviceNames(service, looked).map(name => [name.labels.join('/'), name]))
    return { service, endpoints: looked, names }
  }

  private putEndpoints(old: Plan, now: Plan): void {
    if (now.service === undefined) return
    const known = endpointsOf(old)
    for (const [label, endpoint] of endpointsOf(now)) {
      const before = known.get(label)
      if (before !== undefined && isSame(before, endpoint)) continue
      for (const branch of branchesOf(now.service))
        this.put(endpointLabels(label, now.service, branch), endpointContent(endpoint))
    }
  }

  private removeEndpoints(old: Plan, now: Plan): void {
    if (old.service === undefined) return
    const kept = endpointsOf(now)
    for (const label of endpointsOf(old).keys()) {
      if (kept.has(label)) continue
      for (const branch of branchesOf(old.service)) this.remove(endpointLabels(label, old.service, branch))
    }
  }

  /** Adds or removes the PTRs that `plan` has and `other` has not. K8s DNS spec §2.3.3 and §2.4.3. */
  private changePtrs(other: Plan, plan: Plan, change: 'add' | 'remove'): void {
    const { service } = plan
    if (service === undefined) return
    const zone = this.options.zones[0]!
    for (const address of plan.names.size > 0 ? service.clusterIPs : []) {
      if (other.names.size > 0 && other.service!.clusterIPs.includes(address)) continue
      const target = prependLabels(base(service, 'svc'), zone)
      const owner = address.includes(':')
        ? reverseNameOfIPv6(parseIPv6(address))
        : reverseNameOfIPv4(parseIPv4(address))
      this.changePtr(owner, target, change)
    }
    const others = endpointsOf(other)
    for (const [label, endpoint] of endpointsOf(plan)) {
      const same = others.get(label)
      if (same !== undefined && isSame(same, endpoint)) continue
      const target = prependLabels(endpointLabels(label, service, 'svc'), zone)
      for (const address of endpoint.v4) {
        if (same?.v4.includes(address) !== true) this.changePtr(reverseNameOfIPv4(address), target, change)
      }
      for (const address of addressesV6(endpoint)) {
        const stays = same !== undefined && addressesV6(same).some(one => Buffer.compare(one, address) === 0)
        if (!stays) this.changePtr(reverseNameOfIPv6(address), target, change)
      }
    }
  }

  private changePtr(owner: WireName, target: WireName | undefined, change: 'add' | 'remove'): void {
    if (target === undefined) return
    if (change === 'add') this.writer.addRecord(owner, TYPE_PTR, this.options.ttl, target)
    else this.writer.removeRecord(owner, TYPE_PTR, target)
  }

  private put(labels: readonly string[], content: Content): void {
    for (const zone of this.options.zones) {
      const owner = prependLabels(labels, zone)
      if (owner !== undefined) this.writer.put({ owner, ttl: this.options.ttl, ...withNames(content, owner) })
    }
  }

  private remove(labels: readonly string[]): void {
    for (const zone of this.options.zones) {
      const owner = prependLabels(labels, zone)
      if (owner !== undefined) this.writer.remove(owner)
    }
  }
}

/** Leaves out SRV targets whose name would be too long (RFC 1035 §2.3.4): such endpoints have no name in the zone. */
function withNames(content: Content, owner: WireName): Content {
  const { srv } = content
  if (srv === undefined) return content
  const room = MAX_NAME_OCTETS - (owner.length - srv.suffixStart) - 1
  if (room >= MAX_LABEL_OCTETS) return content
  return { ...content, srv: { ...srv, targets: srv.targets.filter(({ label }) => label.length <= Math.max(0, room)) } }
}

function endpointsOf(plan: Plan): ReadonlyMap<string, EndpointName> {
  return plan.endpoints?.byLabel ?? NO_ENDPOINTS
}

function endpointLabels(label: string, service: Service, branch: Branch): string[] {
  return [label, ...base(service, branch)]
}

function isSame(a: EndpointName, b: EndpointName): boolean {
  if (a === b) return true
  return isEqual(a.v4, b.v4) && isEqual(a.v6, b.v6) && isEqual(a.ports, b.ports)
}

function isEqual(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

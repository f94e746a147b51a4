/**
 * Writes the names of Services that changed, in an order in which no reader can follow an answer to a name that does
 * not exist: targets before the SRVs and PTRs that name them, and away in reverse. Layer: records.
 *
 *   publish, for each Service   what it has now: endpoints, then the names above them
 *   settle, for all of these    PTRs, each address once; then what they do not have any more
 */

import type { Service } from '../cluster/objects.ts'
import type { ServiceChange, ServiceView } from '../cluster/state.ts'
import { MAX_LABEL_OCTETS, MAX_NAME_OCTETS, TYPE_PTR } from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import type { NameWriter, OwnerRecords } from '../wire/owner-records.ts'
import { type JoinedEndpoints, joinEndpoints, labelsOf } from './join.ts'
import type { ExternalOptions, RecordOptions } from './options.ts'
import { addressesOf, type PtrChange, PtrChanges, parseAddress, without } from './ptr-changes.ts'
import {
  type Branch,
  branchesOf,
  type Content,
  endpointContent,
  type ServiceName,
  serviceNames,
} from './service-names.ts'
import { placeOf, ServiceSuffixes } from './service-suffixes.ts'
import type { EndpointName } from './slice-word.ts'
import { deeperZones, isNameServer } from './zone-names.ts'

/** All that is published for one state of a Service. */
interface Plan {
  readonly service: Service | undefined
  readonly endpoints: JoinedEndpoints | undefined
  readonly names: readonly ServiceName[]
}

/** What of the endpoints is other than it was. */
interface EndpointChanges {
  readonly put: readonly { readonly before: EndpointName | undefined; readonly now: EndpointName }[]
  readonly removed: readonly EndpointName[]
}

/** What a Service does not have any more, while PTRs may still name it. */
interface Leaving {
  readonly change: ServiceChange
  readonly leave: () => void
}

const NOTHING: Plan = { service: undefined, endpoints: undefined, names: [] }
const NO_LABELS: readonly string[] = []
/** Characters before the Service's name: an endpoint's label, and the cluster that it is imported from. */
const MOST_OF_ENDPOINT = MAX_LABEL_OCTETS + 1 + 128
/** Branches whose names are those of the Service's own addresses. */
const VIRTUAL: readonly Branch[] = ['svc']
const WITH_EXTERNAL: readonly Branch[] = ['svc', 'external']
const NO_CHANGES: ReadonlySet<ServiceChange> = new Set()
const NO_ENDPOINTS: ReadonlyMap<string, EndpointName> = new Map()

/** Endpoints in all plans that are kept for the next change; some hundred octets each. */
const MAX_KEPT_ENDPOINTS = 2000

export class ServicePublisher {
  private readonly writer: NameWriter
  private readonly options: RecordOptions
  private readonly deeper: readonly (readonly WireName[])[]
  /** The latest plans, oldest first: a Service that changed is the likeliest to change again. */
  private readonly kept = new Map<ServiceView, Plan>()
  private keptEndpoints = 0
  /** Of what was published since the last `settle`. */
  private readonly ptrs = new PtrChanges<ServiceChange>()
  private readonly leaving: Leaving[] = []

  constructor(writer: NameWriter, options: RecordOptions) {
    this.writer = writer
    this.options = options
    this.deeper = deeperZones(options)
  }

  /** What is to be settled: Services that lose names, and addresses whose PTRs change, for one of them or for several. */
  get unsettled(): { readonly leaving: number; readonly single: number; readonly shared: number } {
    return { leaving: this.leaving.length, ...this.ptrs.counts }
  }

  /**
   * Puts what the Service has now; `settle` does the rest.
   * @param isOneOfMany it comes with so many others that none of them is likelier than another to change next
   * @param isUnseen    nobody is answered yet: names come from the top down, so that none is made as an empty non-terminal first
   * @throws TableFullError: it may be there in part, and there is nothing of it to settle
   */
  publish(change: ServiceChange, isOneOfMany = false, isUnseen = false): void {
    const { before, after } = change
    const old = this.takeKept(before) ?? this.plan(before)
    const now = this.plan(after, old.endpoints)
    const service = now.service ?? old.service
    if (service === undefined) return
    const external = this.externalOf(service)
    const suffixes = new ServiceSuffixes(service, this.options, this.deeper)
    const endpoints = changesOf(endpointsOf(old), endpointsOf(now))
    const branches = branchesOf(service, external)
    const oldBranches = old.service === undefined ? [] : branchesOf(old.service, external)
    if (isUnseen) this.putNames(now, suffixes)
    for (const { now } of endpoints.put) this.putAll(suffixes, branches, labelsOf(now), endpointContent(now))
    // Of a Service that is new every endpoint is, and was put above.
    const gained = old.service === undefined ? [] : branches.filter(branch => !oldBranches.includes(branch))
    for (const each of gained.length === 0 ? [] : endpointsOf(now).values()) {
      this.putAll(suffixes, gained, labelsOf(each), endpointContent(each))
    }
    if (!isUnseen) this.putNames(now, suffixes)
    if (!this.options.isImported) this.gatherPtrs(this.ptrs, change, old, now, endpoints, suffixes, external)
    const names = namesLost(old, now)
    const lost = oldBranches.filter(branch => !branches.includes(branch))
    if (names.length + endpoints.removed.length + lost.length > 0) {
      const leave = () => {
        for (const { branch, prefix } of names) this.removeAll(suffixes, [branch], prefix)
        for (const each of endpoints.removed) this.removeAll(suffixes, oldBranches, labelsOf(each))
        for (const each of lost.length === 0 ? [] : endpointsOf(old).values())
          this.removeAll(suffixes, lost, labelsOf(each))
      }
      this.leaving.push({ change, leave })
    }
    if (after !== undefined && !isOneOfMany) this.keep(after, now)
  }

  /**
   * @param isLast no others come that may share an address with these; otherwise addresses of several wait for the last time
   * @returns the changes that could not be ended, with what kept them from it: parts of them may be in the table
   */
  settle(isLast = true): ReadonlyMap<ServiceChange, unknown> {
    const failed = new Map<ServiceChange, unknown>()
    this.writePtrs(this.ptrs.takeSingle(), failed)
    // Of what failed nothing may come later: it is taken back.
    if (isLast || failed.size > 0) this.writePtrs(this.ptrs.takeShared(), failed)
    const leaving = this.leaving.splice(0)
    const waiting = leaving.length > 0 ? this.ptrs.causes() : NO_CHANGES
    for (const one of leaving) {
      if (failed.has(one.change)) continue
      if (waiting.has(one.change)) {
        this.leaving.push(one)
        continue
      }
      try {
        one.leave()
      } catch (error) {
        failed.set(one.change, error)
      }
    }
    return failed
  }

  private writePtrs(ptrs: Iterable<PtrChange<ServiceChange>>, failed: Map<ServiceChange, unknown>): void {
    for (const { owner, added, removed, causes } of ptrs) {
      try {
        this.writer.changeRecords(owner, TYPE_PTR, this.options.ttl, added, removed)
      } catch (error) {
        for (const change of causes) failed.set(change, error)
      }
    }
  }

  /**
   * Writes all of one state of a Service where others of it, or parts of them, may be in the table. What they alone have goes
   * first, which gives room and takes next to none.
   * @throws TableFullError: it may be there in part
   */
  mend(whole: ServiceView | undefined, others: readonly ServiceView[]): void {
    const now = this.plan(whole)
    const olds = others.map(view => this.plan(view))
    const service = now.service ?? olds.find(old => old.service !== undefined)?.service
    if (service === undefined) return
    const suffixes = new ServiceSuffixes(service, this.options, this.deeper)
    const external = this.externalOf(service)
    const branches = now.service === undefined ? [] : branchesOf(now.service, external)
    for (const old of olds) this.takeAway(old, now, branches, suffixes)
    for (const each of endpointsOf(now).values()) this.putAll(suffixes, branches, labelsOf(each), endpointContent(each))
    this.putNames(now, suffixes)
    if (this.options.isImported) return
    const put = [...endpointsOf(now).values()].map(each => ({ before: undefined, now: each }))
    for (const { owner, added } of this.ptrsBetween(NOTHING, now, { put, removed: [] }, suffixes, external)) {
      this.writer.changeRecords(owner, TYPE_PTR, this.options.ttl, added, [])
    }
  }

  /** Of `old` what `now` has not: endpoints before the names above them, since names without others below need no room. */
  private takeAway(old: Plan, now: Plan, branches: readonly Branch[], suffixes: ServiceSuffixes): void {
    if (old.service === undefined) return
    const external = this.externalOf(old.service)
    const oldBranches = branchesOf(old.service, external)
    const lost = oldBranches.filter(branch => !branches.includes(branch))
    for (const each of endpointsOf(old).values()) {
      this.removeAll(suffixes, endpointsOf(now).has(each.label) ? lost : oldBranches, labelsOf(each))
    }
    for (const { branch, prefix } of namesLost(old, now)) this.removeAll(suffixes, [branch], prefix)
    if (this.options.isImported) return
    const put: EndpointChanges['put'][number][] = []
    const removed: EndpointName[] = []
    for (const before of endpointsOf(old).values()) {
      const known = endpointsOf(now).get(before.label)
      if (known === undefined) removed.push(before)
      else put.push({ before, now: known })
    }
    // What comes has no target before the names of `now` are there.
    for (const { owner, removed: gone } of this.ptrsBetween(old, now, { put, removed }, suffixes, external)) {
      this.writer.changeRecords(owner, TYPE_PTR, this.options.ttl, [], gone)
    }
  }

  /** Of one Service alone. */
  private ptrsBetween(
    ...states: [Plan, Plan, EndpointChanges, ServiceSuffixes, ExternalOptions | undefined]
  ): Iterable<PtrChange<undefined>> {
    const ptrs = new PtrChanges<undefined>()
    this.gatherPtrs(ptrs, undefined, ...states)
    return ptrs.takeSingle()
  }

  /** Where a Service has names outside, if anywhere. */
  private externalOf(service: Service): ExternalOptions | undefined {
    const { external } = this.options
    return external === undefined || isNameServer(service) ? undefined : external
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
    // A change that is tried again.
    this.takeKept(view)
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
    const names = serviceNames(service, looked, this.externalOf(service))
    const isIgnored = ignoreEmptyService && service.kind === 'clusterIP' && looked?.byLabel.size === 0
    // What it has outside the cluster is not what its endpoints are.
    return {
      service,
      endpoints: looked,
      names: isIgnored ? names.filter(({ branch }) => branch === 'external') : names,
    }
  }

  /** K8s DNS spec §2.3.3 and §2.4.3. */
  private gatherPtrs<Cause>(
    ptrs: PtrChanges<Cause>,
    cause: Cause,
    old: Plan,
    now: Plan,
    endpoints: EndpointChanges,
    suffixes: ServiceSuffixes,
    external: ExternalOptions | undefined,
  ): void {
    for (const branch of external?.reverse === true ? WITH_EXTERNAL : VIRTUAL) {
      const target = suffixes.name(branch, NO_LABELS, 0)
      const [oldIPs, newIPs] = [serviceAddresses(old, branch), serviceAddresses(now, branch)]
      for (const address of without(newIPs, oldIPs)) ptrs.add(parseAddress(address), target, cause)
      for (const address of without(oldIPs, newIPs)) ptrs.remove(parseAddress(address), target, cause)
    }
    for (const { before, now } of endpoints.put) {
      const name = suffixes.name('svc', labelsOf(now), 0)
      const known = before === undefined ? [] : addressesOf(before)
      const wanted = addressesOf(now)
      for (const address of without(wanted, known)) ptrs.add(address, name, cause)
      for (const address of without(known, wanted)) ptrs.remove(address, name, cause)
    }
    for (const endpoint of endpoints.removed) {
      const name = suffixes.name('svc', labelsOf(endpoint), 0)
      for (const address of addressesOf(endpoint)) ptrs.remove(address, name, cause)
    }
  }

  /** The Service's own name, which comes first, is the target of others. */
  private putNames({ names }: Plan, suffixes: ServiceSuffixes): void {
    for (const { branch, prefix, content } of names) this.putAll(suffixes, [branch], prefix, content)
  }

  private putAll(
    suffixes: ServiceSuffixes,
    branches: readonly Branch[],
    labels: readonly string[],
    content: Content,
  ): void {
    for (const branch of branches) {
      const { zones, ttl } = placeOf(this.options, branch)
      for (let zone = 0; zone < zones.length; zone++) {
        const owner = suffixes.name(branch, labels, zone)
        if (owner !== undefined) this.writer.put(recordsAt(owner, ttl, withNames(content, owner)))
      }
    }
  }

  private removeAll(suffixes: ServiceSuffixes, branches: readonly Branch[], labels: readonly string[]): void {
    for (const branch of branches) {
      for (let zone = 0; zone < placeOf(this.options, branch).zones.length; zone++) {
        const owner = suffixes.name(branch, labels, zone)
        if (owner !== undefined) this.writer.remove(owner)
      }
    }
  }
}

/** Spelt out: of one shape whatever the content has, and without the cost of a spread for each of 100,000 names. */
function recordsAt(owner: WireName, ttl: number, { a, aaaa, srv, raw, zones }: Content): OwnerRecords {
  return { owner, ttl, a, aaaa, srv, raw, zones }
}

/** Leaves out SRV targets whose name would be too long (RFC 1035 §2.3.4): such endpoints have no name in the zone. */
function withNames(content: Content, owner: WireName): Content {
  const { srv } = content
  if (srv === undefined) return content
  const room = MAX_NAME_OCTETS - (owner.length - srv.suffixStart) - 1
  if (room >= MOST_OF_ENDPOINT) return content
  return { ...content, srv: { ...srv, targets: srv.targets.filter(({ label }) => label.length <= Math.max(0, room)) } }
}

/** Those of `old` that `now` has not: names below others first. */
function namesLost(old: Plan, now: Plan): ServiceName[] {
  if (old.names.length === 0) return []
  const keyOf = ({ branch, prefix }: ServiceName) => `${branch}/${prefix.join('/')}`
  const kept = new Set(now.names.map(keyOf))
  return old.names.filter(name => !kept.has(keyOf(name))).reverse()
}

function endpointsOf(plan: Plan): ReadonlyMap<string, EndpointName> {
  return plan.endpoints?.byLabel ?? NO_ENDPOINTS
}

function changesOf(
  before: ReadonlyMap<string, EndpointName>,
  after: ReadonlyMap<string, EndpointName>,
): EndpointChanges {
  const put: { before: EndpointName | undefined; now: EndpointName }[] = []
  let stayed = 0
  for (const now of after.values()) {
    const known = before.get(now.label)
    if (known !== undefined) stayed++
    if (known === undefined || !isSame(known, now)) put.push({ before: known, now })
  }
  const isRemoved = ({ label }: EndpointName) => !after.has(label)
  return { put, removed: stayed === before.size ? [] : [...before.values()].filter(isRemoved) }
}

/** Addresses of the Service itself that it is served with. */
function serviceAddresses({ service, names }: Plan, branch: Branch): readonly string[] {
  if (service === undefined || !names.some(name => name.branch === branch)) return []
  return branch === 'external' ? (service.externalIPs ?? []) : service.clusterIPs
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

/**
 * What the cluster's controllers would make of the manifests: Services, EndpointSlices, Namespaces, Pods.
 * Layer: manifests; pure but for the pool, which remembers who has which address.
 *
 * The rules are those of the EndpointSlice controller, compared with a real one (Kubernetes 1.36). Two things differ, as
 * no virtual network is there: a Service that should have a cluster IP and names none is answered as a headless one, and a
 * Service that names no families has those of its pods.
 */

import { endpointSliceFromApi, serviceFromApi } from '../cluster/from-api.ts'
import type { EndpointSlice, Namespace, Pod, Service } from '../cluster/objects.ts'
import { type AddressPool, simulatedIPv6 } from './address-pool.ts'
import type { ManifestObject } from './documents.ts'
import { type Labels, type LabelTest, textOf } from './label-selector.ts'
import { type PodFacts, podFactsOf, type RawMetadata } from './pods.ts'
import { familiesOf, generateSlices, type RawServiceSpec, type ServiceFacts, ZONE_LABEL } from './slices.ts'
import { MAX_SIMULATED_PODS, simulatePods } from './workloads.ts'

export interface Choice {
  /** The only namespaces to hand on; empty: all. */
  readonly namespaces: readonly string[]
  readonly namespaceLabels: LabelTest
  /** Of Services, EndpointSlices and Pods. A generated slice has the labels of its Service. */
  readonly labels: LabelTest
}

export interface Reconciled {
  readonly services: readonly Service[]
  readonly slices: readonly EndpointSlice[]
  readonly namespaces: readonly Namespace[]
  readonly pods: readonly Pod[]
  /** With addresses for those alone that `autopath` knows by them. */
  readonly clients: readonly Pod[]
  readonly simulatedPods: number
  /** For people: where something other than the manifests' letter is served, or less. */
  readonly notes: readonly string[]
}

/** The API server gives this label to every Namespace. */
const NAME_LABEL = 'kubernetes.io/metadata.name'

export function reconcile(given: readonly ManifestObject[], pool: AddressPool, choice: Choice): Reconciled {
  const notes: string[] = []
  const objects = lastOfEach(given, notes)
  const ofKind = (kind: ManifestObject['kind']) => objects.filter(object => object.kind === kind)
  const services = ofKind('/Service').map(object => toServiceFacts(object, notes))
  const pods = new PodIndex(gatherPods(objects, pool, notes))
  giveIPv6(services, pods)
  const zones = new Map(ofKind('/Node').map(node => [node.name, textOf(labelsOf(node)[ZONE_LABEL])]))

  const isChosen = chooser(objects, choice)
  const labelled = new Map(ofKind('/Service').map(object => [keyOf(object), choice.labels(labelsOf(object))]))
  const isServed = (service: Service) => isChosen(service.namespace) && labelled.get(keyOf(service))!
  const slices: EndpointSlice[] = []
  const haveSlices = new Set<string>()
  for (const object of ofKind('discovery.k8s.io/EndpointSlice')) {
    const slice = endpointSliceFromApi(object.raw)
    if (typeof slice === 'string') continue
    haveSlices.add(`${slice.namespace}/${slice.serviceName}`)
    if (isChosen(slice.namespace) && choice.labels(labelsOf(object))) slices.push(slice)
  }
  for (const facts of services) {
    if (facts.selects && isServed(facts.service) && !haveSlices.has(keyOf(facts.service))) {
      slices.push(...generateSlices(facts, pods.select(facts), zones))
    }
  }
  return {
    services: services.map(({ service }) => service).filter(isServed),
    slices,
    namespaces: [...new Set(objects.map(namespaceOf))]
      .filter(name => name !== '' && isChosen(name))
      .map(name => ({ name })),
    pods: pods.all.filter(pod => isChosen(pod.namespace) && choice.labels(pod.labels)).map(toPod),
    clients: pods.all.filter(pod => pod.walksSearchPath && isChosen(pod.namespace)).map(toPod),
    simulatedPods: pods.all.filter(pod => pod.simulated && pod.addresses.length > 0).length,
    notes,
  }
}

/** Of an object that is given twice the last one counts, as with `kubectl apply`. */
function lastOfEach(given: readonly ManifestObject[], notes: string[]): ManifestObject[] {
  const last = new Map<string, ManifestObject>()
  for (const object of given) {
    const key = `${object.kind} ${keyOf(object)}`
    const earlier = last.get(key)
    if (earlier !== undefined)
      notes.push(`${nameOf(earlier)} is given again in ${object.file}:${object.line}; the latter counts`)
    last.set(key, object)
  }
  return [...last.values()]
}

function chooser(objects: readonly ManifestObject[], choice: Choice): (namespace: string) => boolean {
  const only = new Set(choice.namespaces)
  const labels = new Map(
    objects.filter(({ kind }) => kind === '/Namespace').map(object => [object.name, labelsOf(object)]),
  )
  return namespace =>
    (only.size === 0 || only.has(namespace)) &&
    choice.namespaceLabels({ ...labels.get(namespace), [NAME_LABEL]: namespace })
}

function toServiceFacts(object: ManifestObject, notes: string[]): ServiceFacts {
  const spec = (object.raw['spec'] ?? {}) as RawServiceSpec
  const read = serviceFromApi(object.raw) as Service // a string only without a name
  const hasNoAddress = read.kind === 'clusterIP' && read.clusterIPs.length === 0
  if (hasNoAddress) {
    notes.push(
      `${nameOf(object)} names no clusterIP, and there is none to give: its pods are answered, as if it were headless`,
    )
  }
  const service: Service = hasNoAddress ? { ...read, kind: 'headless' } : read
  const selects = service.kind !== 'externalName' && Object.keys(spec.selector ?? {}).length > 0
  return { service, spec, families: familiesOf(service, spec), selects }
}

function gatherPods(objects: readonly ManifestObject[], pool: AddressPool, notes: string[]): PodFacts[] {
  const given = objects.filter(object => object.kind === '/Pod').map(podFactsOf)
  const made = simulatePods(objects)
  if (made.length > MAX_SIMULATED_PODS) {
    made.length = MAX_SIMULATED_PODS
    notes.push(`more than ${MAX_SIMULATED_PODS} simulated pods; the rest is left out`)
  }
  const givenNames = new Set(given.map(keyOf))
  const pods = [...given, ...made.filter(pod => !givenNames.has(keyOf(pod)))]
  const simulated = pods.filter(pod => pod.simulated)
  const addresses = pool.assign(simulated.map(keyOf), new Set(given.flatMap(pod => pod.addresses)))
  for (const pod of simulated) {
    const address = addresses.get(keyOf(pod))
    if (address !== undefined) pod.addresses = [address]
  }
  if (addresses.size < simulated.length) {
    notes.push(`podCIDR is too small: ${simulated.length - addresses.size} simulated pods have no address`)
  }
  return pods
}

/** A simulated pod has an IPv6 address when a Service that selects it asks for the family. */
function giveIPv6(services: readonly ServiceFacts[], pods: PodIndex): void {
  for (const facts of services) {
    if (!facts.selects || !facts.families?.includes('IPv6')) continue
    for (const pod of pods.select(facts)) {
      const [ipv4] = pod.addresses
      if (pod.simulated && pod.addresses.length === 1) pod.addresses = [ipv4!, simulatedIPv6(ipv4!)]
    }
  }
}

/** Pods by one label: a folder may hold thousands of each, and every Service looks for its own. */
class PodIndex {
  readonly all: readonly PodFacts[]
  private readonly byLabel = new Map<string, PodFacts[]>()

  constructor(pods: readonly PodFacts[]) {
    this.all = pods
    for (const pod of pods) {
      for (const [key, value] of Object.entries(pod.labels)) {
        const label = labelKey(pod.namespace, key, value)
        const known = this.byLabel.get(label)
        if (known === undefined) this.byLabel.set(label, [pod])
        else known.push(pod)
      }
    }
  }

  /** @param facts of a Service that selects */
  select({ service, spec }: ServiceFacts): PodFacts[] {
    const [first, ...others] = Object.entries(spec.selector!)
    const candidates = this.byLabel.get(labelKey(service.namespace, first![0], first![1])) ?? []
    return candidates.filter(({ labels }) =>
      others.every(([key, value]) => Object.hasOwn(labels, key) && textOf(labels[key]) === textOf(value)),
    )
  }
}

function labelKey(namespace: string, key: string, value: unknown): string {
  return `${namespace}/${key}=${textOf(value)}`
}

function toPod({ namespace, name, addresses, gone }: PodFacts): Pod {
  return { namespace, name, addresses: gone ? [] : addresses }
}

function labelsOf({ raw }: ManifestObject): Labels {
  return (raw['metadata'] as RawMetadata).labels ?? {}
}

function namespaceOf({ kind, namespace, name }: ManifestObject): string {
  return kind === '/Namespace' ? name : namespace
}

function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`
}

/** `folder/file.yaml:12: Service default/web` */
function nameOf({ kind, namespace, name, file, line }: ManifestObject): string {
  const word = kind.slice(kind.indexOf('/') + 1)
  return `${file}:${line}: ${word} ${namespace === '' ? '' : `${namespace}/`}${name}`
}

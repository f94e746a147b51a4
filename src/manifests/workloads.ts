/**
 * StatefulSets, Deployments, ReplicaSets and DaemonSets without Pods → the Pods that they would have.
 * Layer: manifests; pure. Names follow from the workload's kind and name alone, so that a reload changes none.
 */

import { createHash } from 'node:crypto'
import type { ManifestObject } from './documents.ts'
import { type Labels, labelSelectorFromApi } from './label-selector.ts'
import { isWithheld, type PodFacts, type RawMetadata, type RawPodSpec, specFacts } from './pods.ts'

/** Bounds what a slip of the finger in `replicas` costs. */
export const MAX_SIMULATED_PODS = 100_000

interface RawWorkload {
  readonly replicas?: number | null
  readonly serviceName?: string | null
  readonly ordinals?: { start?: number | null } | null
  readonly selector?: unknown
  readonly template?: { metadata?: RawMetadata | null; spec?: RawPodSpec | null } | null
}

/**
 * @param objects every object of the manifests
 * @returns the Pods of those workloads of which no Pod is given, neither by owner nor by selector; without addresses,
 *          and no more than one over `MAX_SIMULATED_PODS`
 */
export function simulatePods(objects: readonly ManifestObject[]): PodFacts[] {
  const workloads = objects.filter(object => object.kind.startsWith('apps/'))
  const given = new Set(workloads.map(keyOf))
  const labelsByNamespace = new Map<string, Labels[]>()
  const owners = new Set<string>()
  for (const pod of objects) {
    if (pod.kind !== '/Pod') continue
    for (const owner of ownersOf(pod)) owners.add(owner)
    const labels = labelsByNamespace.get(pod.namespace)
    if (labels === undefined) labelsByNamespace.set(pod.namespace, [labelsOf(pod)])
    else labels.push(labelsOf(pod))
  }
  for (const workload of workloads)
    if (owners.has(keyOf(workload))) for (const owner of ownersOf(workload)) owners.add(owner)

  const pods: PodFacts[] = []
  for (const workload of workloads) {
    const belongsToAnother = ownersOf(workload).some(owner => given.has(owner))
    if (belongsToAnother || owners.has(keyOf(workload))) continue
    if (selectsAny(specOf(workload), labelsByNamespace.get(workload.namespace) ?? [])) continue
    for (const pod of podsOf(workload)) {
      pods.push(pod)
      if (pods.length > MAX_SIMULATED_PODS) return pods
    }
  }
  return pods
}

function selectsAny(spec: RawWorkload, labels: readonly Labels[]): boolean {
  const selects =
    labelSelectorFromApi(spec.selector) ?? labelSelectorFromApi({ matchLabels: spec.template?.metadata?.labels })
  return selects !== undefined && labels.some(selects)
}

function* podsOf(workload: ManifestObject): Generator<PodFacts> {
  const { kind, namespace, name } = workload
  const spec = specOf(workload)
  const metadata = spec.template?.metadata ?? {}
  const labels = metadata.labels ?? {}
  const common = { ...specFacts(spec.template?.spec ?? {}), namespace, labels, addresses: [], simulated: true }
  const state = { ready: !isWithheld(metadata), terminating: false, ended: false, gone: false }
  const replicas = kind === 'apps/DaemonSet' ? 1 : (spec.replicas ?? 1)
  const start = spec.ordinals?.start ?? 0
  const prefix = kind === 'apps/Deployment' ? `${name}-${suffixOf(`${namespace}/${name}`, 0)}` : name
  // A ReplicaSet of the same name has pods of its own.
  const seed = kind === 'apps/DaemonSet' ? `${namespace}/DaemonSet/${prefix}` : `${namespace}/${prefix}`
  for (let index = 0; index < replicas; index++) {
    if (kind === 'apps/StatefulSet') {
      const podName = `${name}-${start + index}`
      const identity = {
        'statefulset.kubernetes.io/pod-name': podName,
        'apps.kubernetes.io/pod-index': `${start + index}`,
      }
      const subdomain = spec.serviceName ?? ''
      yield { ...common, ...state, name: podName, hostname: podName, subdomain, labels: { ...labels, ...identity } }
    } else {
      yield { ...common, ...state, name: `${prefix}-${suffixOf(seed, index)}` }
    }
  }
}

/** Letters and digits of generated names: no vowels, nothing that looks like another. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const SUFFIX_LENGTH = 5
const SUFFIXES = ALPHABET.length ** SUFFIX_LENGTH
/** Has no factor in common with `SUFFIXES`, a power of 3: no two indexes meet. */
const STRIDE = 8_392_183

/** @returns five letters that look as random as a real pod's, and differ for every index below `SUFFIXES` */
function suffixOf(seed: string, index: number): string {
  let number = (createHash('sha256').update(seed).digest().readUInt32BE(0) + index * STRIDE) % SUFFIXES
  let suffix = ''
  for (let place = 0; place < SUFFIX_LENGTH; place++) {
    suffix += ALPHABET[number % ALPHABET.length]
    number = Math.floor(number / ALPHABET.length)
  }
  return suffix
}

function specOf(workload: ManifestObject): RawWorkload {
  return (workload.raw['spec'] ?? {}) as RawWorkload
}

function labelsOf({ raw }: ManifestObject): Labels {
  return (raw['metadata'] as RawMetadata).labels ?? {}
}

/** `namespace/Kind/name` */
function keyOf({ kind, namespace, name }: ManifestObject): string {
  return `${namespace}/${kind.slice(kind.indexOf('/') + 1)}/${name}`
}

function ownersOf({ namespace, raw }: ManifestObject): string[] {
  const references = (raw['metadata'] as RawMetadata).ownerReferences ?? []
  return references.map(owner => `${namespace}/${owner?.kind}/${owner?.name}`)
}

/**
 * What an EndpointSlice takes from a Pod. Layer: manifests; pure. Raw objects have the shape that `shape.ts` checked,
 * and any field, or element of a list, may be null.
 */

import { isPodGone, podAddresses, walksSearchPath } from '../cluster/from-api.ts'
import type { ManifestObject } from './documents.ts'
import type { Labels } from './label-selector.ts'

export interface PodFacts {
  readonly namespace: string
  readonly name: string
  readonly labels: Labels
  readonly hostname: string
  readonly subdomain: string
  readonly nodeName: string
  /** Of both families; empty while there is none. */
  addresses: readonly string[]
  /** No process is known to run: its addresses come from the pool. */
  readonly simulated: boolean
  /** The condition Ready. */
  readonly ready: boolean
  readonly terminating: boolean
  /** Succeeded or Failed: it never comes back. */
  readonly ended: boolean
  /** Without a name of its own (`records.pods: verified`). */
  readonly gone: boolean
  /** Container port by `name/PROTOCOL`. */
  readonly ports: ReadonlyMap<string, number>
  /** What it asks for is known from its namespace and address (`autopath`). */
  readonly walksSearchPath: boolean
}

/** On a Pod or a workload's template: `"false"` makes it not ready without a status. */
const READY_ANNOTATION = 'headless-dns.io/ready'

interface RawContainer {
  readonly restartPolicy?: string
  readonly ports?: readonly { name?: string; containerPort?: number; protocol?: string }[]
}
export interface RawPodSpec {
  readonly hostname?: string
  readonly subdomain?: string
  readonly nodeName?: string
  readonly containers?: readonly RawContainer[]
  readonly initContainers?: readonly RawContainer[]
}
export interface RawMetadata {
  readonly labels?: Labels
  readonly annotations?: Labels
  readonly deletionTimestamp?: unknown
  readonly ownerReferences?: readonly { kind?: string; name?: string }[]
}
interface RawPodStatus {
  readonly phase?: string
  readonly conditions?: readonly { type?: string; status?: string }[]
}
export function podFactsOf({ namespace, name, raw }: ManifestObject): PodFacts {
  const metadata = raw['metadata'] as RawMetadata
  const status = (raw['status'] ?? {}) as RawPodStatus
  const phase = status.phase ?? ''
  const addresses = podAddresses(raw)
  return {
    ...specFacts((raw['spec'] ?? {}) as RawPodSpec),
    namespace,
    name,
    labels: metadata.labels ?? {},
    addresses,
    simulated: addresses.length === 0 && (phase === '' || phase === 'Running'),
    ready: isReady(metadata, status, phase),
    terminating: metadata.deletionTimestamp != null,
    ended: phase === 'Succeeded' || phase === 'Failed',
    gone: isPodGone(raw),
  }
}

/** Whether somebody wants no answer with it. */
export function isWithheld(metadata: RawMetadata): boolean {
  return metadata.annotations?.[READY_ANNOTATION] === 'false'
}

/** A status without any condition was written by hand: its writer expects an answer. */
function isReady(metadata: RawMetadata, { conditions }: RawPodStatus, phase: string): boolean {
  if (isWithheld(metadata)) return false
  if (conditions == null || conditions.length === 0) return phase === '' || phase === 'Running'
  return conditions.some(condition => condition?.type === 'Ready' && condition.status === 'True')
}

/** What a Pod and a workload's template say in the same words. */
export function specFacts(
  spec: RawPodSpec,
): Pick<PodFacts, 'hostname' | 'subdomain' | 'nodeName' | 'ports' | 'walksSearchPath'> {
  const ports = new Map<string, number>()
  const sidecars = (spec.initContainers ?? []).filter(container => container?.restartPolicy === 'Always')
  for (const container of [...(spec.containers ?? []), ...sidecars]) {
    for (const port of container?.ports ?? []) {
      const key = `${port?.name ?? ''}/${port?.protocol ?? 'TCP'}`
      if (port?.containerPort != null && !ports.has(key)) ports.set(key, port.containerPort)
    }
  }
  return {
    hostname: spec.hostname ?? '',
    subdomain: spec.subdomain ?? '',
    nodeName: spec.nodeName ?? '',
    ports,
    walksSearchPath: walksSearchPath(spec),
  }
}

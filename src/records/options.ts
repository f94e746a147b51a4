/**
 * What the operator decides about records. Layer: records; types only.
 */

import type { WireName } from '../wire/name.ts'

/** Zones in which Services have their external addresses: `<svc>.<ns>.<zone>`. */
export interface ExternalOptions {
  /** The first is the one that PTR targets lie in. */
  readonly zones: readonly WireName[]
  /** Seconds, 0..3600. */
  readonly ttl: number
  /** Headless Services have their ready endpoints there, unless they have external addresses. */
  readonly headless: boolean
  /** External addresses have PTRs. */
  readonly reverse: boolean
}

export interface RecordOptions {
  /** Forward zones; the first is the one that PTR targets lie in. */
  readonly zones: readonly WireName[]
  readonly reverseZones: readonly WireName[]
  /** Zones of what clusters of a clusterset share; undefined: there are none. */
  readonly multicluster?: readonly WireName[]
  /** Names are those of ServiceImports: without PTRs, which the addresses have in their own cluster (KEP-1645). */
  readonly isImported?: true
  /** Undefined: external addresses are not served. */
  readonly external?: ExternalOptions
  /** Seconds, 0..3600. */
  readonly ttl: number
  readonly negativeTtl: number
  readonly pods: 'disabled' | 'insecure' | 'verified'
  /** Without a hostname, an endpoint is named by its pod before its address. */
  readonly endpointPodNames: boolean
  /** A ClusterIP Service without ready endpoints does not exist. */
  readonly ignoreEmptyService: boolean
  /** EndpointSlices are not looked at: headless names and endpoint names do not exist. */
  readonly noEndpoints: boolean
  /** Namespaces are chosen by name or label: pod names exist only in the chosen ones. */
  readonly namespacesAreChosen: boolean
  /** Addresses that `ns.dns.<zone>` has: IPv4 as unsigned integers, IPv6 as 16 octets each, end to end. */
  readonly ownV4: readonly number[]
  readonly ownV6: Uint8Array
}

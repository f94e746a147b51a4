/**
 * The words of the domain: the parts of Kubernetes objects that a DNS answer can depend on, and nothing more.
 * Layer: cluster. Imports nothing; holds no behaviour. A field added here is paid for once per object of a
 * cluster with 100,000 endpoints: add one only when an answer, or the reason for an answer, needs it.
 */

/**
 * Which object it is, and of when. Absent or 0: not known, as in manifests; nothing is decided by it then.
 */
export interface Identified {
  /** Fingerprint of `metadata.uid`, 32 bits: another object of the same name has another. */
  readonly uid?: number
  /** `metadata.resourceVersion`. Of two states of one resource the one with the larger version is newer (KEP-5504). */
  readonly version?: number
}

/** A port of a Service or of an EndpointSlice. */
export interface Port {
  /** Lower-cased port name; `''` for an unnamed port, which has no SRV name (K8s DNS spec §2.3.2). */
  readonly name: string
  /** `'tcp'`, `'udp'` or `'sctp'`: the label after the underscore. */
  readonly protocol: string
  /** 0..65535. */
  readonly port: number
}

/** How a Service is answered: K8s DNS spec §2.4 (headless), §2.3 (clusterIP), §2.5 (externalName). */
export type ServiceKind = 'headless' | 'clusterIP' | 'externalName'

export interface Service extends Identified {
  readonly namespace: string
  readonly name: string
  readonly kind: ServiceKind
  /** Virtual addresses in presentation format, either family; empty unless `kind` is `'clusterIP'`. */
  readonly clusterIPs: readonly string[]
  /** Target name without the final dot; `''` unless `kind` is `'externalName'`. */
  readonly externalName: string
  readonly ports: readonly Port[]
  /** `externalIPs` and addresses of `status.loadBalancer.ingress`, presentation format; absent: none. */
  readonly externalIPs?: readonly string[]
  /** The first host name of `status.loadBalancer.ingress`, only where there is no external address. */
  readonly externalHost?: string
  /** Fingerprint of type and selector: with another one, other pods are meant. */
  readonly selection?: number
  /** What of it gives no record and why, in sentences; nearly always nothing. */
  readonly omitted?: readonly string[]
}

/**
 * One address of one endpoint. The API allows several addresses in an endpoint: each becomes an `Endpoint` of its
 * own here, with the other fields shared.
 */
export interface Endpoint {
  /** Presentation format; of the family that its slice says. */
  readonly address: string
  /** `conditions.ready`, nil read as true (EndpointSlice API: "a nil value should be interpreted as true"). */
  readonly ready: boolean
  /**
   * `conditions.terminating`: the pod is being deleted. It may be ready all the same
   * (publishNotReadyAddresses). Absent where it is not so: hardly any is.
   */
  readonly terminating?: boolean
  /** The endpoint's `hostname`, or `''`. Not yet checked to be one label. */
  readonly hostname: string
  /** Name of the Pod in `targetRef`, or `''`. */
  readonly podName: string
  /** Fingerprint of `targetRef`, 32 bits: which pod it is, whatever its name and address. 0 or absent: not known. */
  readonly target?: number
  readonly nodeName: string
  readonly zone: string
}

export interface EndpointSlice extends Identified {
  readonly namespace: string
  readonly name: string
  /**
   * Value of the label `kubernetes.io/service-name`, or of `multicluster.kubernetes.io/service-name` for an imported one;
   * `''` when there is none: the slice then belongs to no Service.
   */
  readonly serviceName: string
  /** Cluster of the clusterset that its endpoints are in: labels, lower case; absent where that is this cluster, or not known. */
  readonly sourceCluster?: string
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly ports: readonly Port[]
  readonly endpoints: readonly Endpoint[]
  /** `endpoints.kubernetes.io/last-change-trigger-time` in ms since the Unix epoch; 0 when absent. */
  readonly lastChangeTriggerTime: number
  /** What of it gives no record and why, in sentences; nearly always nothing. */
  readonly omitted?: readonly string[]
}

export interface Namespace extends Identified {
  readonly name: string
}

/** Watched only for `records.pods: verified`. */
export interface Pod extends Identified {
  readonly namespace: string
  readonly name: string
  /** Every address in `status.podIPs`, presentation format. */
  readonly addresses: readonly string[]
}

export interface Kinds {
  Service: Service
  EndpointSlice: EndpointSlice
  Namespace: Namespace
  Pod: Pod
}
export type Kind = keyof Kinds

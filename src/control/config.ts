/**
 * What the server is told to do: one frozen value, every default filled in, every value checked. Layer: control; types.
 * Made by config-load.ts from flags and a file; written back as a file by config-format.ts. `config/README.md` explains the keys.
 */

import type { CacheOptions } from '../cache/store.ts'
import type { LogLevel } from './log.ts'

export interface SocketAddress {
  /** IPv4 or IPv6, without brackets. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
}

/** Exactly one of `kubeconfig`, `endpoint` and `inCluster` says where the API server is. */
export interface KubernetesConfig {
  /** Absolute path. */
  readonly kubeconfig: string | undefined
  /** A context of that kubeconfig; undefined: its current one. */
  readonly context: string | undefined
  /** URL. */
  readonly endpoint: string | undefined
  readonly inCluster: boolean
  /** The only namespaces to expose; empty: all. */
  readonly namespaces: readonly string[]
  /** Label selectors; `''`: all. */
  readonly namespaceLabels: string
  readonly labels: string
  readonly scope: 'all' | 'headless'
  /** How often what is served is compared with what the API server holds; 0: never. */
  readonly auditIntervalMs: number
}

export interface ManifestsConfig {
  /** Absolute paths of files and folders; at least one. */
  readonly paths: readonly string[]
  /** Where pods without an address get one: an IPv4 network. */
  readonly podCIDR: string
}

/** Names of a zone, and who is asked for them. */
export interface ForwardConfig {
  /** `.`: all. */
  readonly zone: string
  /** As written: addresses, and absolute paths of files in the form of resolv.conf. At least one. */
  readonly upstreams: readonly string[]
  readonly policy: 'random' | 'roundRobin' | 'sequential'
  readonly except: readonly string[]
  readonly forceTcp: boolean
  /** 0x20. */
  readonly mixCase: boolean
  /** RCODEs upon which the next upstream is asked. */
  readonly failover: readonly ('SERVFAIL' | 'REFUSED' | 'NOTIMP' | 'FORMERR')[]
  readonly maxConcurrent: number
  /** Absolute path of certificates, PEM; undefined: the usual ones. */
  readonly tlsCa: string | undefined
}

export interface HostsConfig {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** As in hosts(5), one line each. */
  readonly entries: readonly string[]
  readonly ttl: number
  readonly reverse: boolean
  /** In these nothing else exists. */
  readonly zones: readonly string[]
}

export interface TemplateConfig {
  /** `.`: all. */
  readonly zone: string
  /** A regular expression. */
  readonly match: string | undefined
  /** Mnemonics; empty: all. */
  readonly types: readonly string[]
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED'
  /** Each a type and data. */
  readonly answer: readonly string[]
  readonly ttl: number
}

export interface RewriteConfig {
  readonly match: 'exact' | 'suffix' | 'prefix' | 'regex' | 'type'
  readonly from: string
  readonly to: string
  readonly continue: boolean
}

/** Search paths of clients that are known. */
export interface AutopathConfig {
  readonly enabled: boolean
  /** Zones of ours in which they begin; empty: all. */
  readonly zones: readonly string[]
  /** What they go on with, in order: names, and absolute paths of files in the form of resolv.conf. */
  readonly search: readonly string[]
}

export interface AclConfig {
  readonly action: 'allow' | 'block' | 'filter' | 'drop'
  /** In CIDR notation, or addresses; empty: all clients. */
  readonly networks: readonly string[]
  readonly types: readonly string[]
  readonly zones: readonly string[]
}

/** Zone transfers of some zones. */
export interface TransferConfig {
  /** They and zones below them; empty: all. */
  readonly zones: readonly string[]
  /** Clients that may have them: in CIDR notation, or addresses. */
  readonly networks: readonly string[]
  /** Secondaries that are told of changes; they may have them too. */
  readonly notify: readonly SocketAddress[]
}

/** TTLs in seconds, sizes in octets; zones lower-case, without the final dot. */
export interface Config {
  /** Forward zones, at least one; PTR targets lie in the first. */
  readonly zones: readonly string[]
  /** Below in-addr.arpa or ip6.arpa; networks in CIDR notation have become names. */
  readonly reverseZones: readonly string[]
  /** At least one. UDP and TCP. */
  readonly listen: readonly SocketAddress[]
  /** undefined: no admin HTTP. */
  readonly admin: SocketAddress | undefined
  /** `/health` and `/ready` as CoreDNS has them; undefined: only at `admin`. */
  readonly health: SocketAddress | undefined
  readonly ready: SocketAddress | undefined
  readonly workers: number
  readonly transport: 'auto' | 'batch' | 'portable'
  /** Either of the first two, or both; a snapshot is of `kubernetes`. */
  readonly source: {
    readonly kubernetes: KubernetesConfig | undefined
    readonly manifests: ManifestsConfig | undefined
    /** Absolute path; undefined: no snapshot. */
    readonly snapshot: string | undefined
    readonly snapshotIntervalMs: number
  }
  readonly records: {
    readonly ttl: number
    readonly negativeTtl: number
    readonly pods: 'disabled' | 'insecure' | 'verified'
    readonly endpointPodNames: boolean
    readonly ignoreEmptyService: boolean
    readonly noEndpoints: boolean
    /** 0: off. */
    readonly moveWindowMs: number
    /** Zones of the clusterset, answered from ServiceImports. */
    readonly multicluster: readonly string[]
    readonly external: {
      readonly zones: readonly string[]
      readonly ttl: number
      readonly headless: boolean
      readonly reverse: boolean
    }
  }
  readonly answers: {
    readonly order: 'shuffle' | 'rotate' | 'stable'
    readonly maxUdpSize: number
    /** Answers from a snapshot carry EDE 3. */
    readonly staleError: boolean
  }
  /** Zones of ours in which what does not exist is forwarded. */
  readonly fallthrough: readonly string[]
  readonly forward: readonly ForwardConfig[]
  readonly hosts: HostsConfig
  readonly template: readonly TemplateConfig[]
  readonly rewrite: readonly RewriteConfig[]
  readonly acl: readonly AclConfig[]
  /** Whether it may start although strangers could have names forwarded. */
  readonly openResolver: boolean
  /** Empty: nobody may have any. */
  readonly transfer: readonly TransferConfig[]
  /** `prefix`: an IPv6 network, or `off`. */
  readonly dns64: { readonly prefix: string; readonly translateAll: boolean; readonly allowIPv4: boolean }
  /** RFC 6761. */
  readonly localhost: boolean
  readonly autopath: AutopathConfig
  /** Undefined: nothing that was forwarded is kept. */
  readonly cache: CacheOptions | undefined
  /** The Node this server stands on; `''`: not known. */
  readonly node: { readonly name: string }
  readonly limits: {
    readonly tcp: { readonly connections: number; readonly perClient: number; readonly idleMs: number }
    /** Error replies a second to one address; 0: no limit. */
    readonly errorRate: number
    readonly responseRate: {
      /** Replies a second to one network; 0: no limit. */
      readonly perSecond: number
      readonly windowMs: number
      readonly slip: number
      /** Networks in CIDR notation. */
      readonly exempt: readonly string[]
    }
    readonly forward: { readonly concurrent: number; readonly perClient: number }
  }
  readonly lameduckMs: number
  /** Whether the file is followed. */
  readonly reload: boolean
  readonly log: {
    readonly level: LogLevel
    readonly queries: {
      /** Empty: none is logged. */
      readonly classes: readonly ('all' | 'success' | 'denial' | 'error')[]
      /** 0..1 */
      readonly sample: number
      /** Empty: all. */
      readonly zones: readonly string[]
    }
  }
}

/** What flags say, as they were written. An absent one leaves the file's word. */
export interface Flags {
  /** Paths, relative to the working directory. */
  readonly manifests?: readonly string[]
  readonly kubeconfig?: string
  readonly context?: string
  readonly inCluster?: boolean
  readonly listen?: readonly string[]
  readonly admin?: string
  readonly workers?: string
  readonly transport?: string
  readonly logLevel?: string
}

/** The parts of the surroundings that defaults depend on. */
export interface Surroundings {
  /** Flags' paths are relative to it. Absolute. */
  readonly directory: string
  /** The pod's service account may speak to the API server. */
  readonly isInPod: boolean
  /** `''`: not known. */
  readonly nodeName: string
}

/** `10.0.0.1:53`, `[::1]:53` */
export function formatSocketAddress({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

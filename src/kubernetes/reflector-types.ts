/**
 * What a reflector is given and what it tells of itself. Layer: kubernetes; types only.
 */

import type { Identity } from '../cluster/from-api.ts'

export interface Resource<T> {
  /** E.g. `/apis/discovery.k8s.io/v1/endpointslices`, or below a namespace. */
  readonly path: string
  /** As RBAC names it, e.g. `endpointslices.discovery.k8s.io`. */
  readonly name: string
  /** Which part of it, for people: a namespace, selectors; '' for all. */
  readonly partition: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** @returns the object, or a sentence that says why there is none */
  fromApi(raw: unknown): T | string
  identityOf(raw: unknown): Identity
}

export interface ReflectorLogger {
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
}

/** The world outside, for tests to replace. */
export interface ReflectorDeps {
  /** Monotonic, ms. */
  readonly now: () => number
  /** 0 ≤ number < 1 */
  readonly random: () => number
  /** Resolves after `ms`, or at once when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface ReflectorStatus {
  readonly resource: string
  /** What is watched of the resource: a namespace, selectors; '' for all. Status of one resource differ by it. */
  readonly partition: string
  readonly state: 'listing' | 'connecting' | 'watching' | 'backing off'
  /** When something last came, a bookmark included; ms, monotonic; undefined before that. */
  readonly lastEventMs: number | undefined
  readonly lastError: string | undefined
  readonly connects: number
  readonly lists: number
  /** Objects that could not be used. */
  readonly refused: number
  /** Lists and watches that failed, by a word for why. */
  readonly failures: ReadonlyMap<string, number>
  /** How often what is served was compared with what the API server holds. */
  readonly audits: number
  /** Objects that were found not to be served as the API server held them. */
  readonly drifted: number
}

/**
 * Endpoints on the move between two EndpointSlices of one Service. Layer: cluster; pure: the clock is given.
 *
 * The controller moves an endpoint by two writes to two objects, in any order. Added first and removed then, it is in
 * both for a moment, and joined (records/join.ts). Removed first, it would be in none: so a pod that was ready and vanishes from
 * a slice that lives on is held for a moment, until a slice says something of it:
 *
 *   it has it again            it has moved
 *   its pod is not ready       it is gone
 *   its pod has another        it is gone
 *   address, or successor
 *
 * or the moment is over. A plain scale-down is not late by that: pods are said to be terminating before they vanish.
 */

import type { Endpoint, EndpointSlice } from './objects.ts'

/** Time, for tests to replace. */
export interface MoveClock {
  /** How long an endpoint is held, ms; 0: not at all. */
  readonly windowMs: number
  /** Monotonic, ms. */
  now(): number
  /** Has `ClusterState.expire` called after so many ms. Asked for again only after that. */
  wake(afterMs: number): void
}

interface Held {
  /** As it was before, with the endpoints alone that are held. */
  readonly slice: EndpointSlice
  readonly untilMs: number
}

/** A Service that means other pods loses those it meant; the controller has written that by then. */
const SETTLE_MS = 1000
const NONE: readonly EndpointSlice[] = []

/** What is held of each Service, by its key. */
export class Moves {
  private readonly clock: MoveClock
  private readonly held = new Map<string, readonly Held[]>()
  /** Services with something held, in the order of its end. */
  private queue: { readonly key: string; readonly untilMs: number }[] = []
  private isAwaited = false
  /** Services that were said to mean other pods, and until when what vanishes is believed. */
  private readonly settling = new Map<string, number>()

  constructor(clock: MoveClock) {
    this.clock = clock
  }

  /**
   * A slice of a Service was changed by an event.
   * @param slices all that the Service has now, `next` among them
   */
  changed(key: string, previous: EndpointSlice, next: EndpointSlice, slices: Iterable<EndpointSlice>): void {
    this.heard(key, next)
    if (this.clock.windowMs === 0 || this.isSettling(key)) return
    // What has taken the place of another is in the same slice, as a rule.
    let gone = unspokenOf(vanished(previous, next), next)
    for (const slice of gone.length === 0 ? [] : slices) gone = unspokenOf(gone, slice)
    if (gone.length === 0) return
    const untilMs = this.clock.now() + this.clock.windowMs
    this.held.set(key, [...(this.held.get(key) ?? []), { slice: { ...previous, endpoints: gone }, untilMs }])
    this.queue.push({ key, untilMs })
    this.await(this.clock.windowMs)
  }

  /** A slice of the Service says something: whatever it speaks of is held no more. */
  heard(key: string, slice: EndpointSlice): void {
    this.keep(key, held => {
      const endpoints = unspokenOf(held.slice.endpoints, slice)
      return endpoints.length === held.slice.endpoints.length
        ? held
        : { slice: { ...held.slice, endpoints }, untilMs: held.untilMs }
    })
  }

  /** The Service is there with another selector or type. */
  reselected(key: string): void {
    this.held.delete(key)
    this.settling.set(key, this.clock.now() + SETTLE_MS)
  }

  /** The Service is gone: nothing is held of it. */
  forget(key: string): void {
    this.held.delete(key)
    this.settling.delete(key)
  }

  /** These slices are gone, or what they hold is known for certain. @returns whether anything was held of them */
  release(key: string, isReleased: (slice: EndpointSlice) => boolean): boolean {
    return this.keep(key, held => (isReleased(held.slice) ? undefined : held))
  }

  /** Slices that hold nothing but endpoints that are held. */
  heldOf(key: string): readonly EndpointSlice[] {
    return this.held.get(key)?.map(({ slice }) => slice) ?? NONE
  }

  /** Services that have anything held. */
  keys(): Iterable<string> {
    return this.held.keys()
  }

  /** Lets go what was held for long enough. @returns the Services that it was held of */
  expire(): Set<string> {
    this.isAwaited = false
    const now = this.clock.now()
    const keys = new Set<string>()
    let due = 0
    for (; due < this.queue.length && this.queue[due]!.untilMs <= now; due++) {
      const { key } = this.queue[due]!
      if (this.keep(key, held => (held.untilMs <= now ? undefined : held))) keys.add(key)
    }
    this.queue = this.queue.slice(due)
    if (this.queue.length > 0) this.await(this.queue[0]!.untilMs - now)
    return keys
  }

  private await(afterMs: number): void {
    if (this.isAwaited) return
    this.isAwaited = true
    this.clock.wake(afterMs)
  }

  private isSettling(key: string): boolean {
    const untilMs = this.settling.get(key)
    if (untilMs === undefined || this.clock.now() < untilMs) return untilMs !== undefined
    this.settling.delete(key)
    return false
  }

  /** @returns whether anything was let go */
  private keep(key: string, rest: (held: Held) => Held | undefined): boolean {
    const before = this.held.get(key)
    if (before === undefined) return false
    const after = before.map(rest).filter(held => held !== undefined && held.slice.endpoints.length > 0) as Held[]
    if (after.length === 0) this.held.delete(key)
    else this.held.set(key, after)
    return after.length < before.length || after.some((held, i) => held !== before[i])
  }
}

/** Endpoints of pods that `previous` has as to be answered, and that `next` has no more. */
function vanished({ endpoints: before }: EndpointSlice, { endpoints: after }: EndpointSlice): Endpoint[] {
  // An event changes one endpoint or a few: what is the same at both ends is not looked at again.
  let start = 0
  while (start < before.length && start < after.length && isSame(before[start]!, after[start]!)) start++
  let cut = 0
  const most = Math.min(before.length, after.length) - start
  while (cut < most && isSame(before[before.length - 1 - cut]!, after[after.length - 1 - cut]!)) cut++
  const left = new Set(after.slice(start, after.length - cut).map(identityOf))
  return before
    .slice(start, before.length - cut)
    .filter(one => one.ready && one.terminating !== true && isOfPod(one) && !left.has(identityOf(one)))
}

/** Those of `endpoints`, which are pods of one family, of which the slice says nothing. */
function unspokenOf(endpoints: readonly Endpoint[], slice: EndpointSlice): readonly Endpoint[] {
  if (endpoints.length === 0) return endpoints
  const pods = new Set<number | string>()
  for (const { target = 0, podName } of endpoints) {
    pods.add(target)
    if (podName !== '') pods.add(podName)
  }
  const spoken = new Set<number | string>()
  const isV6 = endpoints[0]!.address.includes(':')
  for (const { address, ready, terminating, podName, target = 0 } of slice.endpoints) {
    const isThere = ready && terminating !== true
    if (pods.has(target) && (!isThere || address.includes(':') === isV6)) spoken.add(target)
    // Of two pods of one name, one is the successor of the other.
    else if (pods.has(podName) && address.includes(':') === isV6) spoken.add(podName)
  }
  return spoken.size === 0 ? endpoints : endpoints.filter(one => !spoken.has(one.target!) && !spoken.has(one.podName))
}

/** What stands for no pod was written by somebody who means what it says: no controller moves it. */
function isOfPod({ target = 0 }: Endpoint): boolean {
  return target !== 0
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.target === b.target
}

function identityOf({ address, target = 0 }: Endpoint): string {
  return `${address} ${target}`
}

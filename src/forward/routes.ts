/**
 * Which upstreams a name goes to: the longest zone it lies in that does not except it. Layer: forward; pure.
 * A zone whose upstreams nobody knows keeps its names all the same: they may be nobody else's business.
 */

import type { NameBuffer } from './names.ts'
import type { Policy, Upstream } from './upstream.ts'

export interface RouteOptions {
  /** Wire form, lower case. */
  readonly zone: Uint8Array
  readonly upstreams: readonly Upstream[]
  readonly policy: Policy
  /** Names in wire form, lower case: they and what lies below are not sent on. */
  readonly except: readonly Uint8Array[]
  readonly forceTcp: boolean
  /** 0x20. */
  readonly mixCase: boolean
  readonly maxConcurrent: number
  /** RCODEs upon which the next upstream is asked. */
  readonly failover: readonly number[]
}

export class Route {
  /** Questions at this moment. */
  inFlight = 0
  upstreams: readonly Upstream[]
  readonly forceTcp: boolean
  readonly mixCase: boolean
  readonly maxConcurrent: number
  readonly failover: readonly number[]
  private readonly policy: Policy
  private readonly except: ReadonlySet<string>

  constructor(options: RouteOptions) {
    this.upstreams = options.upstreams
    this.policy = options.policy
    this.except = new Set(options.except.map(text))
    this.forceTcp = options.forceTcp
    this.mixCase = options.mixCase
    this.maxConcurrent = options.maxConcurrent
    this.failover = options.failover
  }

  /** @param suffixes of the name, the whole name first */
  excepts(suffixes: readonly string[]): boolean {
    return this.except.size > 0 && suffixes.some(suffix => this.except.has(suffix))
  }

  order(): Upstream[] {
    return this.policy.order(this.upstreams)
  }
}

export class Routes {
  readonly all: readonly Route[]
  private readonly byZone: ReadonlyMap<string, Route>

  constructor(options: readonly RouteOptions[]) {
    const pairs = options.map(each => [text(each.zone), new Route(each)] as const)
    this.byZone = new Map(pairs)
    this.all = pairs.map(([, route]) => route)
  }

  find(name: NameBuffer): Route | undefined {
    const whole = text(name.lower.subarray(0, name.length))
    const suffixes: string[] = []
    for (let label = 0; label <= name.labels; label++) suffixes.push(whole.slice(name.labelAt[label]))
    for (const suffix of suffixes) {
      const route = this.byZone.get(suffix)
      if (route !== undefined && !route.excepts(suffixes)) return route
    }
    return undefined
  }
}

function text(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
}

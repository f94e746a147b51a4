/**
 * A server that is asked, and how it has been doing. Layer: forward. No sockets.
 * It is looked after only when something went wrong: after an error it is probed until it answers anything at all.
 */

export interface UpstreamAddress {
  /** IPv4 or IPv6. */
  readonly address: string
  readonly port: number
  readonly tls: boolean
  /** Name in its certificate; undefined: the address. */
  readonly serverName?: string | undefined
}

/** Seconds, as CoreDNS has them. */
export const RTT_BUCKETS = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i)

/** Errors in a row after which others are asked first. */
const MAX_FAILS = 2
/** A server that did not understand EDNS is asked without for so long. */
const PLAIN_MS = 900_000

export class Upstream {
  readonly where: UpstreamAddress
  /** As metrics call it. */
  readonly name: string
  /** Time-outs and errors of the network in a row. */
  fails = 0
  /** When a probe is due; meaningful while `fails` is above 0. */
  probeMs = 0
  probing = false
  /** No zone names it any more. */
  isGone = false
  probeFailures = 0
  /** Replies that were not ours, or malformed. */
  junk = 0
  connectionHits = 0
  connectionMisses = 0
  /** RCODE → counts per bucket, the last two for +Inf and for the sum. */
  readonly durations = new Map<number, Float64Array>()
  private plainUntilMs = Number.NEGATIVE_INFINITY

  constructor(where: UpstreamAddress) {
    this.where = where
    const { address, port, tls, serverName } = where
    const host = address.includes(':') ? `[${address}]` : address
    this.name = `${tls ? 'tls://' : ''}${host}:${port}${serverName === undefined ? '' : `#${serverName}`}`
  }

  get isDown(): boolean {
    return this.fails >= MAX_FAILS
  }

  answered(): void {
    this.fails = 0
  }

  failed(nowMs: number): void {
    if (this.fails++ === 0) this.probeMs = nowMs
  }

  isPlain(nowMs: number): boolean {
    return nowMs < this.plainUntilMs
  }

  /** RFC 6891 §7: a FORMERR or NOTIMP without OPT comes from one that does not know it. */
  knowsNoEdns(nowMs: number): void {
    this.plainUntilMs = nowMs + PLAIN_MS
  }

  observe(rcode: number, ms: number): void {
    let row = this.durations.get(rcode)
    if (row === undefined) {
      row = new Float64Array(RTT_BUCKETS.length + 2)
      this.durations.set(rcode, row)
    }
    const seconds = ms / 1000
    let bucket = 0
    while (bucket < RTT_BUCKETS.length && RTT_BUCKETS[bucket]! < seconds) bucket++
    row[bucket]!++
    row[RTT_BUCKETS.length + 1]! += seconds
  }
}

export type PolicyName = 'random' | 'roundRobin' | 'sequential'

/** Chooses in what order the upstreams of a zone are asked. */
export class Policy {
  private readonly name: PolicyName
  private readonly random: (below: number) => number
  private turn = 0

  /** @param random a whole number from 0 to below its argument */
  constructor(name: PolicyName, random: (below: number) => number) {
    this.name = name
    this.random = random
  }

  /** Those that are up first; with all down, all of them: to ask in vain is better than not to ask. */
  order(upstreams: readonly Upstream[]): Upstream[] {
    const first =
      this.name === 'sequential'
        ? 0
        : this.name === 'random'
          ? this.random(upstreams.length)
          : this.turn++ % upstreams.length
    const turned = [...upstreams.slice(first), ...upstreams.slice(0, first)]
    return [...turned.filter(each => !each.isDown), ...turned.filter(each => each.isDown)]
  }
}

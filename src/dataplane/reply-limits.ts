/**
 * Which replies over UDP are not sent, because their receiver may never have asked: its address can be forged.
 * Layer: dataplane. Asked for error replies alone, and for all replies where `limits.responseRate` is on; allocates nothing.
 * Each thread has its own, so that the limits are those of a thread: the kernel gives a thread all that a port of a client sends.
 */

import type { Network } from '../rules/networks.ts'
import type { Peers } from '../transport/handler.ts'
import { RCODE_BADVERS, RCODE_FORMERR, RCODE_NOTAUTH, RCODE_NOTIMP, RCODE_REFUSED } from '../wire/constants.ts'
import { hashLabel, hashOctet } from '../wire/hash.ts'
import { RateTable } from './rate-table.ts'

export interface ResponseRate {
  /** In a window of time, one client network gets as many replies as this comes to. */
  readonly perSecond: number
  /** As long as this, and longer where it would not hold a whole number of replies. */
  readonly windowMs: number
  /** Of the replies above it, each so-manieth is sent empty with TC, so that a true client asks over TCP; 0: none. Error replies never are. */
  readonly slip: number
  readonly exempt: readonly Network[]
}

/** Survives structured cloning. */
export interface ReplyLimits {
  /** Error replies to one address in a second; 0: no limit. */
  readonly errorRate: number
  readonly responseRate: ResponseRate | undefined
}

export const SEND = 0
export const DROP_ERROR = 1
export const DROP_RESPONSE = 2
/** Send it empty, with TC. */
export const SLIP = 3

const ERROR_WINDOW_MS = 1000
const ERRORS = [RCODE_FORMERR, RCODE_NOTIMP, RCODE_REFUSED, RCODE_NOTAUTH, RCODE_BADVERS]
const ERROR_BITS = ERRORS.reduce((bits, rcode) => bits | (1 << rcode), 0)
const ALL_BITS = -1

/** Octets of an address that are one client's network to responseRate: a site's share (/24, /56), as others have it. */
const NETWORK_OCTETS = [3, 7]
const ADDRESS_OCTETS = [4, 16]

export class ReplyLimiter {
  /** Bit n: replies with RCODE n are asked about. */
  readonly rcodes: number
  private readonly limits: ReplyLimits
  private readonly seed: number
  private readonly errors: RateTable | undefined
  private readonly responses: RateTable | undefined
  private readonly mostResponses: number
  private readonly address = new Uint8Array(16)

  /** @param seed 32 secret bits */
  constructor(limits: ReplyLimits, seed: number) {
    const { errorRate, responseRate } = limits
    this.limits = limits
    this.seed = seed
    this.rcodes = responseRate !== undefined ? ALL_BITS : errorRate > 0 ? ERROR_BITS : 0
    this.errors = errorRate > 0 ? new RateTable(ERROR_WINDOW_MS) : undefined
    this.mostResponses =
      responseRate === undefined ? 0 : Math.ceil((responseRate.perSecond * responseRate.windowMs) / 1000)
    // Rounding up alone would let 10 a second pass where 1 is allowed, with windows of 100 ms.
    this.responses = responseRate && new RateTable((1000 * this.mostResponses) / responseRate.perSecond)
  }

  /**
   * @param family 0: IPv4, 1: IPv6
   * @param start,peers as `answer` and `begin` of the handler got them
   * @returns SEND, DROP_… or SLIP
   */
  judge(rcode: number, family: number, start: number, peers: Peers, nowMs: number): number {
    const { errors, responses } = this
    peers.copyAddress(start, this.address)
    const isError = ((ERROR_BITS >>> rcode) & 1) !== 0
    if (isError && errors !== undefined) {
      // The whole address, of IPv6 too: all pods of a node share a /64.
      const times = errors.count(this.hash(ADDRESS_OCTETS[family]!), nowMs)
      if (times > this.limits.errorRate) return DROP_ERROR
    }
    if (responses === undefined || this.isExempt(ADDRESS_OCTETS[family]!)) return SEND
    const over = responses.count(this.hash(NETWORK_OCTETS[family]!), nowMs) - this.mostResponses
    if (over <= 0) return SEND
    const { slip } = this.limits.responseRate!
    return slip > 0 && !isError && over % slip === 0 ? SLIP : DROP_RESPONSE
  }

  private hash(octets: number): number {
    const { address } = this
    let hash = this.seed ^ octets
    for (let i = 0; i < octets; i++) hash = hashOctet(hash, address[i]!)
    return hashLabel(this.seed, hash)
  }

  private isExempt(octets: number): boolean {
    const { exempt } = this.limits.responseRate!
    for (let i = 0; i < exempt.length; i++) {
      const network = exempt[i]!
      if (network.octets.length === octets && isWithin(this.address, network)) return true
    }
    return false
  }
}

function isWithin(address: Uint8Array, { octets, prefix }: Network): boolean {
  const whole = prefix >>> 3
  for (let i = 0; i < whole; i++) if (address[i] !== octets[i]) return false
  return whole === octets.length || (address[whole]! ^ octets[whole]!) >>> (8 - (prefix & 7)) === 0
}

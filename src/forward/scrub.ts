/**
 * What of an upstream's reply goes to the client: the chain of CNAMEs from the name that was asked, the records at its
 * end, or what says that there are none; nothing else, whatever else the upstream said. Layer: forward; pure.
 * RFC 2181 §5.4.1, RFC 5452 §6: records that were not asked for are not believed.
 *
 *   answer      CNAME (DNAME) … ─▶ records of the type          authority   SOA of a zone that the last name lies in,
 *                                                                           when there is no record; NSEC … with DO
 */

import { CLASS_IN, RCODE_NOERROR, TYPE_ANY, TYPE_CNAME, TYPE_SOA } from '../wire/constants.ts'
import { NameBuffer, NameWriter } from './names.ts'
import { RDATA_SHAPES } from './rdata.ts'
import type { Response } from './response.ts'

const TYPE_NS = 2
const TYPE_DNAME = 39
const TYPE_RRSIG = 46
const TYPE_NSEC = 47
const TYPE_NSEC3 = 50
/** A longer chain is taken for a loop. */
const MAX_CHAIN = 16
/** Seconds. RFC 2181 §8 leaves a cap to us; a day is long for an answer of a cluster. */
export const MAX_TTL = 86_400

/** The reply's records were written. */
export const SCRUBBED = 0
/** It is no answer: a loop, or a referral to servers that nobody here asks. */
export const USELESS = 1

/** Writes records of a Response behind what a message holds already. One object serves for ever. */
export class Scrubber {
  /** Records written, and the end of each from the message's first octet. */
  answers = 0
  authority = 0
  readonly ends = new Uint16Array(6000)
  at = 0
  /** Not all fit. */
  truncated = false
  private response!: Response
  private out: Uint8Array = new Uint8Array(0)
  private view: DataView = new DataView(new ArrayBuffer(0))
  private limit = 0
  /** Records of the response that were looked at for good. */
  private readonly isPut = new Uint8Array(6000)
  /** By labels of its owner: whether a DNAME that the current name lies below was put. */
  private readonly hasDname = new Uint8Array(128)
  private readonly current = new NameBuffer()
  private readonly scratch = new NameBuffer()
  private readonly names = new NameWriter()

  /**
   * @param response read, with no error of its own
   * @param out      a message from its first octet; what is written starts at `at`
   * @param nameAt   where in `out` the name stands that the upstream was asked for, without pointers
   * @param limit    first octet that may not be written
   * @returns SCRUBBED or USELESS
   */
  scrub(
    response: Response,
    type: number,
    dnssecOk: boolean,
    out: Uint8Array,
    at: number,
    nameAt: number,
    limit: number,
  ): number {
    this.response = response
    this.out = out
    this.view = new DataView(out.buffer, out.byteOffset, out.length)
    this.at = at
    this.limit = limit
    this.answers = 0
    this.authority = 0
    this.truncated = false
    const { current, names } = this
    this.isPut.fill(0, 0, response.records)
    names.begin(out)
    current.read(out, 0, nameAt, at)
    names.remember(current, nameAt)
    const found = this.putChain(type, dnssecOk)
    if (found < 0) return USELESS
    if (found > 0 && !dnssecOk) return SCRUBBED
    return this.putAuthority(found === 0, dnssecOk) ? SCRUBBED : USELESS
  }

  /** @returns records of the type at the end of the chain; −1: the chain has no end */
  private putChain(type: number, dnssecOk: boolean): number {
    const { response, current, scratch } = this
    for (let chain = 0; chain <= MAX_CHAIN; chain++) {
      let found = 0
      let alias = -1
      this.hasDname.fill(0)
      for (let i = 0; i < response.answers; i++) {
        if (response.qclass[i] !== CLASS_IN) continue
        const recordType = response.type[i]!
        const isAnswer = recordType === type || type === TYPE_ANY
        if (recordType === TYPE_DNAME && !isAnswer) {
          this.putDname(i)
          continue
        }
        if (response.ownerHash[i] !== current.hashes[0]) continue
        // RFC 2181 §10.1: a name has one CNAME
        const isAlias = !isAnswer && recordType === TYPE_CNAME && alias < 0
        if (!isAnswer && !isAlias && (recordType !== TYPE_RRSIG || !dnssecOk || this.truncated)) continue
        scratch.read(response.octets, 0, response.owner[i]!, response.length)
        if (!scratch.equals(current)) continue
        if (this.isPut[i] === 1) {
          // Of a DNAME that led away from below the name.
          if (recordType === TYPE_RRSIG) continue
          // The chain came back to a name.
          return -1
        }
        if (isAnswer) found++
        if (isAlias) alias = i
        this.put(i, true)
        if (this.truncated && found > 0) return found
      }
      if (dnssecOk) this.putDnameSignatures()
      if (found > 0 || alias < 0) return found
      current.read(response.octets, 0, response.rdata[alias]!, response.length)
    }
    return -1
  }

  private putDname(i: number): void {
    const { response, current, scratch } = this
    if (this.isPut[i] === 1 || this.truncated || !this.mayCover(i)) return
    scratch.read(response.octets, 0, response.owner[i]!, response.length)
    if (scratch.length >= current.length || !current.endsWith(scratch)) return
    this.hasDname[scratch.labels] = 1
    this.put(i, true)
  }

  /** RFC 4035 §3.2.1, RFC 6672 §5.3.1: who validates needs them, since the CNAME that is made of a DNAME has none. */
  private putDnameSignatures(): void {
    const { response, current, scratch } = this
    for (let i = 0; i < response.answers && !this.truncated; i++) {
      const isSignature = response.type[i] === TYPE_RRSIG && response.qclass[i] === CLASS_IN
      if (!isSignature || this.isPut[i] === 1 || !this.mayCover(i)) continue
      if (response.view.getUint16(response.rdata[i]!) !== TYPE_DNAME) continue
      scratch.read(response.octets, 0, response.owner[i]!, response.length)
      if (this.hasDname[scratch.labels] === 1 && current.endsWith(scratch)) this.put(i, true)
    }
  }

  /** @returns false: other servers are named instead of an answer */
  private putAuthority(isNegative: boolean, dnssecOk: boolean): boolean {
    const { response, current, scratch } = this
    let soa = false
    let namesServers = false
    for (let i = response.answers; i < response.records; i++) {
      if (response.qclass[i] !== CLASS_IN) continue
      const type = response.type[i]!
      if (type === TYPE_NS) namesServers = true
      const isProof = dnssecOk && !this.truncated && (type === TYPE_NSEC || type === TYPE_NSEC3 || type === TYPE_RRSIG)
      const isSoa: boolean = isNegative && type === TYPE_SOA && !soa && this.mayCover(i)
      if (!isProof && !isSoa) continue
      scratch.read(response.octets, 0, response.owner[i]!, response.length)
      // RFC 2308 §2: the SOA of the zone that the name would lie in
      if (isSoa && !current.endsWith(scratch)) continue
      soa ||= isSoa
      this.put(i, false)
      if (this.truncated && (soa || !isNegative)) break
    }
    // RFC 2308 §2.1, §2.2: servers without SOA come with NXDOMAIN too; a referral is NOERROR, and says nothing else
    const isReferral = namesServers && response.rcode === RCODE_NOERROR
    return soa || !isNegative || !isReferral || this.answers > 0
  }

  /** Whether the owner is the current name or one that it lies below, as far as hashes tell. */
  private mayCover(i: number): boolean {
    const label = this.current.labels - this.response.ownerLabels[i]!
    return label >= 0 && this.current.hashes[label] === this.response.ownerHash[i]
  }

  private put(i: number, isAnswer: boolean): void {
    this.isPut[i] = 1
    if (this.truncated) return
    const end = this.write(i)
    if (end === 0) {
      this.truncated = true
      return
    }
    this.ends[this.answers + this.authority] = end
    this.at = end
    if (isAnswer) this.answers++
    else this.authority++
  }

  /** @returns the record's end, or 0 when it does not fit */
  private write(i: number): number {
    const { response, scratch, names, out, view, limit } = this
    const { octets, length } = response
    scratch.read(octets, 0, response.owner[i]!, length)
    const fixed = names.put(scratch, this.at, limit, true)
    if (fixed === 0 || fixed + 10 > limit) return 0
    const type = response.type[i]!
    view.setUint16(fixed, type)
    view.setUint16(fixed + 2, CLASS_IN)
    view.setUint32(fixed + 4, allowedTtl(response.ttl[i]!))
    let from = response.rdata[i]!
    const end = response.rdataEnd[i]!
    let at = fixed + 10
    const shape = RDATA_SHAPES.get(type)
    if (shape !== undefined && shape.names > 0) {
      let plain = from + shape.before
      for (let n = 0; n < shape.strings; n++) plain += 1 + octets[plain]!
      if (at + plain - from > limit) return 0
      while (from < plain) out[at++] = octets[from++]!
      for (let n = 0; n < shape.names; n++) {
        from = scratch.read(octets, 0, from, end)
        at = names.put(scratch, at, limit, shape.compress)
        if (at === 0) return 0
      }
    }
    if (at + end - from > limit) return 0
    while (from < end) out[at++] = octets[from++]!
    view.setUint16(fixed + 8, at - fixed - 10)
    return at
  }
}

/** RFC 2181 §8: a TTL with its uppermost bit set is 0. */
function allowedTtl(ttl: number): number {
  return ttl > 0x7fff_ffff ? 0 : Math.min(ttl, MAX_TTL)
}

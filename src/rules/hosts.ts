/**
 * Names and addresses of hosts, found by owner name: A and AAAA at names, PTR at reverse names, wildcards below names.
 * Layer: rules; pure. It is made anew when a file changes, and never changed once it is asked.
 */

import { reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import { RCODE_NOERROR, TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_PTR } from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import { type AskedName, keyOf } from './asked-name.ts'
import type { HostEntry } from './hosts-file.ts'
import { type LocalAnswer, type LocalRecord, noData, noName } from './local-answer.ts'

export interface HostsOptions {
  /** Seconds. */
  readonly ttl: number
  /** Whether addresses have their names. */
  readonly reverse: boolean
  /** What lies in one of these and has no entry does not exist, and nobody is asked. */
  readonly zones: readonly WireName[]
}

/** Records of one name. Lists of names to block give hundreds of thousands the same address, whose names nobody asks for. */
const MAX_RECORDS = 256
/** Names between others that are known: 22 MB. With more, which takes addresses of IPv6 in reverse zones, no name is denied. */
const MAX_BETWEEN = 400_000
const PIECE_NAMES = 500

/** Label `*`, RFC 4592 §2.1.1. */
const WILDCARD = '\x01*'

export class Hosts {
  /** Pairs of a name and an address. */
  entries = 0
  private readonly records = new Map<string, LocalRecord[]>()
  /** Names without records that have names below them, in the zones and below the bases of wildcards: no answer depends on others. */
  private readonly between = new Set<string>()
  private readonly options: HostsOptions
  private readonly zones: ReadonlyMap<string, WireName>

  constructor(options: HostsOptions) {
    this.options = options
    this.zones = new Map(options.zones.map(zone => [keyOf(zone), zone]))
  }

  /** Takes them in before anybody asks. Yields after each piece of some milliseconds at most. */
  *fill(entries: readonly HostEntry[]): Generator<void, void> {
    let taken = 0
    for (const { address, names } of entries) {
      const type = address.length === 4 ? TYPE_A : TYPE_AAAA
      const reverse = keyOf(reverseNameOf(address))
      for (const name of names) {
        const key = keyOf(name)
        if (this.add(key, type, address)) this.entries++
        // A wildcard is no name of anybody.
        if (this.options.reverse && !key.startsWith(WILDCARD)) this.add(reverse, TYPE_PTR, name)
      }
      taken += names.length
      if (taken < PIECE_NAMES) continue
      taken = 0
      yield
    }
    yield* this.fillBetween()
  }

  /** @returns undefined: nothing is known of this name */
  answer(name: AskedName, type: number): LocalAnswer | undefined {
    const { ttl } = this.options
    const records = this.find(name)
    if (records !== undefined) {
      const ofType = records.filter(each => type === TYPE_ANY || each.type === type)
      if (ofType.length > 0) return { rcode: RCODE_NOERROR, records: ofType, ttl, zone: undefined }
      return noData(ttl, this.zoneOf(name))
    }
    const zone = this.zoneOf(name)
    if (zone === undefined) return undefined
    // RFC 8020 §2: a name that has names below it, or may have, is not NXDOMAIN
    const { between } = this
    const mayExist = name.key === keyOf(zone) || between.has(name.key) || between.size >= MAX_BETWEEN
    return mayExist ? noData(ttl, zone) : noName(ttl, zone)
  }

  private find(name: AskedName): LocalRecord[] | undefined {
    const { records, between } = this
    const exact = records.get(name.key)
    // RFC 4592 §2.2.2: a name between others exists, and is no wildcard's
    if (exact !== undefined || between.has(name.key)) return exact
    // RFC 4592 §3.3.1: the wildcard of the closest encloser, and no other
    for (let label = 1; label < name.labelAt.length; label++) {
      const suffix = name.suffix(label)
      const wild = records.get(WILDCARD + suffix)
      if (wild !== undefined || records.has(suffix) || between.has(suffix)) return wild
    }
    return undefined
  }

  private *fillBetween(): Generator<void, void> {
    const { records, between } = this
    const bases = new Set(this.zones.keys())
    for (const key of records.keys()) if (key.startsWith(WILDCARD)) bases.add(key.slice(WILDCARD.length))
    if (bases.size === 0) return
    let looked = 0
    for (const key of records.keys()) {
      for (const name of namesAbove(key, bases, between)) if (!records.has(name)) between.add(name)
      if (between.size >= MAX_BETWEEN) return
      if (++looked % PIECE_NAMES === 0) yield
    }
  }

  private zoneOf(name: AskedName): WireName | undefined {
    if (this.zones.size === 0) return undefined
    for (let label = 0; label < name.labelAt.length; label++) {
      const zone = this.zones.get(name.suffix(label))
      if (zone !== undefined) return zone
    }
    return undefined
  }

  /** @returns false: it is there already, or there are too many */
  private add(key: string, type: number, rdata: Uint8Array): boolean {
    const there = this.records.get(key)
    if (there === undefined) this.records.set(key, [{ type, rdata }])
    else if (
      there.length >= MAX_RECORDS ||
      there.some(each => each.type === type && Buffer.compare(each.rdata, rdata) === 0)
    )
      return false
    else there.push({ type, rdata })
    return true
  }
}

/** @returns those above `key` and below the outermost base; of those that are known already, and what is above them, none */
function namesAbove(key: string, bases: ReadonlySet<string>, known: ReadonlySet<string>): string[] {
  const above: string[] = []
  let outermost = 0
  for (let at = 1 + key.charCodeAt(0); at < key.length; at += 1 + key.charCodeAt(at)) {
    const suffix = key.slice(at)
    if (known.has(suffix)) return above
    if (bases.has(suffix)) outermost = above.length
    above.push(suffix)
  }
  return above.slice(0, outermost)
}

export function reverseNameOf(address: Uint8Array): WireName {
  if (address.length === 16) return reverseNameOfIPv6(address)
  return reverseNameOfIPv4(new DataView(address.buffer, address.byteOffset).getUint32(0))
}

/**
 * Which names that do not exist are left to the main thread because a pod that is known may be at the beginning of its search
 * path (`autopath`). Layer: dataplane.
 *
 *   db.example.com.shop.svc.cluster.local        asked from 10.1.0.7
 *                  └──── hash ──────────┘ ─┬─ cell ◀──────────┘
 *                                          └▶ counts[cell] > 0: perhaps the search path of a pod with this address begins so
 *
 * A counting filter in shared memory, written by the main thread, which knows for sure (cluster/client-pods.ts): a client that
 * it does not know costs one load more than any other, and its queries never come to the main thread. Where two things share
 * a cell, a query makes the way for nothing.
 */

import type { Misses } from '../answer/elsewhere.ts'
import type { Peers } from '../transport/handler.ts'
import type { Query } from '../wire/query.ts'

/** 65,536 of 16 bits: the pods of a Node fill less than a hundredth of them. */
const CELLS = 65_536

/** Plain values, so that they can be sent to a thread. */
export interface SearchGateSetup {
  readonly filter: SharedArrayBuffer
  /** By zone number: labels of the zones that search paths begin in, 0 for others. */
  readonly zoneLabels: readonly number[]
}

export function createSearchFilter(): SharedArrayBuffer {
  return new SharedArrayBuffer(CELLS * Uint16Array.BYTES_PER_ELEMENT)
}

export class SearchFilter {
  private readonly counts: Uint16Array

  constructor(filter: SharedArrayBuffer) {
    this.counts = new Uint16Array(filter)
  }

  /**
   * @param address 4 or 16 octets
   * @param hash    of the first element of the search path, with the table's seed
   */
  change(address: Uint8Array, hash: number, by: 1 | -1): void {
    this.counts[cellOf(address, address.length, hash)]! += by
  }
}

export class SearchGate implements Misses {
  private readonly counts: Uint16Array
  private readonly zoneLabels: readonly number[]
  private readonly address = new Uint8Array(16)
  private addressOctets = 4
  private peers: Peers | undefined

  constructor({ filter, zoneLabels }: SearchGateSetup) {
    this.counts = new Uint16Array(filter)
    this.zoneLabels = zoneLabels
  }

  begin(peers: Peers | undefined, isIPv6: boolean): void {
    this.peers = peers
    this.addressOctets = isIPv6 ? 16 : 4
  }

  wants(query: Query, zone: number, below: number, start: number): boolean {
    const zoneLabels = this.zoneLabels[zone] ?? 0
    // Where NAMESPACE.svc.ZONE begins.
    const label = query.labels - zoneLabels - 2
    // What exists below the namespace is a Service: who asks for something in it does not search.
    if (zoneLabels === 0 || label < 1 || below < label || this.peers === undefined) return false
    this.peers.copyAddress(start, this.address)
    return this.counts[cellOf(this.address, this.addressOctets, query.suffixHash[label]!)] !== 0
  }
}

/** FNV-1a over the address, from a hash that is secret. */
function cellOf(address: Uint8Array, octets: number, hash: number): number {
  let mixed = hash
  for (let i = 0; i < octets; i++) mixed = Math.imul(mixed ^ address[i]!, 0x01000193)
  return (mixed ^ (mixed >>> 16)) & (CELLS - 1)
}

/**
 * Which of many lists of networks an address lies in, by one binary search. Layer: rules; pure.
 * Hot where access rules are on: `find` allocates nothing.
 *
 *   networks   ├──── list 0 ────┤        ├ list 1 ┤            cut at every first address and every one past a last
 *                    ├──── list 1 ────┤
 *   ranges     │ 0   │ 0 1      │ 1   │  │ 1      │ –          each with the lists that cover it
 */

import { parseAddress } from './hosts-file.ts'

export interface Network {
  /** 4 or 16, network order. */
  readonly octets: Uint8Array
  /** Bits that count. */
  readonly prefix: number
}

/**
 * An address alone is the network of that address. RFC 4291 §2.5.5.2: what lies in ::ffff:0:0/96 are addresses of IPv4, as
 * which clients come; with a shorter prefix it would be a network of neither.
 * @returns undefined for what is none
 */
export function parseNetwork(cidr: string): Network | undefined {
  const [address = '', length, ...rest] = cidr.split('/')
  const octets = address.includes('%') ? undefined : parseAddress(address)
  if (octets === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length ?? '0')) return undefined
  const bits = address.includes(':') ? 128 : 32
  const outside = bits - octets.length * 8
  const prefix = length === undefined ? bits : Number(length)
  return prefix < outside || prefix > bits ? undefined : { octets, prefix: prefix - outside }
}

/** Of one family. */
export class NetworkRanges {
  /** Numbers of the lists that cover each range, ascending. */
  private readonly lists: (readonly number[])[] = []
  /** First address of each range: `words` of 32 bits. */
  private readonly starts: Uint32Array
  private readonly words: number
  private readonly address: Uint32Array

  /**
   * @param octets 4 or 16: networks of another family are left out
   * @param lists  undefined: everything
   */
  constructor(octets: number, lists: readonly (readonly Network[] | undefined)[]) {
    const bits = octets * 8
    const end = 1n << BigInt(bits)
    const spans = lists.flatMap((networks, list) => {
      if (networks === undefined) return [{ list, first: 0n, past: end }]
      return networks.filter(each => each.octets.length === octets).map(each => ({ list, ...spanOf(each, bits) }))
    })
    const cuts = [...new Set([0n, ...spans.flatMap(({ first, past }) => [first, past])])].filter(cut => cut < end)
    cuts.sort((a, b) => (a < b ? -1 : 1))
    const opening = Map.groupBy(spans, ({ first }) => first)
    const closing = Map.groupBy(spans, ({ past }) => past)
    const depth = new Uint32Array(lists.length)
    this.words = octets / 4
    this.starts = new Uint32Array(cuts.length * this.words)
    this.address = new Uint32Array(this.words)
    for (const [i, cut] of cuts.entries()) {
      for (const { list } of closing.get(cut) ?? []) depth[list]!--
      for (const { list } of opening.get(cut) ?? []) depth[list]!++
      this.lists.push(Array.from(depth.keys()).filter(list => depth[list]! > 0))
      for (let word = 0; word < this.words; word++) {
        const shift = BigInt(32 * (this.words - 1 - word))
        this.starts[i * this.words + word] = Number((cut >> shift) & 0xffff_ffffn)
      }
    }
  }

  /** @param octets an address in network order. @returns numbers of the lists it lies in, ascending */
  find(octets: Uint8Array): readonly number[] {
    const { address, words, lists } = this
    for (let i = 0, at = 0; i < words; i++, at += 4) {
      address[i] = (octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!
    }
    let low = 0
    let high = lists.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.startsAfter(middle)) high = middle - 1
      else low = middle
    }
    return lists[low]!
  }

  private startsAfter(range: number): boolean {
    const { starts, address, words } = this
    for (let i = 0, at = range * words; i < words; i++, at++) {
      if (starts[at] !== address[i]) return starts[at]! > address[i]!
    }
    return false
  }
}

function spanOf({ octets, prefix }: Network, bits: number): { first: bigint; past: bigint } {
  const size = 1n << BigInt(bits - prefix)
  const address = BigInt(`0x${Buffer.from(octets).toString('hex')}`)
  const first = address - (address % size)
  return { first, past: first + size }
}

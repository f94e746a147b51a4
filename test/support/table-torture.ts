/**
 * What the torture test publishes: everything that can be read tells which name and which version it belongs to, so that
 * a reader can judge each answer by itself, without asking the writer.
 *
 *   s<i>              always there     A: n(v) addresses `v | k`, TTL = i + 1        SRV at _p._u.s<i>: targets below
 *   v<v>-<k>.s<i>     an endpoint      A: `v | k`. There before the SRV names it, gone after the SRV does not
 *   b<i>              comes and goes   AAAA: n(v) of `i, v, k, n`
 *   p<i>              always there     TXT, record by record: `v`, or `v` and `v + 1`
 *   g<i>              once there, stays: makes index and memory grow     A: i
 *
 * Shared between the writer's thread and the readers': one word each.
 */

import type { OwnerRecords, SrvTarget } from '../../src/wire/owner-records.ts'
import { nameOf } from './table-lookup.ts'

export const ZONE = 't'
export const SERVICES = 60
export const BLINKS = 60
export const SHARED = 20
/** Addresses of a set: up to so many, and now and then up to SIZE_OF_LARGE. */
const SIZE_OF_SMALL = 30
const SIZE_OF_LARGE = 700

/** Words of the control memory: told to stop; how many g<i> there are; answers checked, one word per reader. */
export const WORD_STOP = 0
export const WORD_GROWN = 1
export const WORD_CHECKED = 2

export interface TortureSetup {
  readonly memory: unknown
  readonly reader: number
  readonly control: Int32Array
}

/** How many addresses version `v` of set `i` has: known to both sides. */
export function sizeAt(i: number, v: number): number {
  const random = Math.imul(Math.imul(i + 1, 0x9e37_79b1) ^ v, 0x85eb_ca6b) >>> 4
  return 1 + (random % (random % 61 === 0 ? SIZE_OF_LARGE : SIZE_OF_SMALL))
}

/** Endpoints that have names and are in the SRV set. */
export function endpointsAt(i: number, v: number): number {
  return 1 + (sizeAt(i, v) % 6)
}

/** Version and position in one IPv4 address. */
export function addressOf(v: number, k: number): number {
  return ((v << 10) | k) >>> 0
}

export function endpointLabel(v: number, k: number): string {
  return `v${v}-${k}`
}

export function serviceRecords(i: number, v: number): OwnerRecords {
  const a = Array.from({ length: sizeAt(i, v) }, (_, k) => addressOf(v, k))
  return { owner: nameOf(`s${i}`, ZONE), ttl: i + 1, a }
}

export function srvRecords(i: number, v: number): OwnerRecords {
  const targets = Array.from({ length: endpointsAt(i, v) }, (_, k): SrvTarget => {
    return { port: v & 0xffff, label: endpointLabel(v, k), v4: [addressOf(v, k)], v6: new Uint8Array(0) }
  })
  // `_p._u` is six octets on the wire.
  return { owner: nameOf(`_p._u.s${i}`, ZONE), ttl: i + 1, srv: { suffixStart: 6, weight: targets.length, targets } }
}

export function endpointRecords(i: number, v: number, k: number): OwnerRecords {
  return { owner: nameOf(`${endpointLabel(v, k)}.s${i}`, ZONE), ttl: i + 1, a: [addressOf(v, k)] }
}

export function blinkRecords(i: number, v: number): OwnerRecords {
  const n = sizeAt(i, v)
  const aaaa = new Uint8Array(16 * n)
  const view = new DataView(aaaa.buffer)
  for (let k = 0; k < n; k++)
    for (const [word, value] of [i, v, k, n].entries()) view.setUint32(16 * k + 4 * word, value)
  return { owner: nameOf(`b${i}`, ZONE), ttl: i + 1, aaaa }
}

/** One TXT string of four octets. */
export function sharedRecord(v: number): Uint8Array {
  return Uint8Array.of(4, v >>> 24, v >>> 16, v >>> 8, v)
}

/**
 * A long history of slices, each event of which comes at any time and as often as chance wants, and what is left of it in
 * the end. Layer: test support; pure. An event is made anew each time from its version: a million need not be held.
 */

import { Random } from './random.ts'
import { slice } from './story-cluster.ts'

const MOST_PODS = 3
const ADDRESSES = 6

/** Of the most removals that a source remembers, fewer: what came before one of those is known to be over. */
const SERVICES = 100
const SLICES = 4

export interface SliceEvent {
  readonly isDeleted: boolean
  readonly service: string
  readonly name: string
  readonly uid: string
  readonly object: object
}

export class SliceEvents {
  readonly count: number
  private readonly seed: number
  /** Which slice each version is of; how often that had been made anew by then. */
  private readonly keys: Uint16Array
  private readonly generations: Uint32Array
  private readonly deleted: Uint8Array

  constructor(count: number, seed: number) {
    this.count = count
    this.seed = seed
    this.keys = new Uint16Array(count)
    this.generations = new Uint32Array(count)
    this.deleted = new Uint8Array(count)
    const random = new Random(seed)
    const there = new Uint8Array(SERVICES * SLICES)
    const generations = new Uint32Array(SERVICES * SLICES)
    for (let version = 0; version < count; version++) {
      const key = random.below(SERVICES * SLICES)
      this.keys[version] = key
      const isDeleted = there[key] === 1 && random.below(5) === 0
      if (there[key] === 0) generations[key]!++
      there[key] = isDeleted ? 0 : 1
      this.deleted[version] = isDeleted ? 1 : 0
      this.generations[version] = generations[key]!
    }
  }

  static services(): string[] {
    return Array.from({ length: SERVICES }, (_, i) => `s${i}`)
  }

  /** @param index from 0; its version is one more */
  at(index: number): SliceEvent {
    const key = this.keys[index]!
    const random = new Random(this.seed ^ Math.imul(index + 1, 0x9e3779b1))
    const service = `s${Math.floor(key / SLICES)}`
    const name = `${service}-${key % SLICES}`
    const uid = `${name}-${this.generations[index]}`
    const endpoints = Array.from({ length: random.below(MOST_PODS + 1) }, () => {
      const number = random.below(ADDRESSES)
      const targetRef = { kind: 'Pod', name: `pod-${number}`, uid: `${service}-${number}` }
      return { addresses: [`10.0.0.${number}`], conditions: { ready: random.below(4) > 0 }, targetRef }
    })
    const made = slice(name, service, endpoints) as { metadata: object }
    const object = { ...made, metadata: { ...made.metadata, uid, resourceVersion: String(index + 1) } }
    return { isDeleted: this.deleted[index] === 1, service, name, uid, object }
  }

  /** The slices that are left, by name: the number of the last event of each. */
  left(): Map<string, number> {
    const last = new Map<number, number>()
    for (let index = 0; index < this.count; index++) last.set(this.keys[index]!, index)
    const left = new Map<string, number>()
    for (const index of last.values()) if (this.deleted[index] === 0) left.set(this.at(index).name, index)
    return left
  }
}

/** Numbers from 0 in an order of chance. */
export function shuffledNumbers(count: number, random: Random): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, i) => i)
  for (let at = count - 1; at > 0; at--) {
    const other = random.below(at + 1)
    const [one, two] = [all[at]!, all[other]!]
    all[at] = two
    all[other] = one
  }
  return all
}

/**
 * What a fuzz target is: a decoder, what its inputs look like, and what must be true of every input.
 */

import { readdirSync, readFileSync } from 'node:fs'
import type { Random } from '../support/random.ts'

export interface Target {
  readonly name: string
  /** Words of the format: put into inputs whole. */
  readonly dictionary: readonly (string | Uint8Array)[]
  readonly maxOctets: number
  /** For one input, the least of all its measurements, by the clock on the wall. */
  readonly limitMs: number
  /** Inputs of a shape that mutations seldom find; they are mutated too. */
  readonly generate?: (random: Random) => Buffer
  open(): Promise<Decoder>
}

export interface Decoder {
  /** What is not the decoder's own work: not measured. What it returns is given to `decode`. */
  prepare?(input: Buffer): unknown
  /** The decoder, and nothing else. Returns its verdict; throws only what is a failure. */
  decode(prepared: never): unknown
  /**
   * Holds the verdict to what must be true. Throws a failure.
   * @returns a word for the kind of outcome: inputs that give a new one are mutated further
   */
  check(input: Buffer, verdict: never): string | Promise<string>
  close?(): Promise<void>
}

const SEEDS = new URL('./seeds/', import.meta.url)

/** The files of seeds/NAME, in the order of their names. */
export function seedsOf({ name }: Target): Buffer[] {
  const folder = new URL(`${name}/`, SEEDS)
  return readdirSync(folder)
    .sort()
    .map(file => readFileSync(new URL(file, folder)))
}

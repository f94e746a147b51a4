/**
 * The hash of a whole name, said once more and plainly: what the reader of queries and owner names must come to.
 */

import { hashLabel, hashOctet } from '../../src/wire/hash.ts'

/** @param name wire form, lower-cased, root label included */
export function hashName(name: Uint8Array, seed: number): number {
  const length = name[0]!
  if (length === 0) return seed
  const label = name.subarray(1, 1 + length).reduce(hashOctet, seed ^ length)
  return hashLabel(hashName(name.subarray(1 + length), seed), label)
}

/**
 * Names and queries for tests of rules. Layer: test support.
 */

import { AskedName } from '../../src/rules/asked-name.ts'
import { formatName, parseName } from '../../src/wire/name.ts'
import { Query } from '../../src/wire/query.ts'
import { queryOf } from './messages.ts'

export const SEED = 12_345

export function asked(name: string): AskedName {
  return new AskedName(wire(name))
}

export function wire(name: string): Uint8Array {
  return parseName(name)!
}

export function text(name: Uint8Array): string {
  return formatName(name)
}

/** A query as a data-plane thread has read it. */
export function read(name: string, type: number | 'A' | 'AAAA' | 'PTR' = 'A'): Query {
  const octets = queryOf(name, type)
  const query = new Query(SEED)
  query.read(octets, new DataView(octets.buffer, octets.byteOffset, octets.length), 0, octets.length)
  return query
}

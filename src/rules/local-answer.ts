/**
 * What a rule answers. Layer: rules; types, and the little that all rules share.
 */

import { RCODE_NOERROR, RCODE_NXDOMAIN } from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'

export interface LocalRecord {
  readonly type: number
  /** Names in it are not compressed. */
  readonly rdata: Uint8Array
}

/** All its records are owned by the name that was asked for. */
export interface LocalAnswer {
  readonly rcode: number
  readonly records: readonly LocalRecord[]
  /** Seconds, of records and of the SOA. */
  readonly ttl: number
  /** RFC 2308 §2: whose SOA goes into a negative answer; undefined: none, and nobody keeps it. */
  readonly zone: WireName | undefined
}

/** The name exists and has none of the type. */
export function noData(ttl: number, zone?: WireName): LocalAnswer {
  return { rcode: RCODE_NOERROR, records: [], ttl, zone }
}

export function noName(ttl: number, zone?: WireName): LocalAnswer {
  return { rcode: RCODE_NXDOMAIN, records: [], ttl, zone }
}

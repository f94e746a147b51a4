/**
 * What happened: one row of numbers per answering thread, in shared memory. Layer: dataplane.
 * The thread that owns a row adds to it with plain stores; the main thread sums rows when somebody asks. Nothing here
 * is locked, and a sum may be some queries old.
 *
 *   row   ┌──────────────┬─────────────────────────────┬────────┬──────────┬─────────────┬──────────────┬─────────┬─────────────┐
 *         │ STAT_…  (12) │ zone 0 │ zone 1 │ … │ none  │ panics │ cut sets │ limited (3) │ not deferred │ ACL (4) │ CACHE_… (4) │
 *         └──────────────┴─────────────────────────────┴────────┴──────────┴─────────────┴──────────────┴─────────┴─────────────┘
 *   zone  ┌───────────────────────────┬─────────┬────┬───────────────┬────────────────┬──────────┐
 *         │ requests[family][type]    │ rcodes  │ DO │ request sizes │ response sizes │ duration │
 *         └───────────────────────────┴─────────┴────┴───────────────┴────────────────┴──────────┘
 *   histogram: a count per bucket, the last for +Inf, then the sum
 */

import { CACHE_COUNTS } from '../answer/cached.ts'
import { STAT_FIELDS } from '../transport/datagram.ts'
import { RCODE_BADVERS } from '../wire/constants.ts'

/** QTYPEs counted by name; any other is `other`, so that clients cannot make label values. */
export const COUNTED_TYPES = new Map([
  [1, 'A'],
  [28, 'AAAA'],
  [33, 'SRV'],
  [12, 'PTR'],
  [16, 'TXT'],
  [5, 'CNAME'],
  [6, 'SOA'],
  [2, 'NS'],
  [15, 'MX'],
  [65, 'HTTPS'],
  [64, 'SVCB'],
  [43, 'DS'],
  [48, 'DNSKEY'],
  [35, 'NAPTR'],
  [13, 'HINFO'],
  [99, 'SPF'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
])
export const OTHER_TYPE = COUNTED_TYPES.size
const TYPES = COUNTED_TYPES.size + 1
const FAMILIES = 2
/** RCODE 0..10, then BADVERS. */
export const RCODES = 12
/** Zones counted apart; all further ones are counted with the last. */
export const MAX_COUNTED_ZONES = 16
/** Where queries are counted that were refused or dropped before a zone was found. */
export const NO_ZONE = MAX_COUNTED_ZONES

/** Upper bounds, in octets and in seconds, as CoreDNS has them. */
export const SIZE_BUCKETS = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3]
export const DURATION_BUCKETS = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i)

export const ZONE_REQUESTS = 0
export const ZONE_RCODES = ZONE_REQUESTS + FAMILIES * TYPES
export const ZONE_DO = ZONE_RCODES + RCODES
export const ZONE_REQUEST_SIZES = ZONE_DO + 1
export const ZONE_RESPONSE_SIZES = ZONE_REQUEST_SIZES + SIZE_BUCKETS.length + 2
export const ZONE_DURATIONS = ZONE_RESPONSE_SIZES + SIZE_BUCKETS.length + 2
const ZONE_FIELDS = ZONE_DURATIONS + DURATION_BUCKETS.length + 2

const ZONES_AT = STAT_FIELDS
export const PANICS = ZONES_AT + (MAX_COUNTED_ZONES + 1) * ZONE_FIELDS
/** Answers cut over TCP: sets that no message can hold. */
export const CUT_SETS = PANICS + 1
/** Error replies that were not sent, since their receiver had had enough of them; the same of any replies; those sent empty with TC. */
export const LIMITED_ERRORS = CUT_SETS + 1
export const LIMITED_RESPONSES = LIMITED_ERRORS + 1
export const SLIPPED_RESPONSES = LIMITED_RESPONSES + 1
/** Queries for the forwarder answered SERVFAIL because it could not keep up. */
export const NOT_DEFERRED = SLIPPED_RESPONSES + 1
/** What access rules did with queries, in the order of rules/acl.ts: allowed, blocked, filtered, dropped. */
export const ACL_AT = NOT_DEFERRED + 1
const ACL_ACTIONS = 4
/** What the answer cache did, in the order of answer/cached.ts. */
export const CACHE_AT = ACL_AT + ACL_ACTIONS
export const ROW_FIELDS = CACHE_AT + CACHE_COUNTS

/** First field of a zone; `zone` as in the table, or NO_ZONE. */
export function zoneFields(zone: number): number {
  return ZONES_AT + (zone < 0 ? NO_ZONE : Math.min(zone, MAX_COUNTED_ZONES - 1)) * ZONE_FIELDS
}

/** @param family 0: IPv4, 1: IPv6 */
export function requestField(family: number, typeIndex: number): number {
  return ZONE_REQUESTS + family * TYPES + typeIndex
}

export function rcodeIndex(rcode: number): number {
  return rcode === RCODE_BADVERS ? RCODES - 1 : rcode
}

/** Index of a QTYPE in COUNTED_TYPES, or OTHER_TYPE; a table, since it is asked for every query. */
export const typeIndexes = new Uint8Array(256).fill(OTHER_TYPE)
for (const [index, type] of [...COUNTED_TYPES.keys()].entries()) typeIndexes[type] = index

/** Index of the bucket of a size up to 4,095 octets; larger ones are looked for. */
const sizeIndexes = new Uint8Array(4096).map((_, size) => bucketOf(SIZE_BUCKETS, size))

export function sizeIndex(octets: number): number {
  return octets < sizeIndexes.length ? sizeIndexes[octets]! : bucketOf(SIZE_BUCKETS, octets)
}

/** @returns index of the first bound that is not below `value`; `bounds.length` for +Inf */
export function bucketOf(bounds: readonly number[], value: number): number {
  let index = 0
  while (index < bounds.length && bounds[index]! < value) index++
  return index
}

/**
 * The loopback's names and addresses, which nobody is to be asked for. Layer: rules; pure.
 * RFC 6761 §6.3: `localhost` and all below it; RFC 6303 §4.2: the reverse zones of addresses that are on no network.
 */

import { reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import { RCODE_NOERROR, TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_PTR } from '../wire/constants.ts'
import { parseName } from '../wire/name.ts'
import { type AskedName, keyOf } from './asked-name.ts'
import { type LocalAnswer, type LocalRecord, noData, noName } from './local-answer.ts'

/** Seconds: it never changes. */
const TTL = 86_400
const IPV4_LOOPBACK = Uint8Array.of(127, 0, 0, 1)
const IPV6_LOOPBACK = Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? 1 : 0))
const LOCALHOST = parseName('localhost')!
const LOCALHOST_KEY = keyOf(LOCALHOST)
const ADDRESSES: readonly LocalRecord[] = [
  { type: TYPE_A, rdata: IPV4_LOOPBACK },
  { type: TYPE_AAAA, rdata: IPV6_LOOPBACK },
]
const NAME: readonly LocalRecord[] = [{ type: TYPE_PTR, rdata: LOCALHOST }]
const IPV6_REVERSE = reverseNameOfIPv6(IPV6_LOOPBACK)
const REVERSE = new Set([reverseNameOfIPv4(0x7f00_0001), IPV6_REVERSE].map(keyOf))
const REVERSE_ZONES = [...['0', '127', '255'].map(octet => parseName(`${octet}.in-addr.arpa`)!), IPV6_REVERSE].map(
  zone => ({ zone, key: keyOf(zone) }),
)
const ARPA = keyOf(parseName('arpa')!)

/** @returns undefined: it is none of them */
export function answerLocalhost(name: AskedName, type: number): LocalAnswer | undefined {
  if (name.isWithin(LOCALHOST_KEY)) return withType(ADDRESSES, type, LOCALHOST)
  if (!name.isWithin(ARPA)) return undefined
  const found = REVERSE_ZONES.find(({ key }) => name.isWithin(key))
  if (found === undefined) return undefined
  const { zone } = found
  if (REVERSE.has(name.key)) return withType(NAME, type, zone)
  // RFC 8020: names exist above 1.0.0.127
  const isAbove = [...REVERSE].some(key => key.endsWith(name.key))
  return isAbove || name.key === found.key ? noData(TTL, zone) : noName(TTL, zone)
}

function withType(records: readonly LocalRecord[], type: number, zone: Uint8Array): LocalAnswer {
  const ofType = records.filter(each => type === TYPE_ANY || each.type === type)
  // RFC 6761 §6.3 item 4: for all other types an immediate negative response
  return ofType.length === 0 ? noData(TTL, zone) : { rcode: RCODE_NOERROR, records: ofType, ttl: TTL, zone: undefined }
}

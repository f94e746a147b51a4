/**
 * Mnemonics of the DNS ↔ numbers, for people. Layer: wire. Not used on the hot path.
 */

/** IANA's registry, as far as someone who asks a cluster's DNS is likely to need it. */
const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  SVCB: 64,
  HTTPS: 65,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
}
export const TYPE_NAMES: readonly string[] = Object.keys(TYPES)
const NAMES_OF_TYPES = new Map(Object.entries(TYPES).map(([name, type]) => [type, name]))
const CLASSES: Readonly<Record<number, string>> = { 1: 'IN', 3: 'CH', 4: 'HS', 254: 'NONE', 255: 'ANY' }
const RCODES: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  9: 'NOTAUTH',
  16: 'BADVERS',
  23: 'BADCOOKIE',
}
const OPCODES: Readonly<Record<number, string>> = { 0: 'QUERY', 2: 'STATUS', 4: 'NOTIFY', 5: 'UPDATE', 6: 'DSO' }
/** RFC 8914 §5.2, by code: IANA's registry as it was filled after it. */
const EXTENDED_ERRORS: readonly string[] = [
  'Other Error',
  'Unsupported DNSKEY Algorithm',
  'Unsupported DS Digest Type',
  'Stale Answer',
  'Forged Answer',
  'DNSSEC Indeterminate',
  'DNSSEC Bogus',
  'Signature Expired',
  'Signature Not Yet Valid',
  'DNSKEY Missing',
  'RRSIGs Missing',
  'No Zone Key Bit Set',
  'NSEC Missing',
  'Cached Error',
  'Not Ready',
  'Blocked',
  'Censored',
  'Filtered',
  'Prohibited',
  'Stale NXDOMAIN Answer',
  'Not Authoritative',
  'Not Supported',
  'No Reachable Authority',
  'Network Error',
  'Invalid Data',
  'Signature Expired before Valid',
  'Too Early',
  'Unsupported NSEC3 Iterations Value',
  'Unable to conform to policy',
  'Synthesized',
  'Invalid Query Type',
]

/** @param text a mnemonic in any case, or `TYPEnnn` (RFC 3597). @returns undefined for what is no type */
export function parseType(text: string): number | undefined {
  const upper = text.toUpperCase()
  if (Object.hasOwn(TYPES, upper)) return TYPES[upper]
  const number = /^TYPE(\d{1,5})$/.exec(upper)?.[1]
  return number !== undefined && Number(number) <= 0xffff ? Number(number) : undefined
}

export const typeName = (type: number): string => NAMES_OF_TYPES.get(type) ?? `TYPE${type}`
export const className = (number: number): string => CLASSES[number] ?? `CLASS${number}`
export const rcodeName = (rcode: number): string => RCODES[rcode] ?? `RCODE${rcode}`
export const opcodeName = (opcode: number): string => OPCODES[opcode] ?? `OPCODE${opcode}`
export const extendedErrorName = (code: number): string => EXTENDED_ERRORS[code] ?? 'Unassigned'

/**
 * Single values of the configuration: what is written → what the server works with. Layer: control; pure.
 * A reader gets any parsed YAML value and returns what it means, or a `Misfit` that says what it must be.
 */

import { isIP, isIPv4 } from 'node:net'
import type { UpstreamAddress } from '../forward/upstream.ts'
import { parseDns64Prefix, WELL_KNOWN_PREFIX } from '../rules/dns64.ts'
import { parseHostLine } from '../rules/hosts-file.ts'
import { parseNetwork } from '../rules/networks.ts'
import { compilePattern } from '../rules/patterns.ts'
import { parseType } from '../wire/mnemonics.ts'
import type { SocketAddress } from './config.ts'
import { reverseZonesOf } from './reverse-zones.ts'

/** `wanted` completes the sentence "it must be …". */
export class Misfit {
  readonly wanted: string
  constructor(wanted: string) {
    this.wanted = wanted
  }
}

export type Read<T> = (raw: unknown) => T | Misfit

export const readText: Read<string> = raw =>
  typeof raw === 'string' && raw.trim() !== '' ? raw : new Misfit('text (write it in quotes)')

export const readFraction: Read<number> = raw =>
  typeof raw === 'number' && raw >= 0 && raw <= 1 ? raw : new Misfit('a number from 0 to 1, such as 0.1')

export const readFlag: Read<boolean> = raw => (typeof raw === 'boolean' ? raw : new Misfit('true or false'))

export function readOneOf<const T extends string>(words: readonly T[]): Read<T> {
  return raw => words.find(word => word === raw) ?? new Misfit(`one of ${words.join(', ')}`)
}

export function readWhole(least: number, most: number, unit = ''): Read<number> {
  return raw =>
    typeof raw === 'number' && Number.isInteger(raw) && raw >= least && raw <= most
      ? raw
      : new Misfit(`a whole number${unit} from ${least} to ${most}`)
}

/** @returns a number a second; 0: no limit. YAML 1.1 reads `off` as false. */
export const readRate: Read<number> = raw => {
  const rate = raw === false || raw === 'off' ? 0 : readWhole(1, 1_000_000)(raw)
  return rate instanceof Misfit ? new Misfit('a whole number a second from 1 to 1000000, or off') : rate
}

const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 }

/** @returns milliseconds */
export function readDuration(least: string, most: string): Read<number> {
  const [leastMs, mostMs] = [toMs(least)!, toMs(most)!]
  return raw => {
    const ms = toMs(raw)
    return ms !== undefined && ms >= leastMs && ms <= mostMs
      ? ms
      : new Misfit(`a duration such as 500ms, 5s or 1m, from ${least} to ${most}`)
  }
}

/** The shortest way to write it that `readDuration` understands. */
export function formatDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}

function toMs(raw: unknown): number | undefined {
  const match = typeof raw === 'string' ? /^(\d{1,9})(ms|s|m)$/.exec(raw) : null
  return match === null ? undefined : Number(match[1]) * UNITS_MS[match[2]!]!
}

export const readSocketAddress: Read<SocketAddress> = raw =>
  parseSocketAddress(raw) ?? new Misfit('an IP address and a port, such as 127.0.0.1:1053 or "[::1]:1053"')

/** YAML 1.1 reads `off` as false. */
export const readAdmin: Read<SocketAddress | 'off'> = raw =>
  raw === false || raw === 'off'
    ? 'off'
    : (parseSocketAddress(raw) ?? new Misfit('an IP address and a port, such as 127.0.0.1:9153, or off'))

/** `10.0.0.1:53`, `[::1]:53`, `[fe80::1%eth0]:53` */
export function parseSocketAddress(raw: unknown): SocketAddress | undefined {
  const match = typeof raw === 'string' ? /^(?:\[([^\]]{1,80})\]|([\d.]{7,15})):(\d{1,5})$/.exec(raw) : null
  if (match === null) return undefined
  const [, v6, v4] = match
  const address = v6 ?? v4 ?? ''
  const port = Number(match[3])
  const hasScope = address.includes('%')
  if (isIP(address) !== (v6 === undefined ? 4 : 6) || port > 65_535) return undefined
  return hasScope && !/^fe[89ab]/i.test(address) ? undefined : { address, port }
}

export const readAnyZone: Read<string> = raw => toZone(raw) ?? new Misfit('a domain name such as example.com')

/** `.` stands for all names. */
export const readForwardZone: Read<string> = raw =>
  raw === '.' ? raw : (toZone(raw) ?? new Misfit('a domain name such as example.com, or "." for all names'))

export const readUpstream: Read<string> = raw => {
  const fits = typeof raw === 'string' && (isPath(raw) || parseUpstream(raw) !== undefined)
  return fits
    ? raw
    : new Misfit(
        'an IP address with or without a port, tls:// before it for DNS over TLS (tls://9.9.9.9#dns.quad9.net), or a file such as /etc/resolv.conf',
      )
}

export const readSearch: Read<string> = raw =>
  typeof raw === 'string' && isPath(raw)
    ? raw
    : (toZone(raw) ?? new Misfit('a domain name such as corp.example, or a file such as /etc/resolv.conf'))

/** A file that names the upstreams, or the search list. */
export function isPath(upstream: string): boolean {
  return /^\.{0,2}\//.test(upstream)
}

/** `10.0.0.1`, `10.0.0.1:53`, `::1`, `[::1]:53`, `tls://9.9.9.9:853#dns.quad9.net` */
export function parseUpstream(text: string): UpstreamAddress | undefined {
  const [, scheme, rest = '', serverName] = /^(tls:\/\/)?([^#]{1,100})(?:#([-a-zA-Z0-9.]{1,253}))?$/.exec(text) ?? []
  const tls = scheme !== undefined
  if (serverName !== undefined && !tls) return undefined
  const bare = rest.replace(/^\[(.*)\]$/, '$1')
  const where = isIP(bare) === 0 ? parseSocketAddress(rest) : { address: bare, port: tls ? 853 : 53 }
  if (where === undefined || where.port === 0) return undefined
  return { ...where, tls, serverName }
}

// RFC 1035 §2.3.4 (sizes); the letters are those of host names, and "_" (RFC 8552).
const LABELS = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*$/
const REVERSE = /(^|\.)(in-addr|ip6)\.arpa$/

/** RFC 4343: lower-cased. */
export const readZone: Read<string> = raw => {
  const zone = toZone(raw)
  if (zone === undefined) return new Misfit('a domain name such as cluster.local')
  return REVERSE.test(zone) ? new Misfit('a zone of names; reverse zones stand under reverseZones') : zone
}

/** @returns one or more zones */
export const readReverseZone: Read<readonly string[]> = raw => {
  const zone = toZone(raw)
  if (zone !== undefined && REVERSE.test(zone)) return [zone]
  if (zone !== undefined && !/^[\d.]+$/.test(zone)) {
    return new Misfit('a name below in-addr.arpa or ip6.arpa, or a network; other zones stand under zones')
  }
  const zones = typeof raw === 'string' ? reverseZonesOf(raw) : undefined
  return zones ?? new Misfit('a network such as 10.96.0.0/12 or fd00:10::/64, or a name below in-addr.arpa or ip6.arpa')
}

function toZone(raw: unknown): string | undefined {
  const zone = typeof raw === 'string' ? raw.toLowerCase().replace(/\.$/, '') : ''
  return zone.length <= 253 && LABELS.test(zone) ? zone : undefined
}

/** Pods without an address are given one of these; every one of them is kept in mind, hence no shorter than /8. */
export const readPodCIDR: Read<string> = raw => {
  const [address = '', length = '', ...rest] = typeof raw === 'string' ? raw.split('/') : []
  const fits =
    rest.length === 0 && isIPv4(address) && /^\d{1,2}$/.test(length) && Number(length) >= 8 && Number(length) <= 32
  return fits ? (raw as string) : new Misfit('an IPv4 network from /8 to /32, such as 127.1.0.0/16')
}

export const readNetwork: Read<string> = raw =>
  typeof raw === 'string' && raw.includes('/') && parseNetwork(raw) !== undefined
    ? raw
    : new Misfit('a network such as 10.244.0.0/16 or fd00:10::/64')

/** As a line of hosts(5). */
export const readHostsLine: Read<string> = raw => {
  const entry = typeof raw === 'string' && raw.length <= 4096 ? parseHostLine(raw) : undefined
  if (typeof entry === 'object') return raw as string
  const why = entry === undefined ? '' : ` (${entry})`
  return new Misfit(`an address and names behind it, such as "10.0.0.1 db.example.com db"${why}`)
}

export const readPattern: Read<string> = raw => {
  const pattern = typeof raw === 'string' ? compilePattern(raw) : 'text'
  return typeof pattern === 'string' ? new Misfit(`a regular expression (${pattern})`) : (raw as string)
}

/** What rules are made of: anything printable, without blanks. */
export const readWord: Read<string> = raw =>
  typeof raw === 'string' && /^[!-~]{1,512}$/.test(raw) ? raw : new Misfit('a word of printable ASCII, at most 512')

export const readRecord: Read<string> = raw =>
  typeof raw === 'string' && /^(A|AAAA|PTR|TXT)\s+\S/i.test(raw) && raw.length <= 4096
    ? raw
    : new Misfit('a type, A, AAAA, PTR or TXT, and data, such as "A 10.0.0.1"')

/** A mnemonic, or `TYPEnnn` (RFC 3597 §5). */
export const readType: Read<string> = raw =>
  typeof raw === 'string' && parseType(raw) !== undefined
    ? raw.toUpperCase()
    : new Misfit('a type of records such as AAAA, or TYPE65')

export const readClientNetwork: Read<string> = raw =>
  typeof raw === 'string' && parseNetwork(raw) !== undefined
    ? raw
    : new Misfit('a network or an address, such as 10.244.0.0/16 or fd00:10::1')

/** The port may be left out. */
export const readSecondary: Read<SocketAddress> = raw => {
  const where = typeof raw === 'string' && isIP(raw) !== 0 ? { address: raw, port: 53 } : parseSocketAddress(raw)
  return where !== undefined && where.port !== 0
    ? where
    : new Misfit('the IP address of a name server with or without a port, such as 10.0.0.5 or "[fd00::5]:53"')
}

/** YAML 1.1 reads `off` as false. */
export const readDns64Prefix: Read<string> = raw => {
  if (raw === false || raw === 'off') return 'off'
  return typeof raw === 'string' && parseDns64Prefix(raw) !== undefined
    ? raw
    : new Misfit(`an IPv6 network of 32, 40, 48, 56, 64 or 96 bits, such as ${WELL_KNOWN_PREFIX}, or off`)
}

/** RFC 1123 §2.1: what the API server takes as a namespace. */
export const readNamespace: Read<string> = raw =>
  typeof raw === 'string' && /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(raw)
    ? raw
    : new Misfit('the name of a namespace: a-z, 0-9 and "-", at most 63')

export const readNodeName: Read<string> = raw =>
  raw === '' || (typeof raw === 'string' && raw.length <= 253 && /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(raw))
    ? raw
    : new Misfit('the name of a Node: a-z, 0-9, "-" and ".", at most 253')

/** Plain HTTP only where nobody can listen in. */
export const readEndpoint: Read<string> = raw => {
  const url = typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : undefined
  const isLoopback = url !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  const fits = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback)
  const isBare = url !== undefined && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return fits && isBare ? (raw as string) : new Misfit('a URL such as https://10.0.0.1:6443 (http only on loopback)')
}

const SELECTOR_KEY = '([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?'
const SELECTOR_VALUE = '([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?'
const REQUIREMENT = new RegExp(
  String.raw`^(!\s*KEY|KEY|KEY\s*(=|==|!=)\s*VALUE|KEY\s+(in|notin)\s*\(\s*VALUE(\s*,\s*VALUE)*\s*\))$`
    .replaceAll('KEY', SELECTOR_KEY)
    .replaceAll('VALUE', SELECTOR_VALUE),
)

/** A label selector in the API's own writing; `''`: everything. */
export const readSelector: Read<string> = raw => {
  const wanted = new Misfit('a label selector such as app=web,tier!=test or "env in (a, b)"')
  if (typeof raw !== 'string' || raw.length > 4096) return wanted
  if (raw === '') return raw
  // A comma inside parentheses divides values, not requirements.
  const requirements = raw.split(/,(?![^()]*\))/)
  return requirements.every(requirement => REQUIREMENT.test(requirement.trim())) ? raw : wanted
}

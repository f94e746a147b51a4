/**
 * Names of zones, and what a server block answers for. Layer: corefile; pure.
 * Zones are lower-case, without the final dot; the root is `.`.
 */

/** What a server block's key says: `dns://example.org:1053`. */
export interface BlockKey {
  /** `dns`, `tls`, `https`, `grpc`, … */
  readonly scheme: string
  /** A name or a network, as written. */
  readonly zone: string
  readonly port: number
}

const PORTS: Readonly<Record<string, number>> = { dns: 53, tls: 853, quic: 853, https: 443, https3: 443, grpc: 443 }

export function readBlockKey(key: string): BlockKey {
  const [, scheme = 'dns', rest = ''] = /^(?:([a-z0-9]+):\/\/)?([\s\S]*)$/.exec(key)!
  const [, zone = rest, port] = /^(.*?):(\d{1,5})$/.exec(rest) ?? []
  return { scheme, zone: zone === '' ? '.' : zone, port: port === undefined ? (PORTS[scheme] ?? 53) : Number(port) }
}

/**
 * @param reverseZonesOf a network in CIDR notation → its reverse zones; undefined: it is none
 * @returns one zone, or those of a network
 */
export function zonesOf(text: string, reverseZonesOf: (network: string) => readonly string[] | undefined): string[] {
  const network = text.includes('/') ? reverseZonesOf(text) : undefined
  return network === undefined ? [normalZone(text)] : [...network]
}

export function normalZone(text: string): string {
  const zone = text.toLowerCase().replace(/\.$/, '')
  return zone === '' ? '.' : zone
}

export function isWithin(name: string, zone: string): boolean {
  return zone === '.' || name === zone || name.endsWith(`.${zone}`)
}

/** What lies in one of `these` and in one of `those`: of each pair the longer, when it lies in the other. */
export function intersect(these: readonly string[], those: readonly string[]): string[] {
  const both = these.flatMap(one =>
    those.flatMap(other => (isWithin(one, other) ? [one] : isWithin(other, one) ? [other] : [])),
  )
  return [...new Set(both)]
}

export function isReverse(zone: string): boolean {
  return /(^|\.)(in-addr|ip6)\.arpa$/.test(zone)
}

/**
 * The names that this server holds, and where in them a name lies. Layer: compare; pure.
 */

/** Owner name (lower case, final dot) → the types at it, as mnemonics. */
export type NameTypes = ReadonlyMap<string, readonly string[]>

export class Names {
  readonly types: NameTypes
  /** Those of the zones; longer names first. */
  readonly zones: readonly string[]

  constructor(types: NameTypes) {
    this.types = types
    this.zones = [...types]
      .filter(([, at]) => at.includes('SOA'))
      .map(([name]) => name)
      .sort((a, b) => b.length - a.length)
  }

  has(name: string): boolean {
    return this.types.has(name)
  }

  /** The nearest zone that the name is in, or undefined: it is outside. */
  zoneOf(name: string): string | undefined {
    return this.zones.find(zone => isWithin(name, zone))
  }
}

export function isWithin(name: string, zone: string): boolean {
  return zone === '.' || name === zone || name.endsWith(`.${zone}`)
}

/** Of the addresses' tree, not of the names'. */
export function isReverse(zone: string): boolean {
  return isWithin(zone, 'in-addr.arpa.') || isWithin(zone, 'ip6.arpa.')
}

/** Labels before the zone, the leftmost first. No name of a cluster has a dot inside a label. */
export function labelsBefore(name: string, zone: string): string[] {
  const rest = name.slice(0, name.length - zone.length)
  return rest === '' ? [] : rest.slice(0, -1).split('.')
}

/** A line of `GET /names`: `OWNER TYPE...`. */
export function parseNameLine(line: string): [name: string, types: string[]] {
  const [name = '', ...types] = line.split(' ')
  return [name, types]
}

/**
 * In which of our zones a name that does not exist is asked elsewhere, as CoreDNS's `fallthrough` says it: by names that
 * the asked name is to lie in. Layer: control; pure.
 */

import type { Fallthrough } from '../answer/elsewhere.ts'
import { parseName } from '../wire/name.ts'
import type { Config } from './config.ts'

/** All zones that are answered from the cluster. */
export function ownZones({
  zones,
  reverseZones,
  records,
}: Pick<Config, 'zones' | 'reverseZones' | 'records'>): string[] {
  return [...zones, ...reverseZones, ...records.multicluster, ...records.external.zones]
}

/** Whether `name` is `zone` or lies below it. Both with the final dot, or neither; '.' is the root. */
export function liesIn(name: string, zone: string): boolean {
  return zone === '.' || name === zone || name.endsWith(`.${zone}`)
}

/**
 * @param zones   ours, by their numbers
 * @param through names: of a zone, above one, or below one
 * @returns for each zone that one of them touches: all of it, or what lies below some names
 */
export function fallthroughOf(zones: readonly string[], through: readonly string[]): Fallthrough[] {
  return zones.flatMap((zone, number) => {
    if (through.some(name => liesIn(zone, name))) return [{ zone: number }]
    const below = through.filter(name => liesIn(name, zone)).map(name => parseName(name)!)
    return below.length === 0 ? [] : [{ zone: number, below }]
  })
}

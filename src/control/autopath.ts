/**
 * `autopath` wired up: pods that are known, the filter by which data-plane threads know them, search lists. Layer: control.
 */

import type { ClientPods } from '../cluster/client-pods.ts'
import { createSearchFilter, SearchFilter, type SearchGateSetup } from '../dataplane/search-gate.ts'
import { readResolvConf, searchIn } from '../forward/resolv-conf.ts'
import { parseName, prependLabels, type WireName } from '../wire/name.ts'
import { Query } from '../wire/query.ts'
import type { Config } from './config.ts'
import { isPath } from './config-values.ts'
import { liesIn } from './fallthrough.ts'
import type { Logger } from './log.ts'

export interface AutopathSetup {
  /** In which search paths begin; wire form, lower case. */
  readonly zones: readonly WireName[]
  /** The Node's search list. */
  readonly search: readonly WireName[]
  /** Fed by the sources. */
  readonly pods: ClientPods
}

/** What pods are looked up by: `::1` and `0:0::1` are one. */
export function addressKey(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1')
}

/**
 * From now on the filter holds what `pods` knows.
 * @param zones ours, in the order of their numbers
 * @param seed  of the table's hash
 */
export function openGate(
  { pods, zones: begin }: AutopathSetup,
  zones: readonly WireName[],
  seed: number,
): SearchGateSetup {
  const filter = createSearchFilter()
  const writer = new SearchFilter(filter)
  const name = new Query(seed)
  pods.follow((key, namespace, isHere) => {
    for (const zone of begin) {
      const first = prependLabels([namespace, 'svc'], zone)
      if (first === undefined) continue
      name.readName(first, 0, first.length)
      writer.change(Buffer.from(key, 'latin1'), name.suffixHash[0]!, isHere ? 1 : -1)
    }
  })
  const zoneLabels = zones.map(zone => {
    if (!begin.some(each => Buffer.compare(each, zone) === 0)) return 0
    name.readName(zone, 0, zone.length)
    return name.labels
  })
  return { filter, zoneLabels }
}

/** @returns the names of a search list; files are read now: a pod's own never changes either */
export function searchListOf({ autopath, zones }: Pick<Config, 'autopath' | 'zones'>, log: Logger): WireName[] {
  const names = autopath.search.flatMap(each => {
    if (!isPath(each)) return [each]
    try {
      // A pod of the cluster has the cluster's own names there.
      return searchIn(readResolvConf(each)).filter(name => !zones.some(zone => liesIn(name, zone)))
    } catch (error) {
      log.warn(`autopath goes without the search list of ${each}: ${(error as Error).message}`, { file: each })
      return []
    }
  })
  return [...new Set(names)].flatMap(name => parseName(name) ?? [])
}

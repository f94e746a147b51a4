/**
 * Where the names of one Service stand: in which zones of a branch, and under which name there. Layer: records; pure.
 */

import type { Service } from '../cluster/objects.ts'
import { prependLabels, type WireName } from '../wire/name.ts'
import type { RecordOptions } from './options.ts'
import { type Branch, base } from './service-names.ts'
import { isAtOrBelow } from './zone-names.ts'

const NO_PLACE = { zones: [], ttl: 0 }

/** Where names of a branch stand. */
export function placeOf(
  options: RecordOptions,
  branch: Branch,
): { readonly zones: readonly WireName[]; readonly ttl: number } {
  return branch === 'external' ? (options.external ?? NO_PLACE) : options
}

/** `<svc>.<ns>.<branch>.<zone>` in wire form, made once for all names of a Service. */
export class ServiceSuffixes {
  private readonly service: Service
  private readonly options: RecordOptions
  /** By external zone, those of ours that lie in it. */
  private readonly deeper: readonly (readonly WireName[])[]
  private readonly made: Record<Branch, (WireName | undefined)[]> = { svc: [], direct: [], external: [] }

  constructor(service: Service, options: RecordOptions, deeper: readonly (readonly WireName[])[]) {
    this.service = service
    this.options = options
    this.deeper = deeper
  }

  /** @returns undefined when the name would be too long, or is a deeper zone's */
  name(branch: Branch, labels: readonly string[], zone: number): WireName | undefined {
    const made = this.made[branch]
    if (made.length <= zone) {
      const { zones } = placeOf(this.options, branch)
      const names = zones.map(apex => prependLabels(base(this.service, branch), apex))
      made.push(...(branch === 'external' ? names.map((name, i) => this.outsideOf(name, i)) : names))
    }
    const suffix = made[zone]
    return suffix === undefined || labels.length === 0 ? suffix : prependLabels(labels, suffix)
  }

  /** RFC 1034 §4.2: what lies in a zone below is that one's, and `<svc>.<ns>` may be any name there. */
  private outsideOf(name: WireName | undefined, zone: number): WireName | undefined {
    return name !== undefined && this.deeper[zone]?.some(apex => isAtOrBelow(name, apex)) ? undefined : name
  }
}

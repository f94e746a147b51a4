/**
 * What a table should hold, kept in a Map: what was put at each name, and the names that exist because of it.
 */

import type { WireName } from '../../src/wire/name.ts'
import { NAME_APEX, NAME_PERMANENT, type NameWriter, type OwnerRecords } from '../../src/wire/owner-records.ts'
import { type Found, formatGroup, formatRaw, formatTarget, hexOf } from './table-lookup.ts'

export class TableModel implements NameWriter {
  /** Hex of the wire form → what was put there. */
  readonly names = new Map<string, OwnerRecords>()
  private readonly apexes: readonly WireName[]

  /** @param apexes in the order in which the table has them */
  constructor(apexes: readonly WireName[]) {
    this.apexes = apexes
    for (const owner of apexes) this.names.set(hexOf(owner), { owner, ttl: 5, flags: NAME_APEX | NAME_PERMANENT })
  }

  /** The apex of a zone is its own. */
  put(records: OwnerRecords): void {
    const isOwn = ((records.flags ?? 0) & NAME_APEX) !== 0
    if (this.zoneOf(records.owner) >= 0 && (isOwn || !this.isApex(records.owner))) {
      this.names.set(hexOf(records.owner), records)
    }
  }

  remove(owner: WireName): void {
    if (!this.isApex(owner)) this.clear(owner)
  }

  private isApex(owner: WireName): boolean {
    return this.apexes.some(apex => hexOf(apex) === hexOf(owner))
  }

  private clear(owner: WireName): void {
    const flags = (this.names.get(hexOf(owner))?.flags ?? 0) & (NAME_APEX | NAME_PERMANENT)
    if (flags === 0) this.names.delete(hexOf(owner))
    else this.names.set(hexOf(owner), { owner, ttl: 0, flags })
  }

  changeRecords(
    owner: WireName,
    type: number,
    ttl: number,
    added: readonly Uint8Array[],
    removed: readonly Uint8Array[],
  ): void {
    const isIn = (all: readonly Uint8Array[], one: Uint8Array) => all.some(other => hexOf(other) === hexOf(one))
    const known = this.rdataAt(owner, type)
    const left = known.filter(one => !isIn(removed, one))
    const more = added.filter(one => !isIn(left, one))
    if (left.length === known.length && more.length === 0) return
    this.putSet(owner, type, added.length > 0 ? ttl : this.names.get(hexOf(owner))!.ttl, [...left, ...more])
  }

  /** Has the name content other than records that are added and removed one by one? */
  hasOwnContent(owner: WireName): boolean {
    const { flags, a, aaaa, srv, zones } = this.names.get(hexOf(owner)) ?? {}
    return [flags, a, aaaa, srv, zones].some(part => part !== undefined)
  }

  /** What a reader is to find; undefined: the name does not exist. */
  expected(owner: WireName): Found | undefined {
    const hex = hexOf(owner)
    const below = new Set<string>()
    for (const { owner: other } of this.names.values()) {
      for (let name = other; name.length > owner.length; name = parentOf(name)) {
        if (hexOf(parentOf(name)) === hex) below.add(hexOf(name))
      }
    }
    const records = this.names.get(hex)
    const zone = this.zoneOf(owner)
    if (zone < 0 || (records === undefined && below.size === 0)) return undefined
    const { ttl, flags = 0, a = [], aaaa = new Uint8Array(0), srv, raw = [], zones = [] } = records ?? { ttl: 0 }
    return {
      zone,
      ttl,
      flags,
      children: below.size,
      a: [...a],
      aaaa: hexOf(aaaa),
      srv: srv && {
        suffixStart: srv.suffixStart,
        weight: srv.weight,
        targets: srv.targets.map(({ port, label, v4, v6 }) => formatTarget(port, label, v4, hexOf(v6))),
      },
      raw: raw.map(formatRaw),
      zones: zones.map(({ labels, v4, v6 }) => formatGroup(labels, v4, hexOf(v6))),
    }
  }

  private rdataAt(owner: WireName, type: number): readonly Uint8Array[] {
    return this.names.get(hexOf(owner))?.raw?.find(set => set.type === type)?.rdata ?? []
  }

  private putSet(owner: WireName, type: number, ttl: number, rdata: Uint8Array[]): void {
    const others = (this.names.get(hexOf(owner))?.raw ?? []).filter(set => set.type !== type)
    const raw = rdata.length === 0 ? others : [...others, { type, rdata: rdata.sort(Buffer.compare) }]
    if (raw.length === 0) this.clear(owner)
    else this.put({ ...this.names.get(hexOf(owner)), owner, ttl, raw })
  }

  /** Number of the innermost zone that the name is in, or -1. */
  private zoneOf(name: WireName): number {
    for (let at = name; ; at = parentOf(at)) {
      const zone = this.apexes.findIndex(apex => hexOf(apex) === hexOf(at))
      if (zone >= 0 || at.length === 1) return zone
    }
  }
}

/** The name without its first label; `name` must not be the root. */
export function parentOf(name: WireName): WireName {
  return name.subarray(1 + name[0]!)
}

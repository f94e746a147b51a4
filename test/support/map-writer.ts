/**
 * A NameWriter over a Map, to see what is published, and after each write whether answers still lead somewhere.
 */

import type { NameWriter, OwnerRecords } from '../../src/wire/owner-records.ts'

export class MapWriter implements NameWriter {
  readonly names = new Map<string, OwnerRecords>()
  /** Owner → records that several objects share, as `type:rdata`. */
  readonly shared = new Map<string, Set<string>>()
  writes = 0
  private readonly afterWrite: (writer: MapWriter) => void

  constructor(afterWrite: (writer: MapWriter) => void = () => {}) {
    this.afterWrite = afterWrite
  }

  put(records: OwnerRecords): void {
    this.names.set(key(records.owner), records)
    this.written()
  }

  remove(owner: Uint8Array): void {
    this.names.delete(key(owner))
    this.written()
  }

  changeRecords(
    owner: Uint8Array,
    type: number,
    _ttl: number,
    added: readonly Uint8Array[],
    removed: readonly Uint8Array[],
  ): void {
    const records = this.shared.get(key(owner)) ?? new Set()
    for (const rdata of removed) records.delete(`${type}:${key(rdata)}`)
    for (const rdata of added) records.add(`${type}:${key(rdata)}`)
    if (records.size === 0) this.shared.delete(key(owner))
    else this.shared.set(key(owner), records)
    this.written()
  }

  /** Names that an SRV or a PTR leads to, and that do not exist. */
  dangling(): string[] {
    const missing: string[] = []
    const look = (target: string, from: string): void => {
      if (!this.names.has(target)) missing.push(`${printable(from)} → ${printable(target)}`)
    }
    for (const [owner, { srv }] of this.names) {
      for (const { label } of srv?.targets ?? []) {
        const labels = label === '' ? [] : label.split('.')
        const first = labels.map(each => String.fromCharCode(each.length) + each).join('')
        look(first + owner.slice(srv!.suffixStart), owner)
      }
    }
    for (const [owner, records] of this.shared) for (const record of records) look(record.replace(/^\d+:/, ''), owner)
    return missing
  }

  /** All there is, in a form that compares. */
  snapshot(): unknown {
    const names = [...this.names].map(([owner, { a = [], aaaa, srv, raw = [], zones = [], ttl, flags = 0 }]) => ({
      owner: printable(owner),
      ttl,
      flags,
      a: [...a],
      aaaa: Buffer.from(aaaa ?? []).toString('hex'),
      srv: srv === undefined ? [] : [srv.suffixStart, srv.weight, ...srv.targets.map(target => plain(target))],
      raw: raw.map(({ type, rdata }) => [type, ...rdata.map(octets => key(octets))]),
      zones: zones.map(({ labels, v4, v6 }) => [key(labels), [...v4], key(v6)]),
    }))
    const shared = [...this.shared].map(([owner, records]) => [printable(owner), [...records].sort()])
    return { names: names.sort((a, b) => (a.owner < b.owner ? -1 : 1)), shared: shared.sort() }
  }

  private written(): void {
    this.writes++
    this.afterWrite(this)
  }
}

function plain({
  port,
  label,
  v4,
  v6,
}: {
  port: number
  label: string
  v4: readonly number[]
  v6: Uint8Array
}): unknown {
  return [port, label, [...v4], key(v6)]
}

export function key(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1')
}

function printable(name: string): string {
  return JSON.stringify(name)
}

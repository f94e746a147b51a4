/**
 * The table against a Map, by properties: whatever sequence of changes is made, a reader finds at every name what the
 * model has there, and what it holds while online does not change under it. fast-check prints the seed of a failure.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseName, type WireName } from '../../src/wire/name.ts'
import {
  NAME_APEX,
  NAME_PERMANENT,
  NAME_PODS,
  type NameWriter,
  type OwnerRecords,
} from '../../src/wire/owner-records.ts'
import { createTable, type Found, hexOf, Lookup, type TestTable } from '../support/table-lookup.ts'
import { parentOf, TableModel } from '../support/table-model.ts'

/** The second lies within the first. */
const ZONES = ['z.', 'in.z.']
const APEXES = ZONES.map(zone => parseName(zone)!)

// RFC 2181 §11: any octet may stand in a label
const LABELS = [Uint8Array.of(0x61), Uint8Array.of(0, 0x2e, 0xff), Uint8Array.of(1), new Uint8Array(63).fill(0x78)]
const OUTSIDE = parseName('elsewhere.')!
const UNIVERSE = universe()

function below(label: Uint8Array, parent: WireName): WireName {
  return Uint8Array.of(label.length, ...label, ...parent)
}

/** Names up to three labels below each zone, names of 254 and 255 octets (RFC 1035 §2.3.4), and all that is above them. */
function universe(): WireName[] {
  const names = new Map<string, WireName>()
  const add = (name: WireName): void => {
    for (let at = name; ; at = parentOf(at)) {
      names.set(hexOf(at), at)
      if (at.length === 1) return
    }
  }
  for (const apex of [...APEXES, OUTSIDE]) {
    for (const one of LABELS) {
      add(below(one, apex))
      for (const two of LABELS.slice(0, 3)) {
        add(below(two, below(one, apex)))
        add(below(one, below(two, below(one, apex))))
      }
    }
    let long = apex
    while (long.length + 64 <= 254) long = below(LABELS[3]!, long)
    for (const octets of [254, 255]) {
      if (octets - long.length >= 2) add(below(new Uint8Array(octets - long.length - 1).fill(0x79), long))
    }
  }
  return [...names.values()]
}

interface Real extends TestTable {
  readonly lookup: Lookup
  /** A reader that stays online over many changes. */
  readonly holder: Lookup
  held: Map<number, Found> | undefined
}

class Change implements fc.Command<TableModel, Real> {
  private readonly text: string
  private readonly apply: (writer: NameWriter) => void
  private readonly isMeant: (model: Readonly<TableModel>) => boolean

  constructor(
    text: string,
    apply: (writer: NameWriter) => void,
    isMeant: (model: Readonly<TableModel>) => boolean = () => true,
  ) {
    this.text = text
    this.apply = apply
    this.isMeant = isMeant
  }

  check(model: Readonly<TableModel>): boolean {
    return this.isMeant(model)
  }

  run(model: TableModel, real: Real): void {
    this.apply(model)
    this.apply(real.writer)
    compare(model, real)
  }

  toString(): string {
    return this.text
  }
}

class Commit implements fc.Command<TableModel, Real> {
  check = (): boolean => true
  run(model: TableModel, real: Real): void {
    real.writer.commit()
    compare(model, real)
  }
  toString = (): string => 'commit'
}

/** The holder goes online and keeps all blocks it finds, or looks at them again and goes offline. */
class Hold implements fc.Command<TableModel, Real> {
  check = (): boolean => true
  run(_model: TableModel, real: Real): void {
    if (real.held === undefined) {
      real.holder.reader.begin()
      const blocks = UNIVERSE.map(name => real.holder.find(name)).filter(block => block !== 0)
      real.held = new Map(blocks.map(block => [block, real.holder.decode(block)]))
    } else {
      compareHeld(real)
      real.holder.reader.end()
      real.held = undefined
    }
  }
  toString = (): string => 'hold'
}

function compare(model: TableModel, real: Real): void {
  let names = 0
  for (const name of UNIVERSE) {
    const expected = model.expected(name)
    assert.deepEqual(real.lookup.get(name), expected, hexOf(name))
    if (expected !== undefined) names++
  }
  assert.equal(real.writer.stats().names, names, 'and no other name')
  compareHeld(real)
}

/** `children` is the writer's own and may change in place. */
function compareHeld(real: Real): void {
  for (const [block, found] of real.held ?? []) {
    assert.deepEqual({ ...real.holder.decode(block), children: 0 }, { ...found, children: 0 })
  }
}

const address = fc.integer({ min: 0, max: 0xffff_ffff })
const v4 = fc.array(address, { maxLength: 20 })
const v6 = fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 4 }).map(all => Buffer.concat(all))
const label = fc.stringMatching(/^[a-z0-9-]{0,63}$/)
const target = fc.record({ port: fc.nat(65_535), label, v4, v6 })
const srv = fc.record({
  suffixStart: fc.nat(254),
  weight: fc.nat(65_535),
  targets: fc.array(target, { minLength: 1, maxLength: 5 }),
})
const type = fc.constantFrom(2, 5, 12, 16, 257)
const rdata = fc.uint8Array({ maxLength: 40 })
const raw = fc.uniqueArray(fc.record({ type, rdata: fc.array(rdata, { minLength: 1, maxLength: 4 }) }), {
  minLength: 1,
  maxLength: 3,
  selector: set => set.type,
})
const zones = fc.array(fc.record({ labels: rdata, v4, v6 }), { minLength: 1, maxLength: 3 })
const content = fc
  .record({ ttl: fc.nat(0x7fff_ffff), a: v4, aaaa: v6, srv, raw, zones }, { requiredKeys: ['ttl'] })
  .filter(records =>
    Object.entries(records).some(([part, value]) => part !== 'ttl' && (value as ArrayLike<0>).length !== 0),
  )
const isApex = (name: WireName): boolean => APEXES.some(apex => hexOf(apex) === hexOf(name))
const name = fc.constantFrom(...UNIVERSE)
const flags = fc.constantFrom(undefined, undefined, undefined, NAME_PERMANENT, NAME_PODS)

function put(records: OwnerRecords): Change {
  return new Change(`put ${hexOf(records.owner)} ${JSON.stringify(records)}`, writer => writer.put(records))
}

const commands = [
  fc.tuple(name, content, flags).map(([owner, records, more]) => {
    if (isApex(owner)) return put({ ...records, owner, flags: NAME_APEX | NAME_PERMANENT })
    return put(more === undefined ? { ...records, owner } : { ...records, owner, flags: more })
  }),
  name.map(owner => new Change(`remove ${hexOf(owner)}`, writer => writer.remove(owner))),
  fc.tuple(name, type, fc.nat(3600), fc.uniqueArray(rdata, { minLength: 1, maxLength: 2, selector: hexOf })).map(
    ([owner, type, ttl, added]) =>
      new Change(
        `add ${hexOf(owner)} ${type} ${ttl} ${added.map(hexOf).join(' ')}`,
        writer => writer.changeRecords(owner, type, ttl, added, []),
        model => !model.hasOwnContent(owner),
      ),
  ),
  fc
    .tuple(name, fc.nat(3600), fc.uniqueArray(rdata, { maxLength: 2, selector: hexOf }), fc.nat(100))
    .map(([owner, ttl, added, pick]) => {
      let chosen: { type: number; rdata: Uint8Array } | undefined
      return new Change(
        `add ${added.map(hexOf).join(' ')} and remove at ${hexOf(owner)} (${pick})`,
        writer => chosen && writer.changeRecords(owner, chosen.type, ttl, added, [chosen.rdata]),
        model => {
          const records = (model.names.get(hexOf(owner))?.raw ?? []).flatMap(set =>
            set.rdata.map(rdata => ({ type: set.type, rdata })),
          )
          chosen = records[pick % records.length]
          return !model.hasOwnContent(owner)
        },
      )
    }),
  fc.constant(new Commit()),
  fc.constant(new Hold()),
]

describe('the table is a Map to its reader', () => {
  it('after any sequence of changes, and what a reader holds stays as it was', () => {
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 60, size: 'max' }), sequence => {
        fc.modelRun(() => {
          const table = createTable(ZONES)
          const real = { ...table, lookup: new Lookup(table.memory, 1), holder: new Lookup(table.memory, 2) }
          return { model: new TableModel(APEXES), real: { ...real, held: undefined } }
        }, sequence)
      }),
      { numRuns: 100 },
    )
  })

  it('a name that was put with nothing at it exists until it is removed, whatever came and went below it', () => {
    const { memory, writer } = createTable(ZONES)
    const lookup = new Lookup(memory, 1)
    const owner = below(LABELS[0]!, APEXES[0]!)
    writer.put({ owner, ttl: 5 })
    writer.put({ owner: below(LABELS[0]!, owner), ttl: 5, a: [1] })
    writer.remove(below(LABELS[0]!, owner))
    assert.notEqual(lookup.get(owner), undefined)
  })

  it('a record added at a name leaves there what else it has: its addresses, its place as a zone apex', () => {
    const { memory, writer } = createTable(ZONES)
    const lookup = new Lookup(memory, 1)
    writer.changeRecords(APEXES[0]!, 12, 5, [Uint8Array.of(0)], [])
    assert.equal(lookup.get(APEXES[0]!)?.flags, NAME_APEX | NAME_PERMANENT)
    const owner = below(LABELS[0]!, APEXES[0]!)
    writer.put({ owner, ttl: 5, a: [1] })
    writer.changeRecords(owner, 12, 5, [Uint8Array.of(0)], [])
    assert.deepEqual(lookup.get(owner)?.a, [1])
  })
})

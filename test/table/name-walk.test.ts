import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { NameWalk, ownerAt, typesAt } from '../../src/table/name-walk.ts'
import { formatName } from '../../src/wire/name.ts'
import { createTable, nameOf, type TestTable } from '../support/table-lookup.ts'

const TTL = 5
const name = (i: number) => nameOf(`n${i}`, 'z.')
const put = ({ writer }: TestTable, i: number) => writer.put({ owner: name(i), ttl: TTL, a: [i] })

describe('the walk over all names', () => {
  it('visits what is there all the time exactly once, whatever comes, goes, is replaced and grows between its pieces', () => {
    const change = fc.record({ kind: fc.constantFrom('put', 'remove', 'grow'), at: fc.nat(400) })
    const run = fc.record({
      stay: fc.nat(600),
      pieces: fc.array(
        fc.record({ homes: fc.integer({ min: 1, max: 400 }), changes: fc.array(change, { maxLength: 8 }) }),
      ),
    })
    fc.assert(
      fc.property(run, ({ stay, pieces }) => {
        const table = createTable(['z.'])
        for (let i = 0; i < stay; i++) put(table, i)
        const seen = new Map<string, number>()
        const visit = (words: Int32Array, octets: Uint8Array, block: number) => {
          const owner = formatName(ownerAt(words, octets, block))
          seen.set(owner, (seen.get(owner) ?? 0) + 1)
        }
        const walk = new NameWalk(table.memory)
        let grown = 10_000
        for (const { homes, changes } of pieces) {
          if (!walk.next(homes, visit)) break
          for (const { kind, at } of changes) {
            // Above `stay`: names that come and go. Below: another block for the same name.
            if (kind === 'put') put(table, at < stay ? at : stay + at)
            else if (kind === 'remove') table.writer.remove(name(stay + at))
            else for (let i = 0; i < 700; i++) put(table, grown++)
          }
          table.writer.commit()
        }
        while (walk.next(300, visit));
        assert.equal(seen.get('z.'), 1)
        for (let i = 0; i < stay; i++) assert.equal(seen.get(`n${i}.z.`), 1, `n${i}`)
        for (const [owner, times] of seen) assert.equal(times, 1, owner)
      }),
      { numRuns: 60 },
    )
  })

  it('tells the types at a name', () => {
    const { memory, writer } = createTable(['z.'])
    const target = { port: 80, label: 'a', v4: [], v6: new Uint8Array(0) }
    const srv = { suffixStart: 0, weight: 1, targets: [target] }
    const rdata = [Uint8Array.of(0)]
    writer.put({
      owner: nameOf('all', 'z.'),
      ttl: TTL,
      a: [1, 2],
      aaaa: new Uint8Array(16),
      srv,
      raw: [
        { type: 16, rdata },
        { type: 2, rdata },
      ],
    })
    writer.put({ owner: nameOf('deep.below', 'z.'), ttl: TTL, raw: [{ type: 5, rdata }] })
    const found: Record<string, number[]> = {}
    new NameWalk(memory).next(Number.POSITIVE_INFINITY, (words, octets, block) => {
      found[formatName(ownerAt(words, octets, block))] = typesAt(words, block)
    })
    assert.deepEqual(found, { 'z.': [6], 'all.z.': [1, 28, 33, 16, 2], 'below.z.': [], 'deep.below.z.': [5] })
  })
})

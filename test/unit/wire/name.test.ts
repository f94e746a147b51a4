import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { encodeLabel, formatName, lowerCase, parseName, prependLabels } from '../../../src/wire/name.ts'
import { Query } from '../../../src/wire/query.ts'
import { hashName } from '../../support/hash-name.ts'
import { nameOf } from '../../support/messages.ts'

const label = fc.uint8Array({ minLength: 1, maxLength: 63 })
const labels = fc
  .array(label, { maxLength: 8 })
  .filter(all => all.reduce((sum, { length }) => sum + 1 + length, 1) <= 255)

function lowered(name: Uint8Array): Buffer {
  return Buffer.from(name).map(octet => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet)) as Buffer
}

describe('RFC 1035 §5.1: presentation format', () => {
  it('reads names with and without the final dot; the root is a dot', () => {
    assert.deepEqual([...parseName('web.ns')!], [3, 0x77, 0x65, 0x62, 2, 0x6e, 0x73, 0])
    assert.deepEqual(parseName('web.ns.'), parseName('web.ns'))
    assert.deepEqual([...parseName('.')!], [0])
  })

  it('reads escapes: a dot, a backslash, decimal octets', () => {
    assert.deepEqual([...parseName('a\\.b.c')!], [3, 0x61, 0x2e, 0x62, 1, 0x63, 0])
    assert.deepEqual([...parseName('\\\\')!], [1, 0x5c, 0])
    assert.deepEqual([...parseName('\\000\\255\\065')!], [3, 0, 255, 0x61, 0])
  })

  it('refuses what is no name', () => {
    for (const text of ['..', 'a..b', '.a', '\\256', '\\999', 'a\\', `${'x'.repeat(64)}`, 'a..']) {
      assert.equal(parseName(text), undefined, JSON.stringify(text))
    }
  })

  it('writes octets that are not printable as decimals, and special characters behind a backslash', () => {
    assert.equal(formatName(nameOf('a.b', 'c')), 'a\\.b.c.')
    assert.equal(formatName(nameOf(Buffer.from([0, 32, 127, 255]))), '\\000\\032\\127\\255.')
    assert.equal(formatName(nameOf('"();@$\\')), '\\"\\(\\)\\;\\@\\$\\\\.')
    assert.equal(formatName(Buffer.from([0])), '.')
    assert.equal(formatName(Buffer.concat([Buffer.from([9, 9]), nameOf('a')]), 2), 'a.')
  })

  it('any name of any octets comes back from its text, in lower case', () => {
    fc.assert(
      fc.property(labels, all => {
        const name = nameOf(...all)
        const text = formatName(name)
        assert.match(text, /^[\x21-\x7e]*$/)
        assert.deepEqual(Buffer.from(parseName(text)!), lowered(name))
      }),
    )
  })

  it('any text is a name of at most 255 octets, or undefined; never an exception', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.stringMatching(/^[a.\\0-9]{0,40}$/)),
        text => {
          const name = parseName(text)
          if (name === undefined) return
          assert.ok(name.length >= 1 && name.length <= 255)
          let at = 0
          while (name[at]! !== 0) {
            assert.ok(name[at]! <= 63)
            at += 1 + name[at]!
          }
          assert.equal(at, name.length - 1)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('RFC 1035 §2.3.4: limits', () => {
  it('labels of 63 octets and names of 255 are made, longer ones are not', () => {
    const long = 'x'.repeat(63)
    assert.ok(parseName([long, long, long, 'x'.repeat(61)].join('.')) !== undefined)
    assert.equal(parseName([long, long, long, 'x'.repeat(62)].join('.')), undefined)
    const suffix = parseName([long, long, long].join('.'))!
    assert.equal(prependLabels(['x'.repeat(61)], suffix)!.length, 255)
    assert.equal(prependLabels(['x'.repeat(62)], suffix), undefined)
    assert.equal(prependLabels(['x'.repeat(64)], new Uint8Array(1)), undefined)
    assert.equal(prependLabels([''], suffix), undefined)
  })
})

describe('RFC 1035 §3.1: wire form', () => {
  it('prependLabels leaves a dot inside a label where it is', () => {
    assert.deepEqual(Buffer.from(prependLabels(['a.b', 'C'], parseName('zone')!)!), nameOf('a.b', 'c', 'zone'))
  })

  it('encodeLabel lower-cases ASCII, and measures in octets', () => {
    assert.deepEqual([...encodeLabel('Az')!], [0x61, 0x7a])
    assert.equal(encodeLabel('ä'.repeat(32)), undefined)
    assert.equal(encodeLabel(''), undefined)
  })
})

describe('RFC 4343 §3: lower case', () => {
  it('of the 256 octets, the 26 letters change', () => {
    const changed = Array.from({ length: 256 }, (_, octet) => octet).filter(octet => lowerCase(octet) !== octet)
    assert.equal(Buffer.from(changed).toString(), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')
    for (const octet of changed) assert.equal(lowerCase(octet), octet + 32)
  })
})

describe('the hash of a name', () => {
  it('is the same, for every suffix, from the query’s one pass and from the whole name', () => {
    fc.assert(
      fc.property(labels, fc.integer(), (all, seed) => {
        const query = new Query(seed)
        const name = nameOf(...all)
        const end = query.readName(name, 0, name.length)
        assert.equal(end, name.length)
        assert.equal(query.labels, all.length)
        assert.deepEqual(Buffer.from(query.name.subarray(0, query.nameLength)), lowered(name))
        for (let i = 0; i <= query.labels; i++) {
          const suffix = query.name.subarray(query.labelStart[i], query.nameLength)
          assert.equal(query.suffixHash[i], hashName(suffix, seed | 0))
        }
      }),
    )
  })

  it('depends on the seed, and spreads names that differ in one octet', () => {
    const hashes = new Set<number>()
    for (let i = 0; i < 20_000; i++) hashes.add(hashName(parseName(`pod-${i}.ns.svc.cluster.local`)!, 12_345) & 0xffff)
    // 20,000 balls in 65,536 bins fill 17,200 of them when they fall at random.
    assert.ok(hashes.size > 16_800, `${hashes.size} of 65,536 values`)
    const name = parseName('web.default.svc.cluster.local')!
    assert.equal(new Set([1, 2, 3, 4].map(seed => hashName(name, seed))).size, 4)
  })
})

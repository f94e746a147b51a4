import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fallthroughOf, liesIn } from '../../../src/control/fallthrough.ts'
import { parseName } from '../../../src/wire/name.ts'

const ZONES = ['cluster.local.', 'in-addr.arpa.', '96.10.in-addr.arpa.']

describe('fallthrough', () => {
  it('of a zone, or of a name above it, is all of it; of a name below it, what lies there', () => {
    assert.deepEqual(fallthroughOf(ZONES, ['cluster.local.']), [{ zone: 0 }])
    assert.deepEqual(fallthroughOf(ZONES, ['in-addr.arpa.']), [{ zone: 1 }, { zone: 2 }])
    assert.deepEqual(fallthroughOf(ZONES, ['.']), [{ zone: 0 }, { zone: 1 }, { zone: 2 }])
    const below = [parseName('a.cluster.local')!, parseName('b.cluster.local')!]
    assert.deepEqual(fallthroughOf(ZONES, ['a.cluster.local.', 'b.cluster.local.']), [{ zone: 0, below }])
    assert.deepEqual(fallthroughOf(ZONES, ['a.cluster.local.', 'local.']), [{ zone: 0 }])
  })

  it('of a name that touches no zone is none', () => {
    assert.deepEqual(fallthroughOf(ZONES, ['example.com.', 'xcluster.local.']), [])
  })

  it('compares labels, not letters', () => {
    for (const [name, zone, expected] of [
      ['a.b', 'b', true],
      ['b', 'b', true],
      ['ab', 'b', false],
      ['b', 'a.b', false],
      ['a', '.', true],
      ['.', '.', true],
      ['.', 'a', false],
    ] as const) {
      assert.equal(liesIn(name, zone), expected, `${name} ${zone}`)
    }
  })
})

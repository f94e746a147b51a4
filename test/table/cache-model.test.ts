/**
 * Whatever is heard, forgotten, expired and asked, in any order: what a data-plane thread answers is what a Map says.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CachedWorld, soaOf } from '../support/cached.ts'
import { addressOf, QNAME } from '../support/fake-upstream.ts'
import { RCODES, wireName } from '../support/messages.ts'

const A = 1
const NAMES = 12
const MIN_TTL = 5

type Step =
  | {
      readonly what: 'hear'
      readonly name: number
      readonly ttl: number
      readonly version: number
      readonly count: number
    }
  | { readonly what: 'deny'; readonly name: number; readonly ttl: number }
  | { readonly what: 'fail' | 'purge' | 'ask'; readonly name: number }
  | { readonly what: 'wait'; readonly seconds: number }

const name = fc.nat(NAMES - 1)
const ttl = fc.oneof(fc.nat(20), fc.nat(4000))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('ask' as const), name }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('hear' as const),
      name,
      ttl,
      version: fc.nat(250),
      count: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('deny' as const), name, ttl }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('fail' as const, 'purge' as const), name }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('wait' as const), seconds: fc.nat(30) }) },
)

interface Known {
  readonly rcode: number
  readonly version: number
  readonly count: number
  readonly expires: number
}

/** @param mayForget what is not found was evicted */
function run(world: CachedWorld, steps: readonly Step[], mayForget: boolean): void {
  const model = new Map<number, Known>()
  const nameOf = (n: number): string => `name-${'x'.repeat(n)}.example.com`
  for (const step of steps) {
    if (step.what === 'wait') {
      world.now += step.seconds
      continue
    }
    const text = nameOf(step.name)
    const known = model.get(step.name)
    const isFresh = known !== undefined && world.now < known.expires
    switch (step.what) {
      case 'hear': {
        const { version, count } = step
        const answers = Array.from({ length: count }, (_, i) => addressOf(QNAME, `10.0.${version}.${i}`, step.ttl))
        world.hear(text, A, { answers })
        const kept = Math.min(Math.max(step.ttl, MIN_TTL), 3600)
        if (step.ttl > 0) model.set(step.name, { rcode: 0, version, count, expires: world.now + kept })
        break
      }
      case 'deny': {
        world.hear(text, A, { rcode: 3, authority: [soaOf('example.com', step.ttl, 9999)] })
        const kept = Math.min(Math.max(step.ttl, MIN_TTL), 1800)
        if (step.ttl > 0) model.set(step.name, { rcode: 3, version: 0, count: 0, expires: world.now + kept })
        break
      }
      case 'fail':
        world.fail(text, A)
        if (!isFresh) model.set(step.name, { rcode: RCODES.SERVFAIL, version: 0, count: 0, expires: world.now + 5 })
        break
      case 'purge':
        world.store.purge(wireName(text))
        model.delete(step.name)
        break
      case 'ask': {
        const answer = world.ask(text, A, { stream: true })
        if (answer === undefined && (mayForget || !isFresh)) break
        assert.ok(isFresh && answer !== undefined, `${text}: ${answer === undefined ? 'forgotten' : 'made up'}`)
        assert.equal(answer.rcode, known.rcode)
        const { answers, authority } = answer.reply
        assert.deepEqual(
          answers.map(({ rdata }) => rdata.join('.')),
          Array.from({ length: known.count }, (_, i) => `10.0.${known.version}.${i}`),
        )
        for (const { ttl } of [...answers, ...authority]) assert.equal(ttl, known.expires - world.now)
      }
    }
  }
  if (!mayForget) return
  const { success, denial } = world.store.stats()
  assert.ok(success.entries <= 4 && denial.entries <= 4)
  assert.equal(success.entries + denial.entries, world.store.region.entries)
}

describe('the cache against a Map', () => {
  it('with room for all', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), steps => run(new CachedWorld(), steps, false)),
      { numRuns: 60 },
    )
  })

  it('with room for few, in entries and in octets: it forgets, and makes nothing up', () => {
    const part = { capacity: 4, ttl: 3600, minTtl: MIN_TTL }
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(1 << 12, 1 << 20), (steps, maxOctets) =>
        run(new CachedWorld({ success: part, denial: { ...part, ttl: 1800 }, maxOctets }), steps, true),
      ),
      { numRuns: 60 },
    )
  })
})

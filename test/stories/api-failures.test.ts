/**
 * Stories of an API server that goes away, stands still or refuses.
 */

import assert from 'node:assert/strict'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { cluster, FOREVER, failure, HANG_UP, isList, SECOND, SOME, UNAUDITED } from './api.ts'
import { story } from './story.ts'

/** Requests of one resource by which back-off has grown to its most, and the time that takes at most. */
const GROWN = 9
const GROWN_HOURS = 0.05

/** The API server is gone for a while, in which `during` happens. */
async function outage(world: StoryWorld, during: () => Promise<void>): Promise<void> {
  world.truth.blinds()
  world.api.fail(HANG_UP, () => true, FOREVER)
  world.api.resetWatches()
  await world.until(() => world.api.watchCount() === 0, 'the watches are broken')
  await during()
  world.api.heal()
  await world.watching()
  world.truth.sees()
  await world.checker.agrees()
}

story('F6: half-open watches are found by their silence, and told as a metric', SOME, async world => {
  world.truth.blinds()
  world.api.freeze()
  cluster.steps(10)
  await world.clock.advance(100 * SECOND)
  assert.ok((await world.metric('headless_dns_watch_silence_seconds'))! >= 200, 'two watches are silent for 100 s')
  world.api.heal()
  await world.clock.advance(60 * SECOND)
  await world.watching()
  await world.until(() => world.api.requests.length >= 4, 'both watches are opened anew')
  world.truth.sees()
  await world.checker.agrees()
})

story('F7: watches that close at once, a hundred times, make no storm and no list', UNAUDITED, async world => {
  const before = world.api.requests.length
  world.truth.blinds()
  world.api.closesWatches = true
  world.api.closeWatches()
  const hasGrown = (path: string) => world.api.requests.slice(before).filter(one => one.path === path).length >= GROWN
  await world.hurry(() => hasGrown(SERVICES) && hasGrown(SLICES), 'back-off has grown')
  const sinceMs = world.clock.nowMs
  await world.hurry(() => world.api.requests.length >= before + 100, 'a hundred watches')
  world.assertRare(sinceMs)
  const asked = world.api.requests.slice(before)
  assert.equal(asked.filter(isList).length, 0, 'a watch that closes in order is no reason to list')
  world.api.closesWatches = false
  await world.watching()
  world.truth.sees()
})

story('F8: a Service is deleted while the API server is away for half an hour', SOME, async world => {
  world.putService(serviceOf('web'))
  world.putSlices(sliceOf('web-1', 'web', ['10.0.0.1']))
  await world.checker.agrees()
  await outage(world, async () => {
    world.deleteService('web')
    world.deleteSlice('web-1', 'web')
    await world.passHours(0.5)
    world.api.compact()
  })
})

story(
  'T20: an API server that is away for hours changes no answer, and takes no server out of service',
  SOME,
  async world => {
    await outage(world, async () => {
      await world.passHours(GROWN_HOURS)
      const sinceMs = world.clock.nowMs
      for (const hours of [0.25, 1, 2]) {
        await world.passHours(hours)
        assert.ok(await world.isReady(), 'ready all the while')
      }
      world.assertRare(sinceMs)
    })
  },
)

for (const [what, fault] of [
  ['500', failure(500, 'InternalError')],
  ['429 with Retry-After', failure(429, 'TooManyRequests', { 'retry-after': '1' })],
  ['503', failure(503, 'ServiceUnavailable')],
  ['no JSON', { kind: 'status', status: 200, body: '<html>' }],
  ['resets', { kind: 'octets', octets: '{"type":"ADDED","obj', ending: 'reset' }],
] as const) {
  story(`T20b: a storm of ${what}, and changes meanwhile`, SOME, async world => {
    world.truth.blinds()
    world.api.fail(fault, () => true, 10)
    world.api.resetWatches()
    cluster.steps(20)
    await world.hurry(() => world.api.requests.length >= 12, 'ten requests failed')
    await world.watching()
    world.truth.sees()
    await world.checker.agrees()
  })
}

story('T30: a clock that jumps changes no TTL and no wait', SOME, async world => {
  const now = Date.now
  try {
    for (const hours of [1, -2, 24]) {
      Date.now = () => now() + hours * 3_600_000
      cluster.steps(5)
      await world.checker.agrees()
    }
  } finally {
    Date.now = now
  }
})

story(
  'T29: rights that are taken away later: what was known is served, and the log says what is missing',
  SOME,
  async world => {
    world.truth.blinds()
    world.api.fail(failure(403, 'Forbidden'), () => true, FOREVER)
    world.api.closeWatches()
    cluster.steps(5)
    await world.passHours(GROWN_HOURS)
    const sinceMs = world.clock.nowMs
    await world.passHours(1)
    assert.ok(await world.isReady())
    world.assertRare(sinceMs)
    assert.ok(
      world.log.some(line => /watch/.test(line) && /endpointslices\.discovery\.k8s\.io/.test(line)),
      'the log says so',
    )
    world.api.heal()
    await world.watching()
    world.truth.sees()
    await world.checker.agrees()
  },
)

/**
 * Stories of what an API server does not say: events that are lost, a history that goes back unseen.
 */

import assert from 'node:assert/strict'
import { serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { RandomCluster } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { agrees, story } from './story.ts'

/** `auditInterval`, by default: no two audits lie further apart. */
const AUDIT_MS = 600_000
/** As an API server does, about so often; time goes by in steps of it. */
const BOOKMARK_MS = 50_000
/** An audit lets the watch have its time (15 s), a list follows it, and a step of time may pass before all that is seen. */
const HEALED_MS = AUDIT_MS + 30_000 + BOOKMARK_MS

let cluster: RandomCluster
const SOME = {
  prepare(world: StoryWorld) {
    cluster = new RandomCluster(world)
  },
}

const drift = (world: StoryWorld) => world.metric('headless_dns_index_drift_objects_total')

/** Time goes by until what is wrong was found and repaired: not later than the next audit. @param passes happens all the while */
async function healed(world: StoryWorld, found: () => Promise<boolean>, passes: () => void = () => {}): Promise<void> {
  const startMs = world.clock.nowMs
  for (;;) {
    passes()
    await world.quiet()
    if ((await found()) && (await agrees(world))) break
    const passedMs = world.clock.nowMs - startMs
    assert.ok(passedMs <= HEALED_MS, `not repaired after ${passedMs} ms`)
    await world.clock.advance(Math.min(BOOKMARK_MS, world.clock.soonestMs ?? 0))
  }
}

/** Nothing of what `change` does is told, and bookmarks go on as if all had been. */
async function untold(world: StoryWorld, change: () => void): Promise<void> {
  const before = (await drift(world)) ?? 0
  world.truth.blinds()
  world.api.hold()
  change()
  world.api.release(() => [])
  // Without them a watch is silent, and is opened anew: no audit compares at that moment.
  await healed(
    world,
    async () => (await drift(world))! > before,
    () => world.api.bookmark(),
  )
  world.truth.sees()
}

story('F5: what happened to one Service is never told: an audit finds, repairs and counts it', SOME, async world => {
  for (let i = 0; i < 3; i++) {
    await untold(world, () => {
      world.putService(serviceOf(`lost-${i}`))
      world.putSlices(sliceOf(`lost-${i}`, `lost-${i}`, ['10.8.0.1', '10.8.0.2']))
      if (i > 0) world.deleteService(`lost-${i - 1}`)
    })
    assert.match(world.log.join(''), new RegExp(`lost-${i}`), 'the log names what was wrong')
  }
})

story('T24: twenty events of any kind are lost', SOME, async world => {
  await untold(world, () => {
    cluster.steps(20)
    world.putService(serviceOf('lost'))
  })
})

/** Of two slices the server may hear of one, by a version that counts again, before it lists both. */
const ONE_SLICE_EACH = {
  prepare(world: StoryWorld) {
    cluster = new RandomCluster(world, { slices: 1 })
  },
}

story('T23: the API server is restored to an earlier state, and no event shows it', ONE_SLICE_EACH, async world => {
  const lists = () => world.api.requests.filter(({ query }) => !query.has('watch') || query.has('sendInitialEvents'))
  for (let i = 0; i < 2; i++) {
    const before = lists().length
    world.truth.blinds()
    world.api.hold()
    world.api.restore(600 - 200 * i)
    cluster.steps(10)
    world.putService(serviceOf(`restored-${i}`))
    world.api.release(() => [])
    await healed(world, async () => lists().length >= before + 2)
    world.truth.sees()
  }
})

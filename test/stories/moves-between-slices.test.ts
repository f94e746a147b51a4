/**
 * Ten thousand moves of endpoints between slices, by two writes in either order, told by the simulated API server to a whole
 * server that is asked 5,000 times a second: what is true never changes, so every other answer is wrong.
 */

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { SLICES as SLICES_PATH, serviceOf } from '../support/fake-api-objects.ts'
import { endpoint, slice } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { story } from './story.ts'

/** Of several runs only the first takes the time for all. */
const MOVES = Number(process.env['STORIES_RUN'] ?? 0) === 0 ? 10_000 : 1000
const MOVES_PER_TICK = 8
const TICK_MS = 10
const PODS = 12
const SLICES = 4

const places = Array.from({ length: PODS }, (_, pod) => pod % SLICES)

function sliceOf(number: number): object {
  const own = places.flatMap((place, pod) => (place === number ? [pod] : []))
  const endpoints = own.map(pod =>
    endpoint(`10.0.0.${1 + pod}`, { ready: true, hostname: `web-${pod}`, pod: `web-${pod}` }),
  )
  return slice(`web-slice-${number}`, 'web', endpoints)
}

const WEB = {
  perSecond: 5000,
  prepare(world: StoryWorld) {
    world.putService(serviceOf('web'))
    world.putSlices(...Array.from({ length: SLICES }, (_, number) => sliceOf(number)))
  },
}

story(
  `F3: ${MOVES} moves in both orders while 5,000 a second ask: never without the pod, never twice`,
  WEB,
  async world => {
    const before = world.checker.checked
    const startMs = performance.now()
    for (let moves = 0; moves < MOVES; moves += MOVES_PER_TICK) {
      for (let i = 0; i < MOVES_PER_TICK; i++) {
        const pod = world.random.below(PODS)
        const from = places[pod]!
        places[pod] = (from + 1 + world.random.below(SLICES - 1)) % SLICES
        const writes = [sliceOf(from), sliceOf(places[pod]!)]
        if (world.random.below(2) === 0) writes.reverse()
        for (const write of writes) {
          // One write is not the other's: the server is given the time to see the first alone.
          world.api.put(SLICES_PATH, write)
          if (world.random.below(4) === 0) await delay(0)
        }
      }
      await delay(TICK_MS)
    }
    const perSecond = ((world.checker.checked - before) * 1000) / (performance.now() - startMs)
    await world.checker.agrees()
    assert.ok(perSecond > 2500, `${perSecond.toFixed(0)} answers a second`)
  },
)

/**
 * Stories of topology zones: a zone without a pod, a zone with one of many.
 */

import assert from 'node:assert/strict'
import { serviceOf } from '../support/fake-api-objects.ts'
import { endpoint, slice } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { story } from './story.ts'

const NAME = 'web.default.svc.cluster.local'
const PODS = 100
const inZone = (zone: string) => `${zone}.prefer._zone.${NAME}`
/** The last pod is of zone b, where it is ready. */
const pods = (isReady: boolean) =>
  Array.from({ length: PODS }, (_, i) => {
    const isLast = i === PODS - 1
    return endpoint(`10.0.0.${i + 1}`, { ready: !isLast || isReady, zone: isLast ? 'b' : 'a' })
  })
const put = (world: StoryWorld, isReady: boolean) => world.putSlices(slice('web-1', 'web', pods(isReady)))

const WEB = {
  prepare(world: StoryWorld) {
    world.putService(serviceOf('web'))
    put(world, true)
    world.ask(['a', 'b', 'c', 'd.e'].flatMap(zone => ['A', 'AAAA'].map(type => ({ name: inZone(zone), type }))))
  },
}

function countIn(world: StoryWorld, zone: string): number {
  const verdict = world.truth.now({ name: inZone(zone), type: 'A' })
  assert.equal(verdict.rcode, 'NOERROR')
  return verdict.rcode === 'NOERROR' ? verdict.answers.length : 0
}

story(
  'F35: a zone with one pod of a hundred has that one, a zone with none has all; the one comes and goes',
  WEB,
  async world => {
    for (let i = 0; i < 10; i++) {
      await world.checker.agrees()
      assert.deepEqual(
        ['a', 'b', 'c', 'd.e'].map(zone => countIn(world, zone)),
        [99, 1, 100, 100],
      )
      put(world, false)
      await world.checker.agrees()
      assert.deepEqual(
        ['a', 'b', 'c', 'd.e'].map(zone => countIn(world, zone)),
        [99, 99, 99, 99],
      )
      put(world, true)
    }
  },
)

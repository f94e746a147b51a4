/**
 * Endpoints that move between slices by two writes in either order, told by the simulated API server to a whole server that is
 * asked 5,000 times a second.
 */

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { SLICES as SLICES_PATH, serviceOf } from '../support/fake-api-objects.ts'
import { endpoint, RandomCluster, slice } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { story } from './story.ts'

/** Of several runs only the first takes the time for all; STORIES_MOVES says otherwise. */
const MOVES = Number(process.env['STORIES_MOVES'] ?? (Number(process.env['STORIES_RUN'] ?? 0) === 0 ? 10_000 : 2000))
const PER_SECOND = 5000
/** So that there are 5,000 answers to so many moves, however fast this machine asks. */
const ANSWERS_TO_A_MOVE = 4
const LONGEST_GAP_MS = 200
const SERVICES = 20
const PODS = 24
const SLICES = 4
const TICK_MS = 2
const LEAST_ASKED = 0.6

/** Which pods each slice has: two of them one pod in the midst of a move, or none. */
const slices = Array.from({ length: SERVICES }, () =>
  Array.from({ length: SLICES }, (_, n) => new Set(numbers(PODS).filter(pod => pod % SLICES === n))),
)

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

function sliceOf(service: number, number: number): object {
  const pods = [...slices[service]![number]!].map(pod => {
    const name = `web-${service}-${pod}`
    return endpoint(`10.0.${service}.${1 + pod}`, { ready: true, hostname: `web-${pod}`, pod: name })
  })
  return slice(`web-${service}-${number}`, `web-${service}`, pods)
}

/** What is true never changes, so that every other answer is wrong. */
const WEB = {
  perSecond: PER_SECOND,
  share: 0.25,
  // Longer than any gap: a write that this machine was late with is no fault of the server.
  config: { records: { moveWindow: '10s' } },
  prepare(world: StoryWorld) {
    for (const service of numbers(SERVICES)) {
      world.putService(serviceOf(`web-${service}`))
      world.putSlices(...numbers(SLICES).map(number => sliceOf(service, number)))
      world.ask(['A', 'SRV'].map(type => ({ name: `web-${service}.default.svc.cluster.local`, type })))
    }
  },
}

story(
  `F3: ${MOVES} moves in both orders, 0 to ${LONGEST_GAP_MS} ms between their writes, while 5,000 a second ask: never without the pod, never twice`,
  WEB,
  async (world, context) => {
    const moving = new Set<string>()
    const gaps: number[] = []
    let begun = 0
    /** @returns false: that pod is on its way already */
    const move = (): boolean => {
      const [service, pod] = [world.random.below(SERVICES), world.random.below(PODS)]
      const key = `${service}/${pod}`
      if (moving.has(key)) return false
      moving.add(key)
      const own = slices[service]!
      const from = own.findIndex(pods => pods.has(pod))
      const to = (from + 1 + world.random.below(SLICES - 1)) % SLICES
      const leave = () => {
        own[from]!.delete(pod)
        world.api.put(SLICES_PATH, sliceOf(service, from))
      }
      const arrive = () => {
        own[to]!.add(pod)
        world.api.put(SLICES_PATH, sliceOf(service, to))
      }
      const writes = [leave, arrive]
      if (world.random.below(2) === 0) writes.reverse()
      writes[0]!()
      const startMs = performance.now()
      setTimeout(
        () => {
          writes[1]!()
          gaps.push(performance.now() - startMs)
          moving.delete(key)
        },
        world.random.below(LONGEST_GAP_MS + 1),
      )
      return true
    }
    const before = world.checker.checked
    const startMs = performance.now()
    const seconds = new Map<number, number>()
    world.checker.onJudged = ({ answeredMs }) => {
      const second = Math.floor(answeredMs / 1000)
      seconds.set(second, (seconds.get(second) ?? 0) + 1)
    }
    while (begun < MOVES || moving.size > 0) {
      const due = Math.min(MOVES, Math.floor((world.checker.checked - before) / ANSWERS_TO_A_MOVE))
      while (begun < due && moving.size < (SERVICES * PODS) / 2) if (move()) begun++
      await delay(TICK_MS)
    }
    world.checker.onJudged = undefined
    const best = Math.max(...seconds.values())
    const answers = world.checker.checked - before
    const perSecond = (answers * 1000) / (performance.now() - startMs)
    await world.checker.agrees()
    const longest = Math.max(...gaps)
    context.diagnostic(
      `${begun} moves, ${answers} answers, ${perSecond.toFixed(0)} a second, ${best} in the best; gaps up to ${longest.toFixed(0)} ms`,
    )
    assert.equal(begun, MOVES)
    assert.ok(longest >= LONGEST_GAP_MS - 20, `the longest gap was ${longest} ms`)
    // The moves keep to the answers all the while; how many a second this machine has left for asking is no fault of the server.
    assert.ok(best >= LEAST_ASKED * PER_SECOND, `${[...seconds.values()]} answers a second`)
  },
)

/** Of the default window; a gap that comes out longer than it is allowed what is configured, by the truth. */
const MEANWHILE_MS = 5000
let cluster: RandomCluster
const SOME = {
  prepare(world: StoryWorld) {
    cluster = new RandomCluster(world, { slices: 3, gapMs: 90 })
  },
}

story(
  'T25: a cluster changes at random, pods move, vanish, end, are followed by others of their name or at their address',
  SOME,
  async (world, context) => {
    const endMs = performance.now() + MEANWHILE_MS
    let steps = 0
    while (performance.now() < endMs) {
      cluster.step()
      steps++
      await delay(world.random.below(30))
    }
    cluster.settle()
    context.diagnostic(`${steps} changes, ${cluster.moves} of them moves; ${world.checker.checked} answers`)
    assert.ok(cluster.moves > 10, `${cluster.moves} moves`)
    await world.checker.agrees()
  },
)

/**
 * Stories of an API server that forgets, stammers or lies: versions, lists and events that are not as they should be.
 */

import assert from 'node:assert/strict'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { eventOf, type RecordedRequest, statusOf } from '../support/fake-api-server.ts'
import type { Random } from '../support/random.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { cluster, FOREVER, failure, HANG_UP, isList, isWatch, ONE_SLICE_EACH, SECOND, SOME, UNAUDITED } from './api.ts'
import { agreesAtLast, story } from './story.ts'

const WEB = {
  prepare(world: StoryWorld) {
    world.putService(serviceOf('web'))
    world.putSlices(sliceOf('web-1', 'web', ['10.0.0.1']))
  },
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const all = [...values]
  for (let at = all.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    ;[all[at], all[other]] = [all[other]!, all[at]!]
  }
  return all
}

story('T22: 410 as an event, compaction while the watch was away', SOME, async world => {
  for (let i = 0; i < 4; i++) {
    world.truth.blinds()
    world.api.closeWatches()
    cluster.steps(10)
    world.api.compact()
    await world.watching()
    world.truth.sees()
    await world.checker.agrees()
  }
})

story('T22: 410 as a status, and 410 in the midst of a stream', SOME, async world => {
  for (let i = 0; i < 4; i++) {
    world.truth.blinds()
    if (i % 2 === 0) {
      world.api.fail(failure(410, 'Expired'), request => isWatch(request) && !isList(request), 2)
      world.api.closeWatches()
    } else {
      world.api.inject(eventOf('ERROR', statusOf(410, 'Expired', 'too old resource version')))
      world.api.closeWatches()
    }
    cluster.steps(10)
    await world.watching()
    world.truth.sees()
    await world.checker.agrees()
  }
})

story('T22b: watches that close in order every few minutes go on from where they were', UNAUDITED, async world => {
  const before = world.api.requests.length
  for (let minutes = 0; minutes < 60; minutes += 5) {
    for (let minute = 0; minute < 5; minute++) {
      await world.clock.advance(60 * SECOND)
      world.api.bookmark()
      await world.until(() => world.server !== undefined, 'bookmarks are out')
    }
    cluster.step()
    await world.checker.agrees()
    world.api.closeWatches()
    await world.watching()
  }
  // A watch that is silent at its start is asked for by a list of one object: its version may be yet to come.
  const asked = world.api.requests.slice(before).filter(({ query }) => query.get('limit') !== '1')
  assert.equal(asked.filter(isList).length, 0, 'no list')
  assert.ok(asked.length <= 2 * 12 * 2, `${asked.length} requests in an hour, of two watches closed 12 times`)
})

story('T22c: "Too large resource version" is healed by a list', SOME, async world => {
  world.truth.blinds()
  const tooLarge = failure(504, 'Timeout', { 'retry-after': '1' }, 'Too large resource version: 1090, current: 500')
  const isAhead = ({ query }: RecordedRequest) => Number(query.get('resourceVersion') ?? 0) > world.api.version
  world.api.fail(tooLarge, isAhead, FOREVER)
  world.api.version = 500
  world.api.closeWatches()
  const startMs = world.clock.nowMs
  await world.watching()
  const healedMs = world.clock.nowMs - startMs
  world.truth.sees()
  await world.checker.agrees()
  assert.ok(healedMs <= 60 * SECOND, `healed after ${healedMs} ms`)
})

story(
  'T22d: lists that break off in the midst are not served by half, though another watch goes on',
  {
    prepare(world) {
      world.putService(serviceOf('web'))
      world.putSlices(sliceOf('web-1', 'web', ['10.0.0.1', '10.0.0.2']), sliceOf('web-2', 'web', ['10.0.0.3']))
    },
  },
  async world => {
    const ofSlices = ({ path }: RecordedRequest) => path === SLICES
    const isListOfSlices = (request: RecordedRequest) => ofSlices(request) && isList(request)
    const kept = ['10.0.0.2', '10.0.0.3']
    for (let i = 0; i < 6; i++) {
      const [from, to] = i % 2 === 0 ? [0, 1] : [1, 0]
      const slices = kept.map((address, j) =>
        sliceOf(`web-${j + 1}`, 'web', j === to ? [address, '10.0.0.1'] : [address]),
      )
      world.truth.blinds()
      world.api.fail(HANG_UP, ofSlices, FOREVER)
      world.api.resetWatches('', SLICES)
      await world.until(() => world.api.watchCount(SLICES) === 0, 'the watch of slices is broken')
      world.putSlices(...slices)
      world.api.compact()
      world.api.heal()
      const left = structuredClone(slices[from]!)
      Object.assign(left.metadata, { resourceVersion: String(world.api.version) })
      world.api.fail({ kind: 'octets', octets: eventOf('ADDED', left), ending: 'reset' }, isListOfSlices, FOREVER)
      const lists = world.api.requests.filter(isListOfSlices).length
      await world.hurry(() => world.api.requests.filter(isListOfSlices).length >= lists + 3, 'three lists broke off')
      world.putService(serviceOf(`other-${i}`, 'default', `10.96.0.${i + 1}`))
      await agreesAtLast(world)
      world.api.heal()
      await world.watching()
      world.truth.sees()
      await world.checker.agrees()
    }
  },
)

story('T23: the versions of the API server go back, and an event shows it: healed within 5 s', SOME, async world => {
  for (let i = 0; i < 3; i++) {
    world.truth.blinds()
    world.api.restore(700 - 100 * i)
    const startMs = world.clock.nowMs
    cluster.steps(3)
    // What changed before the restore was never told.
    const lists = world.api.requests.filter(isList).length
    world.putService(serviceOf(`restored-${i}`))
    world.putSlices(sliceOf(`restored-${i}`, `restored-${i}`, ['10.9.9.9']))
    await world.hurry(() => world.api.requests.filter(isList).length >= lists + 2, 'both are listed again')
    await world.watching()
    world.truth.sees()
    await world.checker.agrees()
    const healedMs = world.clock.nowMs - startMs
    assert.ok(healedMs <= 5 * SECOND, `healed after ${healedMs} ms`)
  }
})

story('T25b: events twice, again and out of order', ONE_SLICE_EACH, async world => {
  for (let i = 0; i < 6; i++) {
    world.truth.blinds()
    world.api.hold()
    cluster.steps(20)
    world.api.release(lines => {
      const all = i % 2 === 0 ? lines.flatMap(line => [line, line]) : [...lines, ...lines]
      return i % 4 < 2 ? all : shuffled(all, world.random)
    })
    await agreesAtLast(world)
    world.truth.sees()
  }
})

story('T25b: what went before comes again, a deletion of another generation too', WEB, async world => {
  for (let i = 0; i < 3; i++) {
    const old = world.api.changesOf(SLICES)
    world.deleteSlice('web-1', 'web')
    world.putSlices(sliceOf('web-1', 'web', [`10.0.1.${i}`]))
    await world.checker.agrees()
    const gone = world.api.changesOf(SLICES).at(-2)!
    // A second later what it says is no longer true for anybody.
    await world.outdated()
    const lists = world.api.requests.filter(isList).length
    world.api.inject(world.random.oneOf([gone, ...old]), SLICES)
    await world.hurry(() => world.api.requests.filter(isList).length > lists, 'it is listed again')
    await world.watching()
    await world.checker.agrees()
  }
})

story('T31: lines that are no JSON, cut, huge, or of an unknown type lead to a list', SOME, async world => {
  const huge = { ...serviceOf('huge'), padding: 'x'.repeat(2 << 20), metadata: { name: 'huge', namespace: 'default' } }
  const lines = [
    '{"type":"MODIFIED","object":{"metadata":\n',
    'null\n',
    '{"type":"FROBBED","object":{}}\n',
    '{"type":"ADDED","object":[1,2,3]}\n',
    `{"type":"ADDED","object":${JSON.stringify(huge).slice(0, -1)}\n`,
    '\u0000\u0001\u0002\n',
    '{"type":"MODIFIED","obj',
  ]
  for (const line of lines) {
    world.truth.blinds()
    world.api.inject(line, SLICES)
    world.api.resetWatches(line, SERVICES)
    cluster.steps(5)
    await world.hurry(
      async () => {
        await world.watching()
        return world.checker.agrees().then(
          () => true,
          () => false,
        )
      },
      `the state is that of the cluster after ${line.slice(0, 60)}`,
    )
    world.truth.sees()
  }
  world.api.put(SERVICES, { ...huge, metadata: { name: 'huge', namespace: 'default' } })
  await world.checker.agrees()
})

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../../support/fake-api-objects.ts'
import { type FakeApiServer, statusOf } from '../../support/fake-api-server.ts'
import { FakeApiWorld } from '../../support/fake-api-world.ts'

const EPS = 'endpointslices.discovery.k8s.io'
/** Short enough that no watch counts as silent meanwhile. */
const INTERVAL_MS = 100_000
const CHANCE_MS = 15_000

function prepare(api: FakeApiServer): void {
  for (const name of ['a', 'b']) {
    api.put(SERVICES, serviceOf(name))
    api.put(SLICES, sliceOf(`${name}-1`, name, ['10.0.0.1']))
  }
}

async function start(t: TestContext, options: object = {}, more: (api: FakeApiServer) => void = () => {}) {
  const world = await FakeApiWorld.start(t, { auditIntervalMs: INTERVAL_MS, ...options }, api => {
    prepare(api)
    more(api)
  })
  await world.synced()
  return world
}

const audits = (world: FakeApiWorld) =>
  world.api.requests.filter(({ query }) => query.get('resourceVersionMatch') === 'NotOlderThan' && !query.has('watch'))

/** Watches that run have heard something. */
async function bookmark(world: FakeApiWorld): Promise<void> {
  world.api.bookmark()
  const isHeard = () => world.source.status().every(one => one.lastEventMs === world.time.nowMs)
  await world.until(isHeard, 'bookmarks are heard')
}

/** Lets the clock pass until both audits have been asked for and answered. */
async function untilAudited(world: FakeApiWorld, count = 1): Promise<void> {
  for (let ms = 0; world.source.status().some(one => one.audits < count); ms += 1000) {
    assert.ok(ms < 2 * INTERVAL_MS)
    if (ms % 60_000 === 0) await bookmark(world)
    await world.time.advance(1000)
    for (let turns = 0; turns < 20; turns++) await setImmediate()
  }
}

describe('an audit', () => {
  it('comes at random times, never further apart than the interval, from the cache, and finds nothing to repair', async t => {
    const world = await start(t)
    const { nowMs } = world.time
    world.time.chance = 0.9
    await untilAudited(world, 1)
    assert.ok(world.time.nowMs - nowMs <= INTERVAL_MS / 2 + 2000, 'the first time was drawn at the start')
    await untilAudited(world, 2)
    assert.ok(Math.abs(world.time.nowMs - nowMs - 1.45 * INTERVAL_MS) < 5000)
    assert.equal(audits(world).length, 4)
    for (const { query } of audits(world)) {
      assert.ok(Number(query.get('resourceVersion')) >= 1004)
      assert.equal(query.has('limit'), false)
    }
    for (const { lists, drifted, audits } of world.source.status())
      assert.deepEqual([lists, drifted, audits], [1, 0, 2])
    assert.deepEqual(world.warnings, [])
  })

  it('finds what came, what changed and what went without an event, tells of it, counts it, and lists again once', async t => {
    const world = await start(t)
    world.api.slip(SLICES, sliceOf('a-1', 'a', ['10.0.0.9']))
    world.api.slip(SLICES, sliceOf('a-2', 'a', ['10.0.0.8']))
    world.api.forget(SLICES, 'default', 'b-1')
    await world.time.advance(INTERVAL_MS / 2)
    await world.until(() => audits(world).length === 2, 'both are audited')
    await world.until(() => world.status('services').audits === 1, 'the Services are as they are')
    await world.until(() => world.time.soonest(500) !== undefined, 'the watch is given its chance')
    await world.time.advance(CHANCE_MS)
    await world.synced()
    assert.deepEqual([world.addresses('a'), world.addresses('b')], [['10.0.0.8', '10.0.0.9'], []])
    const { drifted, lists, failures } = world.status(EPS)
    assert.deepEqual([drifted, lists, [...failures]], [3, 2, [['drift', 1]]])
    assert.deepEqual([world.status('services').drifted, world.status('services').lists], [0, 1])
    assert.equal(world.warnings.length, 1)
    assert.match(world.warnings[0]!, /events were lost/)
    await untilAudited(world, 2)
    assert.equal(world.status(EPS).drifted, 3)
  })

  it('finds twenty lost events, all of them', async t => {
    const world = await start(t)
    for (let i = 0; i < 20; i++) world.api.slip(SERVICES, serviceOf(`lost-${i}`))
    world.api.bookmark()
    await untilAudited(world)
    await world.until(() => world.addresses('lost-19') !== undefined, 'they are served')
    assert.equal(world.status('services').drifted, 20)
    assert.equal(world.changes.at(-1)!.services.length, 20)
  })

  it('takes no event on its way for drift: what the watch still brings is not counted', async t => {
    const world = await start(t, { endpoints: false })
    world.api.hold()
    world.api.put(SERVICES, serviceOf('late'))
    world.api.put(SERVICES, serviceOf('a', 'default', '10.96.0.1'))
    world.api.delete(SERVICES, 'default', 'b')
    await world.time.advance(INTERVAL_MS / 2)
    await world.until(() => audits(world).length === 1 && world.time.soonest(500) !== undefined, 'it is audited')
    world.api.release()
    await world.until(() => world.addresses('late') !== undefined, 'the events come')
    await world.time.advance(500)
    await world.until(() => world.status('services').audits === 1, 'it is judged')
    assert.deepEqual([world.status('services').drifted, world.status('services').lists], [0, 1])
  })

  it('takes no object for drift that came, changed or went after the list', async t => {
    const world = await start(t, { endpoints: false })
    // The list is made when it is asked for, and comes in while these are told.
    world.api.fail({ kind: 'trickle', octets: 30, everyMs: 1 }, ({ query }) => !query.has('watch'))
    await world.time.advance(INTERVAL_MS / 2)
    await world.until(() => audits(world).length === 1, 'it is asked for')
    world.api.put(SERVICES, serviceOf('new'))
    world.api.put(SERVICES, serviceOf('a', 'default', '10.96.0.1'))
    world.api.delete(SERVICES, 'default', 'b')
    await world.until(() => world.addresses('b') === undefined, 'they are told')
    assert.equal(world.status('services').audits, 0)
    await world.until(() => world.status('services').audits === 1, 'it is judged')
    assert.deepEqual([world.status('services').drifted, world.status('services').lists], [0, 1])
  })

  it('that meets versions gone back lists again: the API server has another history', async t => {
    const world = await start(t, { endpoints: false })
    world.api.version = 10
    world.api.forget(SERVICES, 'default', 'b')
    await world.time.advance(INTERVAL_MS / 2)
    await world.until(() => world.addresses('b') === undefined, 'it is gone')
    assert.deepEqual([...world.status('services').failures], [['history', 1]])
  })

  it('that fails is told once, and changes nothing', async t => {
    const world = await start(t, { endpoints: false })
    const body = statusOf(403, 'Forbidden', 'no')
    world.api.fail({ kind: 'status', status: 403, body }, ({ query }) => !query.has('watch'), 3)
    for (let i = 1; i <= 3; i++) {
      await world.time.advance(i === 1 ? INTERVAL_MS / 2 : INTERVAL_MS)
      await bookmark(world)
      await world.until(() => audits(world).length === i, 'it is asked for')
      for (let turns = 0; turns < 20; turns++) await setImmediate()
    }
    assert.equal(world.warnings.length, 1)
    assert.match(world.warnings[0]!, /could not be compared.*refuses "list" on services/)
    assert.deepEqual([world.status('services').lists, world.status('services').audits], [1, 0])
    assert.deepEqual(world.stale(), [])
    await untilAudited(world)
  })

  it('is not made while the watch is broken, nor when it is turned off', async t => {
    const off = await start(t, { endpoints: false, auditIntervalMs: 0 })
    await off.time.advance(INTERVAL_MS)
    assert.equal(audits(off).length, 0)
    const world = await start(t, { endpoints: false })
    world.api.fail({ kind: 'status', status: 500, body: 'oops' }, () => true, Number.POSITIVE_INFINITY)
    world.api.closeWatches()
    await world.until(() => world.status('services').state === 'backing off', 'it is broken')
    await world.time.advance(INTERVAL_MS)
    assert.equal(audits(world).length, 0)
  })

  it('does not take an object that cannot be used for one that is missing', async t => {
    const world = await start(t, {}, api => api.put(SLICES, { ...sliceOf('a-0', 'a', []), addressType: 'IPX' }))
    await untilAudited(world)
    assert.deepEqual([world.status(EPS).drifted, world.status(EPS).refused], [0, 1])
  })
})

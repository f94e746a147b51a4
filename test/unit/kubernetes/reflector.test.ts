import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Fault } from '../../support/fake-api-faults.ts'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../../support/fake-api-objects.ts'
import { eventOf, type FakeApiServer, type RecordedRequest, statusOf } from '../../support/fake-api-server.ts'
import { FakeApiWorld } from '../../support/fake-api-world.ts'

const EPS = 'endpointslices.discovery.k8s.io'
const ofSlices = ({ path }: RecordedRequest) => path === SLICES
const isResume = ({ path, query }: RecordedRequest) =>
  path === SLICES && query.has('resourceVersion') && query.has('watch')

function twoServices(api: FakeApiServer): void {
  for (const name of ['a', 'b']) {
    api.put(SERVICES, serviceOf(name))
    api.put(SLICES, sliceOf(`${name}-1`, name, [name === 'a' ? '10.0.0.1' : '10.0.0.2']))
  }
}

/** Lists that the server gave: pages from the first, and streaming lists. */
const lists = (api: FakeApiServer) =>
  api.requests.filter(
    one => ofSlices(one) && (one.query.has('sendInitialEvents') || one.query.get('resourceVersion') === '0'),
  )

describe('the first list', () => {
  it('comes as one stream where the server can, without a version of its own', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    assert.deepEqual([world.addresses('a'), world.addresses('b')], [['10.0.0.1'], ['10.0.0.2']])
    const { query, headers } = world.api.requests.find(ofSlices)!
    assert.deepEqual(
      ['watch', 'sendInitialEvents', 'resourceVersionMatch', 'allowWatchBookmarks', 'resourceVersion'].map(key =>
        query.get(key),
      ),
      ['1', 'true', 'NotOlderThan', 'true', null],
    )
    const seconds = Number(query.get('timeoutSeconds'))
    assert.ok(seconds >= 300 && seconds < 600)
    assert.equal(headers['user-agent'], 'headless-dns')
    assert.equal(world.api.requests.length, 2)
    assert.deepEqual(world.warnings, [])
  })

  it('comes in pages where the server refuses streams: the first from its cache, the others by their token alone', async t => {
    const world = await FakeApiWorld.start(t, {}, api => {
      api.streamingLists = 'refused'
      api.pageLimit = 2
      api.put(SERVICES, serviceOf('a'))
      for (let i = 0; i < 5; i++) api.put(SLICES, sliceOf(`a-${i}`, 'a', [`10.0.0.${i}`]))
    })
    await world.synced()
    assert.equal(world.addresses('a')!.length, 5)
    const pages = world.api.requests.filter(one => ofSlices(one) && !one.query.has('watch'))
    assert.deepEqual(
      pages.map(({ query }) => [query.get('resourceVersion'), query.get('continue'), query.get('limit')]),
      [
        ['0', null, '500'],
        [null, '2', '500'],
        [null, '4', '500'],
      ],
    )
    assert.deepEqual(world.warnings, [])
  })

  for (const [what, prepare] of [
    ['with objects', twoServices],
    ['without one object', () => {}],
  ] as const) {
    it(`comes in pages where the server takes the stream for a plain watch, ${what}`, async t => {
      const world = await FakeApiWorld.start(t, {}, api => {
        api.streamingLists = 'ignored'
        prepare(api)
      })
      await world.until(() => world.api.watchCount() === 2, 'both are taken for watches')
      await setImmediate()
      assert.equal(world.cluster.synced, false)
      await world.time.advance(10_000)
      await world.until(() => world.source.status().every(({ state }) => state !== 'listing'), 'it is given up')
      await world.time.advance(800)
      await world.synced()
      assert.equal(world.cluster.synced, true)
    })
  }

  it('comes in pages where the stream is held by newlines', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      api.streamingLists = 'ignored'
      twoServices(api)
    })
    await world.until(() => world.status('services').lastEventMs !== undefined, 'its objects have come')
    await world.time.advance(9000)
    world.api.inject('\n')
    for (let turn = 0; turn < 50; turn++) await setImmediate()
    await world.time.advance(1000)
    await world.until(() => world.cluster.synced, 'it is given up')
  })

  it('a plain watch on a busy cluster, never silent, is known by its first bookmark', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      api.streamingLists = 'ignored'
      twoServices(api)
    })
    await world.until(() => world.api.watchCount() === 1, 'it is taken for a watch')
    world.api.put(SERVICES, serviceOf('c'))
    world.api.bookmark()
    await world.until(() => world.status('services').state !== 'listing', 'it is given up')
    await world.time.advance(800)
    await world.synced()
    assert.deepEqual(world.addresses('c'), [])
  })

  it('is not served before both kinds are complete', async t => {
    const half = eventOf('ADDED', sliceOf('a-1', 'a', ['10.0.0.1']))
    const world = await FakeApiWorld.start(t, {}, api => {
      twoServices(api)
      api.fail({ kind: 'octets', octets: half, ending: 'silence' }, ofSlices)
    })
    await world.until(() => world.status('services').lists === 1, 'the Services are complete')
    await world.until(() => world.status(EPS).lastEventMs !== undefined, 'a slice has come')
    assert.equal(world.cluster.synced, false)
    assert.deepEqual(world.changes, [])
    for (const socket of world.api.sockets) socket.destroy()
    await world.passBackoff(EPS)
    await world.until(() => world.cluster.synced, 'both are complete')
    assert.deepEqual(
      world.changes.map(({ first }) => first),
      [true],
    )
    assert.equal(world.changes.flatMap(({ services }) => services).length, 2)
  })

  it('that breaks off in the middle is asked for again, as a stream and in pages', async t => {
    const cut =
      '{"kind":"EndpointSliceList","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"x","namesp'
    for (const ending of ['end', 'reset'] as const) {
      for (const streamingLists of ['supported', 'refused'] as const) {
        const octets = streamingLists === 'refused' ? cut : eventOf('ADDED', sliceOf('gone', 'a', ['10.0.0.9']))
        const world = await FakeApiWorld.start(t, {}, api => {
          api.streamingLists = streamingLists
          twoServices(api)
          const isList = ({ query }: RecordedRequest) => streamingLists === 'supported' || !query.has('watch')
          api.fail({ kind: 'octets', octets, ending }, one => ofSlices(one) && isList(one))
        })
        await world.until(() => world.status(EPS).failures.size > 0, 'it broke off')
        await world.time.advance(500)
        await world.synced()
        assert.deepEqual([world.addresses('a'), world.addresses('b')], [['10.0.0.1'], ['10.0.0.2']])
      }
    }
  })

  it('whose end has no version is asked for again at most once in 30 s, and nothing of it is served', async t => {
    const metadata = { annotations: { 'k8s.io/initial-events-end': 'true' } }
    const octets = eventOf('ADDED', serviceOf('x')) + eventOf('BOOKMARK', { metadata })
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      api.fail({ kind: 'octets', octets, ending: 'end' }, () => true, 1e9)
    })
    for (let i = 0; i < 7; i++) await world.passBackoff('services')
    const start = world.time.nowMs
    for (let i = 0; i < 5; i++) await world.passBackoff('services')
    assert.ok(world.time.nowMs - start >= 150_000)
    assert.deepEqual([world.status('services').lists, world.cluster.synced], [0, false])
    assert.equal(world.warnings.length, 1)
  })

  it('does not go round for ever when a page names itself as the next', async t => {
    const octets = JSON.stringify({ kind: 'List', metadata: { resourceVersion: '5', continue: 'x' }, items: [] })
    const world = await FakeApiWorld.start(t, {}, api => {
      api.streamingLists = 'refused'
      api.fail({ kind: 'octets', octets, ending: 'end' }, one => ofSlices(one) && !one.query.has('watch'), 3)
    })
    await world.until(() => world.status(EPS).state === 'backing off', 'it is noticed')
    assert.equal(world.api.requests.filter(ofSlices).length, 3)
  })

  it('whose pages take minutes and have no end is asked for at most once in 30 s', async t => {
    const octets = JSON.stringify({ kind: 'List', metadata: { resourceVersion: '5', continue: 'x' }, items: [] })
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      api.streamingLists = 'refused'
      api.fail({ kind: 'octets', octets, ending: 'end' }, ({ query }) => !query.has('watch'), 1e9)
    })
    world.api.now = () => {
      world.time.nowMs += 40_000
      return world.time.nowMs
    }
    for (let i = 0; i < 7; i++) await world.passBackoff('services')
    assert.ok((await world.passBackoff('services')) >= 30_000)
  })
})

describe('a watch', () => {
  it('brings what comes, changes and goes', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    world.api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.7']))
    world.api.put(SLICES, sliceOf('a-2', 'a', ['10.0.0.8']))
    await world.until(() => world.addresses('a')!.join() === '10.0.0.7,10.0.0.8', 'the change is served')
    world.api.delete(SLICES, 'default', 'a-1')
    world.api.delete(SERVICES, 'default', 'b')
    await world.until(() => world.addresses('a')!.length === 1 && world.addresses('b') === undefined, 'they are gone')
  })

  it('that is closed goes on from the last bookmark, and lists nothing', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    world.api.bookmark()
    const { version } = world.api
    world.api.put(SERVICES, serviceOf('other'))
    await world.until(() => world.addresses('other') !== undefined, 'the bookmark before it is taken in')
    world.api.closeWatches(SLICES)
    await world.until(() => world.api.requests.some(isResume), 'it is opened again')
    assert.equal(world.api.requests.find(isResume)!.query.get('resourceVersion'), String(version))
    assert.equal(world.status(EPS).lists, 1)
    assert.deepEqual(world.stale(), [])
  })

  it('misses nothing that happened between two', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    world.api.closeWatches(SLICES)
    await world.until(() => world.api.watchCount(SLICES) === 0, 'it is closed')
    world.api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.7']))
    world.api.delete(SLICES, 'default', 'b-1')
    await world.until(
      () => world.addresses('a')!.join() === '10.0.0.7' && world.addresses('b')!.length === 0,
      'all is seen',
    )
    assert.equal(world.status(EPS).lists, 1)
  })

  it('that is closed again and again at once is opened at most once in 30 s on average', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      twoServices(api)
      api.closesWatches = true
    })
    for (let i = 0; i < 7; i++) await world.passBackoff('services')
    const start = world.time.nowMs
    const { connects } = world.status('services')
    for (let i = 0; i < 20; i++) await world.passBackoff('services')
    assert.ok(world.time.nowMs - start >= (world.status('services').connects - connects) * 30_000)
    assert.equal(world.status('services').lists, 1)
  })

  it('that is reset in the middle of an object goes on before it', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    const line = eventOf('MODIFIED', sliceOf('a-1', 'a', ['10.9.9.9']))
    world.api.resetWatches(line.slice(0, 60), SLICES)
    await world.until(() => world.status(EPS).state === 'backing off', 'it is noticed')
    assert.equal(world.stale().length, 1)
    assert.deepEqual(world.addresses('a'), ['10.0.0.1'])
    world.api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.7']))
    await world.time.advance(800)
    await world.until(() => world.addresses('a')!.join() === '10.0.0.7', 'the change is seen')
    assert.equal(world.status(EPS).lists, 1)
    assert.deepEqual(world.stale(), [])
  })

  it('with a line that is no event serves what came before it, and all is listed again', async t => {
    for (const line of [
      '{"type":"MODIF\n',
      'null\n',
      '{"type":"SURPRISE","object":{}}\n',
      '{"type":"DELETED","object":{"metadata":{}}}\n',
      '<html>\n',
    ]) {
      const world = await FakeApiWorld.start(t, {}, twoServices)
      await world.synced()
      const slice = sliceOf('a-1', 'a', ['10.0.0.7'])
      slice.metadata.resourceVersion = String(world.api.version)
      world.api.inject(eventOf('MODIFIED', slice) + line, SLICES)
      await world.until(() => world.status(EPS).state === 'backing off', `${line} is noticed`)
      assert.deepEqual([...world.status(EPS).failures], [['malformed', 1]])
      assert.deepEqual(world.addresses('a'), ['10.0.0.7'])
      world.api.forget(SLICES, 'default', 'b-1')
      await world.passBackoff(EPS)
      await world.synced()
      assert.equal(world.status(EPS).lists, 2)
      assert.deepEqual([world.addresses('a'), world.addresses('b')], [['10.0.0.1'], []])
    }
  })

  it('with an event that cannot be taken in does not go round: all is listed again, and that is no outage', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    const apply = t.mock.method(world.cluster, 'apply', () => assert.fail('no such place'), { times: 1 })
    world.api.put(SERVICES, serviceOf('c'))
    await world.until(() => world.status('services').state === 'backing off', 'it is noticed')
    assert.equal(apply.mock.callCount(), 1)
    assert.deepEqual([...world.status('services').failures], [['malformed', 1]])
    assert.match(world.warnings.join(), /could not be taken in \(no such place\)/)
    await world.passBackoff('services')
    await world.synced()
    assert.equal(world.status('services').lists, 2)
    assert.deepEqual([world.addresses('c'), world.stale()], [[], []])
  })

  it('that says nothing for 150 s is opened anew', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    world.api.silenceWatches()
    await world.time.advance(149_000)
    assert.equal(world.status(EPS).state, 'watching')
    await world.time.advance(1000)
    await world.until(() => world.status(EPS).state === 'backing off', 'it is noticed')
    assert.match(world.status(EPS).lastError!, /nothing came from the API server for 150 s/)
    await world.time.advance(800)
    await world.synced()
    assert.equal(world.status(EPS).lists, 1)
  })

  it('on which only newlines come is silent', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    const since = world.time.nowMs
    await world.time.advance(140_000)
    world.api.inject('\n')
    for (let turn = 0; turn < 50; turn++) await setImmediate()
    await world.time.advance(10_000)
    await world.until(() => world.status('services').state === 'backing off', 'it is noticed')
    assert.ok(world.status('services').lastEventMs! <= since)
  })

  it('that is not ended at its time is ended a minute later, and goes on from there', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    const seconds = Number(world.api.requests[0]!.query.get('timeoutSeconds'))
    for (let left = seconds + 60; left > 0; left -= 30) {
      assert.equal(world.status('services').connects, 1)
      world.api.bookmark()
      await world.until(() => world.status('services').lastEventMs === world.time.nowMs, 'it is heard')
      await world.time.advance(30_000)
    }
    await world.passBackoff('services')
    await world.synced()
    assert.equal(world.status('services').lists, 1)
    assert.match(world.warnings.join(), /did not end a watch in time/)
  })

  it('that bookmarks keep alive is left alone', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    for (let i = 0; i < 8; i++) {
      const before = world.status(EPS).lastEventMs
      await world.time.advance(60_000)
      world.api.bookmark()
      await world.until(() => world.source.status().every(one => one.lastEventMs! > before!), 'it is heard')
    }
    assert.equal(world.api.requests.length, 2)
  })
})

describe('410', () => {
  const gone = statusOf(410, 'Expired', 'too old resource version: 1 (2)')
  const ways: Record<string, (api: FakeApiServer) => void> = {
    'as an event': api => api.compact(),
    'as a status': api => api.fail({ kind: 'status', status: 410, body: gone }, isResume),
    'as a version that is too large': api => {
      const body = statusOf(504, 'Timeout', 'Timeout: Too large resource version: 9, current: 1', {
        retryAfterSeconds: 1,
      })
      api.fail({ kind: 'status', status: 504, body }, isResume)
    },
  }
  for (const [way, expire] of Object.entries(ways)) {
    it(`${way}: all is listed again, what is known stays served meanwhile, and what has gone goes`, async t => {
      const world = await FakeApiWorld.start(t, {}, twoServices)
      await world.synced()
      world.api.forget(SLICES, 'default', 'b-1')
      world.api.put(SLICES, sliceOf('a-2', 'a', ['10.0.0.8']))
      await world.until(() => world.addresses('a')!.length === 2, 'the watch goes on')
      expire(world.api)
      world.api.closeWatches(SLICES)
      await world.until(() => world.status(EPS).state === 'backing off', 'it is told')
      assert.deepEqual([world.addresses('a')!.length, world.addresses('b')!.length], [2, 1])
      assert.equal(world.stale().length, 1)
      const { length } = world.changes
      await world.time.advance(2000)
      await world.until(() => world.addresses('b')!.length === 0, 'what has gone goes')
      assert.deepEqual(world.addresses('a'), ['10.0.0.1', '10.0.0.8'])
      assert.equal(world.changes.length, length + 1)
      assert.equal(lists(world.api).length, 2)
      assert.deepEqual([world.stale(), world.warnings], [[], []])
    })
  }

  it('after an outage is no further failure: the list is asked for with no more waiting', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    for (let i = 0; i < 3; i++) {
      await world.time.advance(100_000)
      world.api.bookmark()
      await world.until(() => world.status('services').lastEventMs === world.time.nowMs, 'the bookmark is heard')
    }
    world.api.compact()
    // Not so many requests: one on a connection that was kept is made again at once.
    world.api.fail({ kind: 'hang up' }, () => true, Number.POSITIVE_INFINITY)
    world.api.closeWatches()
    for (let i = 0; i < 6; i++) await world.passBackoff('services')
    await world.until(() => world.status('services').state === 'backing off', 'it has failed seven times')
    world.api.heal()
    await world.passBackoff('services')
    await world.until(() => world.status('services').lists === 2, 'the list is in, the clock standing still')
    assert.deepEqual(world.stale(), [])
  })

  it('to a list itself is an error like others: told, and tried again', async t => {
    const world = await FakeApiWorld.start(t, {}, api => {
      api.fail({ kind: 'status', status: 410, body: gone }, ofSlices, 3)
    })
    for (let i = 0; i < 3; i++) {
      await world.until(() => world.status(EPS).state === 'backing off', 'it is noticed')
      assert.equal(world.stale().length, 1)
      await world.passBackoff(EPS)
    }
    await world.synced()
    assert.equal(world.warnings.length, 1)
  })

  it('at the end of each of ten outages, 25 s apart: what is served is that of today within 60 s each time', async t => {
    const world = await FakeApiWorld.start(t, {}, api => {
      api.put(SERVICES, serviceOf('a'))
      api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.1']))
    })
    const pass = async (ms: number) => {
      await world.time.advance(ms)
      for (let turns = 0; turns < 50; turns++) await setImmediate()
    }
    for (let outage = 2; outage < 12; outage++) {
      await world.synced()
      await world.time.advance(25_000)
      world.api.fail({ kind: 'hang up' }, () => true, Number.POSITIVE_INFINITY)
      world.api.resetWatches()
      for (let seconds = 0; seconds < 5; seconds++) await pass(1000)
      world.api.put(SLICES, sliceOf('a-1', 'a', [`10.0.0.${outage}`]))
      world.api.compact()
      world.api.heal()
      const backMs = world.time.nowMs
      while (world.addresses('a')?.[0] !== `10.0.0.${outage}`) {
        await pass(1000)
        assert.ok(world.time.nowMs - backMs <= 60_000, `not in 60 s after outage ${outage - 1}`)
      }
    }
  })

  it('versions that go back are another history: all is listed again', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    world.api.bookmark()
    for (const [before, after] of [
      [1_000_000, 999_999],
      [1_000_000, 20_000],
    ] as const) {
      world.api.version = before
      world.api.bookmark(SLICES)
      const { lists } = world.status(EPS)
      world.api.forget(SLICES, 'default', 'b-1')
      world.api.version = after
      world.api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.9']))
      await world.until(() => world.status(EPS).state === 'backing off', 'it is noticed')
      await world.passBackoff(EPS)
      await world.until(() => world.status(EPS).lists === lists + 1, 'all is listed')
    }
    assert.deepEqual([world.addresses('a'), world.addresses('b')], [['10.0.0.9'], []])
    assert.deepEqual([world.stale(), world.warnings], [[], []])
  })

  it('a version that is yet to come is waited for by the server in silence: it is asked after 2 s, and all is listed', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    world.api.forget(SERVICES, 'default', 'b')
    world.api.version = 10
    world.api.closeWatches()
    await world.until(() => world.status('services').connects === 2, 'the watch is opened again')
    await world.synced()
    await world.time.advance(1999)
    assert.equal(world.status('services').connects, 2)
    await world.time.advance(1)
    await world.until(() => world.addresses('b') === undefined, 'it is gone')
    assert.deepEqual([...world.status('services').failures], [['history', 1]])
    assert.deepEqual([world.stale(), world.warnings], [[], []])
  })

  it('a watch that is opened again and is silent is asked for once, and goes on when its version is known', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    world.api.closeWatches()
    await world.until(() => world.status('services').connects === 2, 'the watch is opened again')
    await world.synced()
    await world.time.advance(5000)
    await world.until(() => world.api.requests.length === 3, 'it is asked')
    const { query } = world.api.requests[2]!
    assert.deepEqual(
      ['limit', 'resourceVersion', 'resourceVersionMatch'].map(key => query.get(key)),
      ['1', String(world.api.version), 'NotOlderThan'],
    )
    await world.time.advance(60_000)
    world.api.put(SERVICES, serviceOf('c'))
    await world.until(() => world.addresses('c') !== undefined, 'the watch goes on')
    assert.deepEqual([world.api.requests.length, world.status('services').lists], [3, 1])
  })

  it('a watch that speaks is not asked for', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    world.api.closeWatches()
    await world.until(() => world.api.watchCount() === 1 && world.api.requests.length === 2, 'it is opened again')
    world.api.put(SERVICES, serviceOf('c'))
    await world.until(() => world.addresses('c') !== undefined, 'it speaks')
    await world.time.advance(60_000)
    assert.equal(world.status('services').connects, 2)
  })

  it('without streaming lists the next list is no older than what was seen; a server that has not come so far is another', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      twoServices(api)
      api.streamingLists = 'refused'
    })
    await world.synced()
    const known = world.api.version
    world.api.version = 10
    world.api.forget(SERVICES, 'default', 'b')
    world.api.fail({ kind: 'status', status: 410, body: gone }, ({ query }) => query.has('watch'))
    world.api.closeWatches()
    // For a watch that did not last, and for a list that is not to be had; not for a version that is too old.
    for (let i = 0; i < 2; i++) await world.passBackoff('services')
    await world.until(() => world.addresses('b') === undefined, 'it is gone')
    assert.deepEqual(
      world.api.requests.filter(({ query }) => !query.has('watch')).map(({ query }) => query.get('resourceVersion')),
      ['0', String(known), null],
    )
  })

  it('a list whose versions are lower than before is taken as it is: etcd was restored', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    world.api.silenceWatches()
    world.api.version = 10
    world.api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.9']))
    world.api.fail({ kind: 'status', status: 410, body: gone }, isResume)
    world.api.closeWatches(SLICES)
    await world.passBackoff(EPS)
    await world.synced()
    assert.deepEqual(world.addresses('a'), ['10.0.0.9'])
    world.api.closeWatches(SLICES)
    await world.until(() => world.api.requests.filter(isResume).length === 2, 'it goes on')
    assert.equal(world.api.requests.filter(isResume).at(-1)!.query.get('resourceVersion'), String(world.api.version))
  })
})

describe('an error', () => {
  it('429 is waited for as long as the server asks', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      const body = statusOf(429, 'TooManyRequests', 'slow down')
      api.fail({ kind: 'status', status: 429, body, headers: { 'retry-after': '17' } })
    })
    const ms = await world.passBackoff('services')
    assert.ok(ms >= 17_000 && ms <= 18_000)
    await world.synced()
  })

  it('403 says which verb on which resource, once, and is asked for at most once in 30 s', async t => {
    const world = await FakeApiWorld.start(t, {}, api => {
      api.fail({ kind: 'status', status: 403, body: statusOf(403, 'Forbidden', 'no') }, ofSlices, 1000)
    })
    for (let i = 0; i < 7; i++) await world.passBackoff(EPS)
    const start = world.time.nowMs
    for (let i = 0; i < 10; i++) await world.passBackoff(EPS)
    assert.ok(world.time.nowMs - start >= 300_000)
    const told = world.warnings.filter(warning => warning.includes(EPS))
    assert.deepEqual(told, [`the API server refuses "watch" on ${EPS}: add that verb to the role of this server (no)`])
    assert.equal(world.cluster.synced, false)
    world.api.heal()
    await world.passBackoff(EPS)
    await world.synced()
  })

  for (const [what, fault] of [
    ['500', { kind: 'status', status: 500, body: 'oops' }],
    ['an error without an end', { kind: 'head', status: 500 }],
    ['a connection closed without a word', { kind: 'hang up' }],
  ] as const) {
    it(`${what} leaves what is served, says that it may be old, and leaves no socket`, async t => {
      const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
      await world.synced()
      world.api.fail(fault, () => true, Number.POSITIVE_INFINITY)
      world.api.closeWatches()
      for (let i = 0; i < 5; i++) {
        await world.until(() => world.api.requests.length >= i + 2, 'it is asked')
        if (fault.kind === 'head') {
          await world.until(() => world.time.soonest(10_000) !== undefined, 'the body is waited for')
          await world.time.advance(10_000)
        }
        await world.until(() => world.status('services').state === 'backing off', 'it is noticed')
        assert.deepEqual(world.addresses('a'), [])
        assert.equal(world.stale().length, 1)
        if (i === 4) world.api.heal()
        await world.passBackoff('services')
      }
      await world.synced()
      assert.deepEqual(world.stale(), [])
      await world.until(() => world.api.sockets.size === 1, 'one socket is left')
      assert.equal(world.warnings.length, 1)
    })
  }

  /** The next request has an answer whose body never comes: it is waited for, and given up. */
  async function passBody(world: FakeApiWorld): Promise<void> {
    await world.until(() => world.time.soonest(10_000) !== undefined, 'the body is waited for')
    await world.time.advance(10_000)
    await world.until(() => world.status('services').failures.size === 1, 'it is given up')
  }

  it('410 without an end is one all the same: all is listed again', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    world.api.forget(SERVICES, 'default', 'b')
    world.api.fail({ kind: 'head', status: 410 })
    world.api.closeWatches()
    await world.until(() => world.api.requests.length === 2, 'the watch is opened again')
    await passBody(world)
    await world.until(() => world.addresses('b') === undefined, 'all is listed')
    assert.deepEqual([...world.status('services').failures], [['expired', 1]])
  })

  it('429 without an end is waited for as long as the server asks', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    world.api.fail({ kind: 'head', status: 429, headers: { 'retry-after': '17' } })
    world.api.closeWatches()
    await world.until(() => world.api.requests.length === 2, 'the watch is opened again')
    await passBody(world)
    assert.ok((await world.passBackoff('services')) >= 17_000)
  })

  it('503 without an end to the first list is none of a server without streaming lists', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      twoServices(api)
      api.fail({ kind: 'head', status: 503 })
    })
    await passBody(world)
    await world.passBackoff('services')
    await world.synced()
    assert.equal(world.api.requests.filter(isStream).length, 2)
    assert.deepEqual([...world.status('services').failures], [['status', 1]])
  })

  it('stale is said once in an outage, fresh when the watch runs again', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    world.api.fail({ kind: 'status', status: 500, body: 'oops' }, () => true, 4)
    world.api.closeWatches()
    for (let i = 0; i < 4; i++) {
      await world.passBackoff('services')
    }
    await world.synced()
    assert.equal(world.status('services').lastError, undefined)
    assert.equal(world.warnings.length, 1)
  })
})

describe('an outage', () => {
  const ofServices = ({ path }: RecordedRequest) => path === SERVICES

  /** A fault of Services that lasts, and their watch at the longest of its waits. */
  async function withoutServices(t: TestContext, fault: Fault): Promise<FakeApiWorld> {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    world.api.fail(fault, ofServices, Number.POSITIVE_INFINITY)
    world.api.closeWatches(SERVICES)
    world.api.resetWatches('', SERVICES)
    for (let i = 0; i < 7; i++) await world.passBackoff('services')
    await world.until(() => world.status('services').state === 'backing off', 'Services wait')
    world.api.heal()
    return world
  }

  /** The watch of slices breaks, and is answered after its first wait, which is a short one. */
  async function slicesAreAnswered(world: FakeApiWorld): Promise<void> {
    const { connects } = world.status(EPS)
    world.api.resetWatches('', SLICES)
    await world.passBackoff(EPS)
    await world.until(() => world.status(EPS).state === 'watching' && world.status(EPS).connects > connects, 'slices')
  }

  it('is over for every watch when one is answered: the others do not wait to their end', async t => {
    const world = await withoutServices(t, { kind: 'hang up' })
    const { connects } = world.status('services')
    await slicesAreAnswered(world)
    await world.until(() => world.status('services').state === 'watching', 'Services are watched')
    assert.equal(world.status('services').connects, connects + 1)
    assert.deepEqual(world.stale(), [])
  })

  it('of one resource alone is tried once more for that, and then at its own pace', async t => {
    const world = await withoutServices(t, { kind: 'hang up' })
    world.api.fail({ kind: 'hang up' }, ofServices, Number.POSITIVE_INFINITY)
    const { connects } = world.status('services')
    for (let i = 0; i < 3; i++) {
      await slicesAreAnswered(world)
      await world.until(() => world.status('services').state === 'backing off', 'Services wait')
    }
    assert.equal(world.status('services').connects, connects + 1)
  })

  for (const [what, fault] of [
    ['an API server that says when to ask again', { status: 503, headers: { 'retry-after': '100' } }],
    ['a refusal', { status: 403 }],
  ] as const) {
    it(`${what} is no outage`, async t => {
      const world = await withoutServices(t, { kind: 'status', body: '', ...fault })
      const { connects } = world.status('services')
      await slicesAreAnswered(world)
      assert.equal(world.status('services').connects, connects)
      assert.equal(world.status('services').state, 'backing off')
    })
  }

  it('of watches that are answered and break at once is no storm of watches that wake each other', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    const error = eventOf('ERROR', statusOf(500, 'InternalError', 'etcdserver: no leader'))
    world.api.fail({ kind: 'octets', octets: error, ending: 'end' }, ({ query }) => query.has('watch'), 1e9)
    world.api.closeWatches()
    await passMinutes(world, 5)
    const before = world.api.requests.length
    await passMinutes(world, 10)
    assert.ok(world.api.requests.length - before <= 2 * 20, `${world.api.requests.length - before} in 10 minutes`)
  })
})

/** So many minutes, with time in between for what is asked. */
async function passMinutes(world: FakeApiWorld, minutes: number): Promise<void> {
  for (let i = 0; i < minutes * 60; i++) {
    await world.time.advance(1000)
    for (let turn = 0; turn < 5; turn++) await setImmediate()
  }
}

describe('what nobody is told of', () => {
  it('while watches are ended at once is listed at the next audit, and what is served is said to be old', async t => {
    const world = await FakeApiWorld.start(t, { auditIntervalMs: 600_000 }, twoServices)
    await world.synced()
    world.api.closesWatches = true
    world.api.slip(SLICES, sliceOf('a-1', 'a', ['10.0.0.9']))
    world.api.closeWatches()
    await passMinutes(world, 3)
    await world.until(() => world.stale().length === 2, 'both are said to be old')
    await passMinutes(world, 10)
    assert.deepEqual(world.addresses('a'), ['10.0.0.9'])
    assert.ok(world.status(EPS).lists <= 3, `${world.status(EPS).lists} lists in 13 minutes`)
    const told = world.warnings.filter(one => one.includes(`every watch of ${EPS} at once`)).length
    assert.ok(told >= 1 && told <= 2, `told ${told} times in 13 minutes`)
  })

  it('since every watch from a version ends in an error, is listed after the second of them', async t => {
    const world = await FakeApiWorld.start(t, {}, twoServices)
    await world.synced()
    const error = eventOf('ERROR', statusOf(500, 'InternalError', 'no'))
    world.api.fail({ kind: 'octets', octets: error, ending: 'end' }, isResume, 1e9)
    world.api.slip(SLICES, sliceOf('a-1', 'a', ['10.0.0.9']))
    world.api.closeWatches(SLICES)
    await world.passBackoff(EPS)
    await world.until(
      () => world.status(EPS).lists === 2 || world.status(EPS).state === 'backing off',
      'it ended again',
    )
    await world.time.advance(40_000)
    await world.until(() => world.addresses('a')?.[0] === '10.0.0.9', 'all is listed')
  })

  for (const status of [400, 414, 422]) {
    it(`since every watch from a version is refused with ${status}, is listed after the second of them`, async t => {
      const world = await FakeApiWorld.start(t, {}, twoServices)
      await world.synced()
      const body = statusOf(status, 'Invalid', 'resourceVersion: Invalid value')
      world.api.fail({ kind: 'status', status, body }, isResume, 1e9)
      world.api.slip(SLICES, sliceOf('a-1', 'a', ['10.0.0.9']))
      world.api.closeWatches(SLICES)
      for (let i = 0; i < 2; i++) await world.passBackoff(EPS)
      await world.until(() => world.addresses('a')?.[0] === '10.0.0.9', 'all is listed')
      assert.equal(world.status(EPS).lists, 2)
    })
  }

  it('since every watch is refused, is listed now and then: one request in 30 s, and told of once', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      twoServices(api)
      const body = statusOf(400, 'BadRequest', 'no watch')
      api.fail({ kind: 'status', status: 400, body }, ({ query }) => query.has('watch'), 1e9)
    })
    for (let i = 0; i < 9; i++) await world.passBackoff('services')
    const start = world.time.nowMs
    const { connects, lists } = world.status('services')
    world.api.slip(SERVICES, serviceOf('c'))
    for (let i = 0; i < 8; i++) await world.passBackoff('services')
    assert.equal(world.status('services').connects, connects + 8)
    assert.ok(world.time.nowMs - start >= 8 * 30_000)
    assert.ok(world.status('services').lists >= lists + 3)
    assert.deepEqual([world.addresses('c'), world.warnings.length], [[], 1])
    world.api.heal()
    await passMinutes(world, 2)
    await world.synced()
    assert.deepEqual(world.stale(), [])
  })

  it('in an outage that looks like the one before it is old all the same', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => {
      api.streamingLists = 'refused'
      api.fail({ kind: 'hang up' })
    })
    await world.passBackoff('services')
    await world.synced()
    world.api.fail({ kind: 'hang up' }, () => true, 1e9)
    world.api.closeWatches()
    for (let i = 0; i < 3; i++) await world.passBackoff('services')
    assert.equal(world.stale().length, 1)
  })

  it('by a stream that ends no list is asked for as a stream again, once, of a server that has given one', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, twoServices)
    await world.synced()
    const streams = () => world.api.requests.filter(({ query }) => query.has('sendInitialEvents')).length
    for (const expected of [3, 5]) {
      world.api.fail({ kind: 'octets', octets: eventOf('ADDED', serviceOf('x')), ending: 'silence' }, isStream)
      world.api.compact()
      world.api.closeWatches()
      await world.until(() => streams() === expected - 1 || world.status('services').state === 'backing off', 'asked')
      await world.time.advance(60_000)
      await world.until(() => streams() === expected - 1, 'a stream is asked for')
      await world.time.advance(10_000)
      await passMinutes(world, 1)
      await world.synced()
      assert.equal(streams(), expected)
    }
  })
})

const isStream = ({ query }: RecordedRequest) => query.has('sendInitialEvents')

/**
 * Stories of a server that starts: too early, unsynced, without rights, with old credentials, with many others.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ClusterState } from '../../src/cluster/state.ts'
import { startKubernetes } from '../../src/kubernetes/source.ts'
import { makeCertificate } from '../support/certificate.ts'
import { SLICES, serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { FakeApiServer, type RecordedRequest, statusOf } from '../support/fake-api-server.ts'
import { StoryClock } from '../support/story-clock.ts'
import { putMany, RandomCluster } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { seeded, story } from './story.ts'

const FOREVER = Number.POSITIVE_INFINITY
/** Back-off has grown to its most. */
const GROWN_HOURS = 0.05
const folder = mkdtempSync(join(tmpdir(), 'stories-start-'))
after(() => rmSync(folder, { recursive: true }))

const ofSlices = ({ path }: RecordedRequest) => path.endsWith('/endpointslices')
const forbidden = { kind: 'status', status: 403, body: statusOf(403, 'Forbidden', 'no') } as const
let cluster: RandomCluster

/** Nothing but SERVFAIL so far, over both ways, and then all there is at once. @returns ms of work from then on */
async function opens(world: StoryWorld, answersToSee = 300): Promise<number> {
  await world.until(() => world.checker.checked > answersToSee, 'answers before it is ready')
  assert.equal(await world.isReady(), false)
  world.truth.opening()
  world.api.heal()
  const before = process.threadCpuUsage()
  await world.hurry(() => world.isReady(), 'the server is ready')
  const { user, system } = process.threadCpuUsage(before)
  world.truth.opened()
  // The CPU time of this thread, where the API server and the judge are too: what it waits for, and for whom, is none of it.
  const workedMs = (user + system) / 1000
  assert.ok(workedMs <= 2000, `ready after ${workedMs} ms of work`)
  return workedMs
}

story(
  'F10: Services are listed, their slices are not: no name is denied',
  {
    unready: true,
    prepare(world) {
      cluster = new RandomCluster(world)
      world.api.fail({ kind: 'status', status: 503, body: '' }, ofSlices, FOREVER)
    },
  },
  async world => {
    await opens(world)
    cluster.steps(20)
    await world.checker.agrees()
  },
)

story(
  'T19: the API server is down at the start; 1,000 Services with 10,000 pods when it comes',
  {
    unready: true,
    share: 0.02,
    prepare(world) {
      putMany(world, 1000, 10)
      world.api.fail({ kind: 'hang up' }, () => true, FOREVER)
    },
  },
  async (world, context) => {
    await world.passHours(0.2)
    context.diagnostic(`ready after ${(await opens(world)).toFixed(0)} ms of work`)
  },
)

for (const [what, options] of [
  ['a streaming list', {}],
  ['pages', { streamingLists: 'refused', pageLimit: 10 }],
] as const) {
  story(
    `T19b: ${what} that trickles gives no part of the cluster`,
    {
      prepare(world) {
        Object.assign(world.api, options)
        cluster = new RandomCluster(world, { services: 40 })
        world.api.fail({ kind: 'trickle', octets: 1000, everyMs: 10 }, () => true, 6)
      },
    },
    async world => {
      cluster.steps(20)
      await world.checker.agrees()
      // The same again with a cluster that is served already.
      world.truth.blinds()
      world.api.closeWatches()
      cluster.steps(20)
      world.api.compact()
      world.api.fail({ kind: 'trickle', octets: 1000, everyMs: 10 }, ({ query }) => !query.has('resourceVersion'), 2)
      await world.watching()
      await world.hurry(
        () =>
          world.checker.agrees(0).then(
            () => true,
            () => false,
          ),
        'the list is in',
      )
      world.truth.sees()
    },
  )
}

story(
  'T29: no right to watch slices at the start: SERVFAIL, not ready, and a log that names verb and resource',
  {
    unready: true,
    prepare(world) {
      cluster = new RandomCluster(world)
      world.api.fail(forbidden, ofSlices, FOREVER)
    },
  },
  async world => {
    await world.passHours(GROWN_HOURS)
    const sinceMs = world.clock.nowMs
    await world.passHours(1)
    world.assertRare(sinceMs, SLICES)
    assert.ok(world.log.some(line => line.includes('\\"watch\\" on endpointslices.discovery.k8s.io')))
    await opens(world)
  },
)

const snapshot = join(folder, 'snapshot')
story(
  'F11: the API server is down at a start, and there is a snapshot',
  {
    config: { source: { snapshot, snapshotInterval: '1s' } },
    prepare(world) {
      cluster = new RandomCluster(world)
    },
  },
  async world => {
    cluster.steps(20)
    await world.checker.agrees()
    world.truth.blinds()
    world.api.fail({ kind: 'hang up' }, () => true, FOREVER)
    await world.restart()
    await world.ready()
    world.truth.opened()
    await world.checker.agrees()
    await world.passHours(0.1)
    cluster.steps(20)
    world.api.heal()
    await world.watching()
    await world.hurry(
      () =>
        world.checker.agrees(0).then(
          () => true,
          () => false,
        ),
      'what happened meanwhile is known',
    )
    world.truth.sees()
  },
)

const certificates = ['first', 'second'].flatMap(name => {
  try {
    return makeCertificate(folder, name)
  } catch {
    return []
  }
})
const [first, second] = certificates
const authority = join(folder, 'ca.crt')
const token = join(folder, 'token')

story(
  'T28: the token expires, the authority is replaced: the files beside the kubeconfig are read again',
  {
    skip: second === undefined ? 'there is no openssl to make certificates' : undefined,
    ...(first === undefined ? {} : { tls: first }),
    kubernetes(api) {
      writeFileSync(authority, first!.cert)
      writeFileSync(token, 'one\n')
      const kubeconfig = join(folder, 'kubeconfig')
      const at = { cluster: 'c', user: 'u' }
      const content = {
        'current-context': 'x',
        contexts: [{ name: 'x', context: at }],
        clusters: [{ name: 'c', cluster: { server: api.url, 'certificate-authority': authority } }],
        users: [{ name: 'u', user: { tokenFile: token } }],
      }
      writeFileSync(kubeconfig, JSON.stringify(content))
      // The only waits are those of back-off: what is read from files takes its time, in which the clock would go on to an audit.
      return { kubeconfig, auditInterval: '0s' }
    },
    prepare(world) {
      world.api.tokens = new Set(['one'])
      cluster = new RandomCluster(world)
    },
  },
  async world => {
    const steps: readonly (() => void)[] = [
      () => {
        world.api.tokens = new Set(['two'])
        writeFileSync(token, 'two\n')
      },
      () => {
        world.api.rotate(second!)
        for (const socket of world.api.sockets) socket.destroy()
        writeFileSync(authority, second!.cert)
      },
    ]
    for (const step of steps) {
      world.truth.blinds()
      step()
      world.api.closeWatches()
      cluster.steps(10)
      const startMs = world.clock.nowMs
      await world.watching()
      const resumedMs = world.clock.nowMs - startMs
      assert.ok(resumedMs <= 5000, `watched again after ${resumedMs} ms`)
      world.truth.sees()
      await world.checker.agrees()
    }
  },
)

const F37 = 'F37: a herd of 500 servers starts at an API server that answers 50 requests a second'
seeded(F37, false, async seed => {
  await using api = await FakeApiServer.start()
  const clock = new StoryClock(seed)
  for (let i = 0; i < 20; i++) {
    api.put('/api/v1/services', { ...serviceOf(`s${i}`) })
    api.put('/apis/discovery.k8s.io/v1/endpointslices', { ...sliceOf(`s${i}-1`, `s${i}`, ['10.0.0.1']) })
  }
  let secondMs = clock.nowMs
  let left = 50
  const isTooMany = () => {
    if (clock.nowMs - secondMs >= 1000) {
      secondMs = clock.nowMs
      left = 50
    }
    return --left < 0
  }
  const body = statusOf(429, 'TooManyRequests', 'please try again later')
  api.fail({ kind: 'status', status: 429, body, headers: { 'retry-after': '1' } }, isTooMany, FOREVER)
  const log = { info() {}, warn() {} }
  const options = {
    endpoint: api.url,
    namespaces: [],
    namespaceLabels: '',
    labels: '',
    scope: 'all',
    pods: false,
    auditIntervalMs: 0,
  } as const
  const servers = await Promise.all(
    Array.from({ length: 500 }, async () => {
      const state = new ClusterState([], () => {})
      return { state, source: await startKubernetes({ ...options, endpoints: true }, state, log, clock.deps) }
    }),
  )
  try {
    const startMs = clock.nowMs
    while (servers.some(({ state }) => !state.synced)) {
      assert.ok(clock.nowMs - startMs < 300_000, `${servers.filter(({ state }) => !state.synced).length} not synced`)
      await clock.advance(50)
      for (let i = 0; i < 5; i++) await setImmediate()
    }
    const seconds = (clock.nowMs - startMs) / 1000
    assert.ok(api.requests.length <= 1000 * 8, `${api.requests.length} requests for 1,000 lists in ${seconds} s`)
    const unbounded = api.requests
      // Whether a connection still bears anything is asked by /version.
      .filter(({ path }) => path !== '/version')
      .filter(({ query }) => !query.has('resourceVersion') && !query.has('sendInitialEvents'))
      .map(({ path, query }) => `${path}?${query}`)
    assert.deepEqual(unbounded, [], 'no list that etcd itself must answer')
    for (const { state } of servers) assert.equal(state.counts().services, 20)
  } finally {
    await Promise.all(servers.map(({ source }) => source.stop()))
  }
})

/**
 * A server that starts while the API server is not there: every pod that is restarted in an outage of the control plane.
 * Without a snapshot it has no answers until the outage ends; with one it has those of the last minute, and says so.
 */

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { ReflectorDeps } from '../../src/kubernetes/reflector-types.ts'
import { type Configured, startConfigured } from '../support/configured-server.ts'
import { askServer, dataOf } from '../support/dns-client.ts'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { FakeApiServer, type RecordedRequest } from '../support/fake-api-server.ts'
import { until } from '../support/server-process.ts'

const WEB = 'web.default.svc.cluster.local'
const GONE = 'gone.default.svc.cluster.local'
const NEW = 'new.default.svc.cluster.local'
const UNAVAILABLE = { kind: 'status', status: 503, body: 'the control plane is down' } as const

interface More {
  readonly answers?: string
  readonly deps?: ReflectorDeps
}

class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  readonly file = join(this.folder, 'snapshot')

  constructor(t: TestContext) {
    t.after(() => rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  }

  /** As if the last truth were an hour old. */
  age(): void {
    const then = new Date(Date.now() - 3_600_000)
    utimesSync(this.file, then, then)
  }

  start(t: TestContext, api: FakeApiServer, filter = '', records = '', more: More = {}): Promise<Configured> {
    return startConfigured(
      t,
      `
transport: portable
answers: {${more.answers ?? 'staleError: true'}}
records: {${records}}
source:
  kubernetes: {endpoint: "${api.url}"${filter}}
  snapshot: ${this.file}
  snapshotInterval: 60m
`,
      more.deps,
    )
  }
}

async function startApi(t: TestContext): Promise<FakeApiServer> {
  const api = await FakeApiServer.start()
  t.after(() => api[Symbol.asyncDispose]())
  api.put(SERVICES, serviceOf('web'))
  api.put(SLICES, sliceOf('web-1', 'web', ['10.0.0.1', '10.0.0.2']))
  api.put(SERVICES, serviceOf('gone'))
  api.put(SLICES, sliceOf('gone-1', 'gone', ['10.0.0.9']))
  return api
}

/** A server has run, written its snapshot and ended; the API server says 503 from now on. */
async function outage(t: TestContext, which?: (request: RecordedRequest) => boolean): Promise<[Place, FakeApiServer]> {
  const [place, api] = [new Place(t), await startApi(t)]
  const first = await place.start(t, api)
  await until(() => existsSync(place.file), 'the snapshot is written')
  assert.deepEqual(await dataOf(WEB, 'A', first), ['10.0.0.1', '10.0.0.2'])
  assert.equal(await first.metric('headless_dns_stale'), 0)
  await first.stop()
  api.fail(UNAVAILABLE, which, 1_000_000)
  return [place, api]
}

async function edeOf(name: string, port: number): Promise<[string, number[]]> {
  const { rcode, additionals = [] } = await askServer(name, 'A', { port })
  const opt = additionals.find(record => record.type === 'OPT') as unknown as {
    options: { code: number; data: Buffer }[]
  }
  return [rcode, opt.options.filter(({ code }) => code === 15).map(({ data }) => data.readUInt16BE(0))]
}

describe('a start without the API server, with a snapshot', () => {
  it('answers as before, marked stale (RFC 8914 §4.4, §4.20), until the API server gives its lists', async t => {
    const [place, api] = await outage(t)
    const started = await place.start(t, api)
    assert.deepEqual(await dataOf(WEB, 'A', started), ['10.0.0.1', '10.0.0.2'])
    assert.deepEqual(await edeOf(WEB, started.port), ['NOERROR', [3]])
    assert.deepEqual(await edeOf(NEW, started.port), ['NXDOMAIN', [19]])
    assert.equal(await started.metric('headless_dns_stale'), 1)
    assert.match(await started.admin('/readyz?verbose'), /^OK\nstale: .*snapshot/)
    assert.equal(await started.admin('/readyz'), 'OK\n')
    assert.ok(started.lines.some(line => line.includes('answers come from a snapshot')))

    api.delete(SERVICES, 'default', 'gone')
    api.delete(SLICES, 'default', 'gone-1')
    api.put(SERVICES, serviceOf('new'))
    api.put(SLICES, sliceOf('new-1', 'new', ['10.0.0.7']))
    api.heal()
    await until(async () => (await started.metric('headless_dns_stale')) === 0, 'the lists replaced the snapshot')
    assert.deepEqual(await edeOf(GONE, started.port), ['NXDOMAIN', []])
    assert.deepEqual(await edeOf(WEB, started.port), ['NOERROR', []])
    assert.deepEqual(await dataOf(NEW, 'A', started), ['10.0.0.7'])
    assert.deepEqual(await dataOf(WEB, 'A', started), ['10.0.0.1', '10.0.0.2'])
    assert.equal(await started.admin('/readyz?verbose'), 'OK\n')
  })

  it('without answers.staleError it is served unmarked: the metric alone says so', async t => {
    const [place, api] = await outage(t)
    const started = await place.start(t, api, '', '', { answers: '' })
    assert.equal(await started.metric('headless_dns_stale'), 1)
    assert.deepEqual(await edeOf(WEB, started.port), ['NOERROR', []])
    assert.deepEqual(await edeOf(NEW, started.port), ['NXDOMAIN', []])
  })

  it('an old one is served when the API server has refused', async t => {
    const [place, api] = await outage(t)
    place.age()
    const started = await place.start(t, api)
    await until(async () => (await edeOf(WEB, started.port))[0] === 'NOERROR', 'it is served')
    assert.ok((await started.metric('headless_dns_stale_age_seconds')) >= 3600)
  })

  it('the API server comes back half-way: nothing changes until Services and EndpointSlices are both there', async t => {
    let slicesAreBack = false
    const [place, api] = await outage(t, ({ path }) => path.endsWith('endpointslices') && !slicesAreBack)
    api.delete(SERVICES, 'default', 'gone')
    api.put(SERVICES, serviceOf('new'))
    const started = await place.start(t, api)
    await until(() => api.watchCount(SERVICES) === 1, 'Services are watched')
    api.put(SERVICES, serviceOf('newer'))
    api.put(SLICES, sliceOf('newer-1', 'newer', ['10.0.0.8']))
    assert.deepEqual(await edeOf(GONE, started.port), ['NOERROR', [3]])
    assert.deepEqual(await edeOf(NEW, started.port), ['NXDOMAIN', [19]])
    assert.deepEqual(await dataOf(WEB, 'A', started), ['10.0.0.1', '10.0.0.2'])
    slicesAreBack = true
    await until(async () => (await started.metric('headless_dns_stale')) === 0, 'the lists replaced the snapshot')
    assert.deepEqual(await edeOf(GONE, started.port), ['NXDOMAIN', []])
    assert.deepEqual(await edeOf('newer.default.svc.cluster.local', started.port), ['NOERROR', []])
  })

  for (const [what, spoil] of [
    ['torn', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, -1))],
    ['no snapshot at all', (file: string) => writeFileSync(file, 'apiVersion: v1\n')],
  ] as const) {
    it(`that is ${what}: SERVFAIL as without, a line that says so, and a new one when the API server is back`, async t => {
      const [place, api] = await outage(t)
      spoil(place.file)
      const started = await place.start(t, api)
      assert.deepEqual(await edeOf(WEB, started.port), ['SERVFAIL', [14]])
      assert.ok(started.lines.some(line => /ERR_SNAPSHOT_(TORN|FORMAT)/.test(line) && line.includes('is not used')))
      api.heal()
      await until(async () => (await started.metric('headless_dns_snapshot_writes_total')) === 1, 'it is written')
      assert.deepEqual(await edeOf(WEB, started.port), ['NOERROR', []])
      assert.deepEqual(readdirSync(place.folder), ['snapshot'])
    })
  }

  it('of another cluster, or taken with other filters: not used', async t => {
    const [place, api] = await outage(t)
    const other = await startApi(t)
    other.fail(UNAVAILABLE, undefined, 1_000_000)
    const elsewhere = await place.start(t, other)
    assert.deepEqual(await edeOf(WEB, elsewhere.port), ['SERVFAIL', [14]])
    assert.ok(elsewhere.lines.some(line => line.includes('ERR_SNAPSHOT_CLUSTER')))
    for (const choice of [[', labels: "tier=web"'], ['', 'noEndpoints: true']]) {
      const narrowed = await place.start(t, api, ...choice)
      assert.deepEqual(await edeOf(WEB, narrowed.port), ['SERVFAIL', [14]])
      assert.ok(narrowed.lines.some(line => line.includes('ERR_SNAPSHOT_FILTERS')))
    }
  })
})

/** Intervals end when the test says so; all other waits are as they are. */
class IntervalClock implements ReflectorDeps {
  private readonly waiting: (() => void)[] = []

  get intervals(): number {
    return this.waiting.length
  }

  now(): number {
    return performance.now()
  }

  random(): number {
    return Math.random()
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms !== 3_600_000) return delay(ms, undefined, { signal }).catch(() => {})
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve())
    this.waiting.push(resolve)
    return promise
  }

  end(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

describe('while a server runs, the snapshot', () => {
  async function start(t: TestContext, api: FakeApiServer) {
    const [place, clock] = [new Place(t), new IntervalClock()]
    const started = await place.start(t, api, '', '', { deps: clock })
    await until(() => clock.intervals === 1, 'it has been written, and an interval begins')
    return { started, clock, place }
  }

  it('is written once in snapshotInterval, however much changes, and only confirmed when nothing did', async t => {
    const api = await startApi(t)
    const { started, clock, place } = await start(t, api)
    const writes = () => started.metric('headless_dns_snapshot_writes_total')
    const first = readFileSync(place.file)
    for (let i = 1; i <= 30; i++) {
      api.put(SLICES, sliceOf('web-1', 'web', [`10.0.1.${i}`]))
      await until(async () => (await dataOf(WEB, 'A', started))[0] === `10.0.1.${i}`, 'the change is served')
    }
    assert.deepEqual([await writes(), clock.intervals], [1, 1])
    assert.deepEqual(readFileSync(place.file), first)
    for (let intervals = 0; intervals < 3; intervals++) {
      clock.end()
      await until(() => clock.intervals === 1, 'the next interval begins')
      assert.equal(await writes(), 2)
    }
  })
})

describe('a snapshot that cannot be written', () => {
  it('is said once and counted; names are answered', async t => {
    const [place, api] = [new Place(t), await startApi(t)]
    rmSync(place.folder, { recursive: true })
    const started = await place.start(t, api)
    await until(async () => (await started.metric('headless_dns_snapshot_failures_total')) === 1, 'it failed')
    assert.deepEqual(await dataOf(WEB, 'A', started), ['10.0.0.1', '10.0.0.2'])
    await started.stop()
    assert.equal(started.lines.filter(line => line.includes('ERR_SNAPSHOT_WRITE')).length, 1)
  })
})

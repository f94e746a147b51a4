/**
 * A whole server in this process, the simulated cluster that it watches over HTTP, what is true of that cluster, and a
 * checker that never stops asking. Layer: test support. Everything random comes from one seed.
 */

import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import type { Config } from '../../src/control/config.ts'
import { configOf } from '../../src/control/config-load.ts'
import { createLogOver } from '../../src/control/log.ts'
import { serve } from '../../src/control/serve.ts'
import type { RunningServer } from '../../src/control/server-options.ts'
import type { ApiObject } from './cluster-api.ts'
import { SERVICES, SLICES } from './fake-api-objects.ts'
import { FakeApiServer, type TlsMaterial } from './fake-api-server.ts'
import { Random } from './random.ts'
import { type Question, sharedNowMs } from './story-asker-types.ts'
import { Checker } from './story-checker.ts'
import { StoryClock } from './story-clock.ts'
import { Truth } from './story-truth.ts'

export interface WorldOptions {
  /** Keys of the configuration, as they stand in its file. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Keys of `source.kubernetes`; default: the endpoint of the simulated cluster. */
  readonly kubernetes?: (api: FakeApiServer) => object | Promise<object>
  readonly tls?: TlsMaterial
  /** Objects and faults that are there before the server starts. */
  readonly prepare?: (world: StoryWorld) => void
  /** The server cannot be ready: the story says when it may, and when it must. */
  readonly unready?: boolean
  readonly perSecond?: number
  readonly tcpShare?: number
  /** How late an answer may be after a change. */
  readonly allowedMs?: number
  /** 0..1 of the questions that there are, at random, are asked. */
  readonly share?: number
}

const ALLOWED_MS = 300
const PER_SECOND = 2000
const TCP_SHARE = 0.1
const LIMIT_MS = 20_000
/** Backing off never takes longer. */
const LONGEST_BACKOFF_MS = 40_000
/** In turns of `until`, of which one counts at most TURN_MS: on a busy machine this thread stands still for longer. */
const QUIET_MS = 15
const TURN_MS = 2
/** Between two looks at a condition: who looks all the time keeps a core from those that are to bring it about. */
const LOOK_MS = 1
/** Before a wait of `LONG_MS` ends at once: it may be a limit of silence, and what it waits for on its way on a slow machine. */
const LONG_QUIET_MS = 100
const LONG_MS = 5000
const HOUR_MS = 3_600_000
/** In any fault there is no more than one request in this time, of one resource. */
const STEADY_MS = 30_000
/** Of two requests the first may have come later by this than it was sent. */
const ON_ITS_WAY_MS = 2000

export class StoryWorld {
  readonly seed: number
  readonly random: Random
  readonly clock: StoryClock
  readonly truth = new Truth()
  readonly log: string[] = []
  readonly api: FakeApiServer
  server!: RunningServer
  checker!: Checker
  private readonly waiting: Question[] = []
  private config!: Config
  private readonly share: number
  private readonly allowedMs: number

  private constructor(seed: number, api: FakeApiServer, options: WorldOptions) {
    this.seed = seed
    this.share = options.share ?? 1
    this.allowedMs = options.allowedMs ?? ALLOWED_MS
    this.api = api
    this.random = new Random(seed)
    this.clock = new StoryClock(this.random.next())
    api.now = () => this.clock.nowMs
  }

  static async start(seed: number, options: WorldOptions = {}): Promise<StoryWorld> {
    const world = new StoryWorld(seed, await FakeApiServer.start(options.tls), options)
    try {
      options.prepare?.(world)
      await world.open(options)
      return world
    } catch (error) {
      await world.close()
      throw error
    }
  }

  private async open(options: WorldOptions): Promise<void> {
    const { config = {}, kubernetes = api => ({ endpoint: api.url }), unready = false } = options
    const all = {
      listen: ['127.0.0.1:0'],
      admin: '127.0.0.1:0',
      lameduck: '0s',
      ...config,
      source: { kubernetes: await kubernetes(this.api), ...(config['source'] as object | undefined) },
    }
    const surroundings = { directory: '/', isInPod: false, nodeName: '' }
    const loaded = configOf({ path: '/story.yaml', text: JSON.stringify(all) }, {}, surroundings)
    if (!unready) this.truth.opening()
    this.config = loaded
    this.truth.moveWindowMs = loaded.records.moveWindowMs
    await this.serve(loaded)
    this.checker = new Checker(this.truth, {
      port: this.server.addresses[0]!.port,
      perSecond: options.perSecond ?? PER_SECOND,
      tcpShare: options.tcpShare ?? TCP_SHARE,
      allowedMs: this.allowedMs,
      seed: this.seed,
      ttl: loaded.records.ttl,
      negativeTtl: loaded.records.negativeTtl,
    })
    this.ask(this.waiting.splice(0))
    if (unready) return
    await this.ready()
    this.truth.opened()
    await this.checker.agrees()
  }

  private async serve(config: Config): Promise<void> {
    const log = createLogOver('info', { write: line => void this.log.push(line) })
    this.server = await serve(config, 'story', log, this.clock.deps)
  }

  /** The server ends and starts again at the same address; nobody asks while it is away. */
  async restart(): Promise<void> {
    this.checker.pause(true)
    await this.checker.agrees()
    const listen = [...this.server.addresses]
    await this.server.stop(0)
    this.truth.closed()
    await this.serve({ ...this.config, listen })
    this.checker.pause(false)
  }

  /** Creates or replaces a Service, in the cluster and in the truth. */
  putService(service: object): void {
    const stored = asStored(service)
    this.ask(this.some(this.truth.putService(stored)))
    this.api.put(SERVICES, stored)
  }

  deleteService(name: string, namespace = 'default'): void {
    this.truth.deleteService(namespace, name)
    this.api.delete(SERVICES, namespace, name)
  }

  /** Creates or replaces slices of one Service; in the truth it is one change, in the cluster one after the other. */
  putSlices(...slices: object[]): void {
    const stored = slices.map(asStored)
    this.ask(this.some(this.truth.putSlices(stored)))
    for (const slice of stored) this.api.put(SLICES, slice)
  }

  deleteSlice(name: string, service: string, namespace = 'default'): void {
    this.truth.deleteSlice(namespace, service, name)
    this.api.delete(SLICES, namespace, name)
  }

  /** Asks these all the time, from now on or from the start on. */
  ask(questions: readonly Question[]): void {
    if (this.checker === undefined) this.waiting.push(...questions)
    else this.checker.add(questions)
  }

  private some(questions: readonly Question[]): readonly Question[] {
    return this.share === 1 ? questions : questions.filter(() => this.random.below(10_000) < this.share * 10_000)
  }

  /** The server's own numbers. @returns the sum over all labels; undefined: there is no such metric */
  async metric(name: string): Promise<number | undefined> {
    const { body } = await this.admin('/metrics')
    const lines = body.split('\n').filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    if (lines.length === 0) return undefined
    return lines.map(line => Number(line.slice(line.lastIndexOf(' ') + 1))).reduce((a, b) => a + b)
  }

  async admin(path: string): Promise<{ status: number; body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.server.adminAddress!.port}${path}`)
    return { status: response.status, body: await response.text() }
  }

  async isReady(): Promise<boolean> {
    return (await this.admin('/readyz')).status === 200
  }

  /** Waits, at the clock's own pace, until the server says it is ready. */
  async ready(): Promise<void> {
    await this.until(() => this.isReady(), 'the server is ready')
  }

  /** Waits for a condition; the limit only ends a test that fails. */
  async until(condition: () => boolean | Promise<boolean>, what: string, limitMs = LIMIT_MS): Promise<void> {
    const endMs = performance.now() + limitMs
    while (!(await condition())) {
      if (performance.now() > endMs) assert.fail(`not in ${limitMs} ms: ${what}\n${this.log.slice(-20).join('')}`)
      await delay(LOOK_MS)
    }
  }

  /** As `until`, with every wait of at most that long ended at once: back-off takes no time. */
  async hurry(
    condition: () => boolean | Promise<boolean>,
    what: string,
    longestMs = LONGEST_BACKOFF_MS,
  ): Promise<void> {
    let quietMs = 0
    let lastMs = performance.now()
    let requests = this.api.requests.length
    await this.until(
      async () => {
        if (await condition()) return true
        const now = performance.now()
        quietMs = this.api.requests.length === requests ? quietMs + Math.min(now - lastMs, TURN_MS) : 0
        lastMs = now
        requests = this.api.requests.length
        const soonestMs = this.clock.soonestMs
        // What was just asked for is given the time to come: limits of silence are waits as well.
        if (soonestMs === undefined || soonestMs > longestMs) return false
        if (quietMs < (soonestMs < LONG_MS ? QUIET_MS : LONG_QUIET_MS)) return false
        await this.clock.advance(soonestMs)
        quietMs = 0
        return false
      },
      what,
      2 * LIMIT_MS,
    )
  }

  /** What is under way has had the time to come; waits are not waited for. */
  async quiet(): Promise<void> {
    let quietMs = 0
    let lastMs = performance.now()
    let requests = this.api.requests.length
    await this.until(() => {
      const now = performance.now()
      quietMs = this.api.requests.length === requests ? quietMs + Math.min(now - lastMs, TURN_MS) : 0
      lastMs = now
      requests = this.api.requests.length
      return quietMs >= 2 * QUIET_MS
    }, 'nothing is asked for')
  }

  /** What was true before the last change is allowed to nobody any more. */
  async outdated(): Promise<void> {
    const atMs = this.truth.changedMs + this.allowedMs + this.truth.moveWindowMs
    await this.until(() => sharedNowMs() > atMs, 'the allowed delay is over')
  }

  /** Every watch is open: what happens now is heard of. */
  async watching(): Promise<void> {
    await this.hurry(() => this.api.watchCount(SERVICES) > 0 && this.api.watchCount(SLICES) > 0, 'every watch is open')
  }

  /**
   * No resource, or none of these, was asked for more often than once in 30 s from `sinceMs` on. Back-off grows for a minute or two before
   * that is so. What is asked of the API server itself, and of a watch that has nothing to say, is not counted.
   */
  assertRare(sinceMs: number, ...paths: string[]): void {
    const counted = this.api.requests.filter(
      ({ atMs, path, query }) => atMs >= sinceMs && path !== '/version' && query.get('limit') !== '1',
    )
    const most = Math.floor((this.clock.nowMs - sinceMs) / STEADY_MS) + 1
    for (const path of paths.length > 0 ? paths : [SERVICES, SLICES]) {
      const times = counted.filter(one => one.path === path).map(({ atMs }) => atMs)
      const closest = Math.min(...times.slice(1).map((atMs, i) => atMs - times[i]!))
      assert.ok(times.length > 0 && times.length <= most, `${times.length} requests of ${path}, of ${most} at most`)
      assert.ok(closest >= STEADY_MS - ON_ITS_WAY_MS, `${path} was asked for again after ${closest} ms`)
    }
  }

  /** So many hours go by, in which nothing more than back-off happens. */
  async passHours(hours: number): Promise<void> {
    const endMs = this.clock.nowMs + hours * HOUR_MS
    while (this.clock.nowMs < endMs) {
      await this.clock.advance(Math.min(LONGEST_BACKOFF_MS, endMs - this.clock.nowMs))
      for (let i = 0; i < 20; i++) await setImmediate()
    }
  }

  /** Holds all answers to the truth once more, and ends everything. @throws when one answer was wrong */
  async finish(): Promise<void> {
    await this.checker.agrees()
    await this.checker.stop()
    this.checker.assertRight()
  }

  async close(): Promise<void> {
    await this.checker?.stop()
    if (this.checker !== undefined) countIn(this.checker)
    await this.server?.stop(0)
    await this.api[Symbol.asyncDispose]()
  }
}

/** For the sum over all stories, which test/stories/run.ts makes. */
export function countIn({ checked, wrong }: Checker): void {
  const tally = process.env['STORIES_TALLY']
  if (tally !== undefined) appendFileSync(tally, `${JSON.stringify({ checked, wrong })}\n`)
}

/** With what the API server fills in. */
export function asStored(object: object): ApiObject {
  const copy = structuredClone(object) as ApiObject & { metadata: { namespace?: string } }
  copy.metadata.namespace ??= 'default'
  const { clusterIP } = copy['spec'] ?? {}
  if (clusterIP !== undefined) copy['spec'].clusterIPs ??= [clusterIP]
  return copy
}

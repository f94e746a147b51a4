/**
 * What a soak changes and holds the server to: a simulated cluster, what is true of it, and a thread that asks. The server
 * is a process of its own, whose memory is its own. Layer: test support.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SERVICES, SLICES } from '../support/fake-api-objects.ts'
import { FakeApiServer } from '../support/fake-api-server.ts'
import { Random } from '../support/random.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { type Question, sharedNowMs } from '../support/story-asker-types.ts'
import { Checker } from '../support/story-checker.ts'
import { type ChangedWorld, RandomCluster } from '../support/story-cluster.ts'
import { Truth } from '../support/story-truth.ts'
import { asStored } from '../support/story-world.ts'

const SERVICES_COUNT = 100
const ALLOWED_MS = 1000
/** An answer comes, and is judged, within this time. */
const REMEMBERED_MS = 30_000
const RECORDED_REQUESTS = 1000

export class SoakWorld implements ChangedWorld {
  readonly random: Random
  readonly api: FakeApiServer
  readonly truth = new Truth()
  server!: ServerProcess
  checker!: Checker
  private readonly waiting: Question[] = []
  private cluster!: RandomCluster

  private constructor(seed: number, api: FakeApiServer) {
    this.random = new Random(seed)
    this.api = api
  }

  /** @param entry the file that Node runs */
  static async start(seed: number, perSecond: number, entry: string, folder: string): Promise<SoakWorld> {
    const api = await FakeApiServer.start()
    const world = new SoakWorld(seed, api)
    world.cluster = new RandomCluster(world, { services: SERVICES_COUNT })
    const file = join(folder, 'soak.yaml')
    writeFileSync(file, `source: { kubernetes: { endpoint: "${api.url}" } }\n`)
    world.truth.opening()
    world.server = await startServer(['--config', file], { entry })
    world.truth.opened()
    const { port } = world.server
    const asking = { port, perSecond, tcpShare: 0.05, seed, allowedMs: ALLOWED_MS, ttl: 5, negativeTtl: 1 }
    world.checker = new Checker(world.truth, asking)
    world.checker.add(world.waiting.splice(0))
    return world
  }

  /** One change of the cluster. */
  step(): void {
    this.cluster.step()
  }

  /** What is long over is forgotten, here too. */
  forget(): void {
    this.truth.forget(sharedNowMs() - REMEMBERED_MS)
    this.api.requests.splice(0, Math.max(0, this.api.requests.length - RECORDED_REQUESTS))
  }

  /** The API server is gone, or stands still, until `back` is called. */
  away(how: 'killed' | 'frozen'): void {
    this.truth.blinds()
    if (how === 'frozen') {
      this.api.freeze()
      return
    }
    this.api.fail({ kind: 'hang up' }, () => true, Number.POSITIVE_INFINITY)
    this.api.resetWatches()
  }

  /** @param isCompacted what happened meanwhile cannot be told any more: 410 */
  back(isCompacted: boolean): void {
    if (isCompacted) this.api.compact()
    this.api.heal()
  }

  /** Every watch is open again, and what happened meanwhile has been told. */
  get isSeen(): boolean {
    return this.api.watchCount(SERVICES) > 0 && this.api.watchCount(SLICES) > 0
  }

  async close(): Promise<number | null> {
    await this.checker.stop()
    const code = await this.server.stop()
    await this.api[Symbol.asyncDispose]()
    return code
  }

  putService(service: object): void {
    const stored = asStored(service)
    this.ask(this.truth.putService(stored))
    this.api.put(SERVICES, stored)
  }

  deleteService(name: string, namespace = 'default'): void {
    this.truth.deleteService(namespace, name)
    this.api.delete(SERVICES, namespace, name)
  }

  putSlices(...slices: object[]): void {
    const stored = slices.map(asStored)
    this.ask(this.truth.putSlices(stored))
    for (const slice of stored) this.api.put(SLICES, slice)
  }

  deleteSlice(name: string, service: string, namespace = 'default'): void {
    this.truth.deleteSlice(namespace, service, name)
    this.api.delete(SLICES, namespace, name)
  }

  private ask(questions: readonly Question[]): void {
    if (this.checker === undefined) this.waiting.push(...questions)
    else this.checker.add(questions)
  }
}

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
/** Of queries that are for names that there are; the others are for all names that there ever were, and some that never. */
const FOCUS_SHARE = 0.8
/** Longer than it takes a pod to come to another slice, where they move. */
const GAP_MS = 90

export class SoakWorld implements ChangedWorld {
  readonly random: Random
  readonly api: FakeApiServer
  readonly truth = new Truth()
  server!: ServerProcess
  checker!: Checker
  private readonly waiting: Question[] = []
  private cluster!: RandomCluster
  /** What there is to ask for, by the Service it belongs to. */
  private readonly present = new Map<string, readonly Question[]>()
  /** Answers that a name exists. */
  existing = 0

  private constructor(seed: number, api: FakeApiServer) {
    this.random = new Random(seed)
    this.api = api
  }

  /** @param entry the file that Node runs */
  static async start(seed: number, perSecond: number, entry: string, folder: string): Promise<SoakWorld> {
    const api = await FakeApiServer.start()
    const world = new SoakWorld(seed, api)
    world.cluster = new RandomCluster(world, { services: SERVICES_COUNT, gapMs: GAP_MS })
    const file = join(folder, 'soak.yaml')
    // What happens once in a while happens in the warm-up too.
    const kubernetes = `{ endpoint: "${api.url}", auditInterval: 60s }`
    writeFileSync(file, `source: { kubernetes: ${kubernetes} }\n`)
    world.truth.opening()
    world.server = await startServer(['--config', file], { entry })
    world.truth.opened()
    const { port } = world.server
    const asking = {
      port,
      perSecond,
      tcpShare: 0.05,
      seed,
      allowedMs: ALLOWED_MS,
      ttl: 5,
      negativeTtl: 1,
      focusShare: FOCUS_SHARE,
    }
    world.checker = new Checker(world.truth, asking)
    world.checker.add(world.waiting.splice(0))
    world.checker.onJudged = ({ reply }) => {
      if (reply.rcode === 'NOERROR') world.existing++
    }
    world.focus()
    return world
  }

  /** One change of the cluster. */
  step(): void {
    this.cluster.step()
  }

  /** From now on most are asked for what there is now. */
  focus(): void {
    const all = [...this.present.values()].flat()
    this.checker.focus(all.filter(question => this.truth.now(question).rcode === 'NOERROR'))
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
    this.ask(stored.metadata.name, this.truth.putService(stored))
    this.api.put(SERVICES, stored)
  }

  deleteService(name: string, namespace = 'default'): void {
    this.present.delete(name)
    this.truth.deleteService(namespace, name)
    this.api.delete(SERVICES, namespace, name)
  }

  putSlices(...slices: object[]): void {
    const stored = slices.map(asStored)
    this.ask(stored[0]!.metadata.labels!['kubernetes.io/service-name']!, this.truth.putSlices(stored))
    for (const slice of stored) this.api.put(SLICES, slice)
  }

  deleteSlice(name: string, service: string, namespace = 'default'): void {
    this.truth.deleteSlice(namespace, service, name)
    this.api.delete(SLICES, namespace, name)
  }

  private ask(service: string, questions: readonly Question[]): void {
    this.present.set(service, questions)
    if (this.checker === undefined) this.waiting.push(...questions)
    else this.checker.add(questions)
  }
}

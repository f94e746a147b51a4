/**
 * A fake API server, what watches it, and the cluster that comes of it, on a clock that a test moves.
 * Layer: test support.
 */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Changes, ClusterState } from '../../src/cluster/state.ts'
import { type KubernetesOptions, type KubernetesSource, startKubernetes } from '../../src/kubernetes/source.ts'
import { FakeApiServer } from './fake-api-server.ts'
import { FakeTime } from './fake-api-time.ts'

const OPTIONS = {
  namespaces: [],
  namespaceLabels: '',
  labels: '',
  scope: 'all',
  pods: false,
  endpoints: true,
  auditIntervalMs: 0,
} as const

export class FakeApiWorld {
  readonly time = new FakeTime()
  readonly warnings: string[] = []
  readonly changes: Changes[] = []
  readonly cluster: ClusterState
  readonly api: FakeApiServer
  source!: KubernetesSource
  /** Thrown out of the next changes. */
  publishError: Error | undefined

  private constructor(api: FakeApiServer) {
    this.api = api
    this.cluster = new ClusterState([], changes => {
      if (this.publishError !== undefined) throw this.publishError
      this.changes.push(changes)
    })
  }

  /** @param prepare puts objects and faults before anything is asked */
  static async start(
    t: TestContext,
    options: Partial<KubernetesOptions> = {},
    prepare: (api: FakeApiServer) => void = () => {},
  ): Promise<FakeApiWorld> {
    const world = new FakeApiWorld(await FakeApiServer.start())
    prepare(world.api)
    const log = { info() {}, warn: (message: string) => void world.warnings.push(message) }
    const all = { ...OPTIONS, endpoint: world.api.url, ...options }
    world.source = await startKubernetes(all, world.cluster, log, world.time.deps)
    t.after(async () => {
      await world.source.stop()
      await world.api[Symbol.asyncDispose]()
    })
    await world.time.advance(200)
    return world
  }

  status(resource: string) {
    return this.source.status().find(one => one.resource === resource)!
  }

  /** Addresses served of a Service in `default`, sorted; undefined: there is no such Service. */
  addresses(service: string, namespace = 'default'): string[] | undefined {
    const view = this.cluster.find(namespace, service)
    return view?.slices.flatMap(slice => slice.endpoints.map(({ address }) => address)).sort()
  }

  stale(): string[] {
    return this.cluster.states().flatMap(({ stale }) => stale ?? [])
  }

  /** Every watch is open and its list is in. */
  async synced(): Promise<void> {
    await this.until(() => this.source.status().every(({ state }) => state === 'watching'), 'every watch is open')
  }

  /** Waits for a condition, the clock standing still; the limit only ends a test that fails. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const start = performance.now()
    while (!condition()) {
      if (performance.now() - start > 10_000) {
        assert.fail(`not in 10 s: ${what}; ${JSON.stringify(this.source?.status())}; ${this.warnings.join('; ')}`)
      }
      await setImmediate()
    }
  }

  /** Waits until the reflector of that resource backs off, then lets that wait pass. @returns the wait, ms */
  async passBackoff(resource: string): Promise<number> {
    const { connects } = this.status(resource)
    await this.until(() => this.status(resource).state === 'backing off', `${resource} backs off`)
    const ms = this.time.sleeps.at(-1)!
    await this.time.advance(ms)
    await this.until(() => this.status(resource).connects > connects, `${resource} is asked for again`)
    return ms
  }
}

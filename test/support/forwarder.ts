/**
 * The forwarder alone, with real sockets to fake upstreams and a clock that a test moves. Layer: test support.
 */

import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'
import { Datagrams } from '../../src/forward/datagrams.ts'
import { Forwarder, type ForwarderOptions } from '../../src/forward/forwarder.ts'
import { type RouteOptions, Routes } from '../../src/forward/routes.ts'
import { Streams } from '../../src/forward/streams.ts'
import { Policy, Upstream } from '../../src/forward/upstream.ts'
import { parseName } from '../../src/wire/name.ts'
import { Query } from '../../src/wire/query.ts'
import { type Answer, readAnswer } from './forwarding.ts'
import { until } from './server-process.ts'

export class SteppedClock {
  now = 0
  private readonly runs = new Set<() => void>()

  nowMs(): number {
    return this.now
  }

  every(_intervalMs: number, run: () => void): () => void {
    this.runs.add(run)
    return () => this.runs.delete(run)
  }

  get isIdle(): boolean {
    return this.runs.size === 0
  }

  /** In steps of 50 ms, as the forwarder looks. Whatever the sockets brought meanwhile is heard between two steps. */
  async advance(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 50
      for (const run of [...this.runs]) run()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}

export interface Bench {
  readonly forwarder: Forwarder
  readonly clock: SteppedClock
  readonly upstreams: readonly Upstream[]
  /** The reply, when it is there. @param client whose query it is */
  ask(query: Uint8Array, client?: string, clientPort?: number): Pending
}

export interface Pending {
  answer: Answer | undefined
  /** How often a reply came: once is right. */
  replies: number
  /** Waits for it, without moving the clock. */
  wait(): Promise<Answer>
}

export function createForwarder(
  t: TestContext,
  ports: readonly number[],
  route: Partial<RouteOptions> = {},
  more: Partial<ForwarderOptions> = {},
): Bench {
  const clock = new SteppedClock()
  const upstreams = ports.map(port => new Upstream({ address: '127.0.0.1', port, tls: false }))
  const routes = new Routes([
    {
      zone: parseName('.')!,
      upstreams,
      policy: new Policy('sequential', randomInt),
      except: [],
      forceTcp: false,
      mixCase: false,
      maxConcurrent: 10_000,
      failover: [],
      ...route,
    },
  ])
  const forwarder = new Forwarder({
    routes,
    maxUdpSize: 1232,
    maxInFlight: 10_000,
    maxPerClient: 10_000,
    clock,
    random: randomInt,
    openDatagrams: events => new Datagrams(events),
    openStreams: events => new Streams(events),
    ...more,
  })
  t.after(() => forwarder.close())
  const parsed = new Query(1)
  return {
    forwarder,
    clock,
    upstreams,
    ask(query, client = 'a', clientPort = 0) {
      const octets = Buffer.from(query)
      const verdict = parsed.read(
        octets,
        new DataView(octets.buffer, octets.byteOffset, octets.length),
        0,
        octets.length,
      )
      if (verdict !== 0) throw new Error(`verdict ${verdict}`)
      const { questionEnd, payloadSize, dnssecOk } = parsed
      const pending: Pending = {
        answer: undefined,
        replies: 0,
        async wait() {
          await until(() => pending.answer !== undefined, 'a reply')
          return pending.answer!
        },
      }
      forwarder.take({
        message: octets.subarray(0, questionEnd),
        questionEnd,
        payloadSize,
        dnssecOk,
        aliases: 0,
        targetAt: 0,
        stream: false,
        client,
        clientPort,
        path: {
          send(message) {
            pending.replies++
            pending.answer = readAnswer(message)
          },
        },
      })
      return pending
    },
  }
}

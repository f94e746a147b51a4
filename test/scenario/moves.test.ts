/**
 * Endpoints that move between EndpointSlices by two writes, in both orders, while somebody asks: nobody sees an answer
 * without the pod, or with it twice (F3 and T25; ovn-kubernetes#1857, coredns#6658). As fast as it goes, on a clock that is
 * moved by hand; a reader asks after every write to the table, and after every step of the clock.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Answering, createAnswering, type EndpointShort, headless, slice } from '../support/answering.ts'
import { startConfigured } from '../support/configured-server.ts'
import { dataOf } from '../support/dns-client.ts'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { FakeApiServer } from '../support/fake-api-server.ts'
import { decodeReply } from '../support/light-decoder.ts'
import { queryOf } from '../support/messages.ts'
import { SteppedMoveClock } from '../support/move-clock.ts'
import { Random } from '../support/random.ts'
import { until } from '../support/server-process.ts'

const MOVES = 10_000
const PODS = 12
const SLICE_COUNT = 4
const WEB = 'web.default.svc.cluster.local'
const HTTP = { name: 'http', protocol: 'tcp', port: 80 }

interface Question {
  readonly query: Buffer
  /** What the answers must be, sorted. */
  readonly expected: readonly string[]
}

function pod(number: number): EndpointShort {
  const name = `web-${number}`
  return { address: `10.0.0.${100 + number}`, hostname: name, podName: name, target: 1 + number }
}

class World {
  readonly server: Answering
  readonly clock: SteppedMoveClock
  asked = 0
  readonly wrong = new Map<string, number>()
  private readonly places = Array.from({ length: PODS }, (_, i) => i % SLICE_COUNT)
  /** About all pods, and about each alone. */
  private readonly all: readonly Question[]
  private readonly own: readonly Question[][]
  private moving = 0
  private version = 0

  constructor(windowMs: number) {
    this.clock = new SteppedMoveClock(windowMs)
    this.server = createAnswering({ moves: this.clock })
    this.clock.onWake = () => this.server.serving.cluster.expire()
    const all = Array.from({ length: PODS }, (_, i) => i)
    const question = (name: string, type: string, expected: string[]): Question => ({
      query: queryOf(name, type, { opt: {} }),
      expected: expected.map(data => `${name} ${type} ${data}`).sort(),
    })
    const addresses = all.map(i => pod(i).address)
    const targets = all.map(i => `80 web-${i}.${WEB}`)
    this.all = [question(WEB, 'A', addresses), question(`_http._tcp.${WEB}`, 'SRV', targets)]
    this.own = all.map(i => [
      question(`web-${i}.${WEB}`, 'A', [addresses[i]!]),
      question(`${100 + i}.0.0.10.in-addr.arpa`, 'PTR', [`web-${i}.${WEB}`]),
    ])
    this.server.services.upsert(headless('web', 'default', [HTTP]))
    for (let i = 0; i < SLICE_COUNT; i++) this.write(i)
    const { table } = this.server.serving
    for (const method of ['put', 'remove', 'changeRecords'] as const) {
      const plain = table[method].bind(table) as (...given: unknown[]) => void
      table[method] = (...given: unknown[]) => {
        plain(...given)
        this.ask([this.all[0]!, this.own[this.moving]![0]!])
      }
    }
  }

  /** One pod, from one slice to another. @param gapMs between the two writes */
  move(number: number, to: number, isRemovedFirst: boolean, gapMs: number): void {
    const from = this.places[number]!
    this.moving = number
    this.places[number] = isRemovedFirst ? -1 : to
    this.write(isRemovedFirst ? from : to)
    this.ask()
    this.clock.go(gapMs)
    this.ask()
    this.places[number] = to
    this.write(isRemovedFirst ? to : from)
    this.ask()
  }

  /** The slice of that number, as the places say; the pod that is added is in it beside the one that it is still in. */
  private write(number: number): void {
    const endpoints = this.places.flatMap((place, i) => (place === number ? [pod(i)] : []))
    const more = { name: `web-${number}`, addressType: 'IPv4', ports: [HTTP], version: ++this.version } as const
    this.server.slices.upsert(slice('web', endpoints, more))
    this.server.flush()
  }

  private ask(questions: readonly Question[] = [...this.all, ...this.own[this.moving]!]): void {
    for (const { query, expected } of questions) {
      this.asked++
      const { answers, rcode, isTruncated } = decodeReply(this.server.exchange(query)!)
      if (isTruncated || answers.length !== expected.length || answers.some((answer, i) => answer !== expected[i])) {
        const key = `${rcode} ${answers.length} of ${expected.length}: ${expected[0]}`
        this.wrong.set(key, (this.wrong.get(key) ?? 0) + 1)
      }
    }
  }
}

describe(`${MOVES} moves between ${SLICE_COUNT} slices`, () => {
  for (const [windowMs, longestGapMs] of [
    [100, 99],
    [250, 200],
  ] as const) {
    it(`a window of ${windowMs} ms, up to ${longestGapMs} ms between the two writes: 0 answers without the pod, 0 with it twice`, t => {
      const world = new World(windowMs)
      const random = new Random(windowMs)
      for (let i = 0; i < MOVES / 2; i++) {
        const isRemovedFirst = random.below(2) === 0
        world.move(random.below(PODS), random.below(SLICE_COUNT), isRemovedFirst, random.below(longestGapMs + 1))
        if (random.below(3) === 0) world.clock.go(random.below(300))
      }
      t.diagnostic(`${world.asked} questions`)
      assert.deepEqual(Object.fromEntries(world.wrong), {})
      assert.ok(world.asked > 12 * (MOVES / 2))
      world.clock.go(1000)
      const view = world.server.serving.cluster.find('default', 'web')!
      assert.deepEqual(view.held, [])
    })
  }

  it('without a window the pod is missed: the reader sees it', () => {
    const world = new World(0)
    world.move(0, 1, true, 50)
    assert.ok(world.wrong.size > 0)
  })

  it('beyond the window the pod is missed: that is what the window says', () => {
    const world = new World(100)
    world.move(0, 1, true, 101)
    assert.ok(world.wrong.size > 0)
  })
})

describe('records.moveWindow of a running server', () => {
  it('a pod that vanishes without a word is answered for that long, and no longer', async t => {
    /** What is allowed is for a machine that is busy: eight windows would be more. */
    const [windowMs, allowedMs] = [1000, 4000]
    const api = await FakeApiServer.start()
    t.after(() => api[Symbol.asyncDispose]())
    api.put(SERVICES, serviceOf('web'))
    const [stays, vanishes] = ['a', 'b'].map((name, i) => ({
      addresses: [`10.0.0.${i}`],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name, uid: name },
    }))
    const write = (...endpoints: unknown[]) => api.put(SLICES, { ...sliceOf('web-1', 'web', []), endpoints })
    write(stays, vanishes)
    const source = `source: {kubernetes: {endpoint: "${api.url}"}}\n`
    const server = await startConfigured(t, `${source}records: {moveWindow: ${windowMs}ms}\ntransport: portable\n`)
    await until(async () => (await dataOf(WEB, 'A', server)).length === 2, 'both are served')
    await until(() => api.watchCount(SLICES) === 1, 'changes are heard of')

    const begin = performance.now()
    write(stays)
    await until(async () => (await dataOf(WEB, 'A', server)).length === 1, 'it is gone')
    const ms = performance.now() - begin
    // Timers of Node may come a millisecond early.
    assert.ok(ms > windowMs - 5, `gone after ${ms} ms`)
    assert.ok(ms < windowMs + allowedMs, `gone after ${ms} ms`)
  })
})

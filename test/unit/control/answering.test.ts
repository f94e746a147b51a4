/** What answers besides the table, when another takes its place while threads still leave queries to it. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Answering, type OwnZones, type Predecessor } from '../../../src/control/answering.ts'
import { createLogOver } from '../../../src/control/log.ts'
import type { ServerOptions } from '../../../src/control/server-options.ts'
import { ZONE_RCODES, zoneFields } from '../../../src/dataplane/counters.ts'
import type { DeferredQuery } from '../../../src/dataplane/deferred.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { encodeSockaddr, IPV4, SOCKADDR_OCTETS } from '../../../src/transport/linux-abi.ts'
import { parseName } from '../../../src/wire/name.ts'
import { createAnswering } from '../../support/answering.ts'
import { CACHE } from '../../support/cached.ts'
import { always, startUpstream } from '../../support/fake-upstream.ts'
import { readAnswer, zoneOf } from '../../support/forwarding.ts'
import { queryOf, RCODES, RD } from '../../support/messages.ts'

const TRANSFER = [{ zones: [], networks: [{ octets: Uint8Array.of(192, 0, 2, 1), prefix: 32 }], notify: [] }]

function setUp(t: TestContext) {
  const { serving } = createAnswering()
  const table = new TableReader(serving.memory, 2)
  const own: OwnZones = { apexes: [parseName('cluster.local')!], serving, table, nextSerial: () => 1 }
  const log = createLogOver('silent', { write() {} })
  return (changes: Partial<ServerOptions>, before?: Predecessor): Answering => {
    const options = {
      records: { ttl: 5, negativeTtl: 5, zones: [], reverseZones: [] },
      order: 'stable',
      maxUdpSize: 1232,
      replyLimits: { errorRate: 0, responseRate: undefined },
      ...changes,
    } as unknown as ServerOptions
    const answering = new Answering(options, own, log, before)
    t.after(() => {
      answering.stop()
      answering.close()
    })
    answering.takeOver()
    return answering
  }
}

function deferred(name: string): DeferredQuery {
  const message = queryOf(name, 'A', { flags: RD })
  const sockaddr = new Uint8Array(SOCKADDR_OCTETS)
  encodeSockaddr(new DataView(sockaddr.buffer, 0, IPV4.sockaddrOctets), '127.0.0.1', 5353)
  const path = { socket: 0, sockaddr, control: new Uint8Array(40), controlOctets: 0, stream: undefined }
  const rest = { targetAt: 0, aliases: 0, payloadSize: 0, dnssecOk: false, zone: -1 }
  return { message, questionEnd: message.length, octets: message.length, path, ...rest }
}

const ask = (answering: Answering, name: string): Promise<{ rcode: number; answers: string[] }> =>
  new Promise(resolve => {
    answering.deferred!.take(deferred(name), reply => resolve(readAnswer(Buffer.from(reply))))
  })

const staleOf = ({ cache }: Answering): unknown =>
  cache?.families('x', []).find(({ name }) => name === 'coredns_cache_served_stale_total')

describe('counters of the cache', () => {
  it('go on when it is made anew, also where there was none in between', async t => {
    const upstream = await startUpstream(always('192.0.2.1'))
    const make = setUp(t)
    const forwarding = { zones: [zoneOf([upstream.port])], fallthrough: [], concurrent: 100, perClient: 100 }
    const options = { forwarding, cache: { ...CACHE, serveStale: 86_400 } }
    const first = make(options)
    await ask(first, 'www.example.com')
    await upstream.close()
    const now = performance.now.bind(performance)
    t.mock.method(performance, 'now', () => now() + 7_200_000)
    assert.equal((await ask(first, 'www.example.com')).answers.length, 1)
    const stale = staleOf(first)
    const without = make({ forwarding }, { answering: first, keepsNames: false, keepsTransfers: false })
    const last = make(options, { answering: without, keepsNames: false, keepsTransfers: false })
    assert.notEqual(last.cache, first.cache)
    assert.deepEqual(staleOf(last), stale)
    assert.match(JSON.stringify(stale), /"value":1/)
  })
})

describe('counters of deferred queries', () => {
  it('go on when there is somebody again to take them', async t => {
    const upstream = await startUpstream(always('192.0.2.1'))
    t.after(() => upstream.close())
    const make = setUp(t)
    const forwarding = { zones: [zoneOf([upstream.port])], fallthrough: [], concurrent: 100, perClient: 100 }
    const first = make({ forwarding })
    await ask(first, 'www.example.com')
    const without = make({}, { answering: first, keepsNames: false, keepsTransfers: false })
    assert.equal(without.deferred, undefined)
    const last = make({ forwarding }, { answering: without, keepsNames: false, keepsTransfers: false })
    const rcodes = zoneFields(-1) + ZONE_RCODES
    assert.equal(last.deferred!.udp[rcodes], 1)
    await ask(last, 'www.example.com')
    assert.equal(last.deferred!.udp[rcodes], 2)
  })
})

describe('forwarding that is taken away while transfers go on', () => {
  it('answers what threads of before still leave to it; what is left to its successor is REFUSED', async t => {
    const upstream = await startUpstream(always('192.0.2.1'))
    t.after(() => upstream.close())
    const make = setUp(t)
    const zones = [zoneOf([upstream.port])]
    const forwarding = { zones, fallthrough: [], concurrent: 100, perClient: 100 }
    const before = make({ forwarding, transfer: TRANSFER })
    const next = make({ transfer: TRANSFER }, { answering: before, keepsNames: false, keepsTransfers: true })
    assert.equal(next.transfers, before.transfers)
    const { rcode, answers } = await ask(before, 'www.example.com')
    assert.deepEqual([rcode, answers.length], [0, 1])
    assert.equal((await ask(next, 'www.example.com')).rcode, RCODES.REFUSED)
    assert.deepEqual([before.deferred!.pending, next.deferred!.pending], [0, 0])
    await before.retire(next)
  })
})

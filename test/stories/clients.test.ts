/**
 * Stories of clients: those that ask for what is not there, that ask in a storm, oddly, or with ill will.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import {
  message,
  optRecord,
  queryOf,
  questionOf,
  RCODES,
  type RcodeName,
  strictDecode,
  u16,
} from '../support/messages.ts'
import { RandomCluster } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { story } from './story.ts'

const NAME = 'web.default.svc.cluster.local'
let cluster: RandomCluster
const WEB = {
  prepare(world: StoryWorld) {
    world.putService(serviceOf('web'))
    world.putSlices(sliceOf('web-1', 'web', ['10.0.0.1', '10.0.0.2']))
    cluster = new RandomCluster(world)
  },
}

story('F17: AAAA of a Service of IPv4 alone is no data, and resolvers go on with A', WEB, async world => {
  const resolver = new Resolver({ timeout: 2000, tries: 1 })
  resolver.setServers([`127.0.0.1:${world.server.addresses[0]!.port}`])
  for (let i = 0; i < 20; i++) {
    await assert.rejects(resolver.resolve6(NAME), { code: 'ENODATA' })
    assert.deepEqual((await resolver.resolve4(NAME)).sort(), ['10.0.0.1', '10.0.0.2'])
  }
})

story('F19: clients of a Service that is down ask and ask: the others are answered as before', WEB, async world => {
  const latencies = async (): Promise<number> => {
    const all: number[] = []
    world.checker.onJudged = ({ question, isTcp, askedMs, answeredMs }) => {
      if (!isTcp && !question.name.includes('down')) all.push(answeredMs - askedMs)
    }
    await world.until(() => all.length > 800, 'answers')
    world.checker.onJudged = undefined
    return all.toSorted((a, b) => a - b)[Math.floor(all.length * 0.99)]!
  }
  world.putService(serviceOf('down'))
  const storm = createSocket('udp4')
  await new Promise<void>(resolve => storm.connect(world.server.addresses[0]!.port, '127.0.0.1', resolve))
  const query = queryOf('down.default.svc.cluster.local', 'A')
  const [before, during]: [number[], number[]] = [[], []]
  // In turn, and the best of each: what else this machine does is none of it.
  for (let round = 0; round < 3; round++) {
    before.push(await latencies())
    const timer = setInterval(() => {
      for (let i = 0; i < 5; i++) storm.send(query)
    }, 5)
    during.push(await latencies())
    clearInterval(timer)
  }
  storm.close()
  const [quiet, stormy] = [Math.min(...before), Math.min(...during)]
  assert.ok(stormy <= Math.max(2 * quiet, 10), `p99 ${stormy} ms in the storm, ${quiet} ms before it`)
})

story('F33: malformed and odd messages, while others ask', WEB, async world => {
  const { port } = world.server.addresses[0]!
  const question = questionOf(NAME, 'A')
  const odd: readonly (readonly [Buffer, RcodeName])[] = [
    [message({ counts: [0, 0, 0, 0] }), 'FORMERR'],
    [message({ counts: [2, 0, 0, 0], parts: [question, question] }), 'FORMERR'],
    [message({ parts: [u16(0xc00c), u16(1), u16(1)] }), 'FORMERR'],
    [queryOf(NAME, 'A', { opt: {}, more: [optRecord()] }), 'FORMERR'],
    [queryOf(NAME, 'A', { flags: 4 << 11 }), 'NOTIMP'],
    [queryOf(NAME, 'A', { flags: 5 << 11 }), 'NOTIMP'],
    [queryOf('wEb.DeFault.svc.CLUSTER.local', 'A'), 'NOERROR'],
    [queryOf('www.example.com', 'A'), 'REFUSED'],
    [queryOf([63, 63, 63, 57].map(n => 'x'.repeat(n)).join('.'), 'A'), 'REFUSED'],
  ]
  for (let round = 0; round < 10; round++) {
    for (const [query, expected] of odd) {
      for (const exchange of [exchangeUdp, exchangeTcp]) {
        assert.equal(strictDecode(await exchange(query, { port })).rcode, RCODES[expected])
      }
    }
    // Of an address of its own, whose error replies have a limit (limits.errorRate).
    const noise = createSocket('udp4').bind(0, '127.0.0.3')
    for (let i = 0; i < 100; i++) {
      const octets = world.random.octets(world.random.below(120))
      if (octets.length > 2) octets[2]! &= 0x7f
      await new Promise(resolve => noise.send(octets, port, '127.0.0.1', resolve))
    }
    noise.close()
    cluster.step()
    await world.checker.agrees()
  }
})

story('F34: what a forged sender could have sent to others is refused, or small', WEB, async world => {
  const { port } = world.server.addresses[0]!
  for (const [name, type] of [
    ['cluster.local', 'AXFR'],
    ['cluster.local', 'IXFR'],
    ['cluster.local', 'ANY'],
    [NAME, 'ANY'],
  ] as const) {
    const query = queryOf(name, type, { opt: { size: 4096 } })
    const reply = await exchangeUdp(query, { port })
    const { rcode } = strictDecode(reply)
    if (type !== 'ANY') assert.equal(rcode, RCODES.REFUSED, type)
    assert.ok(reply.length <= 3 * query.length, `${reply.length} octets for ${query.length}`)
  }
})

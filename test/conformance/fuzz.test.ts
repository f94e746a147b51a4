/**
 * A short run of every fuzz target (test/fuzz), with a seed that stays and one that is printed. `npm run fuzz` is the long one.
 * Then the same for a whole server and its sockets.
 */

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { STAT_RECEIVED } from '../../src/transport/datagram.ts'
import { FuzzFailure, type FuzzReport, fuzz } from '../fuzz/engine.ts'
import { TARGETS } from '../fuzz/targets/index.ts'
import { queryTarget } from '../fuzz/targets/query.ts'
import { headless, slice } from '../support/answering.ts'
import { dataOf } from '../support/dns-client.ts'
import { Random } from '../support/random.ts'
import { startListening } from '../support/running-server.ts'
import { until } from '../support/server-process.ts'
import { Burst } from '../support/udp-burst.ts'
import { UdpClient } from '../support/udp-client.ts'

const FIXED_SEED = 20_261_123
const INPUTS = 2000
/** Where an input costs more, or less. */
const OTHERS: Readonly<Record<string, number>> = { query: 6000, admin: 200, config: 250, manifests: 200, corefile: 300 }
const MAX_SECONDS = 4
/** Outcomes that begin so show that the inputs reach everything. */
const REACHED: Readonly<Record<string, readonly string[]>> = {
  query: ['dropped', ...[0, 1, 2, 3, 4, 5, 9, 16].map(rcode => `RCODE ${rcode},`)],
  response: ['its question', 'record N', 'printed A', 'printed SOA'],
  watch: ['1 string', '3 string', '0 string 2 object'],
  snapshot: ['ERR_SNAPSHOT_FORMAT', 'ERR_SNAPSHOT_TORN', 'decoded Service'],
  manifests: ['/Service', 'apps/StatefulSet', 'bad indentation', 'Service: metadata'],
  upstream: ['malformed', 'no reply to the query', 'useless', 'none', 'answers 1'],
  hosts: ['N  is no IP address', 'N  is no host name', 'N N::N has no name'],
  config: ['loaded', ':N: '],
  admin: ['200', '400', '405', '404'],
  corefile: ['loaded', 'Corefile:N: this brace', 'Corefile:N: a closing', 'Corefile:N: a quote'],
}

describe('fuzz: no throw, no hang, no slow input, and what is encoded is decoded to the same', () => {
  for (const target of TARGETS) {
    for (const [title, seed] of [
      ['the fixed seed', FIXED_SEED],
      ['a random seed', randomInt(2 ** 31)],
    ] as const) {
      it(`${target.name}: ${title}, ${seed}`, async t => {
        const inputs = OTHERS[target.name] ?? INPUTS
        let report: FuzzReport
        try {
          report = await fuzz(target, { inputs, seconds: MAX_SECONDS, seed })
        } catch (error) {
          if (!(error instanceof FuzzFailure)) throw error
          throw new Error(`seed ${seed}, input ${error.input.toString('hex')}`, { cause: error.cause })
        }
        t.diagnostic(
          `${report.inputs} inputs, median ${report.medianMs.toFixed(4)} ms, worst ${report.worstMs.toFixed(3)} ms`,
        )
        const outcomes = [...report.outcomes.keys()]
        for (const start of seed === FIXED_SEED ? REACHED[target.name]! : []) {
          assert.ok(
            outcomes.some(outcome => outcome.startsWith(start)),
            `no input reached: ${start}`,
          )
        }
      })
    }
  }
})

describe('the limit of time', () => {
  it('a machine that is slow while an input is decoded a hundred times, and is itself again, is not held against the input', async () => {
    const SLOW_MS = 2
    let calls = 0
    const decode = () => {
      calls++
      for (const end = performance.now() + (calls > 150 ? 0 : SLOW_MS); performance.now() < end; );
    }
    const target = { ...queryTarget, limitMs: SLOW_MS / 2, open: async () => ({ decode, check: () => 'decoded' }) }
    const { worstMs } = await fuzz(target, { inputs: 1, seconds: MAX_SECONDS, seed: FIXED_SEED })
    assert.ok(worstMs < target.limitMs, `${worstMs} ms`)
    assert.ok(calls > 150, `${calls} measurements`)
  })
})

describe('100,000 mutated packets to a running server', () => {
  const PACKETS = 50_000
  const PROBE_EVERY = 1000
  /** Fewer than any receive buffer holds. */
  const PORTION = 50
  const WEB = 'web.default.svc.cluster.local'

  for (const transport of ['batch', 'portable'] as const) {
    const seed = randomInt(2 ** 31)
    const skip = transport === 'batch' ? (checkBatch() ?? false) : false

    it(`${transport}: it is alive after each ${PROBE_EVERY}, over UDP and TCP; no thread dies, nothing is thrown; seed ${seed}`, {
      skip,
    }, async t => {
      const { server, ipv4 } = await startListening(
        transport,
        cluster => {
          const services = cluster.open('Service').replaceAll()
          services.add(headless('web'))
          services.commit()
          const slices = cluster.open('EndpointSlice').replaceAll()
          slices.add(slice('web', [{ address: '10.0.0.1' }]))
          slices.commit()
          cluster.flush()
        },
        {},
        { admin: { address: '127.0.0.1', port: 0 } },
      )
      t.after(() => server.stop())
      const random = new Random(seed)
      const over = { udp: await Burst.open(1, ipv4), tcp: new MangledStream(ipv4.port) }
      t.after(() => over.udp.close())
      t.after(() => over.tcp.close())
      const probe = await UdpClient.open(ipv4.port, WEB)
      t.after(() => probe.close())
      const received = () => server.workers.rows.reduce((sum, row) => sum + row[STAT_RECEIVED]!, 0)
      let overUdp = 0
      for (let sent = 1; sent <= PACKETS; sent++) {
        const packet = queryTarget.generate!(random)
        // One in eight goes over TCP, now and then with a length that lies.
        if (random.below(8) === 0) over.tcp.send(packet, random.below(50) === 0 ? random.below(65_536) : packet.length)
        else {
          overUdp++
          over.udp.send(packet, 1)
        }
        if (sent % PORTION === 0) assert.ok(await probe.ask(), `packet ${sent}`)
        if (sent % PROBE_EVERY !== 0) continue
        assert.deepEqual(await dataOf(WEB, 'A', ipv4), ['10.0.0.1'], `UDP after ${sent}`)
        assert.deepEqual(await dataOf(WEB, 'A', { ...ipv4, tcp: true }), ['10.0.0.1'], `TCP after ${sent}`)
      }
      const metrics = await (await fetch(`http://127.0.0.1:${server.adminAddress!.port}/metrics`)).text()
      assert.match(metrics, /^coredns_panics_total 0$/m)
      assert.deepEqual([server.workers.deaths, server.workers.hangs, server.uncaught.count], [0, 0, 0])
      await until(() => received() >= overUdp, 'every datagram is read')
      t.diagnostic(`${overUdp} over UDP, ${over.udp.received} replies; ${over.tcp.replies} octets of replies over TCP`)
      assert.ok(over.udp.received > overUdp / 2 && over.tcp.replies > 0)
    })
  }
})

/** One TCP connection, made anew whenever the server has closed it. */
class MangledStream {
  /** Octets. */
  replies = 0
  private readonly port: number
  private socket: Socket | undefined

  constructor(port: number) {
    this.port = port
  }

  send(message: Buffer, length: number): void {
    const socket = this.socket ?? this.open()
    socket.write(Buffer.concat([Buffer.of(length >> 8, length & 255), message]))
    // Such a connection is closed by the server, or waits for what never comes.
    if (length === message.length && length >= 12) return
    socket.end()
    this.socket = undefined
  }

  close(): void {
    this.socket?.destroy()
  }

  private open(): Socket {
    const socket = connect(this.port, '127.0.0.1')
    this.socket = socket
    socket.on('data', chunk => {
      this.replies += chunk.length
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.socket === socket) this.socket = undefined
    })
    return socket
  }
}

/**
 * The thread of latency.ts: a query over UDP about every millisecond, one at a time, and beside them a new TCP connection
 * after the other, with a query on each.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { encodeQuery, exchangeTcp } from './dns-client.ts'
import type { LatencySetup, LatencyWindow } from './latency.ts'

const WINDOW_QUERIES = 300
const TIMEOUT_MS = 5000
const TCP_TIMEOUT_MS = 10_000

const { port, name, phase } = workerData as LatencySetup
const socket = createSocket('udp4')
socket.connect(port, '127.0.0.1')
await once(socket, 'connect')
const query = encodeQuery(name, 'A', 1232)
let slowestTcpMs = 0
void askOverTcp()
for (let id = 0; ; ) {
  const during = Atomics.load(phase, 0)
  const times: number[] = []
  while (times.length < WINDOW_QUERIES) {
    times.push(await ask(id++ & 0xffff))
    await sleep(1)
  }
  times.sort((a, b) => a - b)
  const p99 = times[Math.ceil(WINDOW_QUERIES * 0.99) - 1]!
  const window: LatencyWindow = { phase: Atomics.load(phase, 0) === during ? during : undefined, p99, slowestTcpMs }
  slowestTcpMs = 0
  parentPort!.postMessage(window)
}

/** @returns ms until the reply; Infinity: none came */
async function ask(id: number): Promise<number> {
  query.writeUInt16BE(id)
  const begin = performance.now()
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  socket.send(query)
  try {
    for (;;) {
      const [reply] = (await once(socket, 'message', { signal })) as [Buffer]
      if (reply.readUInt16BE(0) === id) return performance.now() - begin
    }
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

async function askOverTcp(): Promise<void> {
  const query = encodeQuery(name, 'A', 1232)
  for (;;) {
    const begin = performance.now()
    const reply = await exchangeTcp(query, { port }, TCP_TIMEOUT_MS).catch(() => undefined)
    const isRight = reply !== undefined && (reply[3]! & 15) === 0
    slowestTcpMs = Math.max(slowestTcpMs, isRight ? performance.now() - begin : Number.POSITIVE_INFINITY)
    await sleep(10)
  }
}

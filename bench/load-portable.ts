/**
 * The last resort where neither a C compiler nor dnsperf is: load.c's options over node:dgram. It costs several times
 * what a fast server costs, so its rates are its own limit; the CPU of the server stays right, as the kernel counts it.
 * Layer: bench.
 */

import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const TYPES: Record<string, number> = { A: 1, PTR: 12, AAAA: 28, SRV: 33 }
const LOST_AFTER_MS = 1000
const CHECK_MS = 200

const option = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    port: { ...option, short: 'p' },
    file: { ...option, short: 'd' },
    window: { ...option, short: 'q' },
    rate: { ...option, short: 'r' },
    seconds: { ...option, short: 't' },
    edns: { ...option, short: 'e' },
    rcode: { ...option, short: 'R' },
    answers: { ...option, short: 'A' },
  },
})
const port = Number(values.port)
const rate = Number(values.rate ?? 0)
const seconds = Number(values.seconds ?? 10)
const rcode = Number(values.rcode ?? 0)
const least = Number(values.answers ?? 0)

const queries = readFileSync(values.file!, 'utf8')
  .trim()
  .split('\n')
  .map(line => {
    const [name = '', type = 'A'] = line.split(' ')
    const labels = name.split('.').map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
    const edns = Number(values.edns ?? 0)
    const opt = edns > 0 ? [0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0] : []
    const header = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns > 0 ? 1 : 0]
    return Buffer.concat([Buffer.from(header), ...labels, Buffer.from([0, 0, TYPES[type] ?? 1, 0, 1, ...opt])])
  })

const dueAt = new Float64Array(65_536)
const latencies: number[] = []
const totals = { sent: 0, answered: 0, lost: 0, wrong: 0, truncated: 0, octets: 0, answers: 0, outstanding: 0 }
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
await new Promise<void>(done => socket.connect(port, '127.0.0.1', done))

let id = Math.floor(Math.random() * 65_536)
function ask(due: number): void {
  id = (id + 1) % 65_536
  if (dueAt[id] !== 0) return
  dueAt[id] = due
  const query = Buffer.from(queries[totals.sent++ % queries.length]!)
  query.writeUInt16BE(id, 0)
  totals.outstanding++
  socket.send(query, () => {})
}

/** Frees the identifiers of queries that nothing answered. */
function expire(now: number): void {
  for (let i = 0; i < dueAt.length; i++) {
    if (dueAt[i] === 0 || now - dueAt[i]! < LOST_AFTER_MS) continue
    dueAt[i] = 0
    totals.lost++
    totals.outstanding--
    if (rate === 0) ask(now)
  }
}

const begin = performance.now()
const end = begin + seconds * 1000
socket.on('error', () => {})
socket.on('message', reply => {
  const due = dueAt[reply.readUInt16BE(0)]!
  const now = performance.now()
  if (due === 0) return
  dueAt[reply.readUInt16BE(0)] = 0
  latencies.push((now - due) * 1000)
  const cut = (reply[2]! & 2) !== 0
  totals.answered++
  totals.outstanding--
  totals.truncated += cut ? 1 : 0
  totals.octets += reply.length
  totals.answers += reply.readUInt16BE(6)
  if ((reply[3]! & 15) !== rcode || (!cut && reply.readUInt16BE(6) < least)) totals.wrong++
  if (rate === 0 && now < end) ask(now)
})

if (rate === 0) for (let i = 0; i < Number(values.window ?? 64); i++) ask(performance.now())
let due = begin
let checked = begin
for (let now = begin; now < end; now = performance.now()) {
  for (; rate > 0 && due <= now; due += (-Math.log(1 - Math.random()) * 1000) / rate) ask(due)
  if (now - checked > CHECK_MS) {
    checked = now
    expire(now)
  }
  await turn()
}
await new Promise(done => setTimeout(done, 300))
socket.close()

latencies.sort((a, b) => a - b)
const at = (p: number) =>
  Math.round(10 * (latencies[Math.min(latencies.length - 1, Math.ceil(p * latencies.length) - 1)] ?? 0)) / 10
const { octets, answers, outstanding, ...counts } = totals
const replies = Math.max(1, totals.answered)
process.stdout.write(
  `${JSON.stringify({
    seconds,
    ...counts,
    lost: totals.lost + outstanding,
    qps: Math.round(totals.answered / seconds),
    meanOctets: octets / replies,
    meanAnswers: answers / replies,
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
    maxUs: latencies.at(-1) ?? 0,
  })}\n`,
)

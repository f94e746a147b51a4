/**
 * A thread that asks a server by UDP and TCP without end, and hands the replies over with the times of asking and of
 * being answered. It judges nothing but that a reply belongs to its query. Layer: test support.
 */

import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { encode } from 'dns-packet'
import { Random } from './random.ts'
import {
  type AskerMessage,
  type AskerSetup,
  type Batch,
  type Question,
  RECORD_FIELDS,
  UDP_PAYLOAD,
} from './story-asker-types.ts'

const TICK_MS = 2
const MOST_PENDING = 64
const MOST_PENDING_TCP = 8
/** A query without a reply for so long is a wrong answer. */
const PATIENCE_MS = 5000
const BATCH_MS = 20
const HEADER = 12

interface Asked {
  readonly question: number
  readonly sweep: number
  readonly query: Buffer
  readonly isTcp: boolean
  readonly atMs: number
}

const { port, perSecond, tcpShare, seed, focusShare = 0.5 } = workerData as AskerSetup
const random = new Random(seed)
const templates: Buffer[] = []
let focus: readonly number[] = []
/** Questions of a sweep that are still to be asked. */
const toSweep: { question: number; sweep: number; isTcp: boolean }[] = []

const pending = new Map<number, Asked>()
const pendingTcp = new Map<number, Asked>()
let nextId = 0
let rows: number[] = []
let replies: Buffer[] = []
let repliesOctets = 0
let credit = 0
let lastTickMs = nowMs()
let isPaused = false
let isStopping = false

const udp = createSocket('udp4')
udp.on('message', reply => received(pending, reply))
udp.on('error', () => {})
let tcp: Socket | undefined
let tcpOctets = Buffer.alloc(0)

let ticks: NodeJS.Timeout | undefined
let handOvers: NodeJS.Timeout | undefined
udp.connect(port, '127.0.0.1', () => {
  ticks = setInterval(tick, TICK_MS)
  handOvers = setInterval(handOver, BATCH_MS)
})

parentPort!.on('message', (message: AskerMessage) => {
  switch (message.kind) {
    case 'questions':
      for (const question of message.questions) templates.push(encodeQuestion(question))
      break
    case 'focus':
      focus = message.questions
      break
    case 'sweep':
      for (const question of message.questions) {
        for (const isTcp of [false, true]) toSweep.push({ question, sweep: message.sweep, isTcp })
      }
      break
    case 'pause':
      isPaused = message.isPaused
      break
    case 'stop':
      isStopping = true
  }
})

/** When everything that was asked has had its reply, or its time. */
function stop(): void {
  handOver()
  clearInterval(ticks)
  clearInterval(handOvers)
  udp.close()
  tcp?.destroy()
  parentPort!.close()
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function encodeQuestion({ name, type }: Question): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_PAYLOAD,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    options: [],
  }
  return encode({ type: 'query', id: 0, questions: [{ name, type: type as 'A' }], additionals: [opt as never] })
}

function tick(): void {
  const now = nowMs()
  credit = Math.min(credit + ((now - lastTickMs) * perSecond) / 1000, MOST_PENDING)
  lastTickMs = now
  giveUp(pending, now)
  giveUp(pendingTcp, now)
  if (isStopping) {
    if (pending.size + pendingTcp.size === 0) stop()
    return
  }
  if (templates.length === 0) return
  while (toSweep.length > 0) {
    const { question, sweep, isTcp } = toSweep[0]!
    if ((isTcp ? pendingTcp : pending).size >= (isTcp ? MOST_PENDING_TCP : MOST_PENDING)) break
    toSweep.shift()
    ask(question, isTcp, sweep)
  }
  if (isPaused) return
  while (credit >= 1) {
    credit--
    const isFocused = focus.length > 0 && random.below(1000) < focusShare * 1000
    const question = isFocused ? random.oneOf(focus) : random.below(templates.length)
    const isTcp = random.below(1000) < tcpShare * 1000
    if ((isTcp ? pendingTcp : pending).size < (isTcp ? MOST_PENDING_TCP : MOST_PENDING)) ask(question, isTcp, 0)
  }
}

/** 0x20: letters go out in either case, and must come back as they went. */
function ask(question: number, isTcp: boolean, sweep: number): void {
  const query = Buffer.from(templates[question]!)
  do nextId = (nextId + 1) & 0xffff
  while (pending.has(nextId) || pendingTcp.has(nextId))
  query.writeUInt16BE(nextId, 0)
  let cases = random.next()
  for (let at = HEADER; query[at] !== 0; at += 1 + query[at]!) {
    for (let i = at + 1; i <= at + query[at]!; i++) {
      if ((cases & 1) === 1 && query[i]! >= 0x61 && query[i]! <= 0x7a) query[i]! -= 32
      cases = (cases >>> 1) | (cases << 31)
    }
  }
  const asked = { question, sweep, query, isTcp, atMs: nowMs() }
  if (isTcp) {
    pendingTcp.set(nextId, asked)
    sendTcp(query)
  } else {
    pending.set(nextId, asked)
    udp.send(query)
  }
}

function received(among: Map<number, Asked>, reply: Buffer): void {
  const asked = among.get(reply.length < HEADER ? -1 : reply.readUInt16BE(0))
  if (asked === undefined) return
  among.delete(reply.readUInt16BE(0))
  const endOfQuestion = asked.query.length - 11
  const isEcho =
    reply.length >= endOfQuestion && reply.compare(asked.query, HEADER, endOfQuestion, HEADER, endOfQuestion) === 0
  keep(asked, isEcho, reply)
}

function giveUp(among: Map<number, Asked>, now: number): void {
  for (const [id, asked] of among) {
    if (now - asked.atMs < PATIENCE_MS) return
    among.delete(id)
    keep(asked, false, Buffer.alloc(0))
  }
}

function keep({ question, sweep, isTcp, atMs }: Asked, isEcho: boolean, reply: Buffer): void {
  rows.push(question, sweep, isTcp ? 1 : 0, atMs, nowMs(), isEcho ? 1 : 0, reply.length)
  replies.push(reply)
  repliesOctets += reply.length
}

function handOver(): void {
  if (rows.length === 0) return
  const octets = new Uint8Array(repliesOctets)
  let at = 0
  for (const reply of replies) {
    octets.set(reply, at)
    at += reply.length
  }
  const batch: Batch = { rows: Float64Array.from(rows), octets }
  if (rows.length % RECORD_FIELDS !== 0) throw new Error('a record has another number of fields')
  parentPort!.postMessage(batch, [batch.rows.buffer as ArrayBuffer, octets.buffer])
  rows = []
  replies = []
  repliesOctets = 0
}

function sendTcp(query: Buffer): void {
  tcp ??= openTcp()
  const length = Buffer.alloc(2)
  length.writeUInt16BE(query.length)
  tcp.write(Buffer.concat([length, query]))
}

/** RFC 7766 §6.2.3: a connection without queries may be closed; one with queries that is closed has lost them. */
function openTcp(): Socket {
  const socket = connect(port, '127.0.0.1')
  tcpOctets = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('close', () => {
    tcp = undefined
    for (const asked of pendingTcp.values()) keep(asked, false, Buffer.alloc(0))
    pendingTcp.clear()
  })
  socket.on('data', chunk => {
    tcpOctets = Buffer.concat([tcpOctets, chunk as Buffer])
    while (tcpOctets.length >= 2 && tcpOctets.length >= 2 + tcpOctets.readUInt16BE(0)) {
      const end = 2 + tcpOctets.readUInt16BE(0)
      received(pendingTcp, Buffer.from(tcpOctets.subarray(2, end)))
      tcpOctets = tcpOctets.subarray(end)
    }
  })
  return socket
}

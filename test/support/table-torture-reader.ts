/**
 * A reading thread of the torture test: asks the real Answerer for names by chance, in batches as a worker does, and
 * throws at the first answer that was never published.
 */

import assert from 'node:assert/strict'
import { workerData } from 'node:worker_threads'
import { AHEAD, Answerer } from '../../src/answer/answer.ts'
import { Order } from '../../src/answer/order.ts'
import type { SharedMemory } from '../../src/table/memory.ts'
import { TableReader } from '../../src/table/reader.ts'
import { formatName, type WireName } from '../../src/wire/name.ts'
import { nameOf } from './table-lookup.ts'
import * as torture from './table-torture.ts'

const A = 1
const SOA = 6
const TXT = 16
const AAAA = 28
const SRV = 33
const NXDOMAIN = 3
const CAPACITY = 65_535

interface RecordRead {
  readonly type: number
  readonly ttl: number
  /** Octets of the RDATA in the message. */
  readonly at: number
  readonly length: number
}

interface ReplyRead {
  readonly rcode: number
  readonly answers: RecordRead[]
  readonly authority: RecordRead[]
  readonly additional: RecordRead[]
}

const { memory, reader, control } = workerData as torture.TortureSetup
const table = new TableReader(memory as SharedMemory, reader)
const answerer = new Answerer(table, new Order('shuffle', reader * 77_777), 1232)
const message = new Uint8Array(CAPACITY)
const view = new DataView(message.buffer)
/** The last version seen at each name, and the last serial: they never go back. */
const seen = new Map<string, number>()
let checked = 0

let random = reader * 0x9e37_79b1
function below(limit: number): number {
  random ^= random << 13
  random ^= random >>> 17
  random ^= random << 5
  return (random >>> 0) % limit
}

function ask(name: WireName, type: number): ReplyRead {
  message.fill(0xee, 0, 1024)
  message.set([0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  message.set(name, 12)
  const end = 12 + name.length
  view.setUint16(end, type)
  view.setUint16(end + 2, 1)
  // As in a batch: some queries are read, and what they need is loaded, before they are answered.
  const place = (checked % (AHEAD + 1)) - 1
  if (place >= 0) {
    answerer.ahead.read(message, view, 0, end + 4, place)
    answerer.ahead.fetch(place + 1)
  }
  const length = answerer.answer(message, view, 0, end + 4, CAPACITY, true, place)
  checked++
  let at = end + 4
  const section = (count: number): RecordRead[] =>
    Array.from({ length: count }, () => {
      while (message[at]! !== 0 && message[at]! < 0xc0) at += 1 + message[at]!
      at += message[at] === 0 ? 1 : 2
      const rdlength = view.getUint16(at + 8)
      const record = { type: view.getUint16(at), ttl: view.getUint32(at + 4), at: at + 10, length: rdlength }
      at += 10 + rdlength
      assert.ok(at <= length, 'a record beyond the end of the reply')
      return record
    })
  const answers = section(view.getUint16(6))
  const authority = section(view.getUint16(8))
  const additional = section(view.getUint16(10))
  assert.equal(at, length, 'octets after the last record')
  assert.equal(view.getUint16(2) & 0x0200, 0, 'TC in a reply that has room')
  for (const soa of authority) {
    assert.equal(soa.type, SOA)
    neverBack('serial', view.getUint32(soa.at + soa.length - 20))
  }
  assert.equal(authority.length, answers.length === 0 ? 1 : 0, 'an SOA in each negative answer, and in no other')
  return { rcode: view.getUint16(2) & 15, answers, authority, additional }
}

function neverBack(what: string, version: number): void {
  assert.ok(version >= (seen.get(what) ?? 0), `${what} went back from ${seen.get(what)} to ${version}`)
  seen.set(what, version)
}

/** All records are `type` with this TTL; an exists-always name is never NXDOMAIN. */
function checkRecords(reply: ReplyRead, type: number, ttl: number): void {
  assert.equal(reply.rcode, 0)
  assert.ok(reply.answers.length > 0)
  for (const record of reply.answers) {
    assert.equal(record.type, type)
    assert.equal(record.ttl, ttl)
  }
}

/** Positions 0..size−1, each once. */
function checkPositions(positions: number[], size: number): void {
  assert.equal(positions.length, size)
  assert.deepEqual(
    positions.sort((a, b) => a - b),
    Array.from({ length: size }, (_, k) => k),
  )
}

function checkService(i: number): void {
  const reply = ask(nameOf(`s${i}`, torture.ZONE), A)
  checkRecords(reply, A, i + 1)
  const addresses = reply.answers.map(({ at }) => view.getUint32(at))
  const v = addresses[0]! >>> 10
  assert.ok(
    addresses.every(address => address >>> 10 === v),
    'addresses of two versions',
  )
  checkPositions(
    addresses.map(address => address & 1023),
    torture.sizeAt(i, v),
  )
  neverBack(`s${i}`, v)
}

/** @returns the version, and its targets */
function checkSrv(i: number): { v: number; targets: WireName[] } {
  const reply = ask(nameOf(`_p._u.s${i}`, torture.ZONE), SRV)
  checkRecords(reply, SRV, i + 1)
  const targets = reply.answers.map(({ at, length }) => message.slice(at + 6, at + length))
  const labels = targets.map(target => formatName(target).split('.', 1)[0]!)
  const v = Number(labels[0]!.slice(1).split('-')[0])
  const size = torture.endpointsAt(i, v)
  assert.deepEqual(
    targets.map(target => formatName(target)).sort(),
    Array.from({ length: size }, (_, k) => `${torture.endpointLabel(v, k)}.s${i}.${torture.ZONE}.`).sort(),
  )
  for (const { at } of reply.answers) {
    assert.equal(view.getUint16(at + 2), size, 'weight')
    assert.equal(view.getUint16(at + 4), v & 0xffff, 'port')
  }
  const glue = reply.additional.map(({ at }) => view.getUint32(at))
  assert.ok(
    glue.every(address => address >>> 10 === v),
    'glue of another version',
  )
  checkPositions(
    glue.map(address => address & 1023),
    size,
  )
  neverBack(`_p._u.s${i}`, v)
  return { v, targets }
}

/** A target that is gone was gone after its SRV: who looks again sees a newer one. */
function checkClosure(i: number): void {
  const { v, targets } = checkSrv(i)
  const target = targets[below(targets.length)]!
  const reply = ask(target, A)
  if (reply.rcode === NXDOMAIN) {
    assert.ok(checkSrv(i).v > v, `${formatName(target)} is named by its SRV and does not exist`)
    return
  }
  checkRecords(reply, A, i + 1)
  assert.equal(reply.answers.length, 1)
  assert.equal(view.getUint32(reply.answers[0]!.at) >>> 10, v)
}

function checkBlink(i: number): void {
  const reply = ask(nameOf(`b${i}`, torture.ZONE), AAAA)
  if (reply.rcode === NXDOMAIN) return
  checkRecords(reply, AAAA, i + 1)
  const read = reply.answers.map(({ at }) => [0, 4, 8, 12].map(octet => view.getUint32(at + octet)))
  const v = read[0]![1]!
  const size = torture.sizeAt(i, v)
  for (const [owner, version, , n] of read) assert.deepEqual([owner, version, n], [i, v, size])
  checkPositions(
    read.map(([, , k]) => k!),
    size,
  )
  neverBack(`b${i}`, v)
}

function checkShared(i: number): void {
  const reply = ask(nameOf(`p${i}`, torture.ZONE), TXT)
  checkRecords(reply, TXT, 9)
  const versions = reply.answers.map(({ at }) => view.getUint32(at + 1))
  assert.equal(versions.length, 1, `${versions}`)
  neverBack(`p${i}`, versions.at(-1)!)
}

function checkGrown(i: number): void {
  const reply = ask(nameOf(`g${i}`, torture.ZONE), A)
  checkRecords(reply, A, 9)
  assert.deepEqual(
    reply.answers.map(({ at }) => view.getUint32(at)),
    [i],
  )
}

/** The name between a service and its SRV is empty, and exists. */
function checkEmpty(i: number): void {
  const reply = ask(nameOf(`_u.s${i}`, torture.ZONE), A)
  assert.deepEqual([reply.rcode, reply.answers.length], [0, 0])
}

const CHECKS = [
  () => checkService(below(torture.SERVICES)),
  () => checkClosure(below(torture.SERVICES)),
  () => checkBlink(below(torture.BLINKS)),
  () => checkShared(below(torture.SHARED)),
  () => checkEmpty(below(torture.SERVICES)),
]

function runBatch(): void {
  table.begin()
  // What was there before the batch is there in it; the newest most often, since it lies where the memory grew.
  const grown = Atomics.load(control, torture.WORD_GROWN)
  for (let queries = 1 + below(32); queries > 0; queries--) {
    CHECKS[below(CHECKS.length)]!()
    if (below(4) === 0) {
      const newest = grown - 1 - below(Math.min(grown, 8))
      checkGrown(below(2) === 0 ? newest : below(grown))
    }
  }
  table.end()
  Atomics.store(control, torture.WORD_CHECKED + reader, checked)
}

while (Atomics.load(control, torture.WORD_STOP) === 0) {
  runBatch()
  // Now and then it sleeps, OFFLINE.
  if (below(50) === 0) Atomics.wait(control, torture.WORD_STOP, 0, 1)
}

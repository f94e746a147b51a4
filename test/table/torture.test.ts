/**
 * Readers in threads of their own against the writer: every answer they see is one that was published, whole, while
 * blocks are replaced, removed, reclaimed and reused, the index is rebuilt and the memory grows. See
 * support/table-torture.ts for what is published and what the readers hold it to.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { TableWriter } from '../../src/table/writer.ts'
import { createTable, nameOf } from '../support/table-lookup.ts'
import * as torture from '../support/table-torture.ts'

const READERS = 2
/** Stops after so many rounds of changes, or so many seconds on a slow machine, whichever is first. */
const ROUNDS = 1800
const LONGEST_MS = 8_000
const LEAST_CHECKED = 2000
const TXT = 16

class TortureWriter {
  private readonly table: TableWriter
  private readonly control: Int32Array
  private serial = 1
  private grown = 0

  constructor(table: TableWriter, control: Int32Array) {
    this.table = table
    this.control = control
    for (let i = 0; i < torture.SHARED; i++) {
      table.changeRecords(nameOf(`p${i}`, torture.ZONE), TXT, 9, [torture.sharedRecord(1)], [])
    }
    for (let i = 0; i < torture.SERVICES; i++) this.changeService(i, 1)
    this.grow()
    this.commit()
  }

  /** Version `v` of everything; a commit after each change, as after each event of the cluster. */
  run(v: number): void {
    for (let i = 0; i < torture.SERVICES; i++) {
      this.changeService(i, v)
      if (i < torture.BLINKS) this.blink(i, v)
      if (i < torture.SHARED) this.changeShared(i, v)
      if (i % 8 === 0) this.grow()
      this.commit()
    }
  }

  private changeService(i: number, v: number): void {
    for (let k = 0; k < torture.endpointsAt(i, v); k++) this.table.put(torture.endpointRecords(i, v, k))
    this.table.put(torture.serviceRecords(i, v))
    this.table.put(torture.srvRecords(i, v))
    if (v === 1) return
    for (let k = 0; k < torture.endpointsAt(i, v - 1); k++)
      this.table.remove(torture.endpointRecords(i, v - 1, k).owner)
  }

  private blink(i: number, v: number): void {
    if ((v + i) % 3 === 0) this.table.remove(nameOf(`b${i}`, torture.ZONE))
    else this.table.put(torture.blinkRecords(i, v))
  }

  private changeShared(i: number, v: number): void {
    const owner = nameOf(`p${i}`, torture.ZONE)
    this.table.changeRecords(owner, TXT, 9, [torture.sharedRecord(v)], [torture.sharedRecord(v - 1)])
  }

  private grow(): void {
    this.table.put({ owner: nameOf(`g${this.grown}`, torture.ZONE), ttl: 9, a: [this.grown] })
    Atomics.store(this.control, torture.WORD_GROWN, ++this.grown)
  }

  private commit(): void {
    this.table.setSerial(++this.serial)
    this.table.commit()
  }
}

it('readers in threads see only what was published', { timeout: 60_000 }, async context => {
  const { memory, writer } = createTable([torture.ZONE])
  const control = new Int32Array(new SharedArrayBuffer(4 * (torture.WORD_CHECKED + READERS + 1)))
  const pages = writer.stats().memoryOctets
  const changes = new TortureWriter(writer, control)
  const failures: Error[] = []
  const workers = Array.from({ length: READERS }, (_, i) => {
    const workerData: torture.TortureSetup = { memory, reader: i + 1, control }
    const worker = new Worker(new URL('../support/table-torture-reader.ts', import.meta.url), { workerData })
    worker.on('error', error => failures.push(error as Error))
    return worker
  })
  const ended = workers.map(worker => new Promise(resolve => worker.once('exit', resolve)))
  const checkedBy = (i: number): number => Atomics.load(control, torture.WORD_CHECKED + 1 + i)
  try {
    while (workers.some((_, i) => checkedBy(i) === 0) && failures.length === 0) await setImmediate()
    const end = performance.now() + LONGEST_MS
    let rounds = 0
    while (rounds < ROUNDS && performance.now() < end && failures.length === 0) {
      changes.run(2 + rounds++)
      await setImmediate()
    }
    const checked = workers.map((_, i) => checkedBy(i))
    context.diagnostic(`${checked} answers checked during ${writer.changes} changes in ${rounds} rounds`)
    assert.deepEqual(failures, [])
    assert.ok(Math.min(...checked) >= LEAST_CHECKED, 'each reader had its share')
    assert.ok(writer.stats().memoryOctets > 2 * pages, 'the memory grew meanwhile')
  } finally {
    Atomics.store(control, torture.WORD_STOP, 1)
    Atomics.notify(control, torture.WORD_STOP)
    await Promise.all(ended)
  }
  // All readers are OFFLINE now: nothing waits any more.
  writer.commit()
  assert.equal(writer.stats().retired, 0)
})

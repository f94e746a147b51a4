import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { cachedDataVersionTag, getHeapSpaceStatistics } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { giveMemoryBack, shareArenas, useFlags, whileListing } from '../../../src/control/heap.ts'
import { loadLibc } from '../../../src/transport/libc.ts'

const libc = loadLibc()
const cannot = typeof libc === 'string' ? libc : libc.trim === undefined && 'this C library has no malloc_trim'
const COUNT = 1000
const OCTETS = 60 << 10

function residentOctets(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))![1]) << 10
}

function youngOctets(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')!.space_size
}

/** Objects that live just long enough to be moved, again and again: what V8 makes the space of young objects larger for. */
function bursts(): void {
  let kept: object[] = []
  for (let i = 0; i < 100_000; i++) {
    kept.push({ i, of: [i], and: { i } })
    if (kept.length > 30_000) kept = []
  }
}

/** glibc's, but the first: each lies in 64 MiB of its own. */
function arenas(): number {
  const ARENA_OCTETS = 64 << 20
  const starts = readFileSync('/proc/self/maps', 'latin1').matchAll(
    /^([0-9a-f]+)-[0-9a-f]+ rw-p 00000000 00:00 0\s*$/gm,
  )
  return [...starts].filter(([, start]) => Number(`0x${start}`) % ARENA_OCTETS === 0).length
}

/** What V8 would let it grow to is 128 MiB. Survivors may lie beside what it has. */
const ENOUGH = 16 << 20

test("until the threads of a start have started, a list changes no flag of V8: what Node's code was compiled under is what it runs under", t => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  const before = cachedDataVersionTag()
  whileListing(true)
  assert.equal(cachedDataVersionTag(), before)
  useFlags()
  assert.notEqual(cachedDataVersionTag(), before)
  whileListing(false)
})

test('the space of young objects does not grow while no list comes in', t => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  useFlags()
  const giving = giveMemoryBack()
  for (let i = 0; i < 20; i++) bursts()
  assert.ok(youngOctets() < ENOUGH, `${youngOctets()} octets after bursts`)
  whileListing(true)
  whileListing(false)
  for (let i = 0; i < 20; i++) bursts()
  assert.ok(youngOctets() < ENOUGH, `${youngOctets()} octets after a list and bursts`)
  clearInterval(giving)
})

test('it grows while one comes in', t => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  useFlags()
  whileListing(true)
  for (let i = 0; i < 100 && youngOctets() < ENOUGH; i++) bursts()
  assert.ok(youngOctets() >= ENOUGH, `${youngOctets()} octets after bursts`)
  whileListing(false)
})

test('what malloc holds free when a list is in goes back to the kernel', { skip: cannot }, async () => {
  // Every second piece stays, so that what is free lies between what is not, and malloc keeps it.
  const pieces = Array.from({ length: COUNT }, () => new Uint8Array(OCTETS).fill(1).buffer)
  const kept = pieces.filter((piece, i) => i % 2 === 0 || piece.transfer(0).byteLength > 0)
  const before = residentOctets()
  whileListing(true)
  whileListing(false)
  const endMs = performance.now() + 10_000
  while (before - residentOctets() < (COUNT / 2) * OCTETS * 0.4) {
    assert.ok(performance.now() < endMs, `${before} octets were resident, and ${residentOctets()} are`)
    await delay(20)
  }
  assert.equal(kept.length, COUNT / 2)
})

test('and it does so again and again', { skip: cannot }, t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let trims = 0
  t.mock.method(libc as { trim: () => void }, 'trim', () => trims++)
  const giving = giveMemoryBack()
  t.mock.timers.tick(600_000)
  assert.equal(trims, 10)
  clearInterval(giving)
  t.mock.timers.tick(600_000)
  assert.equal(trims, 10)
})

test('threads that come later have no arenas of their own', { skip: cannot }, async t => {
  shareArenas()
  const before = arenas()
  const workers = Array.from({ length: 6 }, () => new Worker('setInterval(() => {}, 1000)', { eval: true }))
  t.after(() => Promise.all(workers.map(worker => worker.terminate())))
  await Promise.all(workers.map(worker => once(worker, 'online')))
  // Other mappings may begin where an arena could.
  const more = arenas() - before
  assert.ok(more <= workers.length / 2, `${more} more for ${workers.length} threads`)
})

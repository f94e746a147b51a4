/**
 * Resident memory with 100,000 endpoints: steady, at its peak during the first list, and through lists made anew
 * because the API server forgot the version that was watched. Layer: bench.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { startApi } from '../api.ts'
import { makeServices } from '../dataset.ts'
import type { Options } from '../options.ts'
import { memoryOctets, resetPeak, waitUntil } from '../processes.ts'
import { figure, type Measured, targetTable } from '../results.ts'
import { buildBundle, type Running, SERVERS, versionOf } from '../servers.ts'

const ENDPOINTS = 100_000
const SHAPES = [1000, 10_000]
const RELISTS = 3
const RELIST_MS = 120_000
/** Steady: within this part for so many samples. */
const STEADY = 0.02
const SAMPLES = 8
const SAMPLE_MS = 500
const SETTLE_MS = 60_000
/** 10⁶ octets. */
const MB = 1e6

interface MemoryUse {
  readonly server: string
  readonly services: number
  readonly readyMs: number
  readonly startPeak: number
  readonly steady: number
  readonly relistPeak: number
  readonly afterRelists: number
}

export async function measureMemory(options: Options): Promise<Measured> {
  const uses: MemoryUse[] = []
  const versions: Record<string, string> = {}
  const chosen = SERVERS.filter(({ name }) => ['ours', 'coredns'].includes(name) && options.wants(name))
  if (options.wants('ours')) buildBundle()
  for (const count of SHAPES) {
    const services = makeServices('fleet', count, ENDPOINTS / count)
    for (const server of chosen) {
      const program = server.find()
      if (program === undefined) continue
      Object.assign(versions, versionOf(server.name, program))
      const api = await startApi(services)
      let running: Running | undefined
      try {
        running = await server.start(program, { services, api })
        const { pid } = running.child
        const steady = await settled(pid)
        const startPeak = memoryOctets(pid).peak
        resetPeak(pid)
        for (let i = 0; i < RELISTS; i++) {
          const { lists } = await api.do({ order: 'expire' })
          const again = async () => (await api.do({ order: 'count' })).lists > lists
          await waitUntil(`${server.name} does not list again`, RELIST_MS, again, running.child, 100)
          await settled(pid)
        }
        const { now, peak } = memoryOctets(pid)
        const { readyMs } = running
        uses.push({
          server: server.name,
          services: count,
          readyMs,
          startPeak,
          steady,
          relistPeak: peak,
          afterRelists: now,
        })
      } finally {
        await running?.stop()
        await api.stop()
      }
      options.say(`memory: ${server.name}, ${count} services done`)
    }
  }
  const megabytes = (octets: number) => figure(octets / MB)
  const rows = uses.map(({ server, services, readyMs, startPeak, steady, relistPeak, afterRelists }) => [
    server,
    services.toLocaleString('en'),
    figure(readyMs),
    ...[steady, startPeak, relistPeak, afterRelists].map(megabytes),
    `${figure(relistPeak / steady)}×`,
  ])
  const head = [
    'server',
    'services',
    'ready, ms',
    'steady',
    'peak of the start',
    `peak of ${RELISTS} relists`,
    'after them',
    'relist peak to steady',
  ]
  const notes = ['The kernel’s count of resident memory (VmRSS, VmHWM) for the whole process; server on core 0.']
  const targets = uses
    .filter(({ server }) => server === 'ours')
    .flatMap(({ services, steady, relistPeak }) => [
      { title: `steady, ${services} services`, value: steady / MB, most: 133, unit: 'MB' },
      { title: `relist peak to steady, ${services} services`, value: relistPeak / steady, most: 1.3, unit: '×' },
    ])
  const title = 'Memory with 100,000 endpoints, MB (10⁶ octets)'
  return { data: uses, versions, tables: [{ title, head, rows, notes }, ...targetTable(targets)] }
}

/** Waits until resident memory has come to rest, or for SETTLE_MS. @returns octets */
async function settled(pid: number): Promise<number> {
  const samples: number[] = []
  const end = performance.now() + SETTLE_MS
  for (;;) {
    const { now } = memoryOctets(pid)
    samples.push(now)
    const recent = samples.slice(-SAMPLES)
    const still = recent.length === SAMPLES && Math.max(...recent) - Math.min(...recent) < STEADY * now
    if (still || performance.now() > end) return now
    await delay(SAMPLE_MS)
  }
}

/**
 * What forwarding costs, and what it costs others. Layer: bench.
 *   CPU per query of names that are asked of an upstream each time; the upstream is the bare C loop, and nothing can be kept.
 *   Latency of cluster names alone, and beside a flood of random names for an upstream that never answers.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { withContest } from '../contest.ts'
import { RANDOM_NAMES, UNCACHED, WORKLOADS } from '../dataset.ts'
import { generatorName, type LoadResult, runLoad } from '../load.ts'
import type { Options } from '../options.ts'
import { figure, type Measured, median, type Table, targetTable } from '../results.ts'
import { startLoop } from '../servers.ts'
import { type CpuRound, measureOnce } from './cpu.ts'

const SERVERS = ['ours', 'ours-portable', 'coredns']
const CLUSTER = WORKLOADS.find(({ name }) => name === 'a')!
const CLUSTER_RATE = 5000
const FLOOD_RATE = 10_000

interface FloodRound {
  readonly server: string
  readonly alone: LoadResult
  readonly beside: LoadResult
}

export async function measureForward(options: Options): Promise<Measured> {
  const chosen = { ...options, wants: (server: string) => SERVERS.includes(server) && options.wants(server) }
  const cpu = await measureUncached(chosen)
  const flood = await measureFlood(chosen)
  const ratio = (round: FloodRound) => round.beside.p99Us! / round.alone.p99Us!
  const ofOurs = flood.rounds.filter(({ server }) => server === 'ours')
  const targets = [
    { title: 'cluster names’ p99 beside the flood', value: median(ofOurs.map(ratio)), most: 2, unit: '×' },
    {
      title: 'cluster names lost beside the flood',
      value: sum(ofOurs.map(({ beside }) => beside.lost)),
      most: 0,
      unit: '',
    },
  ]
  return {
    data: { cpu: cpu.rounds, flood: flood.rounds },
    versions: cpu.versions,
    tables: [cpu.table, flood.table, ...targetTable(targets)],
  }
}

async function measureUncached(options: Options) {
  const upstream = await startLoop(UNCACHED)
  if (upstream === undefined) throw new Error('the upstream is the C loop, and there is no C compiler or no Linux')
  try {
    return await withContest(
      options,
      [UNCACHED],
      async contest => {
        const rounds: CpuRound[] = []
        for (let round = 1; round <= options.rounds; round++) {
          for (const server of contest.names) rounds.push(await measureOnce(contest, server, UNCACHED, options))
          options.say(`forward: round ${round} of ${options.rounds} done`)
        }
        const all = (server: string) => rounds.filter(each => each.server === server)
        const table: Table = {
          title: 'CPU per query that is asked of an upstream, µs: median (least–most of the rounds)',
          head: ['server', UNCACHED.title, 'a second', 'lost'],
          rows: contest.names.map(server => {
            const costs = all(server).map(({ cpuUs }) => cpuUs)
            return [
              contest.title(server),
              `${figure(median(costs))} (${figure(Math.min(...costs))}–${figure(Math.max(...costs))})`,
              figure(median(all(server).map(({ qps }) => qps))),
              String(sum(all(server).map(({ lost }) => lost))),
            ]
          }),
          notes: [
            `${options.rounds} rounds of ${options.seconds} s, servers in turn; ${options.window} queries outstanding from ${generatorName()}; the upstream is bench/c/loop.c; ${contest.placing}.`,
            ...contest.absent,
          ],
        }
        return { rounds, table, versions: contest.versions }
      },
      upstream.port,
    )
  } finally {
    await upstream.stop()
  }
}

async function measureFlood(options: Options) {
  const hole = createSocket('udp4')
  hole.on('message', () => {})
  hole.bind(0, '127.0.0.1')
  await once(hole, 'listening')
  try {
    return await withContest(
      options,
      [CLUSTER],
      async contest => {
        const rounds: FloodRound[] = []
        for (let round = 1; round <= options.rounds; round++) {
          for (const server of contest.names) {
            const { port } = contest.running(server, CLUSTER)
            const load = { port, workload: CLUSTER, rate: CLUSTER_RATE, quiet: true }
            await runLoad({ ...load, seconds: 0.3 })
            const alone = await runLoad({ ...load, seconds: options.seconds })
            const flood = { port, workload: RANDOM_NAMES, rate: FLOOD_RATE, quiet: true }
            const floods = runLoad({ ...flood, seconds: options.seconds + 1 })
            const [beside] = await Promise.all([runLoad({ ...load, seconds: options.seconds }), floods])
            if (beside.wrong > 0) throw new Error(`${server}: ${beside.wrong} wrong replies beside the flood`)
            rounds.push({ server, alone, beside })
          }
          options.say(`forward: round ${round} of ${options.rounds} of the flood done`)
        }
        const table: Table = {
          title: `Cluster names at ${CLUSTER_RATE} a second, alone and beside ${FLOOD_RATE} random names a second for an upstream that never answers, µs`,
          head: ['server', 'p50 alone', 'p50 beside', 'p99 alone', 'p99 beside', 'p99.9 alone', 'p99.9 beside', 'lost'],
          rows: contest.names.map(server => {
            const of = (pick: (round: FloodRound) => number | null) =>
              figure(median(rounds.filter(each => each.server === server).map(round => pick(round) ?? Number.NaN)))
            return [
              contest.title(server),
              of(({ alone }) => alone.p50Us),
              of(({ beside }) => beside.p50Us),
              of(({ alone }) => alone.p99Us),
              of(({ beside }) => beside.p99Us),
              of(({ alone }) => alone.p999Us),
              of(({ beside }) => beside.p999Us),
              String(sum(rounds.filter(each => each.server === server).map(({ beside }) => beside.lost))),
            ]
          }),
          notes: [
            `${options.rounds} rounds of ${options.seconds} s, servers in turn; medians of the rounds; both loads from ${generatorName()}; ${contest.placing}.`,
          ],
        }
        return { rounds, table }
      },
      (hole.address() as { port: number }).port,
    )
  } finally {
    hole.close()
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

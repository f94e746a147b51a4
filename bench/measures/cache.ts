/**
 * CPU per query of forwarded names that the server keeps, beside that of the cluster's own: same names' length, same number
 * of addresses, same process. Layer: bench. The upstream is the bare C loop; it is asked once for each name.
 */

import { withContest } from '../contest.ts'
import { OUTSIDE, WORKLOADS } from '../dataset.ts'
import { generatorName } from '../load.ts'
import type { Options } from '../options.ts'
import { figure, type Measured, median, targetTable } from '../results.ts'
import { LOOP, startLoop } from '../servers.ts'
import { type CpuRound, measureOnce } from './cpu.ts'

const SERVERS = [LOOP, 'ours', 'ours-portable', 'unbound', 'coredns-cache']
const CLUSTER = WORKLOADS.find(({ name }) => name === 'a')!

export async function measureCache(options: Options): Promise<Measured> {
  const upstream = await startLoop(OUTSIDE)
  if (upstream === undefined) throw new Error('the upstream is the C loop, and there is no C compiler or no Linux')
  const workloads = [CLUSTER, OUTSIDE]
  const chosen = { ...options, wants: (server: string) => SERVERS.includes(server) && options.wants(server) }
  try {
    return await withContest(
      chosen,
      workloads,
      async contest => {
        const rounds: CpuRound[] = []
        for (let round = 1; round <= options.rounds; round++) {
          for (const server of contest.names) {
            for (const workload of workloads) rounds.push(await measureOnce(contest, server, workload, options))
          }
          options.say(`cache: round ${round} of ${options.rounds} done`)
        }
        const all = (server: string, workload: string) =>
          rounds.filter(each => each.server === server && each.workload === workload).map(({ cpuUs }) => cpuUs)
        const cost = (server: string, workload: string) => median(all(server, workload))
        const cell = (server: string, workload: string) => {
          const costs = all(server, workload)
          return `${figure(median(costs))} (${figure(Math.min(...costs))}–${figure(Math.max(...costs))})`
        }
        // Of each round by itself: the two follow each other, and the machine's minutes differ.
        const ratio = (server: string) =>
          median(all(server, OUTSIDE.name).map((cpuUs, round) => cpuUs / all(server, CLUSTER.name)[round]!))
        const toOther = (server: string) => cost('ours', OUTSIDE.name) / cost(server, OUTSIDE.name)
        return {
          data: rounds,
          versions: contest.versions,
          tables: [
            {
              title: 'CPU per query of what is forwarded and kept, µs: median (least–most of the rounds)',
              head: ['server', CLUSTER.title, OUTSIDE.title, 'kept to cluster, median of the rounds'],
              rows: contest.names.map(server => [
                contest.title(server),
                cell(server, CLUSTER.name),
                cell(server, OUTSIDE.name),
                `${figure(ratio(server))}×`,
              ]),
              notes: [
                `${options.rounds} rounds of ${options.seconds} s, servers in turn; ${options.window} queries outstanding from ${generatorName()}; ${contest.placing}.`,
                ...contest.absent,
              ],
            },
            ...targetTable([
              { title: 'kept to cluster', value: ratio('ours'), most: 1.5, unit: '×' },
              { title: 'kept: to CoreDNS’s cache', value: toOther('coredns-cache'), most: 1, unit: '×' },
              { title: 'kept: to Unbound’s cache', value: toOther('unbound'), most: 1, unit: '×' },
            ]),
          ],
        }
      },
      upstream.port,
    )
  } finally {
    await upstream.stop()
  }
}

/**
 * CPU per query, counted by the kernel for the server's whole process (all threads and children), at full load.
 * Layer: bench. All servers are up at once and take turns, so that a slow minute of the machine is shared by all.
 */

import { type Contest, withContest } from '../contest.ts'
import { WORKLOADS, type Workload } from '../dataset.ts'
import { generatorName, runLoad } from '../load.ts'
import type { Options } from '../options.ts'
import { cpuMicros } from '../processes.ts'
import { figure, type Measured, median, type Table, type Target, targetTable } from '../results.ts'
import { LOOP } from '../servers.ts'

const WARM_UP_SECONDS = 0.3

export interface CpuRound {
  readonly server: string
  readonly workload: string
  readonly cpuUs: number
  readonly qps: number
  readonly lost: number
  readonly meanOctets: number
  readonly meanAnswers: number
  readonly truncated: number
}

export function measureCpu(options: Options): Promise<Measured> {
  const workloads = WORKLOADS.filter(({ name }) => options.workloads.length === 0 || options.workloads.includes(name))
  return withContest(options, workloads, async contest => {
    const rounds: CpuRound[] = []
    for (let round = 1; round <= options.rounds; round++) {
      for (const workload of workloads) {
        for (const server of contest.names) rounds.push(await measureOnce(contest, server, workload, options))
      }
      options.say(`cpu: round ${round} of ${options.rounds} done`)
    }
    return {
      data: rounds,
      tables: [tableOf(rounds, contest, options), ...targetTable(targetsOf(rounds))],
      versions: contest.versions,
    }
  })
}

export async function measureOnce(
  contest: Contest,
  server: string,
  workload: Workload,
  options: Options,
): Promise<CpuRound> {
  const { port, child } = contest.running(server, workload)
  const load = { port, workload, window: options.window }
  await runLoad({ ...load, seconds: WARM_UP_SECONDS })
  const before = cpuMicros(child.pid)
  const result = await runLoad({ ...load, seconds: options.seconds })
  const used = cpuMicros(child.pid) - before
  if (result.answered === 0) throw new Error(`${server} answered nothing of ${workload.name}. ${child.complaints()}`)
  if (result.wrong > 0)
    throw new Error(`${server}: ${result.wrong} of ${result.answered} replies to ${workload.name} are wrong`)
  const { qps, lost, meanOctets, meanAnswers, truncated, answered } = result
  const cut = truncated / answered
  return { server, workload: workload.name, cpuUs: used / answered, qps, lost, meanOctets, meanAnswers, truncated: cut }
}

function tableOf(rounds: readonly CpuRound[], contest: Contest, options: Options): Table {
  const workloads = WORKLOADS.filter(({ name }) => rounds.some(round => round.workload === name))
  const of = (server: string, workload: string) =>
    rounds.filter(round => round.server === server && round.workload === workload)
  const ratio = (server: string, workload: string, base: string) =>
    contest.names.includes(base) ? `${figure(ratioOf(rounds, [server, workload], [base, workload]))}×` : '–'
  const cell = (server: string, workload: string) => {
    const all = of(server, workload).map(round => round.cpuUs)
    return `${figure(median(all))} (${figure(Math.min(...all))}–${figure(Math.max(...all))})`
  }
  const first = workloads[0]!.name
  return {
    title: 'CPU per query, µs: median (least–most of the rounds)',
    head: ['server', ...workloads.map(({ title }) => title), `${first}: to the C loop`, `${first}: to ours`],
    rows: contest.names.map(server => [
      contest.title(server),
      ...workloads.map(({ name }) => cell(server, name)),
      ratio(server, first, LOOP),
      ratio(server, first, 'ours'),
    ]),
    notes: [
      `${options.rounds} rounds of ${options.seconds} s, servers in turn, ratios are the median of the rounds' own; ${options.window} queries outstanding from ${generatorName()}; ${contest.placing}.`,
      ...workloads.map(
        ({ name, edns }) =>
          `${name}: ${edns > 0 ? `EDNS ${edns}` : 'no EDNS'}; octets (answers) per reply: ${shapes(name)}`,
      ),
      ...contest.absent,
    ],
  }

  function shapes(workload: string): string {
    const shape = (server: string) => {
      const last = of(server, workload).at(-1)!
      return `${server} ${last.meanOctets.toFixed(0)} (${last.meanAnswers.toFixed(0)}${last.truncated > 0.5 ? ', TC' : ''})`
    }
    return `${contest.names.map(shape).join(', ')}.`
  }
}

type Cell = readonly [server: string, workload: string]

/** The median of what each round says by itself: its two runs are seconds apart, the rounds are minutes. */
function ratioOf(rounds: readonly CpuRound[], of: Cell, to: Cell): number {
  const costs = ([server, workload]: Cell) =>
    rounds.filter(round => round.server === server && round.workload === workload).map(({ cpuUs }) => cpuUs)
  const base = costs(to)
  return median(costs(of).map((cpuUs, round) => cpuUs / base[round]!))
}

function targetsOf(rounds: readonly CpuRound[]): Target[] {
  const ratio = (title: string, of: Cell, to: Cell, most: number): Target => {
    return { title, value: ratioOf(rounds, of, to), most, unit: '×' }
  }
  return [
    ratio('A: batch to the bare C loop', ['ours', 'a'], [LOOP, 'a'], 1.15),
    ratio('A: batch to Knot', ['ours', 'a'], ['knot', 'a'], 1),
    ratio('A: batch to NSD', ['ours', 'a'], ['nsd', 'a'], 1),
    ratio('SRV to A', ['ours', 'srv'], ['ours', 'a'], 1.5),
    ratio('NXDOMAIN to A', ['ours', 'nxdomain'], ['ours', 'a'], 1),
    ratio('A: portable to batch', ['ours-portable', 'a'], ['ours', 'a'], 4),
    ratio('1,000 pods to 100 pods', ['ours', 'pods-1000'], ['ours', 'pods-100'], 1.3),
  ]
}

/**
 * Latency that clients see at given rates: open loop with random arrivals, counted from when a query was due.
 * Layer: bench. Servers take turns within a round.
 */

import { type Contest, withContest } from '../contest.ts'
import { WORKLOADS } from '../dataset.ts'
import { generatorName, type LoadResult, runLoad } from '../load.ts'
import type { Options } from '../options.ts'
import { figure, type Measured, median, type Table } from '../results.ts'

const RATES = [5000, 50_000]
const WARM_UP_SECONDS = 0.3
/** A server, or this machine, that answers less than this part of the rate has not sustained it (arrivals are random). */
const SUSTAINED = 0.95

interface LatencyRound {
  readonly server: string
  readonly rate: number
  readonly result: LoadResult
}

export function measureLatency(options: Options): Promise<Measured> {
  const workload = WORKLOADS[0]!
  return withContest(options, [workload], async contest => {
    const rounds: LatencyRound[] = []
    for (let round = 1; round <= options.rounds; round++) {
      for (const rate of RATES) {
        for (const server of contest.names) {
          const { port } = contest.running(server, workload)
          await runLoad({ port, workload, window: options.window, seconds: WARM_UP_SECONDS })
          const result = await runLoad({ port, workload, rate, seconds: options.seconds })
          if (result.wrong > 0) throw new Error(`${server}: ${result.wrong} wrong replies at ${rate} qps`)
          rounds.push({ server, rate, result })
        }
      }
      options.say(`latency: round ${round} of ${options.rounds} done`)
    }
    return {
      data: rounds,
      tables: RATES.map(rate => tableOf(rate, rounds, contest, options)),
      versions: contest.versions,
    }
  })
}

function tableOf(rate: number, rounds: readonly LatencyRound[], contest: Contest, options: Options): Table {
  const notes: string[] = []
  const rows = contest.names.map(server => {
    const results = rounds.filter(round => round.server === server && round.rate === rate).map(({ result }) => result)
    const middle = (pick: (result: LoadResult) => number | null) =>
      median(results.map(result => pick(result) ?? Number.NaN))
    const kept = middle(result => result.answered / (rate * options.seconds))
    if (kept < SUSTAINED) {
      notes.push(
        `${server} did not sustain this rate on this machine: ${(kept * 100).toFixed(0)} % of it was answered.`,
      )
    }
    const lost = results.reduce((sum, result) => sum + result.lost, 0)
    const times = [middle(r => r.p50Us), middle(r => r.p99Us), middle(r => r.p999Us), middle(r => r.maxUs)]
    return [contest.title(server), ...times.map(figure), String(lost)]
  })
  return {
    title: `Latency seen by clients at ${rate.toLocaleString('en')} queries a second, µs: median of the rounds`,
    head: ['server', 'p50', 'p99', 'p99.9', 'max', 'lost'],
    rows,
    notes: [
      `${options.rounds} rounds of ${options.seconds} s; A, 1,000 services of 3 pods; random arrivals from ${generatorName()}; ${contest.placing}.`,
      ...notes,
      ...contest.absent,
    ],
  }
}

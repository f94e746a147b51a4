/**
 * The command line of the bench. Layer: bench; pure.
 */

import { parseArgs } from 'node:util'
import { WORKLOADS } from './dataset.ts'
import { LOOP, SERVERS } from './servers.ts'

export const MEASURES = ['cpu', 'latency', 'change', 'start', 'memory', 'hand-over', 'cache', 'forward'] as const
export type Measure = (typeof MEASURES)[number]

export interface Options {
  readonly measures: readonly Measure[]
  readonly readme: boolean
  readonly rounds: number
  /** Seconds of load in one round. */
  readonly seconds: number
  /** Queries outstanding in a closed loop. */
  readonly window: number
  /** Names of workloads; empty: all. */
  readonly workloads: readonly string[]
  readonly changes: number
  wants(server: string): boolean
  say(line: string): void
}

const NAMES = [LOOP, ...SERVERS.map(({ name }) => name)]

export const HELP = `npm run bench -- MEASURE... [options]

  cpu       CPU per query of every server, by the kernel's count, under full load
  latency   p50, p99, p99.9 at 5,000 and 50,000 queries a second
  change    from an event's octets being written to the first new answer
  start     from spawn to ready and to the first right answer
  memory    resident memory with 100,000 endpoints, steady and through lists made anew
  hand-over queries lost while one process takes a port over from another, 20 times at 10,000 a second
  cache     CPU per query of forwarded names that are kept, beside cluster names, of headless-dns and CoreDNS
  forward   CPU per query of names asked of an upstream each time; cluster names beside a flood for one that is silent
  all       the above, one after another
  readme    writes the newest results into README.md (alone, or after measures)

  --only A,B        only these servers: ${NAMES.join(', ')}
  --skip A,B        all but these
  --rounds N        rounds of cpu and latency, starts of start (5)
  --seconds S       seconds of load in a round (2)
  --window N        queries outstanding under full load (64)
  --workloads A,B   of cpu: ${WORKLOADS.map(({ name }) => name).join(', ')}
  --changes N       changes of change (200)
  --help
`

/** @throws Error that says what is wrong with the words */
export function readOptions(words: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      only: text,
      skip: text,
      rounds: text,
      seconds: text,
      window: text,
      workloads: text,
      changes: text,
      help: { type: 'boolean' },
    },
  })
  if (values.help || positionals.length === 0) return 'help'
  const only = listed(values.only, NAMES, 'server')
  const skip = listed(values.skip, NAMES, 'server')
  const named = positionals.filter(word => word !== 'all' && word !== 'readme')
  listed(named.join(','), [...MEASURES], 'measure')
  return {
    measures: positionals.includes('all') ? MEASURES : (named as Measure[]),
    readme: positionals.includes('readme'),
    rounds: amount('rounds', values.rounds, 5, 1, 100),
    seconds: amount('seconds', values.seconds, 2, 0.1, 60),
    window: amount('window', values.window, 64, 1, 4096),
    workloads: listed(
      values.workloads,
      WORKLOADS.map(({ name }) => name),
      'workload',
    ),
    changes: amount('changes', values.changes, 200, 1, 10_000),
    wants: server => (only.length === 0 || only.includes(server)) && !skip.includes(server),
    say: line => process.stderr.write(`${line}\n`),
  }
}

function listed(value: string | undefined, known: readonly string[], what: string): string[] {
  const words = (value ?? '').split(',').filter(word => word !== '')
  const strange = words.find(word => !known.includes(word))
  if (strange !== undefined) throw new Error(`no ${what} is called ${strange}: there are ${known.join(', ')}`)
  return words
}

function amount(option: string, value: string | undefined, normal: number, least: number, most: number): number {
  if (value === undefined) return normal
  const number = Number(value)
  if (!(number >= least && number <= most))
    throw new Error(`--${option} is ${value}: give a number from ${least} to ${most}`)
  return number
}

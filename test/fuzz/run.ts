/**
 * `npm run fuzz -- [TARGET]... [--inputs N] [--seconds S] [--seed X] [--jobs N]`: each target, or those named, N at a time (1),
 * each in a thread that is watched. When all ran, the table is kept under bench/results/. An input that fails is written to a
 * file, and the command that tries it again is printed: `npm run fuzz -- TARGET --replay FILE`.
 */

import { randomInt } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { commitName, markdown, type Table, writeResult } from '../../bench/results.ts'
import { FuzzFailure, type FuzzReport, replay } from './engine.ts'
import type { Target } from './target.ts'
import { TARGETS } from './targets/index.ts'
import { SHARED_HEAD_OCTETS, type WorkerInput } from './worker.ts'

const DEFAULT_INPUTS = 1_000_000
const DEFAULT_SECONDS = 3600
/** Without a new input for so long, the one at hand is taken not to end. */
const HANG_MS = 10_000
const WATCH_MS = 1000

interface Failure {
  readonly input: Uint8Array
  readonly reason: string
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: String(DEFAULT_INPUTS) },
    seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    jobs: { type: 'string', default: '1' },
    replay: { type: 'string' },
  },
})
const targets = positionals.length === 0 ? TARGETS : positionals.map(targetOf)
if (values.replay === undefined) {
  const seed = Number(values.seed)
  const commit = commitName()
  const outcomes = await runAll(targets, Number(values.jobs), seed)
  const table = tableOf(outcomes, seed)
  console.log(`\n${markdown(table)}`)
  if (positionals.length === 0) {
    const measured = { data: { seed, failures: process.exitCode === 1 }, versions: {}, tables: [table] }
    writeResult('fuzz', process.argv.slice(2), commit, measured, 'npm run fuzz --')
  }
} else {
  for (const target of targets) await replayFile(target, values.replay)
}

function targetOf(name: string): Target {
  const target = TARGETS.find(target => target.name === name)
  if (target !== undefined) return target
  console.error(`there is no target ${name}; there are ${TARGETS.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

async function replayFile(target: Target, file: string): Promise<void> {
  try {
    const { outcome, ms } = await replay(target, readFileSync(file))
    console.log(`${target.name}: ${outcome}, ${ms.toFixed(3)} ms`)
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error
    console.error(`${target.name}:`, error.cause)
    process.exitCode = 1
  }
}

interface Outcome {
  readonly target: Target
  readonly result: { report: FuzzReport } | { failure: Failure }
}

async function runTarget(target: Target, inputs: number, seconds: number, seed: number): Promise<Outcome> {
  const result = await watched(target, inputs, seconds, seed)
  if ('failure' in result) {
    const file = join(tmpdir(), `headless-dns-fuzz-${target.name}-${seed}`)
    writeFileSync(file, result.failure.input)
    console.error(`${target.name}, seed ${seed}: ${result.failure.reason}`)
    console.error(`try it again: npm run fuzz -- ${target.name} --replay ${file}`)
    process.exitCode = 1
    return { target, result }
  }
  const { report } = result
  const rate = (report.inputs / report.seconds).toFixed(0)
  const times = `median ${report.medianMs.toFixed(4)} ms, worst ${report.worstMs.toFixed(3)} ms`
  console.log(
    `${target.name}, seed ${seed}: ${report.inputs} inputs in ${report.seconds.toFixed(1)} s (${rate}/s), ${times}, ${report.outcomes.size} outcomes`,
  )
  return { target, result }
}

/** Some at a time, the others as those end. */
async function runAll(targets: readonly Target[], jobs: number, seed: number): Promise<Outcome[]> {
  const waiting = [...targets]
  const outcomes: Outcome[] = []
  const work = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift())
      outcomes.push(await runTarget(target, Number(values.inputs), Number(values.seconds), seed))
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return targets.map(target => outcomes.find(outcome => outcome.target === target)!)
}

function tableOf(outcomes: readonly Outcome[], seed: number): Table {
  const rows = outcomes.map(({ target: { name, maxOctets, limitMs }, result }) => {
    if ('failure' in result) return [name, 'failed', result.failure.reason.split('\n', 1)[0]!, '', '', '', '', '', '']
    const { inputs, seconds, medianMs, worstMs, outcomes } = result.report
    const times = [medianMs.toFixed(4), worstMs.toFixed(3), `${limitMs}`, (inputs / seconds).toFixed(0)]
    return [name, `${inputs}`, '0', '0', `${maxOctets}`, ...times, `${outcomes.size}`]
  })
  const head = [
    'decoder',
    'inputs',
    'throws',
    'hangs',
    'octets at most',
    'median ms',
    'worst ms',
    'limit ms',
    'inputs/s',
    'outcomes',
  ]
  const notes = [
    `Seed ${seed}, ${values.jobs} at a time. "Throws" holds every failure: an exception, an invariant that does not hold, a time over the limit.`,
    'A time is the least of up to 100 measurements by the clock on the wall, over the limit of 100 more after each of up to 90 pauses of 1 s: the CPU time of the input is in it, a pause of the process is not, nor one of the machine. Outcomes: kinds of results, 2,000 at most.',
    'admin: a connection is opened, used and closed by the same thread; its client is in the time. corefile: a command that runs once, not the server.',
  ]
  return { title: 'Fuzz', head, rows, notes }
}

function watched(
  { name, maxOctets }: Target,
  inputs: number,
  seconds: number,
  seed: number,
): Promise<{ report: FuzzReport } | { failure: Failure }> {
  const shared = new SharedArrayBuffer(SHARED_HEAD_OCTETS + Math.max(maxOctets, 1 << 16))
  const words = new Int32Array(shared, 0, SHARED_HEAD_OCTETS / 4)
  const data: WorkerInput = { name, inputs, seconds, seed, shared }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: data })
  let begun = -1
  let since = performance.now()
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const now = Atomics.load(words, 0)
      if (now !== begun) since = performance.now()
      begun = now
      if (performance.now() - since < HANG_MS) return
      const input = Buffer.from(new Uint8Array(shared, SHARED_HEAD_OCTETS, words[1]))
      resolve({ failure: { input, reason: `it did not end in ${HANG_MS} ms` } })
      void worker.terminate()
    }, WATCH_MS)
    worker.on('message', resolve)
    worker.on('error', reject)
    worker.on('exit', () => clearInterval(timer))
  })
}

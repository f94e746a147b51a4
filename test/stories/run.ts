/**
 * Tells all stories, once or as often as asked, each time with another seed; then says how many answers were checked. More than
 * one round leaves a table in bench/results/, also when SIGINT ends them with the round at hand.
 *
 *     npm run test:stories                       # once, with a seed of its own
 *     STORIES_RUNS=50 npm run test:stories       # or: npm run test:stories -- 50
 *     STORIES_SEED=7 npm run test:stories        # once more what failed
 */

import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { commitName, pageOf, writeResult } from '../../bench/results.ts'
import { storyFiles } from './files.ts'

const runs = Number(process.argv[2] ?? process.env['STORIES_RUNS'] ?? 1)
const first = Number(process.env['STORIES_SEED'] ?? randomInt(2 ** 31))
if (!Number.isInteger(runs) || runs < 1 || !Number.isInteger(first)) {
  throw new Error('STORIES_RUNS is how often, at least 1; STORIES_SEED is a whole number')
}

const { together, alone } = storyFiles()
const commit = commitName()
/** Each keeps about one core busy: one more than there are and what is held to a time is starved. */
const TOGETHER = Math.min(3, availableParallelism())
const folder = mkdtempSync(join(tmpdir(), 'stories-'))
const rounds: { seed: number; stories: number; checked: number; wrong: number; isRight: boolean }[] = []
let isEnded = false
process.once('SIGINT', () => {
  isEnded = true
})
try {
  for (let run = 0; run < runs && !isEnded; run++) {
    const seed = (first + run) % 2 ** 31
    const tally = join(folder, `${run}`)
    const startMs = performance.now()
    const env = {
      ...process.env,
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
      STORIES_SEED: String(seed),
      STORIES_TALLY: tally,
      STORIES_RUN: String(run),
    }
    const isRight = [together, alone].map((some, only) => {
      const reporter = runs === 1 ? 'spec' : 'dot'
      const args = ['--test', `--test-concurrency=${only === 0 ? TOGETHER : 1}`, `--test-reporter=${reporter}`, ...some]
      return spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status === 0
    })
    const tallies = readFileSync(tally, 'utf8').trimEnd().split('\n')
    const counts = tallies.map(line => JSON.parse(line) as { checked: number; wrong: number })
    const sumOf = (what: 'checked' | 'wrong') => counts.reduce((sum, one) => sum + one[what], 0)
    const [checked, wrong] = [sumOf('checked'), sumOf('wrong')]
    rounds.push({ seed, stories: counts.length, checked, wrong, isRight: !isRight.includes(false) })
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0)
    console.log(`seed ${seed}: ${counts.length} stories, ${checked} answers checked, ${seconds} s`)
    await setImmediate()
  }
} finally {
  rmSync(folder, { recursive: true })
}
const total = (what: 'checked' | 'wrong') => rounds.reduce((sum, one) => sum + one[what], 0)
const failed = rounds.filter(({ isRight }) => !isRight)
const again = failed.map(({ seed }) => `failed; see it again: STORIES_SEED=${seed} npm run test:stories`)
console.log(`${rounds.length} run(s) from seed ${first}: ${total('checked')} answers checked, ${total('wrong')} wrong`)
for (const line of again) console.log(line)
if (runs > 1) {
  const rows = [
    ['rounds, each with another seed', String(rounds.length), '50', rounds.length >= 50 ? 'yes' : 'no'],
    ['rounds that failed', String(failed.length), '0', failed.length === 0 ? 'yes' : 'no'],
    ['answers checked', String(total('checked')), '1000000', total('checked') >= 1_000_000 ? 'yes' : 'no'],
    ['wrong answers', String(total('wrong')), '0', total('wrong') === 0 ? 'yes' : 'no'],
  ]
  const notes = [`Seeds ${first} on; ${rounds[0]!.stories} stories with answers in a round.`, ...again]
  const measured = {
    data: rounds,
    versions: {},
    tables: [{ title: 'Stories', head: ['', 'seen', 'wanted', 'met'], rows, notes }],
  }
  console.log(pageOf(writeResult('stories', process.argv.slice(2), commit, measured, 'npm run test:stories --')))
}
process.exitCode = failed.length === 0 && total('wrong') === 0 ? 0 : 1

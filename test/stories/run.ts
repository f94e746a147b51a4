/**
 * Tells all stories, once or as often as asked, each time with another seed; then says how many answers were checked.
 *
 *     npm run test:stories                       # once, with a seed of its own
 *     STORIES_RUNS=50 npm run test:stories       # or: npm run test:stories -- 50
 *     STORIES_SEED=7 npm run test:stories        # once more what failed
 */

import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const HERE = import.meta.dirname
const runs = Number(process.argv[2] ?? process.env['STORIES_RUNS'] ?? 1)
const first = Number(process.env['STORIES_SEED'] ?? randomInt(2 ** 31))
if (!Number.isInteger(runs) || runs < 1 || !Number.isInteger(first)) {
  throw new Error('STORIES_RUNS is how often, at least 1; STORIES_SEED is a whole number')
}

/** These hold the server to times: nothing else may run beside them. */
const ALONE = new Set(['clients.test.ts', 'endpoints.test.ts', 'sizes.test.ts'])

const files = readdirSync(HERE).filter(name => name.endsWith('.test.ts'))
const folder = mkdtempSync(join(tmpdir(), 'stories-'))
const failed: number[] = []
let checked = 0
let wrong = 0
try {
  for (let run = 0; run < runs; run++) {
    const seed = (first + run) % 2 ** 31
    const tally = join(folder, `${run}`)
    const startMs = performance.now()
    const env = { ...process.env, STORIES_SEED: String(seed), STORIES_TALLY: tally, STORIES_RUN: String(run) }
    const isRight = [2, 1].map(concurrency => {
      const some = files.filter(name => ALONE.has(name) === (concurrency === 1)).map(name => join(HERE, name))
      const reporter = runs === 1 ? 'spec' : 'dot'
      const args = ['--test', `--test-concurrency=${concurrency}`, `--test-reporter=${reporter}`, ...some]
      return spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status === 0
    })
    if (isRight.includes(false)) failed.push(seed)
    const tallies = readFileSync(tally, 'utf8').trimEnd().split('\n')
    const counts = tallies.map(line => JSON.parse(line) as { checked: number; wrong: number })
    const ofRun = counts.reduce((sum, one) => sum + one.checked, 0)
    checked += ofRun
    wrong += counts.reduce((sum, one) => sum + one.wrong, 0)
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0)
    console.log(`seed ${seed}: ${counts.length} stories, ${ofRun} answers checked, ${seconds} s`)
  }
} finally {
  rmSync(folder, { recursive: true })
}
console.log(`${runs} run(s) from seed ${first}: ${checked} answers checked, ${wrong} wrong`)
for (const seed of failed) console.log(`failed; see it again: STORIES_SEED=${seed} npm run test:stories`)
process.exitCode = failed.length === 0 && wrong === 0 ? 0 : 1

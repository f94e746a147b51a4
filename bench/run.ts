/**
 * The bench's command: `npm run bench -- MEASURE... [options]`. Layer: bench.
 * Runs on loopback only, leaves results in bench/results/, and ends every process it started.
 */

import { measureCache } from './measures/cache.ts'
import { measureChange } from './measures/change.ts'
import { measureCpu } from './measures/cpu.ts'
import { measureForward } from './measures/forward.ts'
import { measureHandOver } from './measures/hand-over.ts'
import { measureLatency } from './measures/latency.ts'
import { measureMemory } from './measures/memory.ts'
import { measureStart } from './measures/start.ts'
import { HELP, MEASURES, type Measure, type Options, readOptions } from './options.ts'
import { writeReadme } from './readme.ts'
import { commitName, type Measured, pageOf, writeResult } from './results.ts'

const RUN: Record<Measure, (options: Options) => Promise<Measured>> = {
  cpu: measureCpu,
  latency: measureLatency,
  change: measureChange,
  start: measureStart,
  memory: measureMemory,
  'hand-over': measureHandOver,
  cache: measureCache,
  forward: measureForward,
}

try {
  const words = process.argv.slice(2)
  const options = readOptions(words)
  if (options === 'help') {
    process.stdout.write(HELP)
  } else {
    const flags = words.filter(word => word !== 'all' && word !== 'readme' && !MEASURES.some(name => name === word))
    for (const measure of options.measures) {
      const commit = commitName()
      const measured = await RUN[measure](options)
      process.stdout.write(`${pageOf(writeResult(measure, flags, commit, measured))}\n`)
    }
    if (options.readme) writeReadme()
  }
  process.exit(0)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

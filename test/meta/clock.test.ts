/**
 * Intervals are measured by a clock that never jumps: the wall clock is read in few places, each with its reason.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const SRC = new URL('../../src/', import.meta.url).pathname

/** File → how often it reads the wall clock, and why it must. */
const WALL_CLOCK: Record<string, { times: number; because: string }> = {
  'control/snapshot.ts': { times: 1, because: 'the age of a snapshot that another process wrote' },
  'snapshot/file.ts': { times: 3, because: 'the times of files, which outlive the process and its clock' },
  'transfer/serial.ts': { times: 1, because: 'SOA serials, which must grow over restarts' },
  'control/publish-watch.ts': { times: 1, because: 'how long ago the API server was told of a change' },
}

/** Date.now(), new Date(), Date(), and what stands for them; `new Date(text)` reads no clock. */
const READS =
  /\bDate\.now\b|\bnew Date\s*(?:\(\s*\)|(?![\s(]))|(?<![\w.])(?<!new )Date\(|\bperformance\.timeOrigin\s*\+|\bTemporal\.Now\b|\bprocess\.hrtime\s*\(/g

/** Source without its comments. */
function codeOf(file: string): string {
  return readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
}

describe('the wall clock', () => {
  it('is read only where the time of day is meant', () => {
    const found: Record<string, number> = {}
    for (const file of globSync('**/*.ts', { cwd: SRC })) {
      const times = codeOf(file).match(READS)?.length ?? 0
      if (times > 0) found[file] = times
    }
    assert.deepEqual(found, Object.fromEntries(Object.entries(WALL_CLOCK).map(([file, { times }]) => [file, times])))
  })
})

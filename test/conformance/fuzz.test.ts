/**
 * A short run of every fuzz target (test/fuzz), with a seed that stays and one that is printed. `npm run fuzz` is the long one.
 */

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { describe, it } from 'node:test'
import { FuzzFailure, type FuzzReport, fuzz } from '../fuzz/engine.ts'
import { TARGETS } from '../fuzz/targets/index.ts'

const FIXED_SEED = 20_261_123
const INPUTS = 2000
/** Where an input costs more, or less. */
const OTHERS: Readonly<Record<string, number>> = { query: 6000, admin: 200, config: 250, manifests: 200, corefile: 300 }
const MAX_SECONDS = 4
/** Outcomes that begin so show that the inputs reach everything. */
const REACHED: Readonly<Record<string, readonly string[]>> = {
  query: ['dropped', ...[0, 1, 2, 3, 4, 5, 9, 16].map(rcode => `RCODE ${rcode},`)],
  response: ['its question', 'record N', 'printed A', 'printed SOA'],
  watch: ['1 string', '3 string', '0 string 2 object'],
  snapshot: ['ERR_SNAPSHOT_FORMAT', 'ERR_SNAPSHOT_TORN', 'decoded Service'],
  manifests: ['/Service', 'apps/StatefulSet', 'bad indentation', 'Service: metadata'],
  upstream: ['malformed', 'no reply to the query', 'useless', 'none', 'answers 1'],
  hosts: ['N  is no IP address', 'N  is no host name', 'N N::N has no name'],
  config: ['loaded', ':N: '],
  admin: ['200', '400', '405', '404'],
  corefile: ['loaded', 'Corefile:N: this brace', 'Corefile:N: a closing', 'Corefile:N: a quote'],
}

describe('fuzz: no throw, no hang, no slow input, and what is encoded is decoded to the same', () => {
  for (const target of TARGETS) {
    for (const [title, seed] of [
      ['the fixed seed', FIXED_SEED],
      ['a random seed', randomInt(2 ** 31)],
    ] as const) {
      it(`${target.name}: ${title}, ${seed}`, async t => {
        const inputs = OTHERS[target.name] ?? INPUTS
        let report: FuzzReport
        try {
          report = await fuzz(target, { inputs, seconds: MAX_SECONDS, seed })
        } catch (error) {
          if (!(error instanceof FuzzFailure)) throw error
          throw new Error(`seed ${seed}, input ${error.input.toString('hex')}`, { cause: error.cause })
        }
        t.diagnostic(
          `${report.inputs} inputs, median ${report.medianMs.toFixed(4)} ms, worst ${report.worstMs.toFixed(3)} ms`,
        )
        const outcomes = [...report.outcomes.keys()]
        for (const start of seed === FIXED_SEED ? REACHED[target.name]! : []) {
          assert.ok(
            outcomes.some(outcome => outcome.startsWith(start)),
            `no input reached: ${start}`,
          )
        }
      })
    }
  }
})

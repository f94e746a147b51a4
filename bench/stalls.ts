/**
 * What the machine itself adds to a latency: how often its two cores stand still while nothing of ours runs. Layer: bench.
 */

import { compiled } from './load.ts'
import { LOAD_CORE, SERVER_CORE, startChild } from './processes.ts'

const SECONDS = 5

interface Stalls {
  readonly over1: number
  readonly over2: number
  readonly over4: number
  readonly longestMs: number
}

/** @returns a sentence for people; empty without a C compiler */
export async function stallsOfMachine(): Promise<string> {
  const program = compiled('stalls')
  if (program === undefined) return ''
  const cores = await Promise.all([SERVER_CORE, LOAD_CORE].map(core => stallsOf(program, core)))
  const sum = (pick: (stalls: Stalls) => number) => cores.reduce((total, stalls) => total + pick(stalls), 0)
  const longest = Math.max(...cores.map(({ longestMs }) => longestMs)).toFixed(1)
  const perSecond = (count: number) => (count / SECONDS).toFixed(1)
  return `The machine alone: its two cores stood still for over 1 ms ${perSecond(sum(({ over1 }) => over1))} times a second, over 2 ms ${perSecond(sum(({ over2 }) => over2))}, over 4 ms ${perSecond(sum(({ over4 }) => over4))}; ${longest} ms at most.`
}

async function stallsOf(program: string, core: number): Promise<Stalls> {
  const child = startChild(program, [String(SECONDS)], { core })
  let output = ''
  child.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await new Promise(resolve => child.process.once('close', resolve))
  return JSON.parse(output) as Stalls
}

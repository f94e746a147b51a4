/**
 * Asks two servers the same questions, at a rate, some at a time, and again what differs before it counts. Layer: compare.
 * Sockets, clock and waits are given.
 *
 *   ask both ─▶ same or explained ─▶ counted
 *           └─▶ else: again 1 s later ─▶ again when whatever a cache holds of it has ended ─▶ counted as it is then
 *
 * A change on its way makes two servers differ for a moment, a cache for as long as the TTL.
 */

import { isSilence, type Outcome } from './answers.ts'
import type { Question } from './questions.ts'
import { lifetimeOf, type Tally } from './tally.ts'

export type Side = 'here' | 'there'

export interface RunOptions {
  readonly questions: Iterator<Question>
  ask(side: Side, question: Question): Promise<Outcome>
  readonly tally: Tally
  /** Questions that are out at the same time, each at both servers. */
  readonly concurrency: number
  /** Questions a second, those asked again included. */
  readonly rate: number
  /** Seconds, at most, that a cache may go on saying what was so before. */
  readonly settleSeconds: number
  /** Differences without an explanation after which it is enough. */
  readonly maxUnexplained: number
  /** Asked again and again whether it is enough. */
  readonly isStopped?: () => boolean
  /** Milliseconds of a clock that only goes forward. */
  now(): number
  sleep(ms: number): Promise<void>
}

export interface RunResult {
  /** Not all was asked: there were too many differences, or somebody stopped it. */
  readonly isCut: boolean
  /** A server that no longer answers, which ends a comparison. */
  readonly silent?: Side
}

interface Pending {
  readonly question: Question
  readonly times: number
  readonly dueMs: number
}

const SECOND_LOOK_MS = 1000
const CACHE_MARGIN_MS = 1000
const LOOKS = 3
/** Questions that wait for another look; with more, nothing new is asked. */
const MAX_PENDING = 2000
/** Replies that one server may owe in a row. */
const MAX_SILENCE = 50
/** Pauses are not shorter: many questions are let go at once. */
const PACE_MS = 10

export async function runComparison(options: RunOptions): Promise<RunResult> {
  const { questions, ask, tally, rate, settleSeconds, now, sleep } = options
  /** In the order in which they are due. */
  const pending: Pending[] = []
  const silences: Record<Side, number> = { here: 0, there: 0 }
  let silent: Side | undefined
  let isDone = false
  let out = 0
  let nextAtMs = now()

  const isOver = () =>
    silent !== undefined || tally.verdicts.unexplained >= options.maxUnexplained || options.isStopped?.() === true

  /** The next question, new or due again; undefined: there is none, now or for good. */
  function take(): Pending | undefined {
    if (pending.length > 0 && pending[0]!.dueMs <= now()) {
      tally.waiting = pending.length - 1
      return pending.shift()
    }
    if (isDone || pending.length >= MAX_PENDING) return undefined
    const next = questions.next()
    isDone = next.done === true
    return isDone ? undefined : { question: next.value, times: 0, dueMs: 0 }
  }

  function later(one: Pending): void {
    let at = pending.length
    while (at > 0 && pending[at - 1]!.dueMs > one.dueMs) at--
    pending.splice(at, 0, one)
    tally.waiting = pending.length
  }

  async function askBoth({ question, times }: Pending): Promise<void> {
    const [here, there] = await Promise.all([ask('here', question), ask('there', question)])
    for (const [side, outcome] of [
      ['here', here],
      ['there', there],
    ] as const) {
      silences[side] = isSilence(outcome) ? silences[side] + 1 : 0
      if (silences[side] >= MAX_SILENCE) silent ??= side
    }
    let judged = tally.judge(question, here, there)
    if (judged.proof !== undefined) judged = tally.judge(question, here, there, await ask('there', judged.proof))
    if (judged.verdict === 'unexplained' && times + 1 < LOOKS) {
      const seconds = Math.max(lifetimeOf(here, settleSeconds), lifetimeOf(there, settleSeconds))
      const waitMs = times === 0 ? SECOND_LOOK_MS : seconds === 0 ? 0 : seconds * 1000 + CACHE_MARGIN_MS
      later({ question, times: times + 1, dueMs: now() + waitMs })
      return
    }
    if (times > 0 && judged.verdict !== 'unexplained') tally.settled++
    tally.add(question, here, there, judged)
  }

  async function pace(): Promise<void> {
    nextAtMs = Math.max(nextAtMs, now() - PACE_MS) + 1000 / rate
    const waitMs = nextAtMs - now()
    if (waitMs > PACE_MS) await sleep(waitMs)
  }

  async function work(): Promise<void> {
    while (!isOver()) {
      const next = take()
      if (next !== undefined) {
        out++
        await pace()
        await askBoth(next)
        out--
      } else if (isDone && pending.length === 0 && out === 0) return
      else await sleep(Math.max(PACE_MS, Math.min(SECOND_LOOK_MS, (pending[0]?.dueMs ?? 0) - now())))
    }
  }

  await Promise.all(Array.from({ length: options.concurrency }, work))
  return { isCut: !isDone || pending.length > 0, ...(silent === undefined ? {} : { silent }) }
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Outcome } from '../../../src/compare/answers.ts'
import { Names } from '../../../src/compare/names.ts'
import type { Question } from '../../../src/compare/questions.ts'
import { type RunOptions, runComparison, type Side } from '../../../src/compare/run.ts'
import { Tally } from '../../../src/compare/tally.ts'

const names = new Names(new Map([['z.', ['SOA']]]))
const addresses = (...all: string[]): Outcome => ({
  rcode: 'NOERROR',
  isAuthoritative: true,
  isTruncated: false,
  answers: all.map(data => ({ owner: 'a.z.', type: 'A', ttl: 20, data })),
  authority: [],
  additional: [],
})

/** A clock that stands until all that could be done is done, and then goes to the next end of a wait. */
class Clock {
  ms = 0
  private readonly waits: { at: number; resolve: () => void }[] = []

  sleep = (ms: number): Promise<void> =>
    new Promise(resolve => {
      this.waits.push({ at: this.ms + ms, resolve })
    })

  async runUntil<T>(promise: Promise<T>): Promise<T> {
    let isOver = false
    void promise.finally(() => (isOver = true)).catch(() => {})
    for (let turn = 0; !isOver && turn < 100_000; turn++) {
      await new Promise(setImmediate)
      this.waits.sort((a, b) => a.at - b.at)
      const next = this.waits.shift()
      if (next === undefined) continue
      this.ms = Math.max(this.ms, next.at)
      next.resolve()
    }
    return promise
  }
}

async function run(
  count: number,
  answer: (side: Side, ms: number, question: Question) => Outcome | Promise<Outcome>,
  more: Partial<RunOptions> = {},
) {
  const clock = new Clock()
  const tally = new Tally(names, 2)
  const asked = { here: 0, there: 0 }
  const times: number[] = []
  const questions = Array.from(
    { length: count },
    (_, i): Question => ({ name: `n${i}.z.`, type: 'A', origin: 'index' }),
  )
  const result = await clock.runUntil(
    runComparison({
      questions: questions.values(),
      async ask(side, question) {
        asked[side]++
        if (side === 'here') times.push(clock.ms)
        return answer(side, clock.ms, question)
      },
      tally,
      concurrency: 4,
      rate: 1000,
      settleSeconds: 30,
      maxUnexplained: 100,
      now: () => clock.ms,
      sleep: clock.sleep,
      ...more,
    }),
  )
  return { tally, asked, result, times, ms: clock.ms }
}

describe('a run', () => {
  it('a change on its way is no difference', async () => {
    const { tally, result } = await run(10, (side, ms) =>
      addresses(side === 'here' || ms > 900 ? '10.0.0.2' : '10.0.0.1'),
    )
    assert.deepEqual(tally.verdicts, { same: 10, explained: 0, unexplained: 0 })
    assert.deepEqual([tally.settled, result.isCut], [10, false])
  })

  it('neither is what a cache goes on saying for as long as its TTL', async () => {
    const answer = (side: Side, ms: number) => addresses(side === 'here' || ms > 19_000 ? '10.0.0.2' : '10.0.0.1')
    assert.equal((await run(10, answer)).tally.verdicts.same, 10)
    // It is not waited for when nobody wants to.
    assert.equal((await run(10, answer, { settleSeconds: 0 })).tally.verdicts.unexplained, 10)
  })

  it('what stays different counts, asked three times, with examples of both answers', async () => {
    const { tally, asked, result } = await run(10, side => addresses(side === 'here' ? '10.0.0.2' : '10.0.0.1'))
    assert.deepEqual([tally.verdicts.unexplained, asked, result.isCut], [10, { here: 30, there: 30 }, false])
    const [group] = tally.groups.values()
    assert.deepEqual([group?.count, group?.examples.length], [10, 2])
  })

  it('keeps the rate, and no more questions out than it may', async () => {
    let out = 0
    let most = 0
    const { times } = await run(
      400,
      async () => {
        most = Math.max(most, ++out)
        await new Promise(setImmediate)
        out--
        return addresses('10.0.0.1')
      },
      { rate: 100, concurrency: 3 },
    )
    assert.ok(times.at(-1)! >= 3900, `400 questions at 100 a second took ${times.at(-1)} ms`)
    assert.ok(times.at(-1)! <= 4300)
    for (let i = 100; i < times.length; i++) assert.ok(times[i]! - times[i - 100]! >= 900)
    assert.ok(most <= 6, `${most} at a time, of three questions at two servers`)
  })

  it('ends when a server falls silent, too much differs, or somebody stops it', async () => {
    const silent = await run(1000, side => (side === 'there' ? { silence: 'no answer in 2 s' } : addresses('10.0.0.1')))
    assert.deepEqual(silent.result, { isCut: true, silent: 'there' })
    assert.ok(silent.asked.there < 60)
    let calls = 0
    const stopped = await run(1000, () => addresses('10.0.0.1'), { isStopped: () => ++calls > 40 })
    assert.deepEqual([stopped.result.isCut, stopped.tally.verdicts.same < 50], [true, true])
    const different = await run(1000, side => addresses(side), { maxUnexplained: 5 })
    assert.equal(different.result.isCut, true)
    assert.ok(different.tally.verdicts.unexplained < 10)
  })

  it('of very many differences 2,000 wait, and all are counted', async () => {
    const tally = new Tally(names, 0)
    let taken = 0
    let most = 0
    const questions = (function* (): Generator<Question> {
      for (; taken < 3000; taken++) {
        most = Math.max(most, taken - tally.verdicts.unexplained)
        yield { name: `n${taken}.z.`, type: 'A', origin: 'index' }
      }
    })()
    await run(0, side => addresses(side), { questions, tally, rate: 100_000, maxUnexplained: 10_000 })
    assert.equal(tally.verdicts.unexplained, 3000)
    assert.ok(most >= 2000 && most < 2010, `${most} waited`)
  })
})

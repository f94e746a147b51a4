/**
 * Holds every reply of a server against what was true when it was asked for. Layer: test support. The asking is done by a
 * thread (story-asker.ts); the judging here, after the fact, since every reply comes with its times.
 */

import assert from 'node:assert/strict'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Model } from './cluster-model.ts'
import { decodeReply, type Reply } from './light-decoder.ts'
import {
  type AskerMessage,
  type AskerSetup,
  type Batch,
  type Question,
  RECORD_FIELDS,
  sharedNowMs,
  UDP_PAYLOAD,
} from './story-asker-types.ts'
import type { Truth, Verdict } from './story-truth.ts'

export interface CheckerOptions extends AskerSetup {
  /** How late an answer may be after a change. */
  readonly allowedMs: number
  readonly ttl: number
  readonly negativeTtl: number
}

/** One answer that was judged. */
export interface Judged {
  readonly question: Question
  readonly isTcp: boolean
  readonly askedMs: number
  readonly answeredMs: number
  readonly reply: Reply
}

const MOST_QUESTIONS = 20_000
const SWEPT_AT_ONCE = 250
const MOST_TOLD = 10
const NOT_READY = 14
/** A message over TCP that is cut has no room for another record. */
const FULL_OCTETS = 65_000

export class Checker {
  checked = 0
  wrong = 0
  readonly told: string[] = []
  /** Sees every reply that could be read, right or not. */
  onJudged: ((judged: Judged) => void) | undefined
  private readonly truth: Truth
  private readonly options: CheckerOptions
  private readonly asker: Worker
  private readonly exited: Promise<unknown>
  private readonly startMs = sharedNowMs()
  private readonly questions: Question[] = []
  private readonly numbers = new Map<string, number>()
  private sweeps = 0
  private readonly sweeping = new Map<number, { left: number; old: Set<number> }>()
  private failure: Error | undefined
  private readonly kept: Batch[] = []
  private isKeeping = false

  constructor(truth: Truth, options: CheckerOptions) {
    this.truth = truth
    this.options = options
    const { port, perSecond, tcpShare, seed, focusShare } = options
    const workerData: AskerSetup = { port, perSecond, tcpShare, seed, focusShare }
    this.asker = new Worker(new URL('./story-asker.ts', import.meta.url), { workerData })
    this.exited = new Promise(resolve => this.asker.once('exit', resolve))
    this.asker.on('error', error => (this.failure = error as Error))
    this.asker.on('message', (batch: Batch) => {
      if (this.isKeeping) this.kept.push(batch)
      else this.judgeAll(batch)
    })
  }

  /** Asks these from now on, too. */
  add(questions: readonly Question[]): void {
    const added: Question[] = []
    for (const question of questions) {
      const key = `${question.name} ${question.type}`
      if (this.numbers.has(key) || this.questions.length >= MOST_QUESTIONS) continue
      this.numbers.set(key, this.questions.push(question) - 1)
      added.push(question)
    }
    if (added.length > 0) this.say({ kind: 'questions', questions: added })
  }

  /** Half of all queries, or `focusShare`, are for these from now on. */
  focus(questions: readonly Question[]): void {
    this.add(questions)
    this.say({ kind: 'focus', questions: questions.map(question => this.numberOf(question)) })
  }

  pause(isPaused: boolean): void {
    this.say({ kind: 'pause', isPaused })
  }

  /**
   * Asks every question over both ways until all answers are what is true now, which must be so when the allowed delay
   * after the last change, one that comes meanwhile included, and the time for which pods are held are over.
   * @param limitMs when the server is allowed more than the usual delay
   */
  async agrees(limitMs = this.options.allowedMs): Promise<void> {
    const startMs = sharedNowMs()
    const sinceMs = () => Math.max(startMs, this.truth.changedMs)
    const heldMs = limitMs === 0 ? 0 : this.truth.moveWindowMs
    let left = this.questions.map((_, number) => number)
    while (left.length > 0) {
      const isLast = sharedNowMs() > sinceMs() + limitMs + heldMs
      // A part at a time: while the first is not right the others need not be asked.
      const old = await this.sweep(left.slice(0, SWEPT_AT_ONCE))
      left = [...old, ...left.slice(SWEPT_AT_ONCE)]
      if (old.length === 0 || !isLast) continue
      const names = old.slice(0, MOST_TOLD).map(number => {
        const question = this.questions[number]!
        return `${question.name} ${question.type}: now ${words(this.truth.now(question))}`
      })
      assert.fail(`${old.length} answers are not what is true now:\n${[...names, ...this.told].join('\n')}`)
    }
    this.truth.settled(startMs)
  }

  /** @returns those whose answers are not what is true now */
  private async sweep(questions: readonly number[]): Promise<number[]> {
    const sweep = ++this.sweeps
    const state = { left: questions.length * 2, old: new Set<number>() }
    this.sweeping.set(sweep, state)
    this.say({ kind: 'sweep', questions, sweep })
    while (state.left > 0) {
      if (this.failure !== undefined) throw this.failure
      await delay(2)
    }
    this.sweeping.delete(sweep)
    return [...state.old]
  }

  /** Ends the asking; what was asked before is judged. */
  async stop(): Promise<void> {
    this.say({ kind: 'stop' })
    await this.exited
  }

  /** From now on replies are kept until `judgeKept`: what is true is known only afterwards, or there is no time for it. */
  keep(): void {
    this.isKeeping = true
  }

  /** A batch at a time: a server in this process works on meanwhile. */
  async judgeKept(): Promise<void> {
    for (let batch = this.kept.shift(); batch !== undefined; batch = this.kept.shift()) {
      this.judgeAll(batch)
      await setImmediate()
    }
    this.isKeeping = false
  }

  /** @throws AssertionError with the wrong answers, up to a few */
  assertRight(): void {
    if (this.failure !== undefined) throw this.failure
    assert.equal(this.wrong, 0, `${this.wrong} of ${this.checked} answers were wrong:\n${this.told.join('\n')}`)
    assert.ok(this.checked > 0, 'no answer was checked')
  }

  private say(message: AskerMessage): void {
    this.asker.postMessage(message)
  }

  private numberOf({ name, type }: Question): number {
    const number = this.numbers.get(`${name} ${type}`)
    if (number === undefined) throw new Error(`${name} ${type} is one question too many`)
    return number
  }

  private judgeAll({ rows, octets }: Batch): void {
    let at = 0
    for (let i = 0; i < rows.length; i += RECORD_FIELDS) {
      const [number = 0, sweep = 0, isTcp = 0, askedMs = 0, answeredMs = 0, isEcho = 0, length = 0] = rows.subarray(i)
      const message = Buffer.from(octets.buffer, at, length)
      at += length
      this.checked++
      const question = this.questions[number]!
      let faults: string[]
      let allowed: Verdict[] = []
      let seen = 'no reply'
      let reply: Reply | undefined
      if (length === 0) faults = ['no reply']
      else if (isEcho === 0) faults = ['the question did not come back as it was']
      else {
        try {
          reply = decodeReply(message)
          seen = words(reply as Verdict)
          ;({ faults, allowed } = this.judge(question, reply, isTcp === 1, length, askedMs, answeredMs))
          this.onJudged?.({ question, isTcp: isTcp === 1, askedMs, answeredMs, reply })
        } catch (error) {
          faults = [(error as Error).message]
        }
      }
      const state = this.sweeping.get(sweep)
      if (state !== undefined) {
        state.left--
        if (reply === undefined || !isSame(reply, this.truth.now(question), length)) state.old.add(number)
      }
      if (faults.length === 0) continue
      this.wrong++
      if (this.told.length >= MOST_TOLD) continue
      const when = `asked at ${(askedMs - this.startMs).toFixed(1)} ms, answered at ${(answeredMs - this.startMs).toFixed(1)} ms`
      const way = isTcp === 1 ? 'TCP' : 'UDP'
      const choices = [...new Set(allowed.map(words))].slice(0, 5).join(' | ')
      this.told.push(
        `${question.name} ${question.type} over ${way}: ${faults.join('; ')}\n  seen: ${seen}\n  allowed: ${choices}\n  ${when}`,
      )
    }
  }

  private judge(
    question: Question,
    reply: Reply,
    isTcp: boolean,
    length: number,
    askedMs: number,
    answeredMs: number,
  ): { faults: string[]; allowed: Verdict[] } {
    const { ttl, negativeTtl, allowedMs } = this.options
    const faults: string[] = []
    const allowed: Verdict[] = []
    let isRight = false
    for (const verdict of this.truth.allowed(question, askedMs, answeredMs, allowedMs)) {
      allowed.push(verdict)
      if (!isSame(reply, verdict, length)) continue
      isRight = true
      break
    }
    if (!isRight) faults.push('it was not true')
    if (reply.opts !== 1) faults.push(`${reply.opts} OPT records`)
    if (isTcp && reply.isTruncated && length < FULL_OCTETS) faults.push('truncated over TCP')
    if (!isTcp && length > UDP_PAYLOAD) faults.push(`${length} octets over UDP`)
    if (reply.rcode === 'SERVFAIL') {
      if (reply.extendedError !== NOT_READY) faults.push(`extended error ${reply.extendedError}`)
      return { faults, allowed }
    }
    if (!reply.isAuthoritative) faults.push('without AA')
    for (const one of reply.ttls) if (one !== ttl) faults.push(`a TTL of ${one}`)
    for (const weight of reply.weights) if (weight < 1) faults.push(`a weight of ${weight}`)
    const isNegative = reply.answers.length === 0 && !reply.isTruncated
    if (isNegative && reply.negativeTtl !== negativeTtl) faults.push(`a negative TTL of ${reply.negativeTtl}`)
    return { faults, allowed }
  }
}

/** A truncated reply holds as many of the answers as there is room for. */
function isSame(reply: Reply, verdict: Verdict, octets: number): boolean {
  if (reply.rcode !== verdict.rcode) return false
  if (verdict.rcode === 'SERVFAIL') return reply.answers.length === 0
  const { answers, model } = verdict
  if (!reply.glue.every(record => isTrue(model, record))) return false
  if (reply.isTruncated) {
    const all = new Set(answers)
    const own = new Set(reply.answers)
    const isSome = own.size === reply.answers.length && own.size < all.size && reply.answers.every(one => all.has(one))
    return isSome && (octets >= FULL_OCTETS || octets + Math.max(...answers.map(octetsOf)) > UDP_PAYLOAD)
  }
  return answers.length === reply.answers.length && answers.every((answer, i) => answer === reply.answers[i])
}

function isTrue(model: Model | undefined, record: string): boolean {
  const [owner = '', type = '', data = ''] = record.split(' ')
  return model?.data(owner, type).has(data) === true
}

/** Of the record in a message in which its owner is a pointer; RFC 2782: targets are not compressed. */
function octetsOf(record: string): number {
  const [, type, ...data] = record.split(' ')
  if (type === 'A') return 12 + 4
  if (type === 'AAAA') return 12 + 16
  const name = data.at(-1)!.length + 2
  return 12 + (type === 'SRV' ? 6 : 0) + name
}

function words(verdict: Verdict): string {
  if (verdict.rcode === 'SERVFAIL') return 'SERVFAIL'
  const { rcode, answers } = verdict
  const more = answers.length > 8 ? ` and ${answers.length - 8} more` : ''
  return `${rcode} [${answers.slice(0, 8).join(', ')}${more}]`
}

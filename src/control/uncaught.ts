/**
 * Errors that nobody caught, on the main thread: counted, logged with their stack, and survived. Layer: control.
 *
 * Why not exit: what is served lies in shared memory and is answered by threads with heaps of their own, none of which an
 * error here touches; an exit would take UDP down on every node to which the same bad object comes, and again after the
 * restart. What is doubtful afterwards is the one task that threw. So the process asks to be restarted, through `/healthz`,
 * when such errors keep coming although it ran well before: then it is its state that is bad, and not what it is given.
 */

import type { Log } from './log.ts'

/** So many in BURST_MS are a state, not an accident. */
const BURST = 10
const BURST_MS = 60_000
/** A process that was without such an error for so long can be started into a good state. */
const SETTLED_MS = 600_000
const SILENCE_MS = 60_000

export class UncaughtErrors {
  count = 0
  private readonly log: Pick<Log, 'oncePer'>
  private readonly nowMs: () => number
  private readonly startedMs: number
  private firstMs = 0
  /** When the latest came, at most BURST. */
  private latest: number[] = []

  /** @param nowMs monotonic */
  constructor(log: Pick<Log, 'oncePer'>, nowMs = () => performance.now()) {
    this.log = log
    this.nowMs = nowMs
    this.startedMs = nowMs()
  }

  /** @param origin as of process.on('uncaughtException') */
  note(error: unknown, origin: string): void {
    const now = this.nowMs()
    if (this.count === 0) this.firstMs = now
    this.count++
    this.latest = [...this.latest, now].slice(-BURST)
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
    const fields = { origin, stack, count: this.count }
    this.log.oncePer(`uncaught ${message}`, SILENCE_MS).error(`an error that nobody caught: ${message}`, fields)
  }

  /** @returns a sentence when a restart would help */
  problem(): string | undefined {
    if (this.latest.length < BURST || this.firstMs - this.startedMs < SETTLED_MS) return undefined
    if (this.nowMs() - this.latest[0]! > BURST_MS) return undefined
    return `errors that nobody caught keep coming: ${this.count} so far`
  }
}

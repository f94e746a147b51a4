/**
 * Ends a stream that has gone silent, that has no end, or that something else has shown to be of no use. Layer: kubernetes.
 * One timer however much is heard.
 */

import { ApiError } from './errors.ts'
import type { ReflectorDeps } from './reflector-types.ts'
import { asApiError } from './status.ts'

export class SilenceLimit {
  /** How long may be silent, ms; may be lengthened while it runs. */
  limitMs = 0
  /** Aborted after too long a silence, by `fail`, or with `stopped`. */
  readonly signal: AbortSignal
  /** Aborted then too, and by `end`. */
  readonly over: AbortSignal
  hasHeard = false
  private readonly deps: ReflectorDeps
  private readonly failed = new AbortController()
  private readonly ended = new AbortController()
  private failure: ApiError | undefined
  private isRunning = false
  private heardMs = 0
  private endMs = Number.POSITIVE_INFINITY

  constructor(deps: ReflectorDeps, stopped: AbortSignal) {
    this.deps = deps
    this.signal = AbortSignal.any([this.failed.signal, stopped])
    this.over = AbortSignal.any([this.signal, this.ended.signal])
  }

  /** It was silent for too long. */
  get isOver(): boolean {
    return this.failed.signal.aborted && this.failure === undefined
  }

  /** What a failure of the stream was: what ended it, or itself. */
  errorFor(error: unknown): ApiError {
    if (this.failure !== undefined) return this.failure
    // An answer that never ends has said what matters by its status.
    if (!this.isOver || (error instanceof ApiError && error.status > 0)) return asApiError(error)
    return new ApiError('ERR_API_STREAM', `nothing came from the API server for ${this.limitMs / 1000} s`)
  }

  /** Ends the stream with that error. */
  fail(failure: ApiError): void {
    this.failure ??= failure
    this.failed.abort()
  }

  /** @param mostMs how long it may go on, whatever is heard */
  start(limitMs: number, mostMs = Number.POSITIVE_INFINITY): void {
    this.limitMs = limitMs
    this.heardMs = this.deps.now()
    this.endMs = this.heardMs + mostMs
    if (!this.isRunning) void this.run()
  }

  heard(): void {
    this.hasHeard = true
    this.heardMs = this.deps.now()
  }

  end(): void {
    this.ended.abort()
  }

  private async run(): Promise<void> {
    this.isRunning = true
    while (!this.ended.signal.aborted && !this.failed.signal.aborted) {
      const now = this.deps.now()
      const leftMs = this.heardMs + this.limitMs - now
      if (leftMs <= 0) return this.failed.abort()
      if (now >= this.endMs)
        return this.fail(new ApiError('ERR_API_STREAM', 'the API server did not end a watch in time'))
      await this.deps.sleep(Math.min(leftMs, this.endMs - now), this.ended.signal)
    }
  }
}

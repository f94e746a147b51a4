/**
 * Notices a stream that has gone silent. Layer: kubernetes. One timer however much is heard.
 */

import { ApiError } from './errors.ts'
import type { ReflectorDeps } from './reflector-types.ts'
import { asApiError } from './status.ts'

export class SilenceLimit {
  /** How long may be silent, ms; may be lengthened while it runs. */
  limitMs = 0
  /** Aborted after too long a silence, or with `stopped`. */
  readonly signal: AbortSignal
  private readonly deps: ReflectorDeps
  private readonly silent = new AbortController()
  private readonly ended = new AbortController()
  private isRunning = false
  private heardMs = 0

  constructor(deps: ReflectorDeps, stopped: AbortSignal) {
    this.deps = deps
    this.signal = AbortSignal.any([this.silent.signal, stopped])
  }

  get isOver(): boolean {
    return this.silent.signal.aborted
  }

  /** What a failure of the stream was: the silence that ended it, or itself. */
  errorFor(error: unknown): ApiError {
    if (!this.isOver) return asApiError(error)
    return new ApiError('ERR_API_STREAM', `nothing came from the API server for ${this.limitMs / 1000} s`)
  }

  start(limitMs: number): void {
    this.limitMs = limitMs
    this.heard()
    if (!this.isRunning) void this.run()
  }

  heard(): void {
    this.heardMs = this.deps.now()
  }

  end(): void {
    this.ended.abort()
  }

  private async run(): Promise<void> {
    this.isRunning = true
    while (!this.ended.signal.aborted) {
      const leftMs = this.heardMs + this.limitMs - this.deps.now()
      if (leftMs <= 0) {
        this.silent.abort()
        return
      }
      await this.deps.sleep(leftMs, this.ended.signal)
    }
  }
}

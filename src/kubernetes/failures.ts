/**
 * Failures of a list or watch: counted by their reason, and told once in an outage. Layer: kubernetes.
 */

import type { ApiError, ApiErrorCode } from './errors.ts'
import type { ReflectorDeps, ReflectorLogger } from './reflector-types.ts'

const REASONS: Record<Exclude<ApiErrorCode, 'ERR_API_STATUS'>, string> = {
  ERR_API_CONFIG: 'credentials',
  ERR_API_DRIFT: 'drift',
  ERR_API_EXPIRED: 'expired',
  ERR_API_HISTORY: 'history',
  ERR_API_MALFORMED: 'malformed',
  ERR_API_NO_STREAMING_LIST: 'unsupported',
  ERR_API_STREAM: 'broken',
  ERR_API_UNREACHABLE: 'unreachable',
}
const STATUS_REASONS: Readonly<Record<number, string>> = { 401: 'unauthorized', 403: 'forbidden', 429: 'throttled' }
/** A fault that comes again and again, with good moments in between, is told no more often. */
const TOLD_MS = 600_000

export class Failures {
  /** Of the outage that lasts. */
  last: string | undefined
  readonly byReason = new Map<string, number>()
  private readonly resource: string
  private readonly log: ReflectorLogger
  private readonly deps: ReflectorDeps
  private told = ''
  private toldMs = 0

  constructor(resource: string, log: ReflectorLogger, deps: ReflectorDeps) {
    this.resource = resource
    this.log = log
    this.deps = deps
  }

  count({ code, status }: ApiError): void {
    const reason = code === 'ERR_API_STATUS' ? (STATUS_REASONS[status] ?? 'status') : REASONS[code]
    this.byReason.set(reason, (this.byReason.get(reason) ?? 0) + 1)
  }

  /** Once in an outage, unless it is another. */
  tell({ message, status }: ApiError): void {
    if (message === this.last) return
    this.last = message
    const now = this.deps.now()
    if (message !== this.told || now - this.toldMs >= TOLD_MS) {
      this.told = message
      this.toldMs = now
      this.log.warn(message, { resource: this.resource, status })
    }
  }

  /** The watch runs. */
  end(): void {
    this.last = undefined
  }
}

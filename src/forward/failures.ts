/**
 * Questions that could not be answered a moment ago: for some seconds they are not asked again. Layer: forward.
 * RFC 9520 §3.2: failures are remembered for at least a second and at most five minutes.
 */

/** Not more often than a glibc client asks. */
export const FAILURE_MS = 5000
const MAX_FAILURES = 10_000

export class Failures {
  /** Key → when it is forgotten, oldest first: all are kept for the same time. */
  private readonly until = new Map<string, number>()

  get size(): number {
    return this.until.size
  }

  add(key: string, nowMs: number): void {
    this.until.delete(key)
    for (const [oldest, untilMs] of this.until) {
      if (untilMs > nowMs && this.until.size < MAX_FAILURES) break
      this.until.delete(oldest)
    }
    this.until.set(key, nowMs + FAILURE_MS)
  }

  has(key: string, nowMs: number): boolean {
    const untilMs = this.until.get(key)
    if (untilMs === undefined) return false
    if (untilMs > nowMs) return true
    this.until.delete(key)
    return false
  }

  remove(key: string): void {
    this.until.delete(key)
  }
}

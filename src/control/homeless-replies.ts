/**
 * Replies to deferred queries that come while no worker serves: they wait for the next one, if it comes soon. Layer: control.
 * Whoever is not answered asks again; what is kept for it is bounded.
 */

import type { ReturnPath } from '../transport/handler.ts'

interface Homeless {
  readonly path: ReturnPath
  readonly message: Uint8Array
  readonly sinceMs: number
}

/** With 4 KiB each at most, 1 MiB. */
const MOST = 256
/** A client that has waited for so long has asked again, or does so now. */
const MOST_MS = 2000

export class HomelessReplies {
  private replies: Homeless[] = []

  put(path: ReturnPath, message: Uint8Array, nowMs: number): void {
    if (this.replies.length >= MOST) this.replies.shift()
    this.replies.push({ path, message, sinceMs: nowMs })
  }

  /** @returns those that are not too late; none is kept */
  take(nowMs: number): Homeless[] {
    const { replies } = this
    this.replies = []
    return replies.filter(({ sinceMs }) => nowMs - sinceMs <= MOST_MS)
  }
}

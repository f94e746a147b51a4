/**
 * Replies of several messages on their way into a connection: one message in a turn of the event loop, and none while what was
 * written before is unsent. Layer: transport.
 */

import type { MoreMessages } from './handler.ts'

export interface PourTarget {
  isGone(): boolean
  /** Whether another message may be written; if not, `Pouring.goOn` is called later. */
  hasRoom(): boolean
  write(message: Uint8Array): void
  /** A reply is over. @param isFailed it cannot be made whole: the connection is of no use any more */
  onEnd(isFailed: boolean): void
}

export class Pouring {
  private readonly target: PourTarget
  private readonly waiting: MoreMessages[] = []

  constructor(target: PourTarget) {
    this.target = target
  }

  begin(more: MoreMessages): void {
    setImmediate(() => this.step(more))
  }

  /** There may be room again, or the connection is gone. */
  goOn(): void {
    for (const more of this.waiting.splice(0)) this.begin(more)
  }

  private step(more: MoreMessages): void {
    const { target } = this
    const isGone = target.isGone()
    if (!isGone && !target.hasRoom()) {
      this.waiting.push(more)
      return
    }
    let message: Uint8Array | undefined | null = null
    try {
      if (!isGone) message = this.pour(more)
    } finally {
      // Also for a defect of ours, which is told as an error that nobody caught.
      if (message == null) {
        more.end(message === undefined)
        target.onEnd(message === null)
      }
    }
    if (message != null) this.begin(more)
  }

  private pour(more: MoreMessages): Uint8Array | undefined | null {
    const message = more.next()
    if (message != null && message.length > 0) this.target.write(message)
    return message
  }
}

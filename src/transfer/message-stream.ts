/**
 * The messages of a transfer, each made when it is asked for. Layer: transfer.
 */

import type { MessageWriter } from './messages.ts'
import type { ZoneRecord } from './zone-records.ts'

export interface StreamHooks {
  /** Whether the rest cannot be had any more. */
  isLost(): boolean
  onMessage(): void
  /** The rest cannot be had for a defect of ours. */
  onError(error: unknown): void
  /** Called once. */
  onEnd(isWhole: boolean): void
}

/** Pieces that are looked into in one turn: where they hold none of the zone's records, others have theirs. */
const MAX_PIECES = 8
const NOTHING_YET = new Uint8Array(0)

/** See MoreMessages in transport/handler.ts. */
export class MessageStream {
  private readonly writer: MessageWriter
  private readonly pieces: Iterator<readonly ZoneRecord[]>
  private readonly hooks: StreamHooks
  private piece: readonly ZoneRecord[] = []
  private at = 0
  private isOver = false
  private hasEnded = false

  constructor(writer: MessageWriter, pieces: Iterator<readonly ZoneRecord[]>, hooks: StreamHooks) {
    this.writer = writer
    this.pieces = pieces
    this.hooks = hooks
  }

  /** @returns the first message, with the first piece's records at least, which fit; null: nothing can be had */
  first(): Uint8Array | null {
    return this.attempt(() => {
      const message = this.make()
      return message === undefined || message?.length === 0 ? this.take() : message
    })
  }

  /** Never throws. @returns of no octets: ask again in another turn; undefined: that was all; null: the rest cannot be had */
  next(): Uint8Array | undefined | null {
    return this.hasEnded ? null : this.attempt(() => this.make())
  }

  end(isWhole: boolean): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.hooks.onEnd(isWhole)
  }

  private attempt<T>(step: () => T): T | null {
    try {
      return step()
    } catch (error) {
      this.hooks.onError(error)
      return null
    }
  }

  private make(): Uint8Array | undefined | null {
    for (let pieces = 0; ; ) {
      for (; this.at < this.piece.length; this.at++) if (!this.writer.put(this.piece[this.at]!)) return this.take()
      if (this.isOver) return this.writer.isEmpty ? undefined : this.take()
      if (pieces++ === MAX_PIECES) return NOTHING_YET
      if (this.hooks.isLost()) return null
      const { value, done } = this.pieces.next()
      this.isOver = done === true
      this.piece = done === true ? [] : value
      this.at = 0
    }
  }

  private take(): Uint8Array {
    this.hooks.onMessage()
    return this.writer.take()
  }
}

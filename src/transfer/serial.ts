/**
 * SOA serials: 32 bits that only move forward. Layer: transfer. RFC 1982 (serial number arithmetic), RFC 1035 §3.3.13.
 *
 * A serial is the time of the change in ticks of 1/128 s, modulo 2³²; of changes within a tick, each has the next. So the
 * serials of a process that starts later are later, although nothing of the earlier one is known: for as long as an average of
 * 128 changes a second is not passed by more than HEAD_START holds, and the machine's clock is not set back.
 */

const TICKS_PER_SECOND = 128
/** The first serial lies so far ahead of the clock: room for what an earlier process changed faster than the clock ticks. */
const HEAD_START = 60 * TICKS_PER_SECOND

/** RFC 1982 §3.2: whether `a` is later than `b`. False for two that are 2³¹ apart, which have no order. */
export function isLater(a: number, b: number): boolean {
  const distance = (a - b) >>> 0
  return distance > 0 && distance < 2 ** 31
}

export class Serials {
  private readonly nowMs: () => number
  private last: number

  /** @param nowMs time of day in milliseconds since the epoch */
  constructor(nowMs: () => number = () => Date.now()) {
    this.nowMs = nowMs
    this.last = (this.ticks() + HEAD_START) >>> 0
  }

  /** The latest given. */
  get latest(): number {
    return this.last
  }

  /** RFC 1982 §3.1. @returns a serial later than all before it */
  next(): number {
    const now = this.ticks()
    this.last = isLater(now, this.last) ? now : (this.last + 1) >>> 0
    return this.last
  }

  private ticks(): number {
    return Math.floor((this.nowMs() * TICKS_PER_SECOND) / 1000) % 2 ** 32
  }
}

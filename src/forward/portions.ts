/**
 * Replies to those who wait for one answer: some in each turn of the event loop, however many wait and however long the
 * reply is. Layer: forward. Whoever waits for another answer has a turn in between.
 */

import type { ClientQuery } from './client-query.ts'

const TURN_REPLIES = 64
const TURN_OCTETS = 256 << 10
/** Each keeps the message of an upstream. With more, all who wait for an answer are answered in one turn. */
const MAX_LATER = 64

/** @returns valid until the next call; undefined: nothing is to be said to anybody */
export type MakeReply = (query: ClientQuery) => Uint8Array | undefined

interface Rest {
  readonly waiters: ClientQuery[]
  readonly open: () => MakeReply
}

export class Portions {
  private readonly onAnswered: (query: ClientQuery) => void
  private readonly rests: Rest[] = []
  private hasTurn = false
  private readonly onTurn = (): void => {
    this.hasTurn = false
    this.turn()
  }

  /** @param onAnswered called for each, before its reply is sent */
  constructor(onAnswered: (query: ClientQuery) => void) {
    this.onAnswered = onAnswered
  }

  /**
   * The first turn.
   * @param waiters whoever is answered is taken out of it; who is left is handed to `later`
   * @returns false: `reply` had nothing to say
   */
  give(waiters: ClientQuery[], reply: MakeReply): boolean {
    // Replies over UDP are short: none of them waits for long ones.
    waiters.sort((a, b) => Number(a.stream) - Number(b.stream))
    return this.answer(waiters, reply, this.rests.length >= MAX_LATER)
  }

  /** All other turns. @param open called in each, for what makes the replies of that turn */
  later(waiters: ClientQuery[], open: () => MakeReply): void {
    if (waiters.length === 0) return
    this.rests.push({ waiters, open })
    this.askForTurn()
  }

  /** Answers all at once. */
  finish(): void {
    while (this.rests.length > 0) this.turn()
  }

  private askForTurn(): void {
    if (this.hasTurn || this.rests.length === 0) return
    this.hasTurn = true
    setImmediate(this.onTurn)
  }

  private turn(): void {
    const rest = this.rests.shift()
    if (rest === undefined) return
    try {
      this.answer(rest.waiters, rest.open(), false)
    } finally {
      // Also for a defect of ours: it costs one reply.
      if (rest.waiters.length > 0) this.rests.push(rest)
      this.askForTurn()
    }
  }

  private answer(waiters: ClientQuery[], reply: MakeReply, areAll: boolean): boolean {
    let replies = 0
    let octets = 0
    while (waiters.length > 0 && (areAll || (replies < TURN_REPLIES && octets < TURN_OCTETS))) {
      const message = reply(waiters[0]!)
      if (message === undefined) return false
      replies++
      octets += message.length
      const query = waiters.shift()!
      this.onAnswered(query)
      query.path.send(message)
    }
    return true
  }
}

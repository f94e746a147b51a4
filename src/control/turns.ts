/**
 * Long work in pieces, a turn of the event loop for each, so that queries over TCP, replies of upstreams and changes of the
 * cluster come in between. Layer: control.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'

/** @param pieces yields after each. @returns what it returns */
export async function inTurns<T>(pieces: Generator<void, T>): Promise<T> {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
    await nextTurn()
  }
}

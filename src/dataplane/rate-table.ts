/**
 * How often something of a client happened in its present window of time, for any number of clients in fixed memory.
 * Layer: dataplane. Hot where limits are on: allocates nothing. A client is known by a 32-bit hash alone.
 *
 *   set   ┌──────────────────┬──────────────────┬───┐    the hash chooses the set; within it the client's entry is looked
 *         │ hash│since│count │ hash│since│count │ … │    for, or one whose window is over is taken, or the one with
 *         └──────────────────┴──────────────────┴───┘    the smallest count is forgotten
 *
 * So a flood of forged addresses makes the table forget clients that did little; those that did much stay known.
 */

const WAYS = 4

export class RateTable {
  private readonly hashes: Int32Array
  private readonly since: Float64Array
  private readonly counts: Uint32Array
  private readonly mask: number
  private readonly windowMs: number

  /** @param sets a power of two; each takes 64 octets */
  constructor(windowMs: number, sets = 4096) {
    this.windowMs = windowMs
    this.mask = sets - 1
    this.hashes = new Int32Array(sets * WAYS)
    this.since = new Float64Array(sets * WAYS).fill(Number.NEGATIVE_INFINITY)
    this.counts = new Uint32Array(sets * WAYS)
  }

  /**
   * Counts once more.
   * @param hash of the client; all of its bits matter
   * @returns times in the window, which began with the first of them
   */
  count(hash: number, nowMs: number): number {
    const { hashes, since, counts } = this
    const first = (hash & this.mask) * WAYS
    const over = nowMs - this.windowMs
    let worst = first
    for (let at = first; at < first + WAYS; at++) {
      const isOver = since[at]! <= over
      if (!isOver && hashes[at] === hash) return ++counts[at]!
      if (isOver) counts[at] = 0
      if (counts[at]! < counts[worst]!) worst = at
    }
    hashes[worst] = hash
    since[worst] = nowMs
    counts[worst] = 1
    return 1
  }
}

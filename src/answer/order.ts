/**
 * In which order, and which of them when not all fit, the records of a set are given. Layer: answer.
 * Hot: arithmetic on positions; the set itself is never touched.
 *
 *   shuffle  each order, and each choice, is as likely as any other (a partial Fisher–Yates over a deck 0, 1, 2, …
 *            that is put back afterwards: the cost is that of the records given, not of the set)
 *   rotate   the next answer starts one further on
 *   stable   sorted, the first ones first, the same on every node; what does not fit is always the same
 */

export type OrderName = 'shuffle' | 'rotate' | 'stable'

const DECK = 65_536
const COUNTERS = 4096

export class Order {
  /** Positions of the records to give, in order: `picks[0..count)` after `deal`. */
  readonly picks = new Uint16Array(DECK)
  private readonly deck = new Uint16Array(DECK)
  private readonly moved = new Uint16Array(DECK)
  private readonly counters = new Uint32Array(COUNTERS)
  private readonly name: OrderName
  private random: number

  /** @param seed any 32 random bits */
  constructor(name: OrderName, seed: number) {
    this.name = name
    // xorshift32 has one state that it never leaves: 0.
    this.random = seed | 0 || 1
    for (let i = 0; i < DECK; i++) this.deck[i] = i
  }

  /**
   * @param size  records in the set, 0..65,535
   * @param count how many to give, ≤ size
   * @param key   tells one set from another, for `rotate`
   */
  deal(size: number, count: number, key: number): void {
    const { picks } = this
    if (size === 1 || this.name === 'stable') {
      for (let i = 0; i < count; i++) picks[i] = i
    } else if (this.name === 'rotate') {
      let at = this.counters[key & (COUNTERS - 1)]!++ % size
      for (let i = 0; i < count; i++) {
        picks[i] = at
        if (++at === size) at = 0
      }
    } else this.shuffle(size, count)
  }

  private shuffle(size: number, count: number): void {
    const { picks, deck, moved } = this
    let random = this.random
    for (let i = 0; i < count; i++) {
      // xorshift32
      random ^= random << 13
      random ^= random >>> 17
      random ^= random << 5
      const at = i + Math.floor((random >>> 0) * (size - i) * 2.3283064365386963e-10)
      picks[i] = deck[at]!
      deck[at] = deck[i]!
      moved[i] = at
    }
    this.random = random
    for (let i = 0; i < count; i++) deck[moved[i]!] = moved[i]!
  }
}

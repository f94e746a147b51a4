/**
 * Random numbers that a seed repeats, for tests that print their seed.
 */

export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** 32 bits; a counter through the finalizer of a well-mixed hash. */
  next(): number {
    this.state = (this.state + 0x9e3779b9) >>> 0
    let x = this.state
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return (x ^ (x >>> 16)) >>> 0
  }

  /** 0..bound−1 */
  below(bound: number): number {
    return Math.floor((this.next() / 2 ** 32) * bound)
  }

  oneOf<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  octets(length: number): Buffer {
    const octets = Buffer.alloc(length)
    for (let i = 0; i < length; i++) octets[i] = this.next()
    return octets
  }
}

/**
 * Work in pieces, all at once. Layer: test support.
 */

/** @returns what it returns, and after how many pieces */
export function whole<T>(pieces: Generator<void, T>): { value: T; pieces: number } {
  for (let count = 0; ; count++) {
    const { done, value } = pieces.next()
    if (done) return { value, pieces: count }
  }
}

/**
 * Resource versions: decimal numbers of any length (KEP-5504: they may be compared). Layer: kubernetes; pure.
 */

export function isLess(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length
}

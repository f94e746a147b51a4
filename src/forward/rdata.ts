/**
 * What stands in the RDATA of which type: where names are, which have to be written anew when a record leaves its
 * message. Layer: forward; numbers only.
 *
 *   │ octets before │ character-strings │ names │ octets after, exactly or any number │
 *
 * RFC 3597 §4: RDATA of any type not listed here holds no compressed name, and is copied as it is.
 */

export interface RdataShape {
  readonly before: number
  /** −1: as many as fill it. */
  readonly strings: number
  readonly names: number
  /** −1: any number. */
  readonly after: number
  /** RFC 3597 §4: names in the types of RFC 1035 alone may be written compressed. */
  readonly compress: boolean
}

function shape(before: number, names: number, after = 0, compress = false, strings = 0): RdataShape {
  return { before, strings, names, after, compress }
}

/** RFC 1035, 1183, 2163, 2230, 2782, 3403, 3596, 4034, 6672. */
export const RDATA_SHAPES: ReadonlyMap<number, RdataShape> = new Map([
  [1, shape(4, 0)],
  [2, shape(0, 1, 0, true)],
  [5, shape(0, 1, 0, true)],
  [6, shape(0, 2, 20, true)],
  [7, shape(0, 1, 0, true)],
  [8, shape(0, 1, 0, true)],
  [9, shape(0, 1, 0, true)],
  [12, shape(0, 1, 0, true)],
  [13, shape(0, 0, 0, false, 2)],
  [14, shape(0, 2, 0, true)],
  [15, shape(2, 1, 0, true)],
  [16, shape(0, 0, 0, false, -1)],
  [17, shape(0, 2)],
  [18, shape(2, 1)],
  [21, shape(2, 1)],
  [24, shape(18, 1, -1)],
  [26, shape(2, 2)],
  [28, shape(16, 0)],
  [33, shape(6, 1)],
  [35, shape(4, 1, 0, false, 3)],
  [36, shape(2, 1)],
  [39, shape(0, 1)],
  [46, shape(18, 1, -1)],
])

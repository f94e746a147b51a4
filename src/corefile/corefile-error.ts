/**
 * A Corefile that cannot be read as one. Layer: corefile.
 */

export interface Place {
  /** As it is to be named to people. */
  readonly file: string
  /** From 1. */
  readonly line: number
}

export class CorefileError extends Error {
  override readonly name = 'CorefileError'
  readonly code = 'ERR_COREFILE_INVALID'

  constructor({ file, line }: Place, reason: string) {
    super(`${file}:${line}: ${reason}`)
  }
}

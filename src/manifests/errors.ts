/**
 * What stops the manifests from being used at all, and what is wrong inside one file.
 * Layer: manifests. An error is for the start; a problem never stops what is served.
 */

export type ManifestsErrorCode = 'ERR_MANIFESTS_PATH' | 'ERR_MANIFESTS_POD_CIDR' | 'ERR_MANIFESTS_SELECTOR'

export class ManifestsError extends Error {
  override readonly name = 'ManifestsError'
  readonly code: ManifestsErrorCode

  constructor(code: ManifestsErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/** Something in a file that cannot be used. */
export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** For people; no file or line in it. */
  readonly reason: string
}

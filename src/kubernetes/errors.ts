/**
 * What can go wrong between this server and the API server. Layer: kubernetes.
 */

export type ApiErrorCode =
  /** What is given to reach the API server cannot be used. */
  | 'ERR_API_CONFIG'
  /** It answered with an error. */
  | 'ERR_API_STATUS'
  /** The resource version is too old: list again. */
  | 'ERR_API_EXPIRED'
  /** It has another history than the one that is known: its resource versions went back, as after a restored backup. */
  | 'ERR_API_HISTORY'
  /** What is served differs from what it holds, and no event said so. */
  | 'ERR_API_DRIFT'
  /** What it sent broke off, or ceased to come. */
  | 'ERR_API_STREAM'
  /** What it sent is no stream of objects: what else it said cannot be known. */
  | 'ERR_API_MALFORMED'
  /** It took the request for a streaming list for a plain watch. */
  | 'ERR_API_NO_STREAMING_LIST'
  /** There was no answer. */
  | 'ERR_API_UNREACHABLE'

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ApiErrorCode
  /** HTTP status, or the code in a Status object; 0 when there was no answer. */
  readonly status: number
  /** What the server asks us to wait, ms; 0 when it says nothing. */
  readonly retryAfterMs: number

  constructor(
    code: ApiErrorCode,
    message: string,
    { status = 0, retryAfterMs = 0, cause }: { status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.code = code
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * What the asking thread of stories and the checker say to each other. Layer: test support.
 */

export interface Question {
  readonly name: string
  readonly type: string
}

export interface AskerSetup {
  readonly port: number
  readonly perSecond: number
  /** 0..1 of queries that go over TCP. */
  readonly tcpShare: number
  readonly seed: number
  /** 0..1 of queries that are for what is in focus; default: half. */
  readonly focusShare?: number | undefined
}

export type AskerMessage =
  /** Questions to ask from now on; they are numbered from 0 in the order in which they come. */
  | { readonly kind: 'questions'; readonly questions: readonly Question[] }
  /** Of all queries `focusShare` are for these. */
  | { readonly kind: 'focus'; readonly questions: readonly number[] }
  /** Ask each of these once over UDP and once over TCP, before anything else. */
  | { readonly kind: 'sweep'; readonly questions: readonly number[]; readonly sweep: number }
  | { readonly kind: 'pause'; readonly isPaused: boolean }
  | { readonly kind: 'stop' }

/**
 * Rows of RECORD_FIELDS numbers: question, sweep (0: none), 1 for TCP, asked ms, answered ms, 1 when the question came
 * back octet by octet, octets of the reply (0: there was none). The replies lie end to end.
 */
export interface Batch {
  readonly rows: Float64Array<ArrayBuffer>
  readonly octets: Uint8Array<ArrayBuffer>
}

export const RECORD_FIELDS = 7
export const UDP_PAYLOAD = 1232

/** Milliseconds on a clock that all threads share. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

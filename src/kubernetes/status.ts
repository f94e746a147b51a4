/**
 * What the API server says when something is wrong → errors that tell the reader what to do. Layer: kubernetes.
 */

import { ApiError } from './errors.ts'
import type { ApiResponse } from './http.ts'

const MAX_BODY_OCTETS = 64 << 10
/** Of what the server says, in an error for people. */
const MAX_SAID = 500
/** Characters of what is quoted, which may be of any length. */
export const MAX_QUOTED = 60

interface Status {
  readonly code?: unknown
  readonly message?: unknown
  readonly reason?: unknown
  readonly details?: { readonly retryAfterSeconds?: unknown }
}

/**
 * @param raw        a Status object, from a response's body or an ERROR event; anything else is tolerated
 * @param resource   as RBAC names it
 * @param httpStatus of the response; 0 for an event
 */
export function statusError(
  raw: unknown,
  resource: string,
  verb: string,
  httpStatus: number,
  retryAfter?: string,
): ApiError {
  const { code, message, reason, details } = (typeof raw === 'object' && raw !== null ? raw : {}) as Status
  const status = httpStatus > 0 ? httpStatus : typeof code === 'number' ? code : 0
  const text = typeof message === 'string' ? message : typeof raw === 'string' ? raw : ''
  const said = text === '' ? '' : ` (${text.slice(0, MAX_SAID)})`
  const seconds = Number(retryAfter ?? details?.retryAfterSeconds ?? 0)
  const more = { status, retryAfterMs: Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 300) * 1000 : 0 }
  // The server is behind the one that gave us ours, or its history was replaced: either way ours is of no use.
  if (text.includes('Too large resource version')) {
    return new ApiError(
      'ERR_API_HISTORY',
      `the API server has not come to the version of ${resource} that is known${said}`,
      more,
    )
  }
  if (status === 410 || reason === 'Expired' || reason === 'Gone') {
    return new ApiError('ERR_API_EXPIRED', `the API server has no such version of ${resource}${said}`, more)
  }
  const refusal = `the API server refuses "${verb}" on ${resource}: add that verb to the role of this server${said}`
  if (status === 403) return new ApiError('ERR_API_STATUS', refusal, more)
  if (status === 401) {
    return new ApiError('ERR_API_STATUS', `the API server does not accept this server's credentials${said}`, more)
  }
  return new ApiError('ERR_API_STATUS', `the API server answered ${verb} on ${resource} with ${status}${said}`, more)
}

/** The body of a response that is not 200, or what came of it, as JSON if it is any. */
export async function bodyOf(response: ApiResponse): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length > MAX_BODY_OCTETS) break
    }
  } catch {
    // It broke off: the status says enough.
  }
  const text = Buffer.concat(chunks).toString('utf8')
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export interface Metadata {
  readonly resourceVersion: string
  readonly continue: string
  readonly annotations: Readonly<Record<string, unknown>>
}

export function metadataOf(raw: unknown): Metadata {
  const { metadata } = (typeof raw === 'object' && raw !== null ? raw : {}) as {
    metadata?: Partial<Record<string, unknown>>
  }
  const { resourceVersion, continue: more, annotations } = metadata ?? {}
  return {
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    continue: typeof more === 'string' ? more : '',
    annotations:
      typeof annotations === 'object' && annotations !== null ? (annotations as Record<string, unknown>) : {},
  }
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ApiError('ERR_API_UNREACHABLE', `the connection to the API server broke: ${message}`, { cause: error })
}

/**
 * Takes in what the API server sent. What is thrown there is no failure of the connection: what was said is lost, and the same
 * version would bring it again.
 */
export function taking<T>(take: () => T): T {
  try {
    return take()
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    const said = String((cause as Error)?.message).slice(0, MAX_SAID)
    throw new ApiError('ERR_API_MALFORMED', `what the API server sent could not be taken in (${said})`, { cause })
  }
}

/**
 * Requests for one resource: what is asked, what an answer that is none means, and pages read object by object.
 * Layer: kubernetes.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ApiClient } from './client.ts'
import { ApiError } from './errors.ts'
import type { ApiResponse } from './http.ts'
import { ListParser } from './json-stream.ts'
import type { Resource } from './reflector-types.ts'
import type { SilenceLimit } from './silence-limit.ts'
import { bodyOf, metadataOf, statusError } from './status.ts'

/** What may be silent for so long before it is given up: a list that comes in. */
export const SILENCE_MS = 150_000
/** The body of an error. */
const ERROR_SILENCE_MS = 10_000

export type Query = Readonly<Record<string, string>>

export class Requests {
  /** Requests so far. */
  count = 0
  private readonly client: ApiClient
  private readonly resource: Pick<Resource<unknown>, 'path' | 'name' | 'labelSelector' | 'fieldSelector'>

  constructor(client: ApiClient, resource: Requests['resource']) {
    this.client = client
    this.resource = resource
  }

  /**
   * @returns an answer of status 200, of which the head is there
   * @throws ApiError for any other
   */
  async open(query: Query, verb: 'list' | 'watch', silence: SilenceLimit, limitMs: number): Promise<ApiResponse> {
    const { path, name, labelSelector, fieldSelector } = this.resource
    const all = new URLSearchParams(query)
    if (labelSelector !== undefined && labelSelector !== '') all.set('labelSelector', labelSelector)
    if (fieldSelector !== undefined && fieldSelector !== '') all.set('fieldSelector', fieldSelector)
    this.count++
    const response = await this.client.get(`${path}?${all}`, silence.signal)
    silence.start(response.statusCode === 200 ? limitMs : ERROR_SILENCE_MS)
    if (response.statusCode === 200) return response
    throw statusError(await bodyOf(response), name, verb, response.statusCode ?? 0, response.headers['retry-after'])
  }

  /**
   * One page of a list. @param take given every object as it comes
   * @returns the list's version, and what the next page is asked for by; '' : this is the last
   * @throws ApiError
   */
  async page(
    query: Query,
    silence: SilenceLimit,
    take: (raw: unknown) => void,
  ): Promise<{ version: string; next: string }> {
    try {
      const response = await this.open(query, 'list', silence, SILENCE_MS)
      const parser = new ListParser()
      for await (const chunk of response as AsyncIterable<Buffer>) {
        silence.heard()
        for (const raw of parser.push(chunk)) take(raw)
        // A list that has come in faster than it is read must not keep queries over TCP waiting.
        await nextTurn()
      }
      const { resourceVersion: version, continue: next } = metadataOf(parser.end())
      if (version === '') throw new ApiError('ERR_API_MALFORMED', 'the list has no resourceVersion')
      return { version, next }
    } catch (error) {
      throw silence.errorFor(error)
    }
  }

  /** All pages. @param query of the first. @returns the list's version. @throws ApiError */
  async list(query: Query, silence: SilenceLimit, take: (raw: unknown) => void): Promise<string> {
    let { version, next } = await this.page(query, silence, take)
    while (next !== '') {
      const asked = next
      // A page after the first is of the version that the first one had: only the first may name one.
      const { limit } = query
      const more = limit === undefined ? { continue: asked } : { limit, continue: asked }
      ;({ version, next } = await this.page(more, silence, take))
      if (next === asked) throw new ApiError('ERR_API_MALFORMED', 'a page of the list names itself as the next')
    }
    return version
  }
}

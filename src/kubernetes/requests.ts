/**
 * Requests for one resource: what is asked, what an answer that is none means, and pages read object by object.
 * Layer: kubernetes.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { keyOf } from '../cluster/source.ts'
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
/** A watch that goes on for so long after its time. */
const OVERTIME_MS = 60_000
/** Half a million objects, in pages of 500. */
const MOST_PAGES = 1000
/** A server that filters what it has read may give empty ones. */
const MOST_IDLE_PAGES = 10

export type Query = Readonly<Record<string, string>>

export class Requests {
  /** Requests so far. */
  count = 0
  private readonly client: ApiClient
  private readonly resource: Pick<Resource<unknown>, 'path' | 'name' | 'labelSelector' | 'fieldSelector' | 'identityOf'>

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
    if (response.statusCode === 200) {
      silence.start(limitMs, mostMs(query))
      return response
    }
    silence.start(ERROR_SILENCE_MS)
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
        for (const raw of parser.push(chunk)) {
          silence.heard()
          take(raw)
        }
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
    const pages = new Pages()
    const { limit } = query
    for (let asked = query; ; ) {
      let first = ''
      const { version, next } = await this.page(asked, silence, raw => {
        if (first === '') first = this.keyOf(raw)
        take(raw)
      })
      if (next === '') return version
      pages.goOn(first, next)
      // A page after the first is of the version that the first one had: only the first may name one.
      asked = limit === undefined ? { continue: next } : { limit, continue: next }
    }
  }

  private keyOf(raw: unknown): string {
    const { namespace, name } = this.resource.identityOf(raw)
    return keyOf(namespace, name)
  }
}

/** Ends a list whose pages never do: each is asked for at once after the one before it. */
class Pages {
  /** What pages began with; nothing is nothing new. */
  private readonly firsts = new Set([''])
  private idle = 0
  private asked = ''

  /** @throws ApiError when the next page is not worth to be asked for */
  goOn(first: string, next: string): void {
    if (next === this.asked) throw endless('a page names itself as the next')
    this.asked = next
    if (this.firsts.has(first) && ++this.idle > MOST_IDLE_PAGES) throw endless('its pages bring nothing new')
    this.firsts.add(first)
    if (this.firsts.size > MOST_PAGES) throw endless(`it has more than ${MOST_PAGES} pages`)
  }
}

/** Of a watch, which says when the server is to end it. */
function mostMs({ timeoutSeconds }: Query): number {
  return timeoutSeconds === undefined ? Number.POSITIVE_INFINITY : Number(timeoutSeconds) * 1000 + OVERTIME_MS
}

function endless(why: string): ApiError {
  return new ApiError('ERR_API_MALFORMED', `the list has no end: ${why}`)
}

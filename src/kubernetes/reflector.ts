/**
 * One resource of the API server → one ObjectSink: list, watch, and never give up. Layer: kubernetes.
 *
 *            ┌──── 410, resource version gone, or of another history ───────┐
 *            ▼                                                              │
 *   list ─ WatchList: one stream, its objects first ─▶ watch ─ clean close ─┴─▶ watch again from the last version
 *        └ paged list (older servers) ─▶ watch           └─ error ─▶ back off ─▶ watch again
 *
 * What is served stays served in all of it: a list replaces it when it is complete. Kubernetes API concepts: "Efficient
 * detection of changes", "Streaming lists", "Watch bookmarks".
 */

import type { IncomingMessage } from 'node:http'
import type { ObjectSink, Replacement } from '../cluster/sink.ts'
import { Backoff } from './backoff.ts'
import type { ApiClient } from './client.ts'
import { ApiError } from './errors.ts'
import { LineParser, ListParser } from './json-stream.ts'
import type { ReflectorDeps, ReflectorLogger, ReflectorStatus, Resource } from './reflector-types.ts'
import { Refusals } from './refusals.ts'
import { SilenceLimit } from './silence-limit.ts'
import { asApiError, bodyOf, metadataOf, statusError } from './status.ts'

const PAGE = 500
/** The server ends a watch after 5 to 10 minutes, so that watches spread over its replicas. */
const WATCH_SECONDS = 300
/**
 * Bookmarks come about once a minute, which is not promised; a watch silent for so long is opened anew. After so many in
 * a row all is listed: a server whose etcd was restored accepts a version that is yet to come, and says nothing until then.
 */
const SILENCE_MS = 150_000
const MOST_SILENCES = 2
/** A server that knows no WatchList takes it for a plain watch: its objects come, the mark at their end never does. */
const WATCH_LIST_SILENCE_MS = 10_000
/** Of the body of an error. */
const ERROR_SILENCE_MS = 10_000
/** What cannot be published is told no more often than this. */
const UNPUBLISHED_LOG_MS = 60_000

export class Reflector<T> {
  private readonly client: ApiClient
  private readonly resource: Resource<T>
  private readonly sink: ObjectSink<T>
  private readonly flush: () => void
  private readonly log: ReflectorLogger
  private readonly deps: ReflectorDeps
  private readonly backoff: Backoff
  private readonly stopped = new AbortController()
  private running: Promise<void> = Promise.resolve()

  /** Where to go on; '' before a list. */
  private version = ''
  private hasWatchList = true
  private state: ReflectorStatus['state'] = 'listing'
  private lastEventMs: number | undefined
  private lastError: string | undefined
  private connects = 0
  private lists = 0
  private listedMs = 0
  /** Watches in a row that brought nothing until they were given up. */
  private silences = 0
  private unpublishedLoggedMs = Number.NEGATIVE_INFINITY
  private readonly refusals: Refusals

  constructor(
    client: ApiClient,
    resource: Resource<T>,
    sink: ObjectSink<T>,
    flush: () => void,
    log: ReflectorLogger,
    deps: ReflectorDeps,
  ) {
    this.client = client
    this.resource = resource
    this.sink = sink
    this.flush = flush
    this.log = log
    this.deps = deps
    this.backoff = new Backoff(deps)
    this.refusals = new Refusals(resource.name, log)
  }

  start(delayMs: number): void {
    this.running = this.run(delayMs)
  }

  async stop(): Promise<void> {
    this.stopped.abort()
    await this.running
  }

  status(): ReflectorStatus {
    const { state, lastEventMs, lastError, connects, lists } = this
    const { name: resource, partition } = this.resource
    return { resource, partition, state, lastEventMs, lastError, connects, lists, refused: this.refusals.count }
  }

  private async run(delayMs: number): Promise<void> {
    const { signal } = this.stopped
    if (delayMs > 0) await this.deps.sleep(delayMs, signal)
    while (!signal.aborted) {
      const startedMs = this.deps.now()
      const isList = this.version === ''
      let waitMs = 0
      try {
        if (this.version !== '') await this.watch()
        else if (this.hasWatchList) await this.watchList()
        else await this.list()
        waitMs = this.backoff.afterSuccess(startedMs, isList)
      } catch (error) {
        if (signal.aborted) break
        waitMs = this.failed(asApiError(error), startedMs)
      }
      if (waitMs > 0) {
        this.state = 'backing off'
        await this.deps.sleep(waitMs, signal)
      }
    }
  }

  /** Takes note of a failure. @returns ms to wait */
  private failed({ status, code, message, retryAfterMs }: ApiError, startedMs: number): number {
    if (code === 'ERR_API_EXPIRED' && this.version !== '') {
      this.version = ''
      this.log.info('the API server has forgotten where the watch stood: listing again', {
        resource: this.resource.name,
        reason: message,
      })
      return this.backoff.afterExpiry(this.listedMs, retryAfterMs)
    }
    if (message !== this.lastError) {
      this.log.warn(message, { resource: this.resource.name, status })
      this.sink.stale(message)
    }
    this.lastError = message
    return this.backoff.afterFailure(startedMs, retryAfterMs)
  }

  /** One stream: all objects, a bookmark that says so, then changes. Returns when it is closed, or is not supported. */
  private async watchList(): Promise<void> {
    this.state = 'listing'
    const query = {
      watch: '1',
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
    }
    const replacement = this.sink.replaceAll()
    try {
      await this.stream({ ...query, timeoutSeconds: this.watchSeconds() }, replacement)
    } catch (error) {
      const { status, code } = asApiError(error)
      if (status !== 400 && status !== 422 && code !== 'ERR_API_NO_STREAMING_LIST') throw error
      this.hasWatchList = false
      this.log.info('the API server has no streaming lists: using pages', { resource: this.resource.name })
    }
  }

  private async watch(): Promise<void> {
    this.state = 'connecting'
    await this.stream({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: this.version,
      timeoutSeconds: this.watchSeconds(),
    })
  }

  /** Reads a watch stream to its end. @param replacement the list that its first events make */
  private async stream(query: Record<string, string>, replacement?: Replacement<T>): Promise<void> {
    const lines = new LineParser()
    let initial = replacement
    let isOpen = false
    const silence = new SilenceLimit(this.deps, this.stopped.signal)
    try {
      const limitMs = initial === undefined ? SILENCE_MS : WATCH_LIST_SILENCE_MS
      const response = await this.open(query, 'watch', silence, limitMs)
      isOpen = true
      if (initial === undefined) this.watching()
      for await (const chunk of response as AsyncIterable<Buffer>) {
        this.heard(silence)
        for (const event of lines.push(chunk)) {
          if (this.apply(event, initial)) {
            initial!.commit()
            initial = undefined
            this.listed()
            this.watching()
            silence.limitMs = SILENCE_MS
          }
        }
        if (initial === undefined) this.publish()
      }
    } catch (error) {
      if (initial !== undefined && silence.isOver) throw noStreamingList()
      if (isOpen && silence.isOver && ++this.silences >= MOST_SILENCES) throw otherHistory('watches that bring nothing')
      throw silence.errorFor(error)
    } finally {
      silence.end()
      initial?.abort()
      // What came before an error in the same chunk counts as seen: it is not sent again.
      if (initial === undefined) this.publish()
    }
    if (initial !== undefined) throw new ApiError('ERR_API_STREAM', 'the list broke off')
  }

  /** @returns true at the bookmark that ends the initial events */
  private apply(event: unknown, initial: Replacement<T> | undefined): boolean {
    const { type, object } = Object(event) as { type?: unknown; object?: unknown }
    if (type === 'ERROR') throw statusError(object, this.resource.name, 'watch', 0)
    const { resourceVersion, annotations } = metadataOf(object)
    // What is older than what was seen is of no use: nothing of it may be served, not even until the list is in.
    if (initial === undefined) this.refuseOlder(resourceVersion)
    switch (type) {
      case 'BOOKMARK':
        // No other bookmark comes before the one that ends a streaming list.
        if (initial !== undefined && annotations['k8s.io/initial-events-end'] !== 'true') throw noStreamingList()
        this.moveTo(resourceVersion)
        return initial !== undefined
      case 'ADDED':
      case 'MODIFIED': {
        const converted = this.convert(object)
        if (converted === undefined) this.removeRaw(object)
        else if (initial === undefined) this.sink.upsert(converted)
        else initial.add(converted)
        break
      }
      case 'DELETED':
        this.removeRaw(object)
        break
      default:
        throw new ApiError('ERR_API_STREAM', `the API server sent an event of type ${JSON.stringify(type)}`)
    }
    // Before the end of the initial events a version is that of an object, not of the list.
    if (initial === undefined) this.moveTo(resourceVersion)
    return false
  }

  /** A list in pages from the watch cache, for servers without streaming lists. */
  private async list(): Promise<void> {
    this.state = 'listing'
    const replacement = this.sink.replaceAll()
    const silence = new SilenceLimit(this.deps, this.stopped.signal)
    let version = ''
    try {
      let next = ''
      do {
        // A page after the first is of the version that the first one had: only the first may name one.
        const from: Record<string, string> = next === '' ? { resourceVersion: '0' } : { continue: next }
        const response = await this.open({ limit: String(PAGE), ...from }, 'list', silence, SILENCE_MS)
        const parser = new ListParser()
        for await (const chunk of response as AsyncIterable<Buffer>) {
          this.heard(silence)
          for (const raw of parser.push(chunk)) {
            const converted = this.convert(raw)
            if (converted !== undefined) replacement.add(converted)
          }
        }
        const { resourceVersion, continue: more } = metadataOf(parser.end())
        if (resourceVersion === '') throw new ApiError('ERR_API_STREAM', 'the list has no resourceVersion')
        if (more === next && more !== '')
          throw new ApiError('ERR_API_STREAM', 'a page of the list names itself as the next')
        version = resourceVersion
        next = more
      } while (next !== '')
    } catch (error) {
      replacement.abort()
      throw silence.errorFor(error)
    } finally {
      silence.end()
    }
    replacement.commit()
    this.listed()
    this.version = version
    this.publish()
  }

  private async open(
    query: Record<string, string>,
    verb: 'list' | 'watch',
    silence: SilenceLimit,
    limitMs: number,
  ): Promise<IncomingMessage> {
    const { path, name, labelSelector, fieldSelector } = this.resource
    const all = new URLSearchParams(query)
    if (labelSelector !== undefined && labelSelector !== '') all.set('labelSelector', labelSelector)
    if (fieldSelector !== undefined && fieldSelector !== '') all.set('fieldSelector', fieldSelector)
    this.connects++
    const response = await this.client.get(`${path}?${all}`, silence.signal)
    silence.start(response.statusCode === 200 ? limitMs : ERROR_SILENCE_MS)
    if (response.statusCode === 200) return response
    throw statusError(await bodyOf(response), name, verb, response.statusCode ?? 0, response.headers['retry-after'])
  }

  private listed(): void {
    this.lists++
    this.listedMs = this.deps.now()
  }

  private watching(): void {
    this.state = 'watching'
    this.lastError = undefined
    this.sink.fresh()
  }

  private heard(silence: SilenceLimit): void {
    silence.heard()
    this.silences = 0
    this.lastEventMs = this.deps.now()
  }

  /** @throws ApiError ERR_API_EXPIRED when versions go back: they never do within one history of etcd */
  private refuseOlder(version: string): void {
    if (version !== '' && isLess(version, this.version)) throw otherHistory(`version ${version} after ${this.version}`)
  }

  private moveTo(version: string): void {
    if (version !== '') this.version = version
  }

  /** A failure to publish is no failure of the API server: it is told, and what comes next is tried. */
  private publish(): void {
    try {
      this.flush()
    } catch (error) {
      if (this.deps.now() - this.unpublishedLoggedMs < UNPUBLISHED_LOG_MS) return
      this.unpublishedLoggedMs = this.deps.now()
      const { name: resource } = this.resource
      this.log.warn(`not all that the API server said is served: ${(error as Error).message}`, { resource })
    }
  }

  private convert(raw: unknown): T | undefined {
    const converted = this.resource.fromApi(raw)
    if (typeof converted !== 'string') return converted
    this.refusals.add(this.resource.identityOf(raw), converted)
    return undefined
  }

  private removeRaw(raw: unknown): void {
    const { namespace, name } = this.resource.identityOf(raw)
    this.sink.remove(namespace, name)
  }

  private watchSeconds(): string {
    return String(WATCH_SECONDS + Math.floor(this.deps.random() * WATCH_SECONDS))
  }
}

/** Versions are decimal numbers of any length (KEP-5504: they may be compared). */
function isLess(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length
}

function otherHistory(sign: string): ApiError {
  return new ApiError('ERR_API_EXPIRED', `the API server seems to have another history: ${sign}`)
}

function noStreamingList(): ApiError {
  return new ApiError('ERR_API_NO_STREAMING_LIST', 'the end of the list was not marked')
}

/**
 * One resource of the API server → one ObjectSink: list, watch, and never give up. Layer: kubernetes.
 *
 *            ┌── 410, another history, what is no event, or an audit that finds drift ──┐
 *            ▼                                                                          │
 *   list ─ WatchList: one stream, its objects first ─▶ watch ─ clean close ─────────────┴─▶ watch again from the last version
 *        └ paged list (older servers) ─▶ watch           └─ error ─▶ back off ─▶ watch again
 *
 * What is served stays served in all of it: a list replaces it when it is complete. Kubernetes API concepts: "Efficient
 * detection of changes", "Streaming lists", "Watch bookmarks".
 */

import type { ObjectSink, Replacement } from '../cluster/sink.ts'
import { Audit } from './audit.ts'
import { Backoff } from './backoff.ts'
import type { ApiClient } from './client.ts'
import { ApiError } from './errors.ts'
import { Failures } from './failures.ts'
import { LineParser } from './json-stream.ts'
import { Position } from './position.ts'
import type { ReflectorDeps, ReflectorLogger, ReflectorStatus, Resource } from './reflector-types.ts'
import { Refusals } from './refusals.ts'
import { type Query, Requests, SILENCE_MS } from './requests.ts'
import { SilenceLimit } from './silence-limit.ts'
import { asApiError, taking } from './status.ts'
import { noStreamingList, WatchEvents } from './watch-events.ts'

/** The server ends a watch after 5 to 10 minutes, so that watches spread over its replicas. */
const WATCH_SECONDS = 300
/** A watch that goes on from a version and is silent for so long at its start: perhaps that version is yet to come. */
const DOUBT_MS = 2000
/** A server that knows no WatchList takes it for a plain watch: its objects come, the mark at their end never does. */
const WATCH_LIST_SILENCE_MS = 10_000
/** Of a server that has given whole lists by streaming, one may have been slow. */
const MOST_UNMARKED = 2
/** A watch that is opened again after so long is told of as one that is late. */
const LATE_MS = 5000
/** What a watch from a version cannot give, a list may. */
const MOST_ERROR_EVENTS = 2
const MOST_REFUSALS = 2
/** What cannot be published is told no more often than this. */
const UNPUBLISHED_LOG_MS = 60_000

export class Reflector<T> {
  private readonly client: ApiClient
  private readonly requests: Requests
  private readonly resource: Resource<T>
  private readonly sink: ObjectSink<T>
  private readonly flush: () => void
  private readonly log: ReflectorLogger
  private readonly deps: ReflectorDeps
  private readonly backoff: Backoff
  private readonly audit: Audit<T>
  private readonly stopped = new AbortController()
  private running: Promise<void> = Promise.resolve()

  private readonly position = new Position()
  private readonly events: WatchEvents<T>
  /** The watch that runs. */
  private current: SilenceLimit | undefined
  private hasWatchList = true
  /** Watches from a version in a row that were refused as such: lists in between do not count. */
  private refused = 0
  /** Its last request failed. */
  private isFailing = false
  /** It has given a whole list as a stream. */
  private hasStreamed = false
  /** Streaming lists in a row whose end was not marked, since the last whole list. */
  private unmarked = 0
  /** When the server answered the stream that it asks for. */
  private openedMs: number | undefined
  private state: ReflectorStatus['state'] = 'listing'
  private lastEventMs: number | undefined
  private lists = 0
  private listedMs = 0
  private unpublishedLoggedMs = Number.NEGATIVE_INFINITY
  private readonly refusals: Refusals
  private readonly failures: Failures

  constructor(
    client: ApiClient,
    resource: Resource<T>,
    sink: ObjectSink<T>,
    flush: () => void,
    log: ReflectorLogger,
    deps: ReflectorDeps,
  ) {
    this.client = client
    this.requests = new Requests(client, resource)
    this.resource = resource
    this.sink = sink
    this.flush = flush
    this.log = log
    this.deps = deps
    this.backoff = new Backoff(deps)
    this.refusals = new Refusals(resource.name, log)
    this.events = new WatchEvents(resource, sink, this.position, this.refusals)
    this.failures = new Failures(resource.name, log, deps)
    const { requests } = this
    this.audit = new Audit(
      {
        resource,
        sink,
        requests,
        watched: () => (this.state === 'watching' ? this.position.version : ''),
        lists: () => this.lists,
        repair: why => this.current?.fail(why),
        unwatched: () => this.listInstead(),
      },
      log,
      deps,
    )
  }

  /** @param auditMs how often what is served is compared with what the API server holds; 0: never */
  start(delayMs: number, auditMs: number): void {
    const audit = auditMs > 0 ? this.audit.run(auditMs, this.stopped.signal) : undefined
    this.running = Promise.all([this.run(delayMs), audit]).then(() => {})
  }

  async stop(): Promise<void> {
    this.stopped.abort()
    await this.running
  }

  status(): ReflectorStatus {
    const { state, lastEventMs, lists } = this
    const { name: resource, partition } = this.resource
    const connects = this.requests.count
    const { last: lastError, byReason: failures } = this.failures
    const { count: audits, drifted } = this.audit
    const refused = this.refusals.count
    return { resource, partition, state, lastEventMs, lastError, connects, lists, refused, failures, audits, drifted }
  }

  private async run(delayMs: number): Promise<void> {
    const { signal } = this.stopped
    if (delayMs > 0) await this.deps.sleep(delayMs, signal)
    while (!signal.aborted) {
      const startedMs = this.deps.now()
      this.openedMs = undefined
      const isList = this.position.version === ''
      let waitMs = 0
      let isAway = false
      try {
        if (this.position.version !== '') await this.watch()
        else if (this.hasWatchList) await this.watchList()
        else await this.list()
        // A list that leaves no place to go on from is followed by another, and so is one whose watch is refused.
        const isListed = isList && this.position.version !== '' && this.refused < MOST_REFUSALS
        waitMs = this.backoff.afterSuccess(startedMs, isListed, this.openMs())
        if (waitMs >= LATE_MS) this.late()
      } catch (error) {
        if (signal.aborted) break
        const failure = asApiError(error)
        waitMs = this.failed(failure, startedMs)
        isAway = isOfServer(failure)
      }
      if (waitMs > 0) {
        this.state = 'backing off'
        await this.pause(waitMs, isAway && !this.backoff.wasWoken)
      }
    }
  }

  /**
   * Ends sooner when there is a new token or certificate to try with.
   * @param isAway and when the API server answers another watch: it is there again
   */
  private async pause(ms: number, isAway: boolean): Promise<void> {
    const ended = new AbortController()
    const over = AbortSignal.any([this.stopped.signal, ended.signal])
    const woken = async (): Promise<void> => {
      await this.client.answered(over)
      this.backoff.wasWoken = true
    }
    const ends = [this.deps.sleep(ms, over), this.client.renewed(over)]
    await Promise.race(isAway ? [...ends, woken()] : ends)
    ended.abort()
  }

  /** Watches that are refused, or ended at once, in order, one after the other: what happens between two is heard late. */
  private late(): void {
    const { name } = this.resource
    // Told with each refusal.
    if (this.refused >= MOST_REFUSALS) {
      this.sink.stale(`the API server refuses every watch of ${name}: changes come late`)
      return
    }
    const error = new ApiError(
      'ERR_API_STREAM',
      `the API server ends every watch of ${name} at once: changes come late`,
    )
    this.failures.count(error)
    this.failures.tell(error)
    this.sink.stale(error.message)
  }

  /** Such watches may say nothing of what happened, either: where no audit finds a watch, the next request is a list. */
  private listInstead(): void {
    if (this.state === 'backing off' && !this.isFailing) this.position.lose()
  }

  /** Since the server answered the stream of this request; 0: it did not, or that was none. */
  private openMs(): number {
    return this.openedMs === undefined ? 0 : this.deps.now() - this.openedMs
  }

  /** Takes note of a failure. @returns ms to wait */
  private failed(error: ApiError, startedMs: number): number {
    const { code, message, retryAfterMs } = error
    this.isFailing = true
    this.failures.count(error)
    if (code === 'ERR_API_HISTORY') this.position.doubt()
    const isKnown = this.position.version !== ''
    const isRefused = isKnown && isRefusal(error) && ++this.refused >= MOST_REFUSALS
    // A watch from this version ends in an error again and again; a server that is too busy gets no list on top.
    const isFutile = this.events.errors >= MOST_ERROR_EVENTS && error.status !== 429
    if (LOST.has(code) || isFutile || isRefused) this.position.lose()
    if (isKnown && this.position.version === '' && code !== 'ERR_API_MALFORMED' && !isRefused) {
      this.log.info('listing again', { resource: this.resource.name, reason: message })
      // Until that list is in, nobody knows how old what is served is.
      this.sink.stale(message)
      return this.backoff.afterExpiry(this.listedMs, retryAfterMs)
    }
    this.failures.tell(error)
    this.sink.stale(message)
    // A list that is none was no good connection, however many pages it took.
    const goodMs = this.state === 'listing' && code === 'ERR_API_MALFORMED' ? this.deps.now() : startedMs
    return this.backoff.afterFailure(goodMs, retryAfterMs, this.openMs())
  }

  /** One stream: all objects, a bookmark that says so, then changes, until it is closed; pages where that is not supported. */
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
      const isUnmarked = code === 'ERR_API_NO_STREAMING_LIST'
      if (isUnmarked && this.hasStreamed && ++this.unmarked < MOST_UNMARKED) throw error
      if (status !== 400 && status !== 422 && !isUnmarked) throw error
      this.hasWatchList = false
      this.log.info('the API server has no streaming lists: using pages', { resource: this.resource.name })
      this.openedMs = undefined
      await this.list()
    }
  }

  private async watch(): Promise<void> {
    this.state = 'connecting'
    await this.stream({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: this.position.version,
      timeoutSeconds: this.watchSeconds(),
    })
  }

  /** Reads a watch stream to its end. @param replacement the list that its first events make */
  private async stream(query: Query, replacement?: Replacement<T>): Promise<void> {
    const lines = new LineParser()
    let initial = replacement
    const silence = new SilenceLimit(this.deps, this.stopped.signal)
    this.current = silence
    try {
      const limitMs = initial === undefined ? SILENCE_MS : WATCH_LIST_SILENCE_MS
      const response = await this.requests.open(query, 'watch', silence, limitMs)
      this.openedMs = this.deps.now()
      if (initial === undefined) this.refused = 0
      if (initial === undefined) this.watching()
      if (initial === undefined) void this.doubt(silence)
      for await (const chunk of response as AsyncIterable<Buffer>) {
        for (const event of lines.push(chunk)) {
          // Not for each chunk: octets that never make an event are no sign of life.
          this.heard(silence)
          const list = initial
          if (taking(() => this.events.apply(event, list))) {
            taking(() => list!.commit())
            initial = undefined
            this.hasStreamed = true
            this.listed()
            this.watching()
            silence.limitMs = SILENCE_MS
          }
        }
        if (initial === undefined) this.publish()
      }
    } catch (error) {
      const failure = silence.errorFor(error)
      throw initial !== undefined && silence.isOver && failure.status === 0 ? noStreamingList() : failure
    } finally {
      silence.end()
      this.current = undefined
      initial?.abort()
      // What came before an error in the same chunk counts as seen: it is not sent again.
      if (initial === undefined) this.publish()
    }
    if (initial !== undefined) throw new ApiError('ERR_API_STREAM', 'the list broke off')
  }

  /**
   * A server whose etcd was restored from a backup takes a version that is yet to come, and says nothing until it has come:
   * a watch that is silent at its start is no proof of anything, and the server is asked whether it knows that version.
   */
  private async doubt(silence: SilenceLimit): Promise<void> {
    await this.deps.sleep(DOUBT_MS, silence.over)
    if (silence.over.aborted || silence.hasHeard) return
    const own = new SilenceLimit(this.deps, silence.over)
    try {
      const query = { limit: '1', resourceVersion: this.position.version, resourceVersionMatch: 'NotOlderThan' }
      await this.requests.page(query, own, () => {})
    } catch (error) {
      // Anything else the watch itself will meet.
      const failure = asApiError(error)
      if (failure.code === 'ERR_API_HISTORY') silence.fail(failure)
    } finally {
      own.end()
    }
  }

  /** A list from the watch cache, for servers without streaming lists. */
  private async list(): Promise<void> {
    this.state = 'listing'
    const replacement = this.sink.replaceAll()
    const silence = new SilenceLimit(this.deps, this.stopped.signal)
    try {
      const version = await this.requests.list(this.position.listQuery(), silence, raw => {
        this.lastEventMs = this.deps.now()
        taking(() => this.take(raw, replacement))
      })
      taking(() => replacement.commit())
      this.listed()
      this.position.moveTo(version)
      this.publish()
    } catch (error) {
      replacement.abort()
      throw error
    } finally {
      silence.end()
    }
  }

  private take(raw: unknown, replacement: Replacement<T>): void {
    const converted = this.events.convert(raw)
    if (converted !== undefined) replacement.add(converted)
  }

  private listed(): void {
    this.position.listed()
    this.events.errors = 0
    this.unmarked = 0
    this.lists++
    this.listedMs = this.deps.now()
  }

  private watching(): void {
    this.state = 'watching'
    this.isFailing = false
    this.failures.end()
    this.sink.fresh()
  }

  private heard(silence: SilenceLimit): void {
    silence.heard()
    this.lastEventMs = this.deps.now()
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

  private watchSeconds(): string {
    return String(WATCH_SECONDS + Math.floor(this.deps.random() * WATCH_SECONDS))
  }
}

/** After these it is not known what else was said: all is listed again. */
const LOST: ReadonlySet<ApiError['code']> = new Set([
  'ERR_API_EXPIRED',
  'ERR_API_HISTORY',
  'ERR_API_DRIFT',
  'ERR_API_MALFORMED',
])

/** Of the class 4xx these have other reasons than the version that was asked for. */
const NOT_OF_VERSION: ReadonlySet<number> = new Set([401, 403, 404, 408, 409, 410, 429])

/** Something in the request itself is not to the server's mind: the same request will not do either. */
function isRefusal({ code, status }: ApiError): boolean {
  return code === 'ERR_API_STATUS' && status >= 400 && status < 500 && !NOT_OF_VERSION.has(status)
}

/** The server as a whole was not there, or not well, and has not said when to ask again. */
function isOfServer({ code, status, retryAfterMs }: ApiError): boolean {
  if (code === 'ERR_API_UNREACHABLE' || code === 'ERR_API_STREAM') return true
  return code === 'ERR_API_STATUS' && status >= 500 && retryAfterMs === 0
}

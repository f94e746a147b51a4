/**
 * The answer cache wired up: its memory, its entries, what is asked again before it expires, its metrics under CoreDNS's
 * names. Layer: control.
 */

import type { Family, Sample } from '../admin/prometheus.ts'
import { CACHE_DENIAL_HITS, CACHE_HITS, CACHE_MISSES, CACHE_STALE } from '../answer/cached.ts'
import { sharedSeconds } from '../cache/clock.ts'
import { type CacheCounts, type CacheOptions, CacheStore, type Question } from '../cache/store.ts'
import type { CacheAccess } from '../dataplane/cache-access.ts'
import { CACHE_AT } from '../dataplane/counters.ts'
import { ReplyCache } from '../forward/reply-cache.ts'
import { createSharedMemory } from '../table/memory.ts'
import { parseName } from '../wire/name.ts'

/** 256 KiB to begin with. */
const INITIAL_PAGES = 4
const PREFETCH_LOOK_MS = 500

export class AnswerCache {
  readonly replies: ReplyCache
  /** For threads that read it. */
  readonly access: CacheAccess
  private readonly store: CacheStore
  private looking: NodeJS.Timeout | undefined

  /**
   * @param seed   of the table's hash
   * @param counts of whom it takes the place of
   */
  constructor(options: CacheOptions, seed: number, maxUdpSize: number, counts: CacheCounts) {
    const memory = createSharedMemory(INITIAL_PAGES)
    this.store = new CacheStore(memory, seed, options, sharedSeconds(), counts)
    this.replies = new ReplyCache(this.store, maxUdpSize)
    this.access = { memory, pauseSeconds: options.prefetch.duration }
  }

  /** @param refresh asks a question again */
  start(refresh: (question: Question) => void): void {
    if (this.store.options.prefetch.amount === 0) return
    this.looking = setInterval(() => {
      for (const question of this.store.takeDue()) {
        this.store.counts.prefetches++
        refresh(question)
      }
    }, PREFETCH_LOOK_MS)
  }

  close(): void {
    clearInterval(this.looking)
  }

  /** Gives back what no reader holds. */
  commit(): void {
    this.store.region.commit()
  }

  /**
   * @param text a name; undefined: all
   * @returns how many answers were forgotten; undefined: it is no name
   */
  purge(text: string | undefined): number | undefined {
    if (text === undefined) return this.store.purgeAll()
    const name = parseName(text)
    return name === undefined ? undefined : this.store.purge(name)
  }

  /**
   * @param server as CoreDNS labels a listener
   * @param rows   counters of all threads
   */
  families(server: string, rows: readonly Float64Array[]): Family[] {
    const { success, denial, memoryOctets, usedOctets } = this.store.stats()
    const { prefetches, staleServed, drops } = this.store.counts
    const labels = { server, zones: '.', view: '' }
    const sum = (field: number): number => rows.reduce((total, row) => total + row[CACHE_AT + field]!, 0)
    const hits = { success: sum(CACHE_HITS), denial: sum(CACHE_DENIAL_HITS) }
    const misses = sum(CACHE_MISSES)
    const byType = (values: { success: number; denial: number }): Sample[] =>
      Object.entries(values).map(([type, value]) => ({ labels: { server, type, zones: '.', view: '' }, value }))
    const counter = (name: string, help: string, samples: Sample[]): Family => ({
      name,
      help,
      type: 'counter',
      samples,
    })
    const gauge = (name: string, help: string, samples: Sample[]): Family => ({ name, help, type: 'gauge', samples })
    return [
      gauge(
        'coredns_cache_entries',
        'Answers in the cache.',
        byType({ success: success.entries, denial: denial.entries }),
      ),
      counter('coredns_cache_hits_total', 'Queries answered from the cache.', byType(hits)),
      counter('coredns_cache_misses_total', 'Queries for other names that the cache could not answer.', [
        { labels, value: misses },
      ]),
      counter('coredns_cache_requests_total', 'Queries for which the cache was asked.', [
        { labels, value: hits.success + hits.denial + misses },
      ]),
      counter(
        'coredns_cache_evictions_total',
        'Answers that made room for others.',
        byType({ success: success.evictions, denial: denial.evictions }),
      ),
      counter('coredns_cache_prefetch_total', 'Answers asked for again before they expired.', [
        { labels, value: prefetches },
      ]),
      counter('coredns_cache_served_stale_total', 'Answers given although they had expired.', [
        { labels, value: sum(CACHE_STALE) + staleServed },
      ]),
      counter('coredns_cache_drops_total', 'Answers that were not kept: a reader held on to the memory.', [
        { labels, value: drops },
      ]),
      gauge('headless_dns_cache_memory_bytes', 'Shared memory of the cache.', [{ value: memoryOctets }]),
      gauge('headless_dns_cache_used_bytes', 'Octets of the cache in use.', [{ value: usedOctets }]),
    ]
  }
}

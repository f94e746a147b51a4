/**
 * What is kept of forwarded answers, and for how long. Layer: cache. Main thread only.
 *
 * Two bounded maps as CoreDNS has them, one for what exists and one for what does not: a flood of names that do not exist
 * pushes out nothing that does. Both are bounded in entries and in octets. Readers say by a plain store when they hit an
 * entry; it is looked at when the entry would be evicted, and one that was hit since it was last looked at stays (the
 * second chance of the CLOCK algorithm).
 */

import type { SharedMemory } from '../table/memory.ts'
import { RCODE_SERVFAIL } from '../wire/constants.ts'
import { BoundedMap } from './bounded-map.ts'
import {
  ENTRY_DENIAL,
  ENTRY_EXPIRES,
  ENTRY_FLAGS,
  ENTRY_HITS,
  ENTRY_KEEPS_TTL,
  ENTRY_LAST_HIT,
  ENTRY_RCODE_MASK,
  ENTRY_STALE_UNTIL,
  ENTRY_TTL,
} from './layout.ts'
import { CacheRegion, type Entry } from './region.ts'

export interface PartOptions {
  /** Most entries. */
  readonly capacity: number
  /** Most and least seconds that an answer is kept. A TTL of 0 is never kept. */
  readonly ttl: number
  readonly minTtl: number
}

export interface CacheOptions {
  readonly success: PartOptions
  readonly denial: PartOptions
  /** Of a failure, seconds; 0: not kept. */
  readonly servfailTtl: number
  /** Of all entries. */
  readonly maxOctets: number
  /** TTLs are not counted down. */
  readonly keepTtl: boolean
  /** Seconds that an expired answer may be given when nobody can be asked; 0: none. */
  readonly serveStale: number
  /** Answers that were hit `amount` times, never `duration` seconds apart, are asked for again when `percentage` of their TTL is left; amount 0: none. */
  readonly prefetch: { readonly amount: number; readonly duration: number; readonly percentage: number }
}

export interface PartStats {
  entries: number
  octets: number
  evictions: number
}

/** What has happened so often. Whatever takes the place of a store counts on: data-plane threads do so too, in their rows. */
export interface CacheCounts {
  /** Answers that found no room because a reader holds on to what was removed. */
  drops: number
  /** Answers given although expired, on the writer's thread. */
  staleServed: number
  /** Questions that were asked again before their answers expired. */
  prefetches: number
  readonly evictions: { success: number; denial: number }
}

export function createCacheCounts(): CacheCounts {
  return { drops: 0, staleServed: 0, prefetches: 0, evictions: { success: 0, denial: 0 } }
}

/** What a question is asked with. */
export interface Question {
  /** Wire form, lower case. */
  readonly name: Uint8Array
  readonly type: number
  readonly dnssecOk: boolean
  readonly checkingDisabled: boolean
}

interface Kept {
  block: number
  /** LAST_HIT when it was last looked at. */
  seen: number
  /** When it is looked at whether to ask again, seconds; 0: never. */
  due: number
}

/** Looked at for one insertion at most; then the oldest goes, hit or not. */
const MAX_CHANCES = 8
/** RFC 8767 §5: what fails is asked again no more often than in so many seconds. */
const STALE_SECONDS = 30
const CHANGES_PER_COMMIT = 32
/** Of what was purged so many come back in one turn of the event loop: a fraction of a millisecond. */
const RETIRED_PER_TURN = 250
/** Room for the index, beside twice what may be kept: what was removed is there until no reader can hold it. */
const SLACK_OCTETS = 1 << 20

type Part = BoundedMap<string, Kept>

export class CacheStore {
  readonly options: CacheOptions
  readonly region: CacheRegion
  readonly counts: CacheCounts
  /** Raised whenever something is forgotten on demand: what was asked for before then is not to be kept. */
  generation = 0
  private success: Part
  private denial: Part
  private readonly now: () => number
  private changes = 0
  /** Second → keys of the entries that are due then. */
  private readonly due = new Map<number, Set<string>>()

  /** @param now sharedSeconds() */
  constructor(
    memory: SharedMemory,
    seed: number,
    options: CacheOptions,
    now: () => number,
    counts: CacheCounts = createCacheCounts(),
  ) {
    this.options = options
    this.counts = counts
    this.now = now
    this.region = new CacheRegion(memory, seed, 2 * options.maxOctets + SLACK_OCTETS)
    this.success = this.createPart('success')
    this.denial = this.createPart('denial')
  }

  /**
   * Keeps an answer, in the place of one of the same key, which goes even if the answer may not be kept or finds no room.
   * @param key of the question, which begins with the octets of its name in lower case (latin1)
   */
  put(key: string, entry: Entry): void {
    const { region, options } = this
    const isDenial = (entry.flags & ENTRY_DENIAL) !== 0
    const [part, other] = isDenial ? [this.denial, this.success] : [this.success, this.denial]
    const isFailure = (entry.flags & ENTRY_RCODE_MASK) === RCODE_SERVFAIL
    if (entry.ttl === 0) {
      this.forget(key)
      return
    }
    const ttl = isFailure ? entry.ttl : this.boundTtl(entry.ttl, isDenial)
    const flags = entry.flags | (options.keepTtl ? ENTRY_KEEPS_TTL : 0)
    const old = part.peek(key) ?? other.peek(key)
    const block = region.put({ ...entry, ttl, flags }, this.now(), old?.block ?? 0)
    if (block === 0) {
      this.counts.drops++
      this.forget(key)
      return
    }
    if (old !== undefined) this.unschedule(key, old)
    other.delete(key)
    const kept: Kept = { block, seen: old?.seen ?? 0, due: 0 }
    const size = region.octetsOf(block)
    if (size > part.maxSize) {
      part.delete(key)
      region.remove(block)
    } else {
      if (old === undefined) this.giveChances(part, size)
      part.set(key, kept, { size })
      if (options.prefetch.amount > 0 && !isFailure) this.schedule(key, kept, this.dueAt(block))
    }
    // It looks at every reader's word: not for each change.
    if (++this.changes % CHANGES_PER_COMMIT === 0) region.commit()
  }

  /** A newer answer has come that is not kept: the older one is not to be given any more, stale neither. */
  forget(key: string): void {
    for (const part of [this.success, this.denial]) this.drop(part, key)
  }

  /** @returns the seconds that an answer is kept which says so many itself, but for 0: then it is not */
  boundTtl(seconds: number, isDenial: boolean): number {
    const { ttl: most, minTtl } = isDenial ? this.options.denial : this.options.success
    return Math.min(Math.max(seconds, minTtl), most)
  }

  /** A question could not be answered. What was known of it is then good for a while although expired (RFC 8767 §4). */
  fail(key: string, question: Question): void {
    const { servfailTtl, serveStale } = this.options
    const { words } = this.region
    if (this.findFresh(key) !== 0) return
    const block = this.find(key)
    if (this.isUsableStale(block)) {
      const end = words[block + ENTRY_EXPIRES]! + serveStale
      words[block + ENTRY_STALE_UNTIL] = Math.min(this.now() + STALE_SECONDS, end)
    } else if (servfailTtl > 0) this.put(key, { ...question, ...NO_RECORDS, flags: FAILURE, ttl: servfailTtl })
  }

  /** @returns the entry's block; 0: there is none, or it has expired */
  findFresh(key: string): number {
    const block = this.find(key)
    return block !== 0 && this.now() < this.region.words[block + ENTRY_EXPIRES]! ? block : 0
  }

  /** @returns the block of an entry that has expired and may be given all the same; 0: there is none */
  findStale(key: string): number {
    const block = this.find(key)
    return this.isUsableStale(block) ? block : 0
  }

  /** Seconds that a fresh entry may be kept on by whoever gets it. */
  ttlOf(block: number): number {
    const { words } = this.region
    if ((words[block + ENTRY_FLAGS]! & ENTRY_KEEPS_TTL) !== 0) return words[block + ENTRY_TTL]!
    return Math.max(0, words[block + ENTRY_EXPIRES]! - this.now())
  }

  /** Forgets what is known of a name, whatever its type. @returns how many answers that were */
  purge(name: Uint8Array): number {
    const start = Buffer.from(name).toString('latin1')
    return this.removeWhere(key => key.startsWith(start))
  }

  /** At once for whoever asks; the memory of very many comes back in pieces. */
  purgeAll(): number {
    const { success, denial } = this
    const purged = success.size + denial.size
    // New maps cost by their capacity, not by what is in them.
    if (purged <= RETIRED_PER_TURN) return this.removeWhere(() => true)
    this.success = this.createPart('success')
    this.denial = this.createPart('denial')
    this.due.clear()
    this.region.clear()
    this.retire([success.values(), denial.values()])
    return purged + this.removeWhere(() => true)
  }

  /** Called every second or so. @returns questions that are asked often and whose answers expire soon */
  takeDue(): Question[] {
    const { amount, duration } = this.options.prefetch
    const { words } = this.region
    const now = this.now()
    const questions: Question[] = []
    for (const [second, keys] of this.due) {
      if (second > now) continue
      this.due.delete(second)
      for (const key of keys) {
        const kept = this.keptOf(key)!
        const { block } = kept
        kept.due = 0
        if (now >= words[block + ENTRY_EXPIRES]!) continue
        const isPopular = words[block + ENTRY_HITS]! >= amount && now - words[block + ENTRY_LAST_HIT]! <= duration
        if (isPopular) questions.push(this.region.questionOf(block))
        else this.schedule(key, kept, now + 1)
      }
    }
    return questions
  }

  stats(): { success: PartStats; denial: PartStats; memoryOctets: number; usedOctets: number } {
    const { success, denial, region } = this
    const { evictions } = this.counts
    return {
      success: { entries: success.size, octets: success.calculatedSize, evictions: evictions.success },
      denial: { entries: denial.size, octets: denial.calculatedSize, evictions: evictions.denial },
      memoryOctets: region.memoryOctets,
      usedOctets: region.usedOctets,
    }
  }

  private createPart(name: 'success' | 'denial'): Part {
    return new BoundedMap<string, Kept>({
      max: this.options[name].capacity,
      maxSize: Math.floor(this.options.maxOctets / 2),
      dispose: (kept, key, reason) => {
        if (reason !== 'evict') return
        this.counts.evictions[name]++
        this.unschedule(key, kept)
        this.region.remove(kept.block)
      },
    })
  }

  private keptOf(key: string): Kept | undefined {
    return this.success.peek(key) ?? this.denial.peek(key)
  }

  private find(key: string): number {
    return this.keptOf(key)?.block ?? 0
  }

  private isUsableStale(block: number): boolean {
    if (block === 0) return false
    const { words } = this.region
    const expires = words[block + ENTRY_EXPIRES]!
    const now = this.now()
    if ((words[block + ENTRY_FLAGS]! & ENTRY_RCODE_MASK) === RCODE_SERVFAIL) return false
    return now >= expires && now < expires + this.options.serveStale
  }

  /** Before `size` octets more: the oldest entries that are good and were hit since the last look become the newest. */
  private giveChances(part: Part, size: number): void {
    const { words } = this.region
    const now = this.now()
    for (let chances = 0; chances < MAX_CHANCES; chances++) {
      if (part.size < part.max && part.calculatedSize + size <= part.maxSize) return
      const oldest = part.rkeys().next().value
      const kept = oldest === undefined ? undefined : part.peek(oldest)
      if (kept === undefined || words[kept.block + ENTRY_LAST_HIT]! <= kept.seen) return
      if (now >= words[kept.block + ENTRY_EXPIRES]! + this.options.serveStale) return
      kept.seen = words[kept.block + ENTRY_LAST_HIT]!
      part.get(oldest!)
    }
  }

  private removeWhere(isMeant: (key: string) => boolean): number {
    let removed = 0
    this.generation++
    for (const part of [this.success, this.denial]) {
      for (const key of [...part.keys()].filter(isMeant)) {
        this.drop(part, key)
        removed++
      }
    }
    this.region.commit()
    return removed
  }

  private drop(part: Part, key: string): void {
    const kept = part.peek(key)
    if (kept === undefined) return
    this.unschedule(key, kept)
    this.region.remove(kept.block)
    part.delete(key)
  }

  private retire(purged: Iterator<Kept>[]): void {
    for (let left = RETIRED_PER_TURN; left > 0 && purged.length > 0; left--) {
      const { value, done } = purged[0]!.next()
      if (done === true) purged.shift()
      else this.region.retire(value.block)
    }
    this.region.commit()
    if (purged.length > 0) setImmediate(() => this.retire(purged))
  }

  /** CoreDNS: when `percentage` of the TTL is left, and a second before the end at the latest. */
  private dueAt(block: number): number {
    const { words } = this.region
    const left = Math.max(1, Math.floor((words[block + ENTRY_TTL]! * this.options.prefetch.percentage) / 100))
    return words[block + ENTRY_EXPIRES]! - left
  }

  private schedule(key: string, kept: Kept, second: number): void {
    kept.due = second
    const keys = this.due.get(second)
    if (keys === undefined) this.due.set(second, new Set([key]))
    else keys.add(key)
  }

  private unschedule(key: string, kept: Kept): void {
    const keys = this.due.get(kept.due)
    if (keys?.delete(key) && keys.size === 0) this.due.delete(kept.due)
  }
}

const FAILURE = RCODE_SERVFAIL | ENTRY_DENIAL
const NO_RECORDS = {
  answers: 0,
  authority: 0,
  octets: new Uint8Array(0),
  starts: [],
  ttls: [],
  pointers: [],
  set: { first: 0, count: 0, stride: 0 },
}

/**
 * Zone transfers that clients ask for over TCP: what is given, and how many at once. Layer: transfer. On the writer's thread.
 * RFC 5936 (AXFR), RFC 1995 (IXFR). Who may have one was decided before (dataplane/transfer-gate.ts).
 *
 *   AXFR   SOA, all records, SOA
 *   IXFR   the client's version is the latest, or later   SOA
 *          what changed since is known here               SOA, old SOA, what is gone, SOA, what is new, SOA
 *          else                                           as AXFR
 *
 * What changed since a serial is told only to a client that was given that very version by this process: another replica, or the
 * process before, may have given the same serial to another state of the zone.
 */

import { BLOCK_TTL } from '../table/layout.ts'
import type { SharedMemory } from '../table/memory.ts'
import type { TableReader } from '../table/reader.ts'
import { HEADER_OCTETS, RCODE_FORMERR, RCODE_SERVFAIL } from '../wire/constants.ts'
import { Query } from '../wire/query.ts'
import { Difference } from './difference.ts'
import { GivenVersions } from './given-versions.ts'
import type { Images, Journal } from './journal.ts'
import { MessageStream } from './message-stream.ts'
import { MessageWriter } from './messages.ts'
import { clientSerial, failureOf, isAxfr, type TransferQuery } from './questions.ts'
import { isLater } from './serial.ts'
import { serialOf, soaRecord, withSerial } from './soa.ts'
import type { ZoneRecord } from './zone-records.ts'
import { ZoneWalk } from './zone-walk.ts'

export interface TransferReply {
  readonly first: Uint8Array
  /** Undefined: the first message is all. */
  readonly more?: MessageStream
}

export interface TransferLimits {
  /** Transfers at once; more are SERVFAIL. */
  readonly concurrent: number
  /** Octets of what changes while a zone is sent, for each transfer. */
  readonly imageOctets: number
  readonly totalMs: number
}

/** What became of transfers. */
export interface TransferStats {
  active: number
  /** Of whole zones, of differences, and answers that the client has the latest. */
  axfr: number
  ixfr: number
  soa: number
  finished: number
  /** The client went away or was too slow, more changed meanwhile than is kept, or there was a defect of ours. */
  failed: number
  /** Others had all places. */
  rejected: number
  messages: number
}

export class Transfers {
  readonly stats: TransferStats = {
    active: 0,
    axfr: 0,
    ixfr: 0,
    soa: 0,
    finished: 0,
    failed: 0,
    rejected: 0,
    messages: 0,
  }
  private readonly memory: SharedMemory
  private readonly table: TableReader
  private readonly journal: Journal
  private readonly limits: TransferLimits
  private readonly nowMs: () => number
  private readonly onError: (error: unknown) => void
  private readonly given = new GivenVersions()
  private isStopped = false

  /**
   * @param table   a reader that nobody else uses meanwhile
   * @param onError told of a defect of ours, which has ended a transfer
   */
  constructor(
    memory: SharedMemory,
    table: TableReader,
    journal: Journal,
    limits: TransferLimits,
    nowMs: () => number,
    onError: (error: unknown) => void,
  ) {
    this.memory = memory
    this.table = table
    this.journal = journal
    this.limits = limits
    this.nowMs = nowMs
    this.onError = onError
  }

  /** @returns at once; the messages hold the state as it is now */
  answer(query: TransferQuery): TransferReply {
    const { zone, client } = query
    const soa = this.soaOf(query)
    const latest = serialOf(soa)
    const from = isAxfr(query) ? undefined : clientSerial(query)
    if (from === -1) return { first: failureOf(query, RCODE_FORMERR) }
    // RFC 1995 §2, §4: a client with the latest version, or a later one, is sent the SOA alone
    if (from !== undefined && !isLater(latest, from)) {
      this.stats.soa++
      const writer = new MessageWriter(query)
      writer.put(soa)
      return { first: writer.take() }
    }
    if (this.stats.active >= this.limits.concurrent) {
      this.stats.rejected++
      return { first: failureOf(query, RCODE_SERVFAIL) }
    }
    this.journal.given(zone)
    const isKnown = from !== undefined && this.given.has(zone, client, from)
    const steps = isKnown ? this.journal.since(zone, from) : undefined
    const [pieces, source] = steps === undefined ? this.wholeZone(soa, zone) : this.difference(soa, from!, zone, steps)
    this.stats.active++
    const endMs = this.nowMs() + this.limits.totalMs
    const more = new MessageStream(new MessageWriter(query), pieces, {
      isLost: () => this.isStopped || source.isLost || this.nowMs() > endMs,
      onMessage: () => this.stats.messages++,
      onError: this.onError,
      onEnd: isWhole => {
        source.close()
        this.stats.active--
        this.stats[isWhole ? 'finished' : 'failed']++
        if (isWhole) this.given.add(zone, client, latest)
      },
    })
    const first = more.first()
    if (first !== null) return { first, more }
    more.end(false)
    return { first: failureOf(query, RCODE_SERVFAIL) }
  }

  /** Those under way break off: changes are not followed any more. */
  stop(): void {
    this.isStopped = true
  }

  private wholeZone(soa: ZoneRecord, zone: number): [Iterator<readonly ZoneRecord[]>, ZoneWalk] {
    this.stats.axfr++
    const walk = new ZoneWalk(this.memory, zone, this.journal, this.limits.imageOctets)
    return [between(soa, walk.pieces()), walk]
  }

  private difference(
    soa: ZoneRecord,
    from: number,
    zone: number,
    steps: readonly Images[],
  ): [Iterator<readonly ZoneRecord[]>, Difference] {
    this.stats.ixfr++
    const difference = new Difference(this.table, zone, this.journal, steps, this.limits.imageOctets)
    return [sequence(soa, withSerial(soa, from), difference), difference]
  }

  private soaOf({ message, questionEnd, zone }: TransferQuery): ZoneRecord {
    const { table } = this
    const name = new Query(table.seed)
    name.readName(message, HEADER_OCTETS, questionEnd)
    table.begin()
    const block = table.find(name.suffixHash[0]!, name.nameView, 0, name.nameLength)
    const soa = soaRecord(table, zone, name.name.slice(0, name.nameLength), table.words[block + BLOCK_TTL]!)
    table.end()
    return soa
  }
}

/** RFC 5936 §2.2: the zone's SOA comes first and last. */
function* between(soa: ZoneRecord, pieces: Iterable<readonly ZoneRecord[]>): Generator<readonly ZoneRecord[]> {
  yield [soa]
  yield* pieces
  yield [soa]
}

/** RFC 1995 §4: one sequence from the client's version to the latest, the changes between them condensed (§5). */
function* sequence(soa: ZoneRecord, old: ZoneRecord, changes: Difference): Generator<readonly ZoneRecord[]> {
  yield [soa, old]
  yield* changes.removed()
  yield [soa]
  yield* changes.added()
  yield [soa]
}

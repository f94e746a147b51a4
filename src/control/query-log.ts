/**
 * The query log: rings of the threads that answer, queries that were left to the main thread, a line for each. Layer: control.
 * A flood costs lines, which are counted, and never an answer.
 */

import type { Family } from '../admin/prometheus.ts'
import type { DeferredQuery } from '../dataplane/deferred.ts'
import {
  createQueryRing,
  type LoggedQuery,
  QueryChoice,
  QueryLogReader,
  type QueryLogRules,
} from '../dataplane/query-log.ts'
import { AF_INET } from '../transport/linux-abi.ts'
import { formatIPv6, parseAddress } from '../wire/address.ts'
import { HEADER_OCTETS, OFFSET_ANCOUNT, OFFSET_FLAGS } from '../wire/constants.ts'
import { rcodeName, typeName } from '../wire/mnemonics.ts'
import { formatName } from '../wire/name.ts'
import { Query } from '../wire/query.ts'
import type { Logger } from './log.ts'

const LOOK_MS = 25
/** Lines in one turn of the event loop. */
const MAX_TURN = 500
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [0x8000, 'qr'],
  [0x0400, 'aa'],
  [0x0200, 'tc'],
  [0x0100, 'rd'],
  [0x0080, 'ra'],
  [0x0020, 'ad'],
  [0x0010, 'cd'],
]

export class QueryLog {
  readonly rules: QueryLogRules
  /** Of whom it takes the place of too, who logs on until its threads have ended. */
  private readonly counts: { lines: number; lost: number }
  private readonly log: Pick<Logger, 'info'>
  private readonly readers = new Set<QueryLogReader>()
  private readonly choice: QueryChoice
  private readonly query: Query
  private readonly looking: NodeJS.Timeout

  /**
   * @param seed   of the table's hash
   * @param random 32 bits
   * @param before whose place it takes: its counters go on
   */
  constructor(rules: QueryLogRules, seed: number, random: number, log: Pick<Logger, 'info'>, before?: QueryLog) {
    this.rules = rules
    this.counts = before?.counts ?? { lines: 0, lost: 0 }
    this.log = log
    this.choice = new QueryChoice(rules, seed, random)
    this.query = new Query(seed)
    this.looking = setInterval(() => this.look(), LOOK_MS).unref()
  }

  /** @returns a ring for one thread, and what ends the reading of it: what is in it by then is logged */
  open(): { readonly ring: SharedArrayBuffer; readonly close: () => void } {
    const ring = createQueryRing()
    const reader = new QueryLogReader(ring)
    this.readers.add(reader)
    const close = (): void => {
      this.drain(reader, Number.POSITIVE_INFINITY)
      this.readers.delete(reader)
    }
    return { ring, close }
  }

  /** A query that the main thread has answered. */
  note({ message, questionEnd, payloadSize, dnssecOk, octets, path }: DeferredQuery, reply: Uint8Array): void {
    const view = new DataView(reply.buffer, reply.byteOffset, reply.length)
    const [flags, answers] = [view.getUint16(OFFSET_FLAGS), view.getUint16(OFFSET_ANCOUNT)]
    const { query } = this
    query.readName(message, HEADER_OCTETS, questionEnd)
    query.questionEnd = questionEnd
    if (!this.choice.wants(query, flags & 15, flags, answers)) return
    const { stream, sockaddr } = path
    const isIPv6 = stream === undefined ? (sockaddr[0]! | (sockaddr[1]! << 8)) !== AF_INET : stream.client.includes(':')
    this.say({
      id: view.getUint16(0),
      type: (message[questionEnd - 4]! << 8) | message[questionEnd - 3]!,
      rcode: flags & 15,
      flags,
      queryOctets: octets,
      replyOctets: reply.length,
      answers,
      isStream: stream !== undefined,
      dnssecOk,
      isIPv6,
      payloadSize,
      address: addressOf(path, isIPv6),
      name: query.name.slice(0, query.nameLength),
    })
  }

  close(): void {
    clearInterval(this.looking)
    for (const reader of this.readers) this.drain(reader, Number.POSITIVE_INFINITY)
    this.readers.clear()
  }

  families(): Family[] {
    const counter = (name: string, help: string, value: number): Family => ({
      name,
      help,
      type: 'counter',
      samples: [{ value }],
    })
    return [
      counter('headless_dns_query_log_lines_total', 'Queries that were logged.', this.counts.lines),
      counter('headless_dns_query_log_dropped_total', 'Queries that came too fast to be logged.', this.counts.lost),
    ]
  }

  private look(): void {
    for (const reader of this.readers) this.drain(reader, MAX_TURN)
  }

  private drain(reader: QueryLogReader, most: number): void {
    this.counts.lost += reader.takeLost()
    for (let i = 0; i < most; i++) {
      const query = reader.next()
      if (query === undefined) return
      this.say(query)
    }
  }

  private say(query: LoggedQuery): void {
    const { id, type, flags, name, isStream, isIPv6, address, dnssecOk, payloadSize, answers } = query
    this.counts.lines++
    this.log.info('query', {
      client: isIPv6 ? formatIPv6(address) : address.join('.'),
      id,
      name: name.length === 0 ? '' : formatName(name),
      type: name.length === 0 ? '' : typeName(type),
      proto: isStream ? 'tcp' : 'udp',
      size: query.queryOctets,
      do: dnssecOk,
      bufsize: payloadSize,
      rcode: rcodeName(query.rcode),
      rflags: FLAG_NAMES.flatMap(([bit, word]) => ((flags & bit) === 0 ? [] : [word])).join(),
      answers,
      rsize: query.replyOctets,
    })
  }
}

function addressOf({ stream, sockaddr }: DeferredQuery['path'], isIPv6: boolean): Uint8Array {
  if (stream !== undefined) return parseAddress(stream.client.split('%')[0]!)
  return isIPv6 ? sockaddr.subarray(8, 24) : sockaddr.subarray(4, 8)
}

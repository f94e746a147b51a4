/**
 * The answer table asked from the main thread, with the function that answers on data-plane threads. Layer: local.
 * For names that became the cluster's by rewriting, and for what nobody else knows: the table's word is the last one.
 */

import { type Answerer, DEFERRED } from '../answer/answer.ts'
import type { ClientQuery } from '../forward/client-query.ts'
import type { TableReader } from '../table/reader.ts'
import { FLAG_DO, HEADER_OCTETS, MAX_STREAM_MESSAGE, OFFSET_QDCOUNT, OPT_OCTETS, TYPE_OPT } from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import { Query } from '../wire/query.ts'

export class TableAnswers {
  private readonly table: TableReader
  private readonly answerer: Answerer
  private readonly query: Query
  private readonly octets = new Uint8Array(MAX_STREAM_MESSAGE + OPT_OCTETS)
  private readonly view = new DataView(this.octets.buffer)

  /** @param table a row of its own among the readers: it is read while others of this thread read */
  constructor(table: TableReader, answerer: Answerer) {
    this.table = table
    this.answerer = answerer
    this.query = new Query(table.seed)
  }

  /**
   * @returns the reply, valid until the next call; or the query with what the table has of the answer, aliases, to be
   * asked of the forwarder
   */
  answer(query: ClientQuery): Uint8Array | ClientQuery {
    const { octets, view, table, answerer } = this
    const length = this.put(query)
    table.begin()
    const replied = answerer.answer(octets, view, 0, length, MAX_STREAM_MESSAGE, query.stream)
    table.end()
    if (replied !== DEFERRED) return octets.subarray(0, replied)
    const { reply, targetAt } = answerer
    if (targetAt === 0) return query
    return { ...query, message: octets.slice(0, reply.at), targetAt, aliases: reply.answers }
  }

  /** Whether the table has the name, which is in lower case, or one below it. */
  has(name: WireName): boolean {
    const { table, query } = this
    query.readName(name, 0, name.length)
    table.begin()
    const block = table.find(query.suffixHash[0]!, query.nameView, 0, query.nameLength)
    table.end()
    return block !== 0
  }

  /** The query as it came: header, question, OPT. @returns its octets */
  private put({ message, questionEnd, payloadSize, dnssecOk }: ClientQuery): number {
    const { octets, view } = this
    octets.set(message.subarray(0, questionEnd))
    view.setUint32(OFFSET_QDCOUNT, 0x0001_0000)
    view.setUint32(HEADER_OCTETS - 4, payloadSize > 0 ? 1 : 0)
    if (payloadSize === 0) return questionEnd
    octets[questionEnd] = 0
    view.setUint16(questionEnd + 1, TYPE_OPT)
    view.setUint16(questionEnd + 3, payloadSize)
    view.setUint32(questionEnd + 5, dnssecOk ? FLAG_DO : 0)
    view.setUint16(questionEnd + 9, 0)
    return questionEnd + OPT_OCTETS
  }
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decode } from 'dns-packet'
import { Answerer } from '../../../src/answer/answer.ts'
import { Order } from '../../../src/answer/order.ts'
import { PANICS, ROW_FIELDS } from '../../../src/dataplane/counters.ts'
import { QueryHandler } from '../../../src/dataplane/query-handler.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { DATAGRAM_CAPACITY } from '../../../src/transport/handler.ts'
import { encodeQuery } from '../../support/dns-client.ts'
import { createWorld } from '../../support/world.ts'

const WEB = 'web.default.svc.cluster.local'
const BAD = 'big.default.svc.cluster.local'

describe('a defect of answer/', () => {
  it('gives SERVFAIL to the one query that meets it, is counted, and spoils no query of the same batch', () => {
    const { serving } = createWorld()
    const table = new TableReader(serving.memory, 9)
    const row = new Float64Array(ROW_FIELDS)
    // The real thing down to the end of the answer: half a reply is written over the query by then.
    class Defective extends Answerer {
      override answer(...args: Parameters<Answerer['answer']>): number {
        const [octets, , start] = args
        const isBad = Buffer.from(octets.subarray(start + 13, start + 16)).toString() === 'big'
        const length = super.answer(...args)
        if (isBad) throw new TypeError('a defect')
        return length
      }
    }
    const answerer = new Defective(table, new Order('stable', 1), 1232)
    const handler = new QueryHandler({ table, answerer, row, families: [0], now: () => 0 })
    const octets = new Uint8Array(DATAGRAM_CAPACITY * 3)
    const view = new DataView(octets.buffer)
    const queries = [WEB, BAD, WEB].map(name => encodeQuery(name, 'A', 1232))
    handler.begin(0)
    const replies = queries.map((query, i) => {
      const start = i * DATAGRAM_CAPACITY
      octets.set(query, start)
      const length = handler.answer(octets, view, start, query.length, DATAGRAM_CAPACITY, false)
      return octets.slice(start, start + length)
    })
    handler.end()
    const decoded = replies.map(reply => decode(Buffer.from(reply)) as unknown as { id: number; rcode: string })
    assert.deepEqual(
      decoded.map(({ rcode }) => rcode),
      ['NOERROR', 'SERVFAIL', 'NOERROR'],
    )
    assert.deepEqual(
      decoded.map(({ id }) => id),
      queries.map(query => query.readUInt16BE(0)),
    )
    assert.equal(replies[1]!.length, 12, 'nothing of the half reply is sent')
    assert.equal(row[PANICS], 1)
  })
})

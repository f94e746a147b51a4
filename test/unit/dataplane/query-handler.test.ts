import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decode } from 'dns-packet'
import { Answerer } from '../../../src/answer/answer.ts'
import { Order } from '../../../src/answer/order.ts'
import { LIMITED_RESPONSES, NOT_DEFERRED, PANICS, ROW_FIELDS } from '../../../src/dataplane/counters.ts'
import { createDeferred, DeferredWriter } from '../../../src/dataplane/deferred.ts'
import { QueryHandler } from '../../../src/dataplane/query-handler.ts'
import {
  createQueryRing,
  LOG_DENIAL,
  LOG_ERROR,
  LOG_SUCCESS,
  QueryChoice,
  QueryLogReader,
  QueryLogWriter,
} from '../../../src/dataplane/query-log.ts'
import { ReplyLimiter } from '../../../src/dataplane/reply-limits.ts'
import { TableReader } from '../../../src/table/reader.ts'
import {
  DATAGRAM_CAPACITY,
  DEFERRED,
  PATH_CONTROL_OCTETS,
  PATH_SOCKADDR_OCTETS,
} from '../../../src/transport/handler.ts'
import { formatName, parseName } from '../../../src/wire/name.ts'
import { createAnswering, headless } from '../../support/answering.ts'
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

describe('a defect of what takes deferred queries', () => {
  it('gives SERVFAIL to the query that meets it, and is counted', () => {
    const { serving } = createWorld()
    const table = new TableReader(serving.memory, 9)
    const row = new Float64Array(ROW_FIELDS)
    const answerer = new Answerer(table, new Order('stable', 1), 1232, { fallthrough: [] })
    const put = (): boolean => {
      throw new TypeError('a defect')
    }
    const handler = new QueryHandler({
      table,
      answerer,
      row,
      families: [0],
      now: () => 0,
      deferred: { put, wake() {} },
    })
    const octets = new Uint8Array(DATAGRAM_CAPACITY)
    const query = encodeQuery('www.example.com', 'A', 1232)
    query[2]! |= 1
    octets.set(query)
    handler.begin(0)
    const view = new DataView(octets.buffer)
    assert.equal(handler.answer(octets, view, 0, query.length, DATAGRAM_CAPACITY, true), DEFERRED)
    const nothing = new Uint8Array(0)
    const path = { socket: 0, sockaddr: nothing, control: nothing, controlOctets: 0, stream: undefined }
    const length = handler.defer(octets, 0, path)
    handler.end()
    const { id, rcode } = decode(Buffer.from(octets.slice(0, length))) as unknown as { id: number; rcode: string }
    assert.deepEqual([id, rcode, length, row[PANICS]], [query.readUInt16BE(0), 'SERVFAIL', 12, 1])
  })
})

describe('queries that are read ahead', () => {
  const queries = [
    encodeQuery(WEB, 'A', 1232),
    Buffer.from([1, 2, 3]),
    encodeQuery('nosuch.default.svc.cluster.local', 'A', 1232),
    encodeQuery(WEB, 'SRV', 512),
    Buffer.concat([encodeQuery(WEB, 'A', 512), Buffer.from([0])]),
    encodeQuery('example.com', 'A', 512),
  ]

  function setUp() {
    const { serving } = createWorld()
    const row = new Float64Array(ROW_FIELDS)
    const table = new TableReader(serving.memory, 9)
    const answerer = new Answerer(table, new Order('stable', 1), 1232)
    const handler = new QueryHandler({ table, answerer, row, families: [0], now: () => 0 })
    const octets = new Uint8Array(DATAGRAM_CAPACITY * queries.length)
    const view = new DataView(octets.buffer)
    const exchange = (isAhead: boolean): Buffer[] => {
      const starts = queries.map((query, i) => {
        octets.set(query, i * DATAGRAM_CAPACITY)
        return i * DATAGRAM_CAPACITY
      })
      handler.begin(0)
      if (isAhead) {
        for (const [i, start] of starts.entries()) handler.readAhead(octets, view, start, queries[i]!.length, i)
        handler.fetchAhead(starts.length)
      }
      const replies = starts.map((start, i) => {
        const place = isAhead ? i : -1
        const length = handler.answer(octets, view, start, queries[i]!.length, DATAGRAM_CAPACITY, false, place)
        return Buffer.from(octets.slice(start, start + length))
      })
      handler.end()
      return replies
    }
    return { answerer, exchange, row }
  }

  it('get the replies they would get one after the other, the malformed ones too', () => {
    const { exchange } = setUp()
    const one = exchange(false)
    const ahead = exchange(true)
    assert.ok(one.filter(({ length }) => length > 12).length >= 4)
    // the ID is the query's own
    assert.deepEqual(ahead, one)
  })

  it('a defect in the reading of one: SERVFAIL to that one, counted', () => {
    const { answerer, exchange, row } = setUp()
    answerer.ahead.queries[2]!.read = () => {
      throw new TypeError('a defect')
    }
    const rcodes = exchange(true).map(reply => (reply.length === 0 ? undefined : reply[3]! & 15))
    assert.deepEqual(rcodes, [0, undefined, 2, 0, 1, 5])
    assert.equal(row[PANICS], 1)
  })
})

describe('the name that is logged, and told of when a set is cut', () => {
  it('is the one that was asked for, wherever aliases and name servers have led', () => {
    const { serving } = createWorld()
    const table = new TableReader(serving.memory, 9)
    const ring = createQueryRing()
    const zones = [parseName('default.svc.cluster.local')!, parseName('cluster.local')!]
    const rules = { classes: LOG_SUCCESS | LOG_DENIAL | LOG_ERROR, sample: 1, zones }
    const handler = new QueryHandler({
      table,
      answerer: new Answerer(table, new Order('stable', 1), 1232),
      row: new Float64Array(ROW_FIELDS),
      families: [0],
      now: () => 0,
      log: new QueryLogWriter(ring, new QueryChoice(rules, table.seed, 1)),
    })
    const reader = new QueryLogReader(ring)
    const octets = new Uint8Array(DATAGRAM_CAPACITY)
    const view = new DataView(octets.buffer)
    for (const [name, type] of [
      ['inside.default.svc.cluster.local', 'A'],
      ['gone.default.svc.cluster.local', 'A'],
      ['outside.default.svc.cluster.local', 'A'],
      ['cluster.local', 'NS'],
    ] as const) {
      const query = encodeQuery(name, type, 1232)
      octets.set(query)
      handler.begin(0)
      handler.answer(octets, view, 0, query.length, DATAGRAM_CAPACITY, false)
      handler.end()
      assert.equal(formatName(reader.next()!.name), `${name}.`)
    }
  })
})

describe('a query behind a long chain of aliases that leaves the cluster', () => {
  const NAMESPACE = 'n'.repeat(63)
  const NAMES = [...'abcdefg'].map(letter => letter.repeat(63))
  const UDP_OCTETS = 1232

  function setUp() {
    const { serving, services, flush } = createAnswering()
    for (const [i, name] of NAMES.entries()) {
      const externalName =
        NAMES[i + 1] === undefined ? 'www.example.com' : `${NAMES[i + 1]}.${NAMESPACE}.svc.cluster.local`
      services.upsert({ ...headless(name), namespace: NAMESPACE, kind: 'externalName', externalName })
    }
    flush()
    const row = new Float64Array(ROW_FIELDS)
    const table = new TableReader(serving.memory, 9)
    const answerer = new Answerer(table, new Order('stable', 1), UDP_OCTETS, { fallthrough: [] })
    const limiter = new ReplyLimiter({ errorRate: 0, responseRate: undefined }, 1)
    const deferred = new DeferredWriter(createDeferred())
    const udp = { limiter, maxUdpSize: UDP_OCTETS }
    const handler = new QueryHandler({ table, answerer, row, families: [0], now: () => 0, udp, deferred })
    const octets = new Uint8Array(DATAGRAM_CAPACITY)
    const view = new DataView(octets.buffer)
    /** @returns undefined: it is taken */
    const ask = (name: string): Buffer | undefined => {
      const query = encodeQuery(`${name}.${NAMESPACE}.svc.cluster.local`, 'A', UDP_OCTETS)
      query[2]! |= 1
      octets.set(query)
      handler.begin(0)
      assert.equal(handler.answer(octets, view, 0, query.length, DATAGRAM_CAPACITY, false), DEFERRED)
      const nothing = { control: new Uint8Array(PATH_CONTROL_OCTETS), controlOctets: 0, stream: undefined }
      const length = handler.defer(octets, 0, { socket: 0, sockaddr: new Uint8Array(PATH_SOCKADDR_OCTETS), ...nothing })
      handler.end()
      return length === 0 ? undefined : Buffer.from(octets.slice(0, length))
    }
    return { ask, row }
  }

  it('that the ring has no entry for is asked for over TCP, and is no failure', () => {
    const { ask, row } = setUp()
    for (const name of NAMES.slice(0, 2)) {
      const { flag_tc, rcode, answers, questions, additionals } = decode(ask(name)!) as unknown as Record<
        string,
        unknown
      >
      assert.deepEqual([flag_tc, rcode, answers], [true, 'NOERROR', []])
      assert.deepEqual(
        [questions, additionals].map(each => (each as unknown[]).length),
        [1, 1],
      )
    }
    assert.equal(row[NOT_DEFERRED], 0)
  })

  it('that nobody can take are failed within the limits of clients, and logged', () => {
    const { serving } = createWorld()
    const row = new Float64Array(ROW_FIELDS)
    const table = new TableReader(serving.memory, 9)
    const answerer = new Answerer(table, new Order('stable', 1), UDP_OCTETS, { fallthrough: [] })
    const responseRate = { perSecond: 5, windowMs: 1000, slip: 0, exempt: [] }
    const ring = createQueryRing()
    const handler = new QueryHandler({
      table,
      answerer,
      row,
      families: [0],
      now: () => 0,
      udp: { limiter: new ReplyLimiter({ errorRate: 0, responseRate }, 1), maxUdpSize: UDP_OCTETS },
      deferred: { put: () => false, wake() {} },
      log: new QueryLogWriter(ring, new QueryChoice({ classes: LOG_ERROR, sample: 1, zones: [] }, table.seed, 1)),
    })
    const octets = new Uint8Array(DATAGRAM_CAPACITY)
    const view = new DataView(octets.buffer)
    const path = {
      socket: 0,
      sockaddr: new Uint8Array(PATH_SOCKADDR_OCTETS),
      control: new Uint8Array(PATH_CONTROL_OCTETS),
    }
    let sent = 0
    for (let i = 0; i < 100; i++) {
      const query = encodeQuery('www.example.com', 'A', UDP_OCTETS)
      query[2]! |= 1
      octets.set(query)
      handler.begin(0, { copyAddress: (_, address) => address.set([192, 0, 2, 1]) })
      assert.equal(handler.answer(octets, view, 0, query.length, DATAGRAM_CAPACITY, false), DEFERRED)
      if (handler.defer(octets, 0, { ...path, controlOctets: 0, stream: undefined }) > 0) sent++
      handler.end()
    }
    assert.deepEqual([sent, row[LIMITED_RESPONSES], row[NOT_DEFERRED]], [5, 95, 100])
    const reader = new QueryLogReader(ring)
    for (let i = 0; i < 5; i++) assert.equal(formatName(reader.next()!.name), 'www.example.com.')
    assert.equal(reader.next(), undefined)
  })

  it('that it has one for is taken', () => {
    const { ask } = setUp()
    for (const name of NAMES.slice(2)) assert.equal(ask(name), undefined)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decode } from 'dns-packet'
import { WRITER_ROW } from '../../../src/control/serving.ts'
import { TableFullError } from '../../../src/table/allocator.ts'
import { NameWalk } from '../../../src/table/name-walk.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { Journal } from '../../../src/transfer/journal.ts'
import { type TransferLimits, Transfers } from '../../../src/transfer/transfers.ts'
import { ZoneWalk } from '../../../src/transfer/zone-walk.ts'
import { createAnswering, headless, slice } from '../../support/answering.ts'
import { message, queryOf, questionOf, recordOf, wireName } from '../../support/messages.ts'

const CLIENT = '10.0.0.53'
const LIMITS: TransferLimits = { concurrent: 2, imageOctets: 1 << 20, totalMs: 1000 }

interface Record {
  readonly name: string
  readonly type: string
  readonly data: unknown
}

const text = ({ name, type, data }: Record) =>
  `${name} ${type} ${typeof data === 'string' ? data : JSON.stringify(data)}`
const soas = (records: readonly Record[]) =>
  records.filter(({ type }) => type === 'SOA').map(({ data }) => (data as { serial: number }).serial)

function start(limits: Partial<TransferLimits> = {}) {
  const world = createAnswering()
  world.ask('cluster.local', 'SOA')
  const { zone } = world.answerer
  const { serving, services, slices } = world
  const journal = new Journal([zone], 1 << 20, () => {})
  serving.table.watcher = journal
  let nowMs = 0
  const table = new TableReader(serving.memory, WRITER_ROW)
  const errors: unknown[] = []
  const transfers = new Transfers(
    serving.memory,
    table,
    journal,
    { ...LIMITS, ...limits },
    () => nowMs,
    error => errors.push(error),
  )
  const put = (name: string, addresses: readonly string[]) => {
    services.upsert(headless(name))
    slices.upsert(
      slice(
        name,
        addresses.map(address => ({ address })),
      ),
    )
    world.flush()
  }
  const ask = (octets: Uint8Array, questionEnd: number, client = CLIENT) =>
    transfers.answer({ message: octets, questionEnd, payloadSize: 0, zone, client })
  const axfr = (client = CLIENT) => {
    const query = queryOf('cluster.local', 'AXFR')
    return ask(query, query.length, client)
  }
  const ixfr = (serial: number, client = CLIENT) => {
    const question = questionOf('cluster.local', 'IXFR')
    const numbers = Buffer.alloc(20)
    numbers.writeUInt32BE(serial)
    const rdata = Buffer.concat([wireName('ns.dns.cluster.local'), wireName('h.cluster.local'), numbers])
    const query = message({ counts: [1, 0, 1, 0], parts: [question, recordOf(wireName('cluster.local'), 6, rdata)] })
    return ask(query, 12 + question.length, client)
  }
  return {
    transfers,
    errors,
    journal,
    table,
    put,
    axfr,
    ixfr,
    world,
    services,
    slices,
    pass: (ms: number) => (nowMs += ms),
  }
}

/** All records of a reply; `undefined` when it broke off. @param during called before each turn */
function drain({ first, more }: ReturnType<Transfers['answer']>, during?: () => void): Record[] | undefined {
  const records = decode(Buffer.from(first)).answers as Record[]
  if (more === undefined) return records
  for (;;) {
    during?.()
    const next = more.next()
    if (next == null) {
      more.end(next === undefined)
      return next === null ? undefined : records
    }
    if (next.length > 0) records.push(...(decode(Buffer.from(next)).answers as Record[]))
  }
}

/** Of a whole zone, without its SOAs. */
const recordsOf = (whole: readonly Record[]) => whole.slice(1, -1).map(text).sort()

/** What a secondary that holds `whole` has after a difference. */
function applied(change: readonly Record[], whole: readonly Record[]): string[] {
  const middle = change.findIndex(({ type }, at) => type === 'SOA' && at > 1)
  const state = new Set(recordsOf(whole))
  for (const gone of change.slice(2, middle).map(text)) assert.ok(state.delete(gone), gone)
  for (const added of change.slice(middle + 1, -1).map(text)) {
    assert.ok(!state.has(added), added)
    state.add(added)
  }
  return [...state].sort()
}

describe('RFC 5936 §2.2: AXFR', () => {
  it('begins and ends with the SOA, and has every record once', () => {
    const { put, axfr, world } = start()
    put('web', ['10.0.0.1', '10.0.0.2'])
    const records = drain(axfr())!
    assert.equal(soas(records).length, 2)
    assert.deepEqual([records[0]!.type, records.at(-1)!.type], ['SOA', 'SOA'])
    const all = records.slice(1, -1).map(text)
    assert.equal(new Set(all).size, all.length)
    const name = 'web.default.svc.cluster.local'
    const served = world.ask(name, 'A').answers.map(line => line.split(' ').at(-1))
    assert.deepEqual(
      all
        .filter(line => line.startsWith(`${name} A `))
        .map(line => line.split(' ').at(-1))
        .sort(),
      served.sort(),
    )
  })

  it('is the state of one moment, in several messages, while the zone changes on', () => {
    const { put, axfr, services, slices, world } = start()
    for (let i = 0; i < 300; i++) put(`s${i}`, [`10.0.1.${i % 250}`, '10.0.2.1'])
    const before = drain(axfr())!.map(text).sort()
    const during = drain(axfr(), () => {
      for (let i = 0; i < 300; i += 2) put(`s${i}`, ['10.9.9.9'])
      for (let i = 1; i < 300; i += 4) {
        services.remove('default', `s${i}`)
        slices.remove('default', `s${i}-1`)
      }
      put('new', ['10.9.9.8'])
      world.flush()
    })!
    assert.deepEqual(during.map(text).sort(), before)
    assert.notDeepEqual(drain(axfr())!.map(text).sort(), before)
  })

  it('breaks off when more changes than is kept, or when it takes too long, and gives its place back', () => {
    const { put, axfr, pass, transfers } = start({ imageOctets: 500 })
    for (let i = 0; i < 300; i++) put(`s${i}`, ['10.0.1.1'])
    const change = () => {
      for (let i = 0; i < 300; i++) put(`s${i}`, ['10.0.1.2'])
    }
    assert.equal(drain(axfr(), change), undefined)
    assert.equal(
      drain(axfr(), () => pass(2000)),
      undefined,
    )
    assert.deepEqual([transfers.stats.active, transfers.stats.failed], [0, 2])
  })

  it('is SERVFAIL while others have all places', () => {
    const { put, axfr, transfers } = start()
    put('web', ['10.0.0.1'])
    const others = [axfr(), axfr()]
    assert.equal(axfr().first[3]! & 15, 2)
    assert.equal(transfers.stats.rejected, 1)
    for (const other of others) drain(other)
    assert.equal(axfr().first[3]! & 15, 0)
  })
})

describe('RFC 1995 §4: IXFR', () => {
  it('of a version that the client was given: SOA, the old SOA, what is gone, SOA, what is new, SOA', () => {
    const { put, axfr, ixfr } = start()
    put('web', ['10.0.0.1', '10.0.0.2'])
    const whole = drain(axfr())!
    const [old] = soas(whole)
    put('web', ['10.0.0.2', '10.0.0.3'])
    put('db', ['10.0.1.1'])
    const latest = drain(axfr('10.0.0.99'))!
    const change = drain(ixfr(old!))!
    const [now] = soas(latest)
    assert.deepEqual(soas(change), [now, old, now, now])
    assert.deepEqual(applied(change, whole), recordsOf(latest))
  })

  it('is the difference of two moments, made in pieces while the zone changes on', () => {
    const { put, axfr, ixfr, services, slices, table, world } = start()
    const remove = (i: number) => {
      services.remove('default', `s${i}`)
      slices.remove('default', `s${i}-1`)
      world.flush()
    }
    for (let i = 0; i < 400; i++) put(`s${i}`, ['10.0.1.1', '10.0.1.2'])
    const whole = drain(axfr())!
    for (let i = 0; i < 400; i += 2) put(`s${i}`, ['10.0.1.2', '10.0.1.3'])
    for (let i = 1; i < 400; i += 8) remove(i)
    const latest = drain(axfr('10.0.0.99'))!
    let turns = 0
    let looked = 0
    const find = table.find.bind(table)
    table.find = (...name) => {
      looked++
      return find(...name)
    }
    const change = drain(ixfr(soas(whole)[0]!), () => {
      const i = turns++
      assert.ok(looked <= 260, `${looked} names in one turn`)
      looked = 0
      put(`s${i}`, [`10.9.${i >> 8}.${i & 255}`])
      put(`s${399 - i}`, ['10.0.1.1'])
      remove((7 * i) % 400)
      put(`new${i}`, ['10.9.9.9'])
    })!
    assert.ok(turns > 8, `${turns} turns`)
    assert.deepEqual(applied(change, whole), recordsOf(latest))
  })

  it('breaks off when more changes meanwhile than is kept', () => {
    const { put, axfr, ixfr, transfers } = start({ imageOctets: 500 })
    const all = (address: string) => {
      for (let i = 0; i < 100; i++) put(`s${i}`, [address])
    }
    all('10.0.1.1')
    const [old] = soas(drain(axfr())!)
    all('10.0.1.2')
    let turn = 0
    assert.equal(
      drain(ixfr(old!), () => all(`10.0.2.${++turn}`)),
      undefined,
    )
    assert.deepEqual([transfers.stats.active, transfers.stats.failed], [0, 1])
  })

  it('of a version that this client was not given here is the whole zone', () => {
    const { put, axfr, ixfr } = start()
    put('web', ['10.0.0.1'])
    const [old] = soas(drain(axfr())!)
    put('web', ['10.0.0.2'])
    for (const [serial, client] of [
      [old!, '10.0.0.54'],
      [old! - 1, CLIENT],
    ] as const) {
      const records = drain(ixfr(serial, client))!
      assert.deepEqual([records[1]!.type === 'SOA', soas(records).length], [false, 2])
    }
  })

  it('RFC 1995 §2: who has the latest version gets the SOA alone', () => {
    const { put, axfr, ixfr } = start()
    put('web', ['10.0.0.1'])
    const [latest] = soas(drain(axfr())!)
    assert.deepEqual(soas(drain(ixfr(latest!))!), [latest])
    assert.equal(drain(ixfr(latest!))!.length, 1)
  })
})

describe('a serial that finds no room in a full table', () => {
  const OTHER = '10.0.0.99'

  /** Two versions that were given; `fill` makes a third state under the serial of the second, `end` the third version. */
  function startFull() {
    const started = start()
    const { put, world, axfr } = started
    const { table } = world.serving
    const setSerial = table.setSerial.bind(table)
    put('web', ['10.0.0.1'])
    const first = drain(axfr())!
    put('web', ['10.0.0.1', '10.0.0.2'])
    const second = drain(axfr(OTHER))!
    const fill = () => {
      table.setSerial = () => {
        throw new TableFullError()
      }
      put('web', ['10.0.0.1', '10.0.0.3'])
    }
    const end = () => {
      table.setSerial = setSerial
      put('web', ['10.0.0.1'])
    }
    return { ...started, first, second, fill, end }
  }
  const serialOf = (records: readonly Record[]) => soas(records)[0]!
  const isWhole = (records: readonly Record[]) => soas(records).length === 2

  it('RFC 1995 §4: changes are not told from it to whom the other state was given, nor to whom both were', () => {
    const { axfr, ixfr, second, fill, end } = startFull()
    fill()
    for (const client of [OTHER, CLIENT]) {
      const whole = drain(axfr(client))!
      assert.equal(serialOf(whole), serialOf(second))
      assert.notDeepEqual(recordsOf(whole), recordsOf(second))
    }
    end()
    for (const client of [OTHER, CLIENT]) assert.ok(isWhole(drain(ixfr(serialOf(second), client))!))
  })

  it('RFC 1995 §4: nor when a transfer of its own state ends last', () => {
    const { axfr, ixfr, second, fill, end } = startFull()
    const begun = axfr()
    fill()
    drain(axfr())
    assert.deepEqual(recordsOf(drain(begun)!), recordsOf(second))
    end()
    assert.ok(isWhole(drain(ixfr(serialOf(second)))!))
  })

  it('RFC 1995 §4: an IXFR to it is the whole zone, and so is the next one', () => {
    const { ixfr, first, second, fill, end } = startFull()
    fill()
    const whole = drain(ixfr(serialOf(first)))!
    assert.deepEqual([isWhole(whole), serialOf(whole)], [true, serialOf(second)])
    end()
    assert.ok(isWhole(drain(ixfr(serialOf(second)))!))
  })

  it('RFC 1995 §4: changes are told as ever from versions that come after it', () => {
    const { axfr, ixfr, put, fill, end } = startFull()
    fill()
    drain(axfr())
    end()
    const third = drain(axfr())!
    put('db', ['10.0.1.1'])
    const change = drain(ixfr(serialOf(third)))!
    assert.ok(!isWhole(change))
    assert.deepEqual(applied(change, third), recordsOf(drain(axfr())!))
  })

  it('RFC 1995 §4: changes are told from it when nobody was given the other state', () => {
    const { axfr, ixfr, second, fill, end } = startFull()
    fill()
    end()
    const change = drain(ixfr(serialOf(second), OTHER))!
    assert.ok(!isWhole(change))
    assert.deepEqual(applied(change, second), recordsOf(drain(axfr())!))
  })
})

describe('a name with more records than a call takes arguments', () => {
  const ENDPOINTS = 60_000
  const put = ({ serving }: ReturnType<typeof start>['world'], first: number) => {
    const v4 = Array.from({ length: ENDPOINTS }, (_, i) => first + i)
    const zones = [{ labels: Uint8Array.of(1, 0x61), v4, v6: new Uint8Array(0) }]
    serving.table.put({ owner: wireName('_zone.web.default.svc.cluster.local'), ttl: 5, zones })
    serving.table.setSerial(first)
  }
  /** Of which an endpoint has three: pin, prefer, and prefer in any other zone. */
  const countRecords = ({ first, more }: ReturnType<Transfers['answer']>) => {
    const countIn = (octets: Uint8Array) => Buffer.from(octets).readUInt16BE(6)
    let records = countIn(first)
    let message = more!.next()
    for (; message != null; message = more!.next()) if (message.length > 0) records += countIn(message)
    more!.end(message === undefined)
    return records
  }

  it('RFC 5936 §2.2: is in an AXFR, read in the table, or as it was before it changed', () => {
    const { axfr, world, transfers } = start()
    put(world, 1 << 24)
    assert.ok(countRecords(axfr()) > 3 * ENDPOINTS)
    const begun = axfr()
    put(world, 2 << 24)
    assert.ok(countRecords(begun) > 3 * ENDPOINTS)
    assert.deepEqual([transfers.stats.finished, transfers.stats.failed], [2, 0])
  })

  it('RFC 1995 §4: is in an IXFR', () => {
    const { axfr, ixfr, world, transfers } = start()
    put(world, 1 << 24)
    countRecords(axfr())
    put(world, 2 << 24)
    assert.equal(countRecords(ixfr(1 << 24)), 4 + 6 * ENDPOINTS)
    assert.deepEqual([transfers.stats.finished, transfers.stats.failed], [2, 0])
  })
})

describe('a defect in what makes a transfer', () => {
  const defect = new TypeError('a defect')

  it('before the first message is SERVFAIL, and gives its place back', t => {
    const { axfr, transfers, journal, errors } = start()
    const forget = t.mock.method(journal, 'forget')
    const walk = t.mock.method(NameWalk.prototype, 'next', () => {
      throw defect
    })
    for (let i = 1; i <= 5; i++) {
      const { first, more } = axfr()
      assert.deepEqual([first[3]! & 15, more], [2, undefined])
      assert.deepEqual([transfers.stats.active, transfers.stats.failed, forget.mock.callCount()], [0, i, i])
    }
    assert.deepEqual(errors, new Array(5).fill(defect))
    walk.mock.restore()
    assert.equal(drain(axfr())!.at(-1)!.type, 'SOA')
  })

  it('after the first message breaks the transfer off, and gives its place back', t => {
    const { axfr, transfers, journal, errors } = start()
    const forget = t.mock.method(journal, 'forget')
    const pieces = t.mock.method(ZoneWalk.prototype, 'pieces', function* () {
      for (let i = 0; i < 20; i++) yield []
      throw defect
    })
    assert.equal(drain(axfr()), undefined)
    assert.deepEqual([transfers.stats.active, transfers.stats.failed, forget.mock.callCount()], [0, 1, 1])
    assert.deepEqual(errors, [defect])
    pieces.mock.restore()
    assert.equal(drain(axfr())!.at(-1)!.type, 'SOA')
  })

  it('before anything is made leaves no place taken', t => {
    const { axfr, transfers, journal } = start()
    const observe = t.mock.method(journal, 'observe', () => {
      throw defect
    })
    for (let i = 0; i < 3; i++) assert.throws(axfr, defect)
    assert.equal(transfers.stats.active, 0)
    observe.mock.restore()
    assert.equal(drain(axfr())!.at(-1)!.type, 'SOA')
  })
})

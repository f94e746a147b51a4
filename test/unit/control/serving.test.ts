import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TableFullError } from '../../../src/table/allocator.ts'
import { ownerAt } from '../../../src/table/name-walk.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { parseName } from '../../../src/wire/name.ts'
import { createAnswering, headless, importSinks, slice } from '../../support/answering.ts'
import { createBoundedMemory } from '../../support/bounded-memory.ts'

const addressesOf = (answers: readonly string[]): string[] => answers.map(answer => answer.split(' ').at(-1)!).sort()

function create() {
  const problems: unknown[] = []
  const server = createAnswering({ memory: createBoundedMemory(2, 4), onUnpublished: error => problems.push(error) })
  const ask = (name: string) => server.ask(`${name}.default.svc.cluster.local`, 'A', { stream: true })
  return { ...server, problems, ask }
}

describe('the first lists', () => {
  it('make each name once: none is an empty non-terminal first', () => {
    const { services, slices, flush, serving } = createAnswering({ unsynced: true })
    const { table } = serving
    const [changes, { names }] = [table.changes, table.stats()]
    const list = services.replaceAll()
    list.add(headless('web'))
    list.commit()
    const slicesListed = slices.replaceAll()
    slicesListed.add(slice('web', namedPods(1, 0, 20), { ports: [{ name: 'http', protocol: 'tcp', port: 80 }] }))
    slicesListed.commit()
    flush()
    assert.ok(table.stats().names - names > 60)
    assert.equal(table.changes - changes, table.stats().names - names)
  })
})

describe('an address of many Services', () => {
  /** How often the reverse name of 10.0.0.1 is written, and whether it goes meanwhile. */
  function watched() {
    const server = createAnswering()
    const { table } = server.serving
    const owner = Buffer.from(parseName('1.0.0.10.in-addr.arpa')!)
    const seen = { writes: 0, gone: 0 }
    table.watcher = {
      changed(words, octets, old, block) {
        if (!owner.equals(ownerAt(words, octets, block === 0 ? old : block))) return
        seen.writes++
        if (block === 0) seen.gone++
      },
      serialMoved() {},
    }
    return { ...server, seen }
  }

  it('has its PTRs written once for all that change together, and the table is no larger for it', () => {
    const { services, slices, flush, seen, serving, ask } = watched()
    const names = Array.from({ length: 500 }, (_, i) => `s${i}`)
    for (const name of names) {
      services.upsert(headless(name))
      slices.upsert(slice(name, [{ address: '10.0.0.1' }]))
    }
    flush()
    assert.deepEqual(seen, { writes: 1, gone: 0 })
    assert.ok(serving.table.stats().retiredOctets < 1 << 20)
    assert.equal(ask('1.0.0.10.in-addr.arpa', 'PTR', { stream: true }).answers.length, 500)
    for (const name of names) slices.upsert(slice(name, [{ address: '10.0.0.2' }]))
    flush()
    assert.deepEqual(seen, { writes: 2, gone: 1 })
    assert.equal(ask('2.0.0.10.in-addr.arpa', 'PTR', { stream: true }).answers.length, 500)
  })

  it('is never without a PTR while its slice goes from one Service to another', () => {
    const { services, slices, flush, seen, ask } = watched()
    for (const name of ['blue', 'green']) services.upsert(headless(name))
    slices.upsert(slice('blue', [{ address: '10.0.0.1' }], { name: 'one' }))
    flush()
    seen.writes = 0
    slices.upsert(slice('green', [{ address: '10.0.0.1' }], { name: 'one' }))
    flush()
    assert.deepEqual(seen, { writes: 1, gone: 0 })
    const { answers } = ask('1.0.0.10.in-addr.arpa', 'PTR')
    assert.match(answers.join(), /^[^,]* 10-0-0-1\.green\.default\.svc\.cluster\.local\.?$/)
  })
})

describe('a table that is full, seen from the cluster', () => {
  it('serves what it served, whole; other Services change on; the rest is served as soon as there is room', () => {
    const { services, slices, flush, problems, ask, serving } = create()
    for (const name of ['web', 'large', 'other']) services.upsert(headless(name))
    slices.upsert(slice('web', [{ address: '10.0.0.1', hostname: 'a' }]))
    slices.upsert(slice('large', namedPods(1, 0, 300)))
    slices.upsert(slice('other', [{ address: '10.0.2.1' }]))
    flush()
    assert.deepEqual([problems.length, serving.unpublished()], [0, 0])

    slices.upsert(slice('web', namedPods(2, 0, 2000)))
    slices.upsert(slice('other', [{ address: '10.0.2.2' }]))
    flush()
    assert.equal((problems[0] as { code: string }).code, 'ERR_TABLE_FULL')
    assert.equal(serving.unpublished(), 1)
    assert.deepEqual(addressesOf(ask('web').answers), ['10.0.0.1'])
    assert.deepEqual(addressesOf(ask('a.web').answers), ['10.0.0.1'])
    assert.equal(ask('h1999.web').rcode, 'NXDOMAIN', 'nothing of what found no room')
    assert.equal(ask('h0.web').rcode, 'NXDOMAIN', 'nothing of what found room before it ended')
    assert.deepEqual(addressesOf(ask('other').answers), ['10.0.2.2'])

    // Another change of the same Service replaces the one that waits: the old one must never come back over it.
    slices.upsert(slice('web', namedPods(3, 0, 250)))
    slices.remove('default', slice('large', []).name)
    flush()
    flush()
    slices.upsert(slice('other', [{ address: '10.0.2.3' }]))
    flush()
    assert.equal(serving.unpublished(), 0)
    assert.deepEqual(addressesOf(ask('h7.web').answers), ['10.3.0.7'])
    assert.equal(addressesOf(ask('web').answers).length, 250)
    assert.equal(ask('a.web').rcode, 'NXDOMAIN', 'what was served before is gone')
    assert.equal(ask('h1999.web').rcode, 'NXDOMAIN')
  })

  it('keeps one waiting change per Service, however often it changes', () => {
    const { services, slices, flush, serving } = create()
    services.upsert(headless('web'))
    slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
    flush()
    for (let i = 0; i < 20; i++) {
      slices.upsert(slice('web', namedPods(i, 0, 3000)))
      flush()
      assert.equal(serving.unpublished(), 1)
    }
  })

  it('is not left with half of a change that could be neither made nor taken back, nor with what such a change was to replace', () => {
    const { services, slices, flush, serving, server } = bounded()
    const base = serving.table.stats().names
    const rcode = (host: string) => server.ask(`${host}.web.default.svc.cluster.local`, 'A').rcode
    services.upsert(headless('web'))
    slices.upsert(slice('web', namedPods(2, 0, 200)))
    flush()
    assert.equal(serving.unpublished(), 0)
    // A hundred names are those of before with other addresses, and there is no room for the rest.
    slices.upsert(slice('web', namedPods(3, 100, 900)))
    flush()
    assert.equal(serving.unpublished(), 1)
    assert.deepEqual([rcode('h250'), rcode('h999')], ['NXDOMAIN', 'NXDOMAIN'])
    for (const host of ['h0', 'h150']) {
      const { answers } = server.ask(`${host}.web.default.svc.cluster.local`, 'A')
      assert.match(answers[0]!, /10\.2\.0\./, 'what was served stays, whole')
    }
    slices.upsert(slice('web', [{ address: '10.9.9.9', hostname: 'h0' }]))
    flush()
    assert.equal(serving.unpublished(), 0)
    assert.deepEqual([rcode('h0'), rcode('h150'), rcode('h250')], ['NOERROR', 'NXDOMAIN', 'NXDOMAIN'])
    services.remove('default', 'web')
    slices.remove('default', slice('web', []).name)
    flush()
    assert.equal(serving.table.stats().names, base)
  })

  it('any changes that did not find room leave nothing behind when all is gone, and the last ones are served', () => {
    const size = fc.integer({ min: 0, max: 900 })
    const step = fc.record({
      service: fc.constantFrom('a', 'b'),
      net: fc.integer({ min: 1, max: 3 }),
      from: size,
      count: size,
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), steps => {
        const { services, slices, flush, serving, server } = bounded()
        const base = serving.table.stats().names
        for (const name of ['a', 'b']) services.upsert(headless(name))
        for (const one of steps) {
          slices.upsert(slice(one.service, namedPods(one.net, one.from, one.count)))
          flush()
        }
        slices.upsert(slice('a', namedPods(9, 0, 3)))
        slices.upsert(slice('b', []))
        flush()
        serving.retry()
        assert.equal(serving.unpublished(), 0)
        const { answers } = server.ask('a.default.svc.cluster.local', 'A')
        assert.deepEqual(addressesOf(answers), ['10.9.0.0', '10.9.0.1', '10.9.0.2'])
        for (const name of ['a', 'b']) {
          services.remove('default', name)
          slices.remove('default', slice(name, []).name)
        }
        flush()
        serving.retry()
        assert.deepEqual([serving.table.stats().names, serving.unpublished()], [base, 0])
      }),
      { numRuns: 40 },
    )
  })

  it('of a table filled to the brim is made all the same when it needs less room than there was before', () => {
    type Served = ReturnType<typeof bounded>
    const becomes = (endpoints: Parameters<typeof slice>[1]) => (to: Served) =>
      to.slices.upsert(slice('web', endpoints))
    const smaller: Record<string, (to: Served, count: number) => void> = {
      'three others': becomes(namedPods(9, 0, 3)),
      none: becomes([]),
      'half of them, elsewhere': (to, count) => becomes(namedPods(9, 94, count >>> 1))(to),
      gone: ({ services }) => services.remove('default', 'web'),
    }
    const waiting: string[] = []
    for (const [change, make] of Object.entries(smaller)) {
      let count = 600
      const filled = () => {
        const served = bounded()
        served.services.upsert(headless('web'))
        served.slices.upsert(slice('web', namedPods(1, 94, count)))
        served.flush()
        return served
      }
      for (let served = filled(); served.serving.unpublished() === 0; count++, served = filled()) {
        make(served, count)
        served.flush()
        if (served.serving.unpublished() > 0) waiting.push(`${change}, after ${count}`)
      }
      assert.ok(count > 600, 'a table that is not full was filled to the brim')
    }
    assert.deepEqual(waiting, [])
  })

  it('takes away nothing, not for a moment, for a change that needs more room than there is', () => {
    const { services, slices, flush, ask, serving } = create()
    for (const name of ['web', 'other']) services.upsert(headless(name))
    slices.upsert(slice('web', namedPods(1, 0, 200)))
    flush()
    let changes = 0
    const missing: string[] = []
    const look = () => {
      changes++
      if (ask('h7.web').rcode !== 'NOERROR') missing.push(`after ${changes} changes`)
    }
    serving.table.watcher = { changed: look, serialMoved() {} }
    slices.upsert(slice('web', namedPods(2, 1000, 2000)))
    flush()
    slices.upsert(slice('other', [{ address: '10.9.0.1' }]))
    flush()
    serving.retry()
    assert.ok(changes > 1000)
    assert.deepEqual([missing, serving.unpublished()], [[], 1])
  })

  it('is no excuse for a defect: that is told of, and the change is taken back and tried again', () => {
    const { services, slices, flush, problems, ask, serving } = create()
    services.upsert(headless('web'))
    slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
    flush()
    let changes = 0
    serving.table.watcher = {
      changed() {
        if (++changes === 3) throw new TypeError('a defect')
      },
      serialMoved() {},
    }
    slices.upsert(slice('web', namedPods(1, 0, 3)))
    flush()
    assert.deepEqual(problems, [new TypeError('a defect')])
    assert.deepEqual([addressesOf(ask('web').answers), serving.unpublished()], [['10.0.0.1'], 1])
    serving.retry()
    assert.deepEqual([ask('web').answers.length, serving.unpublished()], [3, 0])
  })

  it('whose serial found no room has it move on as soon as there is some: secondaries ask for nothing before', () => {
    const { services, slices, flush, serving, server } = bounded()
    services.upsert(headless('web'))
    flush()
    const serial = () => server.ask('cluster.local', 'SOA').answers[0]
    const before = serial()
    const { table } = serving
    const setSerial = table.setSerial.bind(table)
    table.setSerial = () => {
      throw new TableFullError()
    }
    slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
    flush()
    assert.deepEqual(
      [addressesOf(server.ask('web.default.svc.cluster.local', 'A').answers), serial(), serving.unpublished()],
      [['10.0.0.1'], before, 1],
    )
    table.setSerial = setSerial
    serving.retry()
    assert.notEqual(serial(), before)
    assert.equal(serving.unpublished(), 0)
  })

  it('is tried again when others have made room, without a change of the Service itself', () => {
    const { services, slices, flush, serving, server } = bounded()
    for (const name of ['big', 'web']) services.upsert(headless(name))
    slices.upsert(slice('big', namedPods(1, 0, 500)))
    flush()
    slices.upsert(slice('web', namedPods(2, 0, 450)))
    flush()
    assert.equal(serving.unpublished(), 1)
    services.remove('default', 'big')
    slices.remove('default', slice('big', []).name)
    flush()
    serving.table.commit()
    serving.retry()
    assert.equal(serving.unpublished(), 0)
    assert.equal(addressesOf(server.ask('web.default.svc.cluster.local', 'A', { stream: true }).answers).length, 450)
  })
})

describe('a table without room for the PTRs of one address', () => {
  /** Services of the same pods in a table that others fill until not one name more has room. */
  function filled(sharers: number) {
    const server = bounded()
    const { services, slices, flush, serving } = server
    const names = Array.from({ length: sharers }, (_, i) => `s${i}`)
    for (const name of names) {
      services.upsert(headless(name))
      slices.upsert(slice(name, namedPods(0, 0, 3)))
      flush()
    }
    let others = 0
    for (; serving.unpublished() === 0; others++) {
      services.upsert({ ...headless(`f${others}`), kind: 'externalName', externalName: 'a.b' })
      flush()
    }
    services.remove('default', `f${others - 1}`)
    flush()
    assert.equal(serving.unpublished(), 0)
    const rcode = (name: string) => server.server.ask(`${name}.default.svc.cluster.local`, 'A').rcode
    const gone = (name: string) => {
      services.remove('default', name)
      slices.remove('default', slice(name, []).name)
    }
    return { ...server, rcode, gone }
  }

  it('a Service that is deleted is gone, though the set of those that are left has to be written', () => {
    for (const sharers of [2, 3]) {
      const { flush, serving, rcode, gone } = filled(sharers)
      gone('s0')
      flush()
      assert.deepEqual(
        [rcode('s0'), rcode('h0.s0'), rcode('s1'), serving.unpublished()],
        ['NXDOMAIN', 'NXDOMAIN', 'NOERROR', 0],
      )
    }
  })

  it('one that gains the address, and finds no room, does not stop one that loses it or goes', () => {
    const { services, slices, flush, serving, rcode, gone } = filled(3)
    slices.upsert(slice('s1', namedPods(0, 1, 2)))
    gone('s2')
    services.upsert(headless('new'))
    slices.upsert(slice('new', namedPods(0, 0, 300)))
    flush()
    // What came before others that made room.
    serving.retry()
    assert.deepEqual([rcode('h0.s1'), rcode('h1.s1'), rcode('s2')], ['NXDOMAIN', 'NOERROR', 'NXDOMAIN'])
    assert.deepEqual([rcode('h0.new'), rcode('h299.new'), serving.unpublished()], ['NXDOMAIN', 'NXDOMAIN', 1])
  })
})

describe('a table that is full, and what came and went meanwhile', () => {
  it('a Service that found no room, could not be taken back, and is deleted holds up no other, and leaves nothing', () => {
    const { services, slices, flush, serving, server } = bounded()
    const base = serving.table.stats().names
    const ask = (name: string) => server.ask(`${name}.default.svc.cluster.local`, 'A')
    for (const name of ['web', 'other']) services.upsert(headless(name))
    slices.upsert(slice('web', namedPods(1, 0, 120)))
    slices.upsert(slice('other', [{ address: '10.9.0.1' }]))
    flush()
    // What a reader may still look at does not become free: nothing can be taken back either.
    const reader = new TableReader(serving.memory, 5)
    reader.begin()
    services.upsert(headless('twin'))
    slices.upsert(slice('twin', namedPods(1, 0, 600)))
    flush()
    assert.equal(serving.unpublished(), 1)
    services.remove('default', 'twin')
    slices.remove('default', slice('twin', []).name)
    slices.upsert(slice('other', [{ address: '10.9.0.2' }]))
    flush()
    reader.end()
    serving.retry()
    serving.retry()
    assert.deepEqual([addressesOf(ask('other').answers), serving.unpublished()], [['10.9.0.2'], 0])
    assert.equal(ask('h0.twin').rcode, 'NXDOMAIN')
    assert.deepEqual(server.ask('0.0.1.10.in-addr.arpa', 'PTR').answers.length, 1, 'that of web')
    for (const name of ['web', 'other']) {
      services.remove('default', name)
      slices.remove('default', slice(name, []).name)
    }
    flush()
    serving.retry()
    assert.deepEqual([serving.table.stats().names, serving.unpublished()], [base, 0])
  })

  it('a namespace whose name for pods found no room has it as soon as there is some', () => {
    const memory = createBoundedMemory(2, 4)
    const server = createAnswering({
      memory,
      onUnpublished: () => {},
      seed: 1,
      watchNamespaces: true,
      pods: 'insecure',
      namespacesAreChosen: true,
    })
    const { services, slices, namespaces, flush, serving } = server
    const names = Array.from({ length: 1000 }, (_, i) => `late-${'x'.repeat(40)}-${i}`)
    namespaces.upsert({ name: 'default' })
    services.upsert(headless('big'))
    slices.upsert(slice('big', namedPods(1, 0, 600)))
    flush()
    assert.equal(serving.unpublished(), 0)
    for (const name of names) namespaces.upsert({ name })
    flush()
    assert.ok(serving.unpublished() > 0)
    const missing = () =>
      names.filter(name => server.ask(`10-1-0-5.${name}.pod.cluster.local`, 'A').rcode !== 'NOERROR')
    assert.equal(missing().length, serving.unpublished())
    services.remove('default', 'big')
    slices.remove('default', slice('big', []).name)
    flush()
    serving.retry()
    assert.deepEqual([missing(), serving.unpublished()], [[], 0])
  })
})

describe('endpoints on the move, in the cluster and in a clusterset', () => {
  it('each state is woken for itself: one time for each moment, however many wait in the other', () => {
    const MOMENTS = 12
    let nowMs = 0
    let asked = 0
    const due: { readonly atMs: number; readonly run: () => void }[] = []
    const moves = {
      windowMs: 100,
      now: () => nowMs,
      wake(afterMs: number, run: () => void) {
        asked++
        due.push({ atMs: nowMs + afterMs, run })
      },
    }
    const pass = (ms: number) => {
      const endMs = nowMs + ms
      for (; due.some(({ atMs }) => atMs <= endMs); ) {
        due.sort((a, b) => a.atMs - b.atMs)
        const { atMs, run } = due.shift()!
        nowMs = Math.max(nowMs, atMs)
        run()
        assert.ok(asked <= 4 * MOMENTS, `asked to be woken ${asked} times`)
      }
      nowMs = endMs
    }
    const server = createAnswering({ moves, multicluster: [parseName('clusterset.local')!] })
    const imports = importSinks(server)
    for (const sink of [imports.services, imports.slices]) sink.replaceAll().commit()
    imports.flush()
    const pods = (from: number) =>
      namedPods(1, from, MOMENTS + 1 - from).map((pod, i) => ({ ...pod, target: from + i + 1 }))
    for (const state of [server, imports]) {
      state.services.upsert(headless('web'))
      for (let from = 0; from <= MOMENTS; from++) {
        state.slices.upsert(slice('web', pods(from)))
        state.flush()
        if (state === imports) pass(5)
      }
    }
    pass(1000)
    assert.deepEqual(due, [])
    for (const zone of ['cluster.local', 'clusterset.local']) {
      assert.equal(server.ask(`web.default.svc.${zone}`, 'A').answers.length, 1)
    }
  })
})

/** Endpoints `h<from>` on, with addresses in `10.<net>.0.0/16`. */
function namedPods(net: number, from: number, count: number) {
  return Array.from({ length: count }, (_, i) => ({
    address: `10.${net}.${(from + i) >>> 8}.${(from + i) & 255}`,
    hostname: `h${from + i}`,
  }))
}

function bounded() {
  const server = createAnswering({ memory: createBoundedMemory(2, 4), onUnpublished: () => {}, seed: 1 })
  const { services, slices, flush, serving } = server
  return { services, slices, flush, serving, server }
}

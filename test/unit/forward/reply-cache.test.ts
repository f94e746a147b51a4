/** What an upstream says, whatever it is, kept and given again: at the question, behind an alias, in any room. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Asking, CachedWorld, type Hearing } from '../../support/cached.ts'
import { addressOf, QNAME, recordOf, replyTo, type Script, startUpstream } from '../../support/fake-upstream.ts'
import { createForwarder } from '../../support/forwarder.ts'
import { queryOf, RCODES, RD, type Reply, strictDecode, TC, wireName } from '../../support/messages.ts'
import { until } from '../../support/server-process.ts'

const NAME = 'www.example.com'
const ALIAS = 'a-longer-name-for-it.cluster.local'

const owners = fc.constantFrom<string | Uint8Array>(
  QNAME,
  QNAME,
  NAME,
  'b.example',
  'c.b.example',
  Uint8Array.of(1, 98, 0xc0, 16),
)
const name = fc.constantFrom<Uint8Array>(
  wireName('b.example'),
  wireName('c.b.example'),
  wireName('x.www.example.com'),
  QNAME,
)
const fixed = (octets: number) => fc.uint8Array({ minLength: octets, maxLength: octets })
const behind = (octets: number) => fc.tuple(fixed(octets), name).map(parts => Buffer.concat(parts))
const rdata: readonly [number, fc.Arbitrary<Uint8Array>][] = [
  [1, fixed(4)],
  [1, fixed(4)],
  [5, name],
  [6, fc.tuple(name, name, fixed(20)).map(parts => Buffer.concat(parts))],
  [12, name],
  [15, behind(2)],
  [28, fixed(16)],
  [33, behind(6)],
  [46, behind(18)],
  [999, fixed(0)],
  [999, fixed(90)],
  [999, fixed(200)],
  [999, fixed(400)],
]
const kinds = rdata.map(([type, octets]) => octets.map(each => [type, each] as const))
const record = fc
  .tuple(owners, fc.oneof(...kinds), fc.integer({ min: 1, max: 9999 }))
  .map(([owner, [type, octets], ttl]) => recordOf(owner, type, octets, ttl))
const records = fc.array(record, { maxLength: 24, size: 'max' })

/** Owners, types, and what is the same wherever names are pointed to. */
function factsOf({ answers, authority }: Reply, from: number): unknown[] {
  return [answers.slice(from), authority].map(section =>
    section.map(({ owner, type, names, rdata }) => [owner, type, names, names.length > 0 ? '' : rdata.length]),
  )
}

it('is what a strict reader takes, the same behind an alias, and a beginning of it where the room is small', () => {
  const world = new CachedWorld({ success: { capacity: 100, ttl: 86_400, minTtl: 1 } })
  world.table.writer.put({ owner: wireName(ALIAS), ttl: 5, raw: [{ type: 5, rdata: [wireName(NAME)] }] })
  world.table.writer.commit()
  let kept = 0
  let cut = 0
  fc.assert(
    fc.property(
      records,
      records,
      fc.constantFrom(1, 15, 28, 33, 999),
      fc.boolean(),
      fc.integer({ min: 512, max: 700 }),
      (answers, authority, type, dnssecOk, size) => {
        world.store.purgeAll()
        world.hear(NAME, type, { answers, authority, dnssecOk })
        const opt = { do: dnssecOk }
        const ask = (name: string, asking: Asking): Reply | undefined => {
          const octets = world.exchange(name, type, asking)
          return octets && strictDecode(octets, { mayRepeat: true })
        }
        const whole = ask(NAME, { opt, stream: true })
        const behindAlias = ask(ALIAS, { opt, stream: true })
        assert.equal(behindAlias === undefined, whole === undefined)
        if (whole === undefined || behindAlias === undefined) return
        kept++
        assert.equal(behindAlias.answers[0]!.names[0], wireName(NAME).toString('latin1'))
        assert.deepEqual(factsOf(behindAlias, 1), factsOf(whole, 0))
        const small = ask(NAME, { opt: { ...opt, size } })!
        assert.ok(small.length <= size)
        if ((small.flags & TC) === 0) assert.deepEqual(factsOf(small, 0), factsOf(whole, 0))
        else {
          cut++
          assert.ok(whole.length > size)
          const [given, all] = [factsOf(small, 0), factsOf(whole, 0)].map(facts => facts.flat())
          assert.deepEqual(given, all!.slice(0, given!.length))
        }
      },
    ),
    { numRuns: 800 },
  )
  assert.ok(kept > 200 && cut > 0, `${kept} kept, ${cut} cut`)
})

describe('RFC 8767 §4: an answer that may not be kept takes away what was given although expired', () => {
  const kept: Hearing = { answers: [addressOf(QNAME, '192.0.2.1', 60)] }
  const newer: Readonly<Record<string, Hearing>> = {
    'TTL 0': { answers: [addressOf(QNAME, '192.0.2.2', 0)] },
    'NXDOMAIN without SOA': { rcode: RCODES.NXDOMAIN },
    'no data, without SOA': {},
    'truncated over TCP': { rcode: TC, answers: [addressOf(QNAME, '192.0.2.2', 60)] },
  }

  function staleWorld(): CachedWorld {
    const world = new CachedWorld({ serveStale: 3600 })
    world.hear(NAME, 1, kept)
    world.now += 61
    world.fail(NAME, 1)
    assert.deepEqual(world.ask(NAME, 1)?.answers, [`${NAME}. 1 192.0.2.1`])
    return world
  }

  for (const [words, hearing] of Object.entries(newer)) {
    it(words, () => {
      const world = staleWorld()
      world.hear(NAME, 1, hearing)
      assert.equal(world.ask(NAME, 1), undefined)
      assert.equal(world.replies.hasStale(world.keyOf(NAME, 1)), false)
    })
  }

  it('not so a loop, which is none', () => {
    const world = staleWorld()
    const [there, back] = [wireName('b.example'), wireName(NAME)]
    world.hear(NAME, 1, { answers: [recordOf(QNAME, 5, there), recordOf('b.example', 5, back)] })
    assert.ok(world.ask(NAME, 1))
  })

  it('nor what ANY brings, of which nothing is kept', () => {
    const world = staleWorld()
    world.hear(NAME, 255, kept)
    assert.ok(world.ask(NAME, 1))
  })
})

describe('what was asked for before anything was forgotten', () => {
  for (const [words, script] of Object.entries({
    'an answer': (query => [replyTo(query, { answers: [addressOf(QNAME, '192.0.2.1')] })]) as Script,
    'a failure': (query => [replyTo(query, { flags: RCODES.SERVFAIL })]) as Script,
  })) {
    it(`${words} is not kept, and of what is asked for later is`, async t => {
      let release = (): void => {}
      const gate = new Promise<void>(resolve => (release = resolve))
      const upstream = await startUpstream(async query => {
        await gate
        return script(query)
      })
      t.after(() => upstream.close())
      const { replies, store } = new CachedWorld()
      const { ask } = createForwarder(t, [upstream.port], {}, { cache: replies })
      const before = ask(queryOf(NAME, 'A', { flags: RD }))
      await until(() => upstream.asked.length === 1, 'it is asked for')
      store.purge(wireName('other.example.com'))
      const after = ask(queryOf('b.example', 'A', { flags: RD }))
      release()
      await Promise.all([before.wait(), after.wait()])
      assert.equal(store.region.entries, 1)
    })
  }
})

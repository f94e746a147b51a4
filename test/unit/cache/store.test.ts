/** What is kept when there is room for some of it, what is asked for again, and what a reader that hangs costs. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { entryKey } from '../../../src/cache/layout.ts'
import { TableReader } from '../../../src/table/reader.ts'
import { Query } from '../../../src/wire/query.ts'
import { CACHE, CachedWorld, entryOf, soaOf } from '../../support/cached.ts'
import { addressOf, QNAME } from '../../support/fake-upstream.ts'
import { wireName } from '../../support/messages.ts'

const A = 1

function hear(world: CachedWorld, name: string, ttl = 100): void {
  world.hear(name, A, { answers: [addressOf(QNAME, '192.0.2.1', ttl)] })
}

function deny(world: CachedWorld, name: string): void {
  world.hear(name, A, { rcode: 3, authority: [soaOf('example.com', 60, 60)] })
}

describe('when there is no more room', () => {
  const part = { capacity: 10, ttl: 3600, minTtl: 5 }

  it('what was hit since it was last looked at stays, and the oldest of the others goes', () => {
    const world = new CachedWorld({ success: part })
    for (let i = 0; i < 10; i++) hear(world, `n${i}.example.com`)
    for (const hit of [0, 1, 3]) assert.ok(world.ask(`n${hit}.example.com`, A))
    for (let i = 10; i < 15; i++) hear(world, `n${i}.example.com`)
    const kept = Array.from({ length: 15 }, (_, i) => i).filter(i => world.ask(`n${i}.example.com`, A) !== undefined)
    assert.deepEqual(kept, [0, 1, 3, 8, 9, 10, 11, 12, 13, 14])
    assert.equal(world.store.stats().success.evictions, 5)
  })

  it('what has expired goes, however often it was hit', () => {
    const world = new CachedWorld({ success: part })
    hear(world, 'short.example.com', 10)
    for (let i = 0; i < 9; i++) hear(world, `n${i}.example.com`)
    assert.ok(world.ask('short.example.com', A))
    assert.ok(world.ask('n0.example.com', A))
    world.now += 10
    hear(world, 'new.example.com')
    assert.equal(world.store.findFresh(world.keyOf('short.example.com', A)), 0)
    const kept = Array.from({ length: 9 }, (_, i) => i).filter(i => world.ask(`n${i}.example.com`, A) !== undefined)
    assert.equal(kept.length, 9)
  })

  it('what does not exist pushes out nothing that does', () => {
    const world = new CachedWorld({ success: part, denial: part })
    hear(world, 'www.example.com')
    for (let i = 0; i < 100; i++) deny(world, `n${i}.example.com`)
    assert.ok(world.ask('www.example.com', A))
    assert.deepEqual([world.store.stats().denial.entries, world.store.stats().denial.evictions], [10, 90])
  })

  it('in octets: what is larger than all of it is not kept, and takes its elder along', () => {
    const world = new CachedWorld({ maxOctets: 4096 })
    hear(world, 'www.example.com')
    const many = Array.from({ length: 200 }, (_, i) => addressOf(QNAME, `192.0.2.${i}`))
    world.hear('www.example.com', A, { answers: many })
    assert.equal(world.ask('www.example.com', A), undefined)
    assert.equal(world.store.region.entries, 0)
    for (let i = 0; i < 100; i++) hear(world, `n${i}.example.com`)
    const { entries, octets } = world.store.stats().success
    assert.ok(octets <= 2048 && entries > 5)
  })

  it('a reader that never ends its batch: nothing is kept any more, and no memory is taken', () => {
    const world = new CachedWorld({ maxOctets: 1 << 18 })
    hear(world, 'www.example.com')
    world.reader.find(1, 1, new DataView(new ArrayBuffer(8)))
    for (let i = 0; i < 30_000; i++) {
      const name = Uint8Array.from(wireName(`n${i}.example.com`))
      world.store.put(world.keyOf(`n${i}.example.com`, A), entryOf(name, i, 100))
    }
    const { usedOctets, memoryOctets } = world.store.stats()
    assert.ok(world.store.counts.drops > 0)
    assert.ok(usedOctets <= 2 * (1 << 18) + (1 << 20), `${usedOctets}`)
    world.reader.end()
    world.store.region.commit()
    hear(world, 'new.example.com')
    assert.ok(world.ask('new.example.com', A))
    assert.ok(world.store.stats().usedOctets < usedOctets / 2)
    assert.equal(world.store.stats().memoryOctets, memoryOctets)
  })
})

describe('RFC 8767 §4: a newer answer that is not kept takes the older one away', () => {
  const name = Uint8Array.from(wireName('www.example.com'))

  for (const [words, given] of [
    ['fresh', 0],
    ['expired', 100],
    ['given although expired', 101],
  ] as const) {
    it(`which was ${words}, with a TTL of 0 and by name; nothing is left of it`, () => {
      for (const isByName of [false, true]) {
        const world = new CachedWorld({
          serveStale: 3600,
          prefetch: { amount: 1, duration: 3600, percentage: 10 },
        })
        const key = world.keyOf('www.example.com', A)
        hear(world, 'www.example.com')
        assert.ok(world.ask('www.example.com', A))
        world.now += given
        if (given > 100) {
          world.fail('www.example.com', A)
          assert.ok(world.ask('www.example.com', A))
        }
        if (isByName) world.store.forget(key)
        else world.store.put(key, entryOf(name, 1, 0))
        assert.equal(world.ask('www.example.com', A), undefined)
        assert.deepEqual([world.store.findStale(key), world.store.findFresh(key)], [0, 0])
        assert.deepEqual([world.store.region.entries, world.store.stats().success.entries], [0, 0])
        world.now += 99
        assert.deepEqual(world.store.takeDue(), [])
      }
    })
  }

  it('for want of room too', () => {
    const world = new CachedWorld({ maxOctets: 1 << 18, serveStale: 3600 })
    hear(world, 'www.example.com')
    // Its batch does not end.
    world.reader.find(1, 1, new DataView(new ArrayBuffer(8)))
    for (let i = 0; world.store.counts.drops === 0; i++) {
      const other = `n${i % 100}.example.com`
      world.store.put(world.keyOf(other, A), entryOf(Uint8Array.from(wireName(other)), i, 100))
    }
    const { drops } = world.store.counts
    hear(world, 'www.example.com')
    assert.equal(world.store.counts.drops, drops + 1)
    assert.equal(world.store.findFresh(world.keyOf('www.example.com', A)), 0)
    world.now += 101
    assert.equal(world.store.findStale(world.keyOf('www.example.com', A)), 0)
  })

  it('and no other one', () => {
    const world = new CachedWorld()
    hear(world, 'www.example.com')
    hear(world, 'b.example.com')
    const { generation } = world.store
    hear(world, 'www.example.com', 0)
    assert.ok(world.ask('b.example.com', A))
    assert.equal(world.store.generation, generation)
  })
})

describe('RFC 8767 §4: for how long what has expired is given', () => {
  for (const [serveStale, failed, until] of [
    [1, 0, 1],
    [60, 59, 60],
    [60, 30, 60],
    [60, 29, 59],
    [3600, 7, 37],
  ] as const) {
    it(`${serveStale} s, failed ${failed} s after the end: until ${until} s after it, here and by the workers`, () => {
      const world = new CachedWorld({ serveStale })
      hear(world, 'www.example.com')
      world.now += 100 + failed
      world.fail('www.example.com', A)
      world.now += until - failed - 1
      assert.ok(world.ask('www.example.com', A)?.answers.length)
      assert.ok(world.replies.hasStale(world.keyOf('www.example.com', A)))
      world.now += 1
      assert.equal(world.ask('www.example.com', A), undefined)
      assert.equal(world.replies.hasStale(world.keyOf('www.example.com', A)), until < serveStale)
    })
  }
})

describe('a purge of everything', () => {
  for (const count of [100, 3000]) {
    it(`of ${count} answers: none is found any more, in the middle of a batch neither; the memory comes back`, async () => {
      const part = { capacity: 10_000, ttl: 3600, minTtl: 5 }
      const world = new CachedWorld({
        success: part,
        denial: part,
        prefetch: { amount: 1, duration: 60, percentage: 10 },
      })
      const before = world.store.region.usedOctets
      const names = Array.from({ length: count }, (_, i) => `n${i}.example.com`)
      for (const [i, name] of names.entries()) i % 3 === 0 ? deny(world, name) : hear(world, name)
      // Its batch begins with this.
      const found = (name: string): boolean => {
        const query = new Query(new TableReader(world.table.memory, 9).seed)
        const wire = wireName(name)
        query.readName(wire, 0, wire.length)
        const key = entryKey(query.nameLength, A, false, false)
        return world.reader.find(query.suffixHash[0]!, key, query.nameView) !== 0
      }
      assert.ok(names.every(found))
      const full = world.store.region.usedOctets
      assert.equal(world.store.purgeAll(), count)
      assert.equal(names.find(found), undefined)
      world.reader.end()
      assert.equal(names.find(found), undefined)
      world.reader.end()
      // In a turn of the event loop not more than some.
      world.store.region.commit()
      if (count > 1000) assert.ok(world.store.region.usedOctets > full / 2)
      const { success, denial } = world.store.stats()
      assert.deepEqual([success.entries, denial.entries, world.store.region.entries], [0, 0, 0])
      for (const name of names.slice(0, 50)) hear(world, name)
      assert.ok(names.slice(0, 50).every(found))
      world.reader.end()
      assert.equal(world.store.purgeAll(), 50)
      // What was retired in a turn is given back in the next.
      // The index keeps its size, and room for another.
      const most = before + 8192 + 2 * 4 * 4 * count
      for (let turn = 0; world.store.region.usedOctets > most; turn++) {
        assert.ok(turn < 100, `${world.store.region.usedOctets} octets are in use`)
        await setImmediate()
        world.store.region.commit()
      }
      world.now += 99
      assert.deepEqual(world.store.takeDue(), [])
    })
  }
})

describe('prefetch', () => {
  const prefetch = { amount: 3, duration: 60, percentage: 10 }

  it('what is asked often is asked for again when a tenth of its TTL is left', () => {
    const world = new CachedWorld({ prefetch })
    hear(world, 'often.example.com')
    hear(world, 'twice.example.com')
    for (let i = 0; i < 3; i++) world.ask('oFten.example.com', A)
    for (let i = 0; i < 2; i++) world.ask('twice.example.com', A)
    world.now += 50
    world.ask('often.example.com', A)
    world.now += 39
    assert.deepEqual(world.store.takeDue(), [])
    world.now += 1
    const question = {
      name: Uint8Array.from(wireName('often.example.com')),
      type: A,
      dnssecOk: false,
      checkingDisabled: false,
    }
    assert.deepEqual(world.store.takeDue(), [question])
    assert.deepEqual(world.store.takeDue(), [], 'once')
    // What becomes popular in the last tenth is asked for too.
    world.ask('twice.example.com', A)
    world.ask('twice.example.com', A)
    world.ask('twice.example.com', A)
    world.now += 1
    assert.equal(world.store.takeDue().length, 1)
  })

  it('hits further apart than the duration do not count together, and a renewed answer keeps its count', () => {
    const world = new CachedWorld({ prefetch: { ...prefetch, duration: 10 } })
    hear(world, 'slow.example.com')
    for (let i = 0; i < 5; i++) {
      world.ask('slow.example.com', A)
      world.now += 18
    }
    assert.deepEqual(world.store.takeDue(), [])
    const steady = new CachedWorld({ prefetch })
    hear(steady, 'steady.example.com')
    for (let i = 0; i < 3; i++) steady.ask('steady.example.com', A)
    hear(steady, 'steady.example.com', 20)
    steady.now += 18
    assert.equal(steady.store.takeDue().length, 1)
  })

  it('nothing is remembered of what was evicted, purged or replaced', () => {
    const world = new CachedWorld({ prefetch, success: { capacity: 2, ttl: 3600, minTtl: 5 } })
    for (let i = 0; i < 50; i++) {
      hear(world, `n${i}.example.com`)
      hear(world, `n${i}.example.com`)
    }
    deny(world, 'n49.example.com')
    world.store.purge(wireName('n48.example.com'))
    world.now += 99
    assert.deepEqual(world.store.takeDue(), [])
    assert.equal(CACHE.prefetch.amount, 0)
  })
})

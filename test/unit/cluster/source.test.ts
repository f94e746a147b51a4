import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import type { EndpointSlice, Identified, Service } from '../../../src/cluster/objects.ts'
import type { ObjectSink } from '../../../src/cluster/sink.ts'
import { ClusterState } from '../../../src/cluster/state.ts'
import { ServicePublisher } from '../../../src/records/publisher.ts'
import { parseName } from '../../../src/wire/name.ts'
import { headless, slice } from '../../support/answering.ts'
import { MapWriter } from '../../support/map-writer.ts'
import { SteppedMoveClock } from '../../support/move-clock.ts'

const OPTIONS = {
  zones: [parseName('cluster.local')!],
  reverseZones: [],
  ttl: 5,
  negativeTtl: 1,
  pods: 'disabled',
  endpointPodNames: false,
  ignoreEmptyService: false,
  noEndpoints: false,
  namespacesAreChosen: false,
  ownV4: [],
  ownV6: new Uint8Array(0),
} as const

class Followed {
  readonly clock = new SteppedMoveClock()
  readonly writer = new MapWriter()
  readonly cluster: ClusterState
  readonly sinks: { Service: ObjectSink<Service>; EndpointSlice: ObjectSink<EndpointSlice> }

  constructor() {
    const publisher = new ServicePublisher(this.writer, OPTIONS)
    this.cluster = new ClusterState(
      [],
      ({ services }) => {
        for (const change of services) publisher.publish(change)
        publisher.settle()
      },
      undefined,
      this.clock,
    )
    this.clock.onWake = () => this.cluster.expire()
    this.sinks = { Service: this.cluster.open('Service'), EndpointSlice: this.cluster.open('EndpointSlice') }
    for (const sink of Object.values(this.sinks)) sink.replaceAll().commit()
    this.cluster.flush()
  }

  tell({ kind, name, object, last }: Event): void {
    if (object !== undefined) this.sinks[kind].upsert(object as never)
    else this.sinks[kind].remove('default', name, last)
  }

  /** The table, when nothing is held any more. */
  table(): unknown {
    this.cluster.flush()
    this.clock.go(10_000)
    return this.writer.snapshot()
  }
}

interface Event {
  readonly kind: 'Service' | 'EndpointSlice'
  readonly name: string
  /** undefined: it is removed. */
  readonly object: Service | EndpointSlice | undefined
  readonly last: Required<Identified>
}

/** A write to one of two Services or four slices. */
const write = fc.record({
  kind: fc.constantFrom('Service' as const, 'EndpointSlice' as const, 'EndpointSlice' as const),
  which: fc.nat(3),
  isRemoval: fc.integer({ max: 3, min: 0 }).map(dice => dice === 0),
  owner: fc.constantFrom('web', 'api', ''),
  isHeadless: fc.boolean(),
  pods: fc.uniqueArray(fc.nat(4), { maxLength: 4 }),
  unready: fc.nat(6),
  reused: fc.boolean(),
})

/** What a watch tells of the writes, in their order: one version each, another uid after each removal. */
function eventsOf(writes: readonly (typeof write extends fc.Arbitrary<infer T> ? T : never)[]): Event[] {
  const uids = new Map<string, number>()
  let version = 100
  return writes.map(({ kind, which, isRemoval, owner, isHeadless, pods, unready, reused }) => {
    const name = kind === 'Service' ? ['web', 'api'][which % 2]! : `slice-${which}`
    const uid = uids.get(name) ?? version
    if (isRemoval) uids.delete(name)
    else uids.set(name, uid)
    const last = { uid, version: ++version }
    if (isRemoval) return { kind, name, last, object: undefined }
    if (kind === 'Service') {
      const clusterIPs = isHeadless ? [] : ['10.96.0.1']
      const object = { ...headless(name), ...last, clusterIPs, kind: isHeadless ? 'headless' : 'clusterIP' } as const
      return { kind, name, last, object }
    }
    const endpoints = pods.map(pod => ({
      address: `10.0.0.${reused ? pod % 2 : pod}`,
      target: 10 + pod,
      podName: `p${pod}`,
      hostname: `h${pod}`,
      ready: pod !== unready,
    }))
    return { kind, name, last, object: slice(owner, endpoints, { ...last, name, addressType: 'IPv4' }) }
  })
}

/** As fed with nothing but the objects that there are in the end. */
function impliedBy(events: readonly Event[]): unknown {
  const followed = new Followed()
  const final = new Map(events.map(event => [`${event.kind} ${event.name}`, event]))
  for (const event of final.values()) if (event.object !== undefined) followed.tell(event)
  return followed.table()
}

describe('events in any order', () => {
  const seeds = fc.array(fc.nat(1_000_000), { minLength: 120, maxLength: 120 })

  it('shuffled, twice, and replayed: the table is what the final objects imply', () => {
    fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 40 }), seeds, fc.nat(3), (writes, order, every) => {
        const events = eventsOf(writes)
        const told = [...events, ...events, ...events].map((event, i) => ({ event, at: order[i]! }))
        told.sort((a, b) => a.at - b.at)
        const followed = new Followed()
        for (const [i, { event, at }] of told.entries()) {
          followed.tell(event)
          if (i % (every + 1) === 0) followed.cluster.flush()
          if (at % 5 === 0) followed.clock.go(at % 130)
        }
        assert.deepEqual(followed.table(), impliedBy(events))
      }),
      { numRuns: 500 },
    )
  })

  it('in the order of the watch, each kind for itself: after every event the same, when nothing is held', () => {
    fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 20 }), writes => {
        const followed = new Followed()
        const events = eventsOf(writes)
        for (const [i, event] of events.entries()) {
          followed.tell(event)
          assert.deepEqual(followed.table(), impliedBy(events.slice(0, i + 1)))
        }
      }),
      { numRuns: 150 },
    )
  })

  it('a list in the middle is the truth, whatever the versions in it', () => {
    fc.assert(
      fc.property(fc.array(write, { minLength: 2, maxLength: 20 }), fc.nat(20), (writes, at) => {
        const events = eventsOf(writes)
        const listed = events.slice(0, at % events.length)
        const followed = new Followed()
        for (const event of events) followed.tell(event)
        const final = new Map(listed.map(event => [`${event.kind} ${event.name}`, event]))
        for (const kind of ['Service', 'EndpointSlice'] as const) {
          const list = followed.sinks[kind].replaceAll()
          for (const event of final.values()) {
            if (event.kind === kind && event.object !== undefined) list.add(event.object as never)
          }
          list.commit()
        }
        followed.cluster.flush()
        // Exact: nothing is held, and no time has to pass.
        assert.deepEqual(followed.writer.snapshot(), impliedBy(listed))
        // After it the watch goes on, from older versions: etcd was restored.
        for (const event of events.slice(listed.length)) followed.tell(event)
        assert.deepEqual(followed.table(), impliedBy(events))
      }),
      { numRuns: 300 },
    )
  })
})

describe('objects under one name', () => {
  let followed: Followed
  const of = (uid: number, version: number, address: string): EndpointSlice =>
    slice('web', [{ address }], { name: 's', uid, version })
  const addresses = (): string[] => {
    followed.cluster.flush()
    return followed.cluster.find('default', 'web')!.slices.flatMap(one => one.endpoints.map(({ address }) => address))
  }

  beforeEach(() => {
    followed = new Followed()
    followed.sinks.Service.upsert(headless('web'))
  })

  it('a DELETE of an older uid after a newer ADDED is let go: by version, or else by uid', () => {
    for (const [added, removed] of [
      [of(2, 20, '10.0.0.2'), { uid: 1, version: 19 }],
      [of(2, 0, '10.0.0.2'), { uid: 1, version: 0 }],
      [of(2, 20, '10.0.0.2'), { uid: 1 }],
    ] as const) {
      followed.sinks.EndpointSlice.upsert(added)
      followed.sinks.EndpointSlice.remove('default', 's', removed)
      assert.deepEqual(addresses(), ['10.0.0.2'])
    }
  })

  it('a DELETE with the version of the last change, or without any, removes', () => {
    for (const last of [{ uid: 1, version: 20 }, { uid: 1, version: 0 }, {}, undefined]) {
      followed.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.2'))
      followed.sinks.EndpointSlice.remove('default', 's', last)
      assert.deepEqual(addresses(), [])
      followed.sinks.EndpointSlice.replaceAll().commit()
    }
  })

  it('a DELETE of a newer object than is known removes: what was in between was missed', () => {
    followed.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.2'))
    followed.sinks.EndpointSlice.remove('default', 's', { uid: 2, version: 30 })
    assert.deepEqual(addresses(), [])
  })

  it('an ADDED from before the DELETE does not bring it back; the next object of its name does', () => {
    followed.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.2'))
    followed.sinks.EndpointSlice.remove('default', 's', { uid: 1, version: 30 })
    followed.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.2'))
    assert.deepEqual(addresses(), [])
    followed.sinks.EndpointSlice.upsert(of(2, 31, '10.0.0.3'))
    assert.deepEqual(addresses(), ['10.0.0.3'])
  })

  it('removals that are remembered are bounded', () => {
    for (let i = 1; i <= 5000; i++) {
      followed.sinks.EndpointSlice.remove('default', `s${i}`, { uid: i, version: i })
    }
    const { removed } = followed.sinks.EndpointSlice as unknown as { removed: Map<string, number> }
    assert.equal(removed.size, 1000)
    assert.ok(removed.has('default/s5000'))
  })

  it('of two watches that hold an object, the one that knows it newer is believed, until both know older', () => {
    const other = followed.cluster.open('EndpointSlice', 'other')
    other.replaceAll().commit()
    followed.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.20'))
    const list = other.replaceAll()
    list.add(of(1, 10, '10.0.0.10'))
    list.commit()
    assert.deepEqual(addresses(), ['10.0.0.20'])
    const again = followed.sinks.EndpointSlice.replaceAll()
    again.add(of(1, 11, '10.0.0.11'))
    again.commit()
    assert.deepEqual(addresses(), ['10.0.0.11'])
  })

  it('an object that one of two watches is told to let go is held by the other alone, however far that one was ahead', () => {
    const cluster = new ClusterState([], () => {})
    const [a, b] = [cluster.open('EndpointSlice', 'a'), cluster.open('EndpointSlice', 'b')]
    const services = cluster.open('Service').replaceAll()
    services.add(headless('web'))
    services.commit()
    const at = (version: number, address = '10.0.0.1') => slice('web', [{ address }], { version, uid: 7 })
    for (const sink of [a, b]) {
      const list = sink.replaceAll()
      list.add(at(10))
      list.commit()
    }
    const served = () => {
      cluster.flush()
      return cluster.find('default', 'web')!.slices.flatMap(({ endpoints }) => endpoints.map(({ address }) => address))
    }
    a.upsert(at(15))
    a.upsert(at(20, '10.0.0.2'))
    const { name } = at(10)
    b.remove('default', name, { version: 5, uid: 7 })
    assert.deepEqual(served(), ['10.0.0.2'], 'a removal from before what b has told')
    b.remove('default', name, { version: 15, uid: 7 })
    assert.deepEqual(served(), ['10.0.0.2'])
    a.remove('default', name, { version: 30, uid: 7 })
    assert.deepEqual(served(), [])
  })

  it('what a file says of an object outlives what an API server says of one of its name', () => {
    const file = followed.cluster.open('EndpointSlice', 'manifests')
    const list = file.replaceAll()
    const { version: _, uid: __, ...own } = of(1, 1, '192.0.2.1')
    list.add(own)
    list.commit()
    followed.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.20'))
    followed.sinks.EndpointSlice.remove('default', of(1, 20, '').name, { uid: 1, version: 21 })
    assert.deepEqual(addresses(), ['192.0.2.1'])
  })

  it('a Service goes and comes back as one of the other kind', () => {
    followed.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.2'))
    for (const [i, kind] of (['clusterIP', 'headless', 'clusterIP', 'headless'] as const).entries()) {
      const clusterIPs = kind === 'headless' ? [] : ['10.96.0.1']
      const service: Service = { ...headless('web'), kind, clusterIPs, uid: 5 + i, version: 50 + 2 * i }
      if (i > 1) followed.sinks.Service.remove('default', 'web', { uid: 4 + i, version: 49 + 2 * i })
      followed.sinks.Service.upsert(service)
      const alone = new Followed()
      alone.sinks.Service.upsert(service)
      alone.sinks.EndpointSlice.upsert(of(1, 20, '10.0.0.2'))
      assert.deepEqual(followed.table(), alone.table())
    }
  })
})

describe('orphaned slices', () => {
  it('cost their slim object, and go when they are deleted: the heap is as before', { timeout: 60_000 }, () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const followed = new Followed()
    const { EndpointSlice: slices, Service: services } = followed.sinks
    const round = () => {
      for (let i = 0; i < 2000; i++) {
        const endpoints = Array.from({ length: 20 }, (_, k) => ({
          address: `10.${i >> 8}.${i & 255}.${k}`,
          target: k + 1,
        }))
        services.upsert(headless(`s${i}`))
        slices.upsert(slice(`s${i}`, endpoints, { version: 2 * i + 1 }))
        followed.cluster.flush()
        slices.upsert(slice(`s${i}`, endpoints.slice(1), { version: 2 * i + 2 }))
        followed.cluster.flush()
        services.remove('default', `s${i}`, { version: i + 1 })
        followed.cluster.flush()
      }
      followed.clock.go(10_000)
      for (let i = 0; i < 2000; i++) slices.remove('default', `s${i}-1`, { version: 10_000 + i })
      followed.cluster.flush()
      slices.replaceAll().commit()
      services.replaceAll().commit()
      followed.cluster.flush()
    }
    round()
    assert.deepEqual(followed.writer.snapshot(), { names: [], shared: [] })
    const maps = followed.cluster as unknown as Record<string, { values(): Iterable<unknown> }>
    assert.deepEqual([...maps['services']!.values()], [])
    gc()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 3; i++) round()
    gc()
    assert.ok(process.memoryUsage().heapUsed - before < 1 << 20)
  })
})

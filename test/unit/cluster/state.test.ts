import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Kind } from '../../../src/cluster/objects.ts'
import { type Changes, ClusterState } from '../../../src/cluster/state.ts'
import { clusterIP, headless, slice } from '../../support/answering.ts'

interface Watched {
  readonly cluster: ClusterState
  /** What was handed on, one entry per flush that handed on anything. */
  readonly seen: Changes[]
}

function watch(namespaces: string[] = []): Watched {
  const seen: Changes[] = []
  return { cluster: new ClusterState(namespaces, changes => seen.push(changes)), seen }
}

function synced(...kinds: Kind[]): Watched & { sinks: Record<string, ReturnType<ClusterState['open']>> } {
  const { cluster, seen } = watch()
  const sinks: Record<string, ReturnType<ClusterState['open']>> = {}
  for (const kind of kinds) {
    sinks[kind] = cluster.open(kind) as never
    sinks[kind]!.replaceAll().commit()
  }
  cluster.flush()
  seen.length = 0
  return { cluster, seen, sinks }
}

/** Entries that the state keeps, whether served or not: its memory. */
function kept(cluster: ClusterState): number {
  const { services, podAddresses, namespaces } = cluster as unknown as Record<string, { values(): Iterable<unknown> }>
  return [services!, podAddresses!, namespaces!].flatMap(each => [...each.values()]).length
}

describe('before the first sync', () => {
  it('nothing is handed on until every source has committed a list', () => {
    const { cluster, seen } = watch()
    const services = cluster.open('Service')
    const slices = cluster.open('EndpointSlice')
    services.upsert(headless('web'))
    cluster.flush()
    const list = services.replaceAll()
    list.add(headless('web'))
    list.commit()
    cluster.flush()
    assert.equal(cluster.synced, false)
    assert.equal(seen.length, 0)
    slices.replaceAll().commit()
    cluster.flush()
    assert.deepEqual(
      seen.map(({ first, services: changed }) => [first, changed.map(({ after }) => after?.service.name)]),
      [[true, ['web']]],
    )
  })

  it('the first change is handed on even when the cluster is empty; later empty flushes are not', () => {
    const { cluster, seen } = watch()
    cluster.open('Service').replaceAll().commit()
    cluster.flush()
    cluster.flush()
    assert.deepEqual(
      seen.map(({ first, services }) => [first, services.length]),
      [[true, 0]],
    )
  })

  it('a cluster without sources is never synced', () => {
    const { cluster, seen } = watch()
    cluster.flush()
    assert.deepEqual([cluster.synced, seen.length], [false, 0])
  })
})

describe('Services and their slices', () => {
  it('a Service is handed on with all its slices, as it was and as it is', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('web'))
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.1' }]))
    cluster.flush()
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.2' }], { name: 'web-2' }))
    cluster.flush()
    const [first, second] = seen.map(({ services }) => services[0]!)
    assert.equal(first!.before, undefined)
    assert.deepEqual(second!.before, first!.after)
    assert.deepEqual(
      second!.after!.slices.map(({ name }) => name),
      ['web-1', 'web-2'],
    )
  })

  it('slices that come before their Service wait for it; the Service takes them along when it goes', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.1' }]))
    cluster.flush()
    assert.equal(seen.length, 0)
    sinks['Service']!.upsert(headless('web'))
    cluster.flush()
    assert.equal(seen[0]!.services[0]!.after!.slices.length, 1)
    sinks['Service']!.remove('default', 'web')
    cluster.flush()
    assert.equal(seen[1]!.services[0]!.after, undefined)
  })

  it('a slice that changes its Service leaves the old one', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    for (const name of ['web', 'api']) sinks['Service']!.upsert(headless(name))
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.1' }], { name: 's' }))
    cluster.flush()
    sinks['EndpointSlice']!.upsert(slice('api', [{ address: '10.0.0.1' }], { name: 's' }))
    cluster.flush()
    const slices = Object.fromEntries(seen[1]!.services.map(({ after }) => [after!.service.name, after!.slices.length]))
    assert.deepEqual(slices, { web: 0, api: 1 })
  })

  it('many events between two flushes are one change', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('web'))
    for (let i = 0; i < 50; i++) sinks['EndpointSlice']!.upsert(slice('web', [{ address: `10.0.0.${i}` }]))
    cluster.flush()
    assert.equal(seen.length, 1)
    assert.equal(seen[0]!.services.length, 1)
  })

  it('an unknown object is removed without a trace', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.remove('default', 'none')
    sinks['EndpointSlice']!.remove('default', 'none')
    cluster.flush()
    assert.deepEqual(seen, [])
    assert.equal(kept(cluster), 0)
  })

  it('orphans leave no memory behind: slices without Service, Services that never were', () => {
    const { cluster, sinks } = synced('Service', 'EndpointSlice', 'Pod', 'Namespace')
    for (let i = 0; i < 1000; i++) {
      sinks['EndpointSlice']!.upsert(slice(`orphan-${i}`, [{ address: '10.0.0.1' }]))
      sinks['EndpointSlice']!.upsert(slice('', [{ address: '10.0.0.1' }], { name: `nobody-${i}` }))
      sinks['Service']!.upsert(headless(`brief-${i}`, 'nowhere'))
      sinks['Pod']!.upsert({ namespace: 'x', name: `p${i}`, addresses: [`10.0.${i >> 8}.${i & 255}`] } as never)
      if (i % 3 === 0) cluster.flush()
      sinks['EndpointSlice']!.remove('default', `orphan-${i}-1`)
      sinks['EndpointSlice']!.remove('default', `nobody-${i}`)
      sinks['Service']!.remove('nowhere', `brief-${i}`)
      sinks['Pod']!.remove('x', `p${i}`)
    }
    cluster.flush()
    assert.equal(kept(cluster), 0)
  })
})

describe('a complete list', () => {
  it('while it is open nothing of it is handed on; what others say is', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('web'))
    sinks['Service']!.upsert(headless('api'))
    cluster.flush()
    const list = sinks['EndpointSlice']!.replaceAll()
    list.add(slice('web', [{ address: '10.0.0.1' }]))
    sinks['Service']!.upsert({ ...headless('api'), ports: [{ name: 'x', protocol: 'tcp', port: 1 }] } as never)
    cluster.flush()
    assert.deepEqual(
      seen[1]!.services.map(({ after }) => after!.service.name),
      ['api'],
    )
    list.commit()
    cluster.flush()
    assert.deepEqual(
      seen[2]!.services.map(({ after }) => after!.service.name),
      ['web'],
    )
  })

  it('what it does not name is gone with its commit, in the same change', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    for (const name of ['a', 'b']) sinks['Service']!.upsert(headless(name))
    cluster.flush()
    const list = sinks['Service']!.replaceAll()
    list.add(headless('b'))
    list.add(headless('c'))
    list.commit()
    cluster.flush()
    const after = Object.fromEntries(
      seen[1]!.services.map(change => [(change.after ?? change.before)!.service.name, change.after !== undefined]),
    )
    // What comes again as it was is no change.
    assert.deepEqual(after, { a: false, c: true })
  })

  it('one that breaks off leaves all as it was', () => {
    const { cluster, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('a'))
    cluster.flush()
    const served = cluster.find('default', 'a')
    const list = sinks['Service']!.replaceAll()
    list.add(headless('b'))
    list.add(clusterIP('a', ['10.96.0.1']))
    list.abort()
    cluster.flush()
    assert.equal(cluster.find('default', 'a'), served)
    assert.equal(cluster.find('default', 'b'), undefined)
  })

  it('one of slices that breaks off is not served by half, whatever else is flushed, before one is complete', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('web'))
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.1' }], { name: 's1' }))
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.2' }], { name: 's2' }))
    cluster.flush()
    const served = cluster.find('default', 'web')
    seen.length = 0
    // Meanwhile 10.0.0.1 has moved to the slice that the list did not come to.
    const broken = sinks['EndpointSlice']!.replaceAll()
    broken.add(slice('web', [], { name: 's1' }))
    broken.abort()
    sinks['Service']!.upsert(headless('other'))
    cluster.flush()
    assert.equal(cluster.find('default', 'web'), served)
    assert.ok(cluster.find('default', 'other') !== undefined)
    const whole = sinks['EndpointSlice']!.replaceAll()
    whole.add(slice('web', [], { name: 's1' }))
    whole.add(slice('web', [{ address: '10.0.0.2' }, { address: '10.0.0.1' }], { name: 's2' }))
    whole.commit()
    cluster.flush()
    assert.deepEqual(
      seen.flatMap(({ services }) =>
        services
          .filter(({ after }) => after?.service.name === 'web')
          .map(({ after }) => after!.slices.flatMap(({ endpoints }) => endpoints.map(({ address }) => address))),
      ),
      [['10.0.0.2', '10.0.0.1']],
    )
  })

  it('that comes in, or broke off, holds up nothing that other watches say of the same Services', () => {
    const { cluster, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('web'))
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.1' }], { name: 's1' }))
    cluster.flush()
    const broken = sinks['EndpointSlice']!.replaceAll()
    broken.add(slice('web', [], { name: 's1' }))
    sinks['Service']!.remove('default', 'web')
    cluster.flush()
    assert.equal(cluster.find('default', 'web'), undefined)
    broken.abort()
    sinks['Service']!.upsert(clusterIP('web', ['10.96.0.1']))
    cluster.flush()
    assert.deepEqual(cluster.find('default', 'web')!.service.clusterIPs, ['10.96.0.1'])
    const slow = sinks['Service']!.replaceAll()
    slow.add(headless('web'))
    sinks['EndpointSlice']!.upsert(slice('web', [{ address: '10.0.0.2' }], { name: 's1' }))
    cluster.flush()
    const { service, slices } = cluster.find('default', 'web')!
    assert.deepEqual([service.clusterIPs, slices[0]!.endpoints[0]!.address], [['10.96.0.1'], '10.0.0.2'])
  })

  it('an object that it added and dropped again is not there', () => {
    const { cluster, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('a'))
    const list = sinks['Service']!.replaceAll()
    for (const name of ['a', 'b']) list.add(headless(name))
    for (const name of ['a', 'b']) list.drop('default', name)
    list.commit()
    cluster.flush()
    assert.deepEqual(
      ['a', 'b'].map(name => cluster.find('default', name)),
      [undefined, undefined],
    )
  })

  it('is told of as coming in until it is published, or until lists break off that others wait for', () => {
    const told: boolean[] = []
    const cluster = new ClusterState(
      [],
      () => {},
      isListing => told.push(isListing),
    )
    const [services, slices] = [cluster.open('Service'), cluster.open('EndpointSlice')]
    const list = services.replaceAll()
    const other = slices.replaceAll()
    list.abort()
    assert.deepEqual(told, [true])
    other.commit()
    assert.deepEqual(told, [true, false], 'nothing is published before Services are listed, which may never be')
    services.replaceAll().commit()
    assert.deepEqual(told, [true, false, true])
    cluster.flush()
    assert.deepEqual(told, [true, false, true, false])
  })

  it('the first list that breaks off does not make the cluster synced', () => {
    const { cluster, seen } = watch()
    cluster.open('Service').replaceAll().abort()
    cluster.flush()
    assert.deepEqual([cluster.synced, seen.length], [false, 0])
  })
})

describe('partitions of one kind', () => {
  it('a list of one never removes what another holds', () => {
    const { cluster } = watch()
    const [one, two] = [cluster.open('Service', 'one'), cluster.open('Service', 'two')]
    one.upsert(headless('web'))
    two.upsert(headless('web'))
    for (const sink of [one, two]) {
      const list = sink.replaceAll()
      list.add(headless('web'))
      list.commit()
    }
    one.replaceAll().commit()
    cluster.flush()
    assert.ok(cluster.find('default', 'web') !== undefined)
    two.remove('default', 'web')
    cluster.flush()
    assert.equal(cluster.find('default', 'web'), undefined)
  })

  it('a Pod that two hold, and whose address changes, leaves no address behind', () => {
    const { cluster, seen } = watch()
    const sinks = [cluster.open('Pod', 'one'), cluster.open('Pod', 'two')]
    for (const sink of sinks) sink.replaceAll().commit()
    for (const addresses of [[], ['10.0.0.1'], ['10.0.0.2', 'fd00::2']]) {
      for (const sink of sinks) sink.upsert({ namespace: 'default', name: 'p', addresses })
    }
    cluster.flush()
    assert.deepEqual(existing(seen), ['default/10.0.0.2', 'default/fd00::2'])
    for (const sink of sinks) sink.remove('default', 'p')
    cluster.flush()
    assert.deepEqual(existing(seen), [])
    assert.equal(kept(cluster), 0)
  })

  it('a slice that two hold, and that changes its Service, is in one Service only', () => {
    const { cluster } = watch()
    const services = cluster.open('Service')
    const sinks = [cluster.open('EndpointSlice', 'one'), cluster.open('EndpointSlice', 'two')]
    for (const sink of [services, ...sinks]) sink.replaceAll().commit()
    for (const name of ['a', 'b']) services.upsert(headless(name))
    const of = (service: string): Parameters<(typeof sinks)[0]['upsert']>[0] =>
      slice(service, [{ address: '10.0.0.1' }], { name: 's' })
    sinks[0]!.upsert(of('a'))
    sinks[1]!.upsert(of('b'))
    sinks[0]!.upsert(of('a'))
    cluster.flush()
    assert.deepEqual(
      ['a', 'b'].map(name => cluster.find('default', name)!.slices.length),
      [1, 0],
    )
  })
})

describe('namespaces', () => {
  it('only those chosen are handed on', () => {
    const { cluster, seen } = watch(['default'])
    const services = cluster.open('Service')
    services.upsert(headless('web', 'default'))
    services.upsert(headless('web', 'other'))
    services.replaceAll().abort()
    const list = services.replaceAll()
    for (const namespace of ['default', 'other']) list.add(headless('web', namespace))
    list.commit()
    cluster.flush()
    assert.deepEqual(
      seen[0]!.services.map(({ after }) => after!.service.namespace),
      ['default'],
    )
  })

  it('while they are watched, Services and Pod addresses come and go with their Namespace', () => {
    const { cluster, seen, sinks } = synced('Service', 'Namespace', 'Pod')
    sinks['Service']!.upsert(headless('web'))
    sinks['Pod']!.upsert({ namespace: 'default', name: 'p', addresses: ['10.0.0.1'] } as never)
    cluster.flush()
    assert.equal(cluster.find('default', 'web'), undefined)
    assert.deepEqual(existing(seen), [])
    sinks['Namespace']!.upsert({ name: 'default' } as never)
    cluster.flush()
    assert.ok(cluster.find('default', 'web') !== undefined)
    assert.deepEqual(existing(seen), ['default/10.0.0.1'])
    assert.deepEqual([...seen.at(-1)!.namespaces], [['default', true]])
    sinks['Namespace']!.remove('', 'default')
    cluster.flush()
    assert.equal(cluster.find('default', 'web'), undefined)
    assert.deepEqual(existing(seen), [])
  })

  it('a list of them costs what is in them, not what is in all for each', t => {
    const { cluster, seen, sinks } = synced('Service', 'Namespace', 'Pod')
    const names = Array.from({ length: 100 }, (_, i) => `team-${i}`)
    for (const [i, namespace] of names.entries()) {
      for (let k = 0; k < 5; k++) sinks['Service']!.upsert(headless(`s${k}`, namespace))
      sinks['Pod']!.upsert({ namespace, name: 'p', addresses: [`10.0.0.${i}`] } as never)
    }
    cluster.flush()
    let walked = 0
    const { keys } = Map.prototype
    t.mock.method(Map.prototype, 'keys', function (this: Map<unknown, unknown>) {
      walked += this.size
      return keys.call(this)
    })
    const list = sinks['Namespace']!.replaceAll()
    for (const name of names) list.add({ name } as never)
    list.commit()
    cluster.flush()
    t.mock.restoreAll()
    assert.equal(seen.at(-1)!.services.length, 500)
    assert.equal(existing(seen).length, 100)
    assert.ok(walked <= 1000, `${walked} keys were looked at`)
  })
})

describe('freshness', () => {
  it('is told per source', () => {
    const { cluster, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.stale('connection refused')
    assert.deepEqual(
      cluster.states().map(({ kind, synced: isSynced, stale }) => [kind, isSynced, stale]),
      [
        ['Service', true, 'connection refused'],
        ['EndpointSlice', true, undefined],
      ],
    )
    sinks['Service']!.fresh()
    assert.ok(cluster.states().every(({ stale }) => stale === undefined))
  })

  it('a slice that came by an event since the last change is handed on for the latency metric; by a list it is not', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    sinks['Service']!.upsert(headless('web'))
    const timed = slice('web', [{ address: '10.0.0.1' }], { lastChangeTriggerTime: 1000 })
    sinks['EndpointSlice']!.upsert(timed)
    cluster.flush()
    assert.deepEqual(seen[0]!.slices, [timed])
    const list = sinks['EndpointSlice']!.replaceAll()
    list.add({ ...timed, lastChangeTriggerTime: 2000 })
    list.commit()
    cluster.flush()
    assert.deepEqual(seen[1]!.slices, [])
  })
})

describe('slices whose Service is not served', () => {
  it('are not kept for the latency metric, however often they change', () => {
    const { cluster, seen, sinks } = synced('Service', 'EndpointSlice')
    for (let i = 1; i <= 100; i++) {
      sinks['EndpointSlice']!.upsert(slice('none', [{ address: `10.0.0.${i}` }], { lastChangeTriggerTime: i }))
      if (i % 2 === 0) cluster.flush()
    }
    sinks['Service']!.upsert(headless('other'))
    cluster.flush()
    assert.deepEqual(
      seen.map(({ slices }) => slices),
      [[]],
    )
  })
})

describe('against a model', () => {
  const names: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'c')
  const step = fc.record({
    source: fc.integer({ min: 0, max: 4 }),
    action: fc.constantFrom('upsert', 'remove', 'list', 'flush'),
    name: names,
    service: names,
    address: fc.integer({ min: 1, max: 4 }),
    listed: fc.uniqueArray(names, { maxLength: 3 }),
  })

  it('after any events of two partitions, what is served is what the sources hold', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const { cluster, seen } = watch()
        const services = cluster.open('Service')
        const slices = [cluster.open('EndpointSlice', 'x'), cluster.open('EndpointSlice', 'y')]
        const pods = [cluster.open('Pod', 'x'), cluster.open('Pod', 'y')]
        const sinks = [services, ...slices, ...pods]
        for (const sink of sinks) sink.replaceAll().commit()
        // The model: per sink what it holds; per kind the newest object of each key that any sink holds.
        const held = sinks.map(() => new Set<string>())
        const newest = [new Map<string, never>(), new Map<string, never>(), new Map<string, never>()]
        const kindOf = (source: number): number => (source === 0 ? 0 : source < 3 ? 1 : 2)
        for (const { source, action, name, service, address, listed } of steps) {
          const kind = kindOf(source)
          const make = (key: string): never =>
            (kind === 0
              ? headless(key)
              : kind === 1
                ? slice(service, [{ address: `10.0.0.${address}` }], { name: key })
                : { namespace: 'default', name: key, addresses: [`10.0.0.${address}`] }) as never
          const sink = sinks[source]!
          const forget = (key: string): void => {
            held[source]!.delete(key)
            if (!held.some((keys, other) => kindOf(other) === kind && keys.has(key))) newest[kind]!.delete(key)
          }
          if (action === 'upsert') {
            sink.upsert(make(name))
            held[source]!.add(name)
            newest[kind]!.set(name, make(name))
          } else if (action === 'remove') {
            sink.remove('default', name)
            forget(name)
          } else if (action === 'list') {
            const list = sink.replaceAll()
            for (const key of listed) {
              list.add(make(key))
              held[source]!.add(key)
              newest[kind]!.set(key, make(key))
            }
            list.commit()
            for (const key of [...held[source]!]) if (!listed.includes(key)) forget(key)
          } else cluster.flush()
        }
        cluster.flush()
        for (const name of ['a', 'b', 'c'] as const) {
          const view = cluster.find('default', name)
          assert.deepEqual(view?.service, newest[0]!.get(name))
          if (view === undefined) continue
          const expected = [...newest[1]!.values()].filter((one: { serviceName: string }) => one.serviceName === name)
          assert.deepEqual(sorted(view.slices), sorted(expected))
        }
        const addresses = new Set([...newest[2]!.values()].map((pod: { addresses: string[] }) => pod.addresses[0]))
        assert.deepEqual(existing(seen), [...addresses].map(address => `default/${address}`).sort())
      }),
      { numRuns: 500 },
    )
  })
})

function sorted(objects: readonly { name: string }[]): unknown[] {
  return objects.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** Pod addresses that exist after all the changes. */
function existing(seen: readonly Changes[]): string[] {
  const addresses = new Map<string, boolean>()
  for (const { podAddresses } of seen) {
    for (const { namespace, address, exists } of podAddresses) addresses.set(`${namespace}/${address}`, exists)
  }
  return [...addresses].flatMap(([key, exists]) => (exists ? [key] : [])).sort()
}

describe('what a snapshot asks', () => {
  it('objects of one source, and a number that moves only when objects do', () => {
    const { cluster } = watch()
    const [services, others] = [cluster.open('Service'), cluster.open('Service', 'manifests')]
    const relist = () => {
      const list = services.replaceAll()
      list.add(headless('web'))
      list.commit()
    }
    relist()
    others.upsert(headless('other'))
    assert.deepEqual(cluster.objectsOf('Service', ''), [headless('web')])
    assert.deepEqual(cluster.objectsOf('Pod', ''), [])
    const before = cluster.changes
    relist()
    assert.equal(cluster.changes, before)
    services.remove('default', 'web')
    assert.notEqual(cluster.changes, before)
    assert.deepEqual(cluster.objectsOf('Service', ''), [])
  })
})

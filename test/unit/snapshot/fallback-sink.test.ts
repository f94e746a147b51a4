import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Kinds } from '../../../src/cluster/objects.ts'
import type { ObjectSink } from '../../../src/cluster/sink.ts'
import { ClusterState } from '../../../src/cluster/state.ts'
import type { SnapshotList } from '../../../src/snapshot/codec.ts'
import { FallbackSink } from '../../../src/snapshot/fallback-sink.ts'
import { headless, slice } from '../../support/answering.ts'

const SNAPSHOT: readonly SnapshotList[] = [
  { kind: 'Service', partition: '', objects: [headless('web'), headless('gone')] },
  {
    kind: 'EndpointSlice',
    partition: '',
    objects: [slice('web', [{ address: '10.0.0.1' }]), slice('gone', [{ address: '10.0.0.9' }])],
  },
]

interface Scene {
  readonly cluster: ClusterState
  readonly fallback: FallbackSink
  readonly services: ObjectSink<Kinds['Service']>
  readonly slices: ObjectSink<Kinds['EndpointSlice']>
  readonly events: string[]
  /** Names of what is served, each with its addresses. */
  served(): string[]
}

function scene(publish: () => void = () => {}): Scene {
  const cluster = new ClusterState([], publish)
  const events: string[] = []
  const fallback = new FallbackSink(cluster, {
    onStale: () => events.push('stale'),
    onSynced: () => events.push('synced'),
    onUnpublished: error => events.push((error as Error).message),
  })
  const [services, slices] = [fallback.open('Service'), fallback.open('EndpointSlice')]
  const served = () =>
    ['web', 'gone', 'new', 'local'].flatMap(name => {
      const view = cluster.find('default', name)
      if (view === undefined) return []
      return `${name} ${view.slices.flatMap(one => one.endpoints.map(({ address }) => address)).join()}`.trim()
    })
  return { cluster, fallback, services, slices, events, served }
}

function list<T>(sink: ObjectSink<T>, ...objects: T[]): void {
  const replacement = sink.replaceAll()
  for (const object of objects) replacement.add(object)
  replacement.commit()
}

const OLD = ['web 10.0.0.1', 'gone 10.0.0.9']

describe('while the snapshot is not due', () => {
  it('the lists of the API win, and the snapshot is never seen', () => {
    const { fallback, services, slices, events, served } = scene()
    fallback.offer(SNAPSHOT)
    list(services, headless('web'))
    fallback.flush()
    assert.deepEqual(served(), [])
    list(slices, slice('web', [{ address: '10.0.0.2' }]))
    fallback.flush()
    assert.deepEqual(served(), ['web 10.0.0.2'])
    fallback.serve()
    assert.deepEqual([served(), events, fallback.isStale], [['web 10.0.0.2'], ['synced'], false])
  })

  it('half a list of the API is not mixed into it when it becomes due', () => {
    const { fallback, services, slices, events, served } = scene()
    fallback.offer(SNAPSHOT)
    const half = slices.replaceAll()
    half.add(slice('web', []))
    list(services, headless('web'), headless('new'))
    fallback.serve()
    assert.deepEqual(served(), OLD)
    half.add(slice('new', [{ address: '10.0.0.3' }]))
    fallback.flush()
    assert.deepEqual(served(), OLD)
    half.commit()
    fallback.flush()
    assert.deepEqual(
      [served(), events],
      [
        ['web', 'new 10.0.0.3'],
        ['stale', 'synced'],
      ],
    )
  })

  it('a failure of the API makes it due, also before it is read', () => {
    const { fallback, services, served } = scene()
    services.stale('refused')
    assert.deepEqual(served(), [])
    fallback.offer(SNAPSHOT)
    assert.deepEqual(served(), OLD)
  })

  it('one that lacks a kind is refused, and what the API says goes through', () => {
    const { fallback, services, slices, served } = scene()
    list(services, headless('web'))
    assert.throws(() => fallback.offer(SNAPSHOT.slice(0, 1)), { code: 'ERR_SNAPSHOT_FILTERS' })
    list(slices, slice('web', [{ address: '10.0.0.2' }]))
    fallback.flush()
    assert.deepEqual(served(), ['web 10.0.0.2'])
  })
})

describe('while the snapshot is served', () => {
  it('it says so of every source', () => {
    const { cluster, fallback } = scene()
    fallback.offer(SNAPSHOT)
    fallback.serve()
    assert.deepEqual(
      cluster.states().map(({ synced, stale }) => [synced, typeof stale]),
      [
        [true, 'string'],
        [true, 'string'],
      ],
    )
  })

  it('nothing of the API is published before every list is complete; then all at once, and what is gone leaves', () => {
    const published: string[][] = []
    const { fallback, services, slices, served } = scene(() => published.push(served()))
    fallback.offer(SNAPSHOT)
    fallback.serve()
    list(services, headless('web'), headless('new'))
    fallback.flush()
    services.remove('default', 'new')
    services.upsert(headless('new'))
    fallback.flush()
    assert.deepEqual([served(), published.length], [OLD, 1])
    list(slices, slice('web', [{ address: '10.0.0.1' }]), slice('new', [{ address: '10.0.0.3' }]))
    fallback.flush()
    assert.deepEqual([served(), published.length], [['web 10.0.0.1', 'new 10.0.0.3'], 2])
  })

  it('a list that breaks off changes nothing', () => {
    const { fallback, services, slices, served } = scene()
    fallback.offer(SNAPSHOT)
    fallback.serve()
    const broken = slices.replaceAll()
    broken.add(slice('web', []))
    broken.abort()
    list(services, headless('web'))
    fallback.flush()
    assert.deepEqual(served(), OLD)
  })

  it('a list that could not be taken in is no list, and the next one makes all true again', t => {
    const { cluster, fallback, services, slices, served } = scene()
    fallback.withdraw()
    list(services, headless('web'))
    t.mock.method(cluster, 'apply', () => assert.fail('no room'), { times: 1 })
    const broken = slices.replaceAll()
    broken.add(slice('web', [{ address: '10.0.0.1' }]))
    assert.throws(() => broken.commit(), /no room/)
    broken.abort()
    fallback.flush()
    assert.deepEqual([fallback.isSynced, fallback.isTrue], [false, false])
    list(slices, slice('web', [{ address: '10.0.0.1' }]))
    fallback.flush()
    assert.deepEqual([fallback.isSynced, fallback.isTrue, served()], [true, true, ['web 10.0.0.1']])
  })

  it('another source goes on, until half the lists of the API are there', () => {
    const { fallback, services, slices, served } = scene()
    const [local, localSlices] = [
      fallback.beside.open('Service', 'manifests'),
      fallback.beside.open('EndpointSlice', 'manifests'),
    ]
    fallback.offer(SNAPSHOT)
    fallback.serve()
    assert.deepEqual(served(), [])
    list(local, headless('local'))
    list(localSlices)
    fallback.beside.flush()
    assert.deepEqual(served(), [...OLD, 'local'])
    list(services, headless('web'))
    local.remove('default', 'local')
    fallback.beside.flush()
    assert.deepEqual(served(), [...OLD, 'local'])
    list(slices)
    fallback.flush()
    assert.deepEqual(served(), ['web'])
  })

  it('what cannot be published is said, and the API is heard all the same', () => {
    let isFull = true
    const { fallback, services, slices, events } = scene(() => {
      if (isFull) throw new Error('full')
    })
    fallback.offer(SNAPSHOT)
    fallback.serve()
    assert.deepEqual(events, ['stale', 'full'])
    list(services)
    list(slices)
    assert.throws(() => fallback.flush(), /full/)
    isFull = false
    assert.deepEqual([events.at(-1), fallback.isStale], ['synced', false])
  })
})

describe('what is known is true', () => {
  it('when every list is complete, none is being replaced or broke off, and no watch is broken', () => {
    const { fallback, services, slices } = scene()
    fallback.withdraw()
    const told: boolean[] = []
    const tell = () => told.push(fallback.isTrue)
    list(services)
    fallback.flush()
    tell()
    list(slices)
    fallback.flush()
    tell()
    services.stale('reset')
    tell()
    services.fresh()
    tell()
    const relist = services.replaceAll()
    tell()
    relist.abort()
    tell()
    list(services)
    tell()
    assert.deepEqual(told, [false, true, false, true, false, false, true])
  })
})

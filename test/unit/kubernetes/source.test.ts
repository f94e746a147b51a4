import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ClusterState } from '../../../src/cluster/state.ts'
import { NAMESPACES, PODS, SERVICES, SLICES, serviceOf, sliceOf } from '../../support/fake-api-objects.ts'
import { type RecordedRequest, statusOf } from '../../support/fake-api-server.ts'
import { FakeApiWorld } from '../../support/fake-api-world.ts'

const EPS = 'endpointslices.discovery.k8s.io'
const ofSlices = ({ path }: RecordedRequest) => path === SLICES

describe('what is watched', () => {
  it('namespaces are watched each on its own, and what one loses another keeps', async t => {
    const world = await FakeApiWorld.start(t, { namespaces: ['one', 'two'] }, api => {
      for (const namespace of ['one', 'two', 'three']) {
        api.put(SERVICES, serviceOf('a', namespace))
        api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.1'], namespace))
      }
    })
    await world.synced()
    assert.deepEqual(world.api.requests.map(({ path }) => path).sort(), [
      '/api/v1/namespaces/one/services',
      '/api/v1/namespaces/two/services',
      '/apis/discovery.k8s.io/v1/namespaces/one/endpointslices',
      '/apis/discovery.k8s.io/v1/namespaces/two/endpointslices',
    ])
    assert.deepEqual(
      ['one', 'two', 'three'].map(namespace => world.addresses('a', namespace)?.length),
      [1, 1, undefined],
    )
    world.api.delete(SERVICES, 'one', 'a')
    await world.until(() => world.addresses('a', 'one') === undefined, 'it is gone')
    assert.equal(world.addresses('a', 'two')!.length, 1)
  })

  it('every watch has a status of its own: resource and partition are a key', async t => {
    const world = await FakeApiWorld.start(t, { namespaces: ['one', 'two'], scope: 'headless', pods: true })
    const keys = world.source.status().map(({ resource, partition }) => `${resource} ${partition}`)
    assert.equal(keys.length, 8)
    assert.equal(new Set(keys).size, 8)
  })

  it('headless: Services without a virtual address, the slices of them, and the slices made by hand', async t => {
    const managed = { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' }
    const headless = { ...managed, 'service.kubernetes.io/headless': '' }
    const world = await FakeApiWorld.start(t, { scope: 'headless' }, api => {
      api.put(SERVICES, serviceOf('a'))
      api.put(SERVICES, serviceOf('virtual', 'default', '10.96.0.1'))
      api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.1'], 'default', headless))
      api.put(SLICES, sliceOf('a-hand', 'a', ['10.0.0.2']))
      api.put(SLICES, sliceOf('virtual-1', 'virtual', ['10.0.0.3'], 'default', managed))
    })
    await world.synced()
    assert.deepEqual(world.addresses('a'), ['10.0.0.1', '10.0.0.2'])
    assert.equal(world.addresses('virtual'), undefined)
    // A slice that leaves one of the two watches for the other stays.
    world.api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.1']))
    world.api.put(SLICES, sliceOf('a-2', 'a', ['10.0.0.4']))
    await world.until(() => world.addresses('a')!.length === 3, 'both are seen')
    world.api.put(SLICES, sliceOf('a-hand', 'a', ['10.0.0.2'], 'default', headless))
    world.api.delete(SLICES, 'default', 'a-2')
    await world.until(() => world.addresses('a')!.length === 2, 'it is gone')
    assert.deepEqual(world.addresses('a'), ['10.0.0.1', '10.0.0.2'])
    // A Service that gets a virtual address leaves the selection.
    world.api.put(SERVICES, serviceOf('a', 'default', '10.96.0.9'))
    await world.until(() => world.addresses('a') === undefined, 'it is not headless any more')
  })

  it('labels narrow Services and slices; Pods are watched while they live; Namespaces by labels of their own', async t => {
    const world = await FakeApiWorld.start(t, { labels: 'dns=yes', pods: true, namespaceLabels: 'team=a' }, api => {
      api.put(NAMESPACES, { metadata: { name: 'default', labels: { team: 'a' } } })
      api.put(SERVICES, { ...serviceOf('a'), metadata: { name: 'a', namespace: 'default', labels: { dns: 'yes' } } })
      api.put(SERVICES, serviceOf('b'))
    })
    await world.synced()
    assert.deepEqual([world.addresses('a'), world.addresses('b')], [[], undefined])
    const selectors = (path: string) => {
      const { query } = world.api.requests.find(one => one.path === path)!
      return [query.get('labelSelector'), query.get('fieldSelector')]
    }
    assert.deepEqual(selectors(SERVICES), ['dns=yes', null])
    assert.deepEqual(selectors(PODS), ['dns=yes', 'status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown'])
    assert.deepEqual(selectors(NAMESPACES), ['team=a', null])
    world.api.delete(NAMESPACES, '', 'default')
    await world.until(() => world.addresses('a') === undefined, 'its namespace is gone')
  })

  it('no slices when endpoints are not asked for', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false })
    await world.synced()
    assert.deepEqual(
      world.source.status().map(({ resource }) => resource),
      ['services'],
    )
  })
})

describe('an object that cannot be used', () => {
  it('stops no other, is served no more, and is told of once', async t => {
    const bad = { ...sliceOf('a-1', 'a', ['10.0.0.1']), addressType: 'IPX' }
    const world = await FakeApiWorld.start(t, {}, api => {
      api.put(SERVICES, serviceOf('a'))
      api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.1']))
      api.put(SLICES, { ...sliceOf('a-0', 'a', []), addressType: 'IPX' })
    })
    await world.synced()
    assert.deepEqual(world.addresses('a'), ['10.0.0.1'])
    world.api.put(SLICES, bad)
    world.api.put(SLICES, sliceOf('a-2', 'a', ['10.0.0.2']))
    await world.until(() => world.addresses('a')!.join() === '10.0.0.2', 'the old one is gone, the other is here')
    for (let i = 0; i < 20; i++) world.api.put(SLICES, bad)
    await world.until(() => world.status(EPS).refused === 22, 'all are counted')
    assert.deepEqual(
      world.warnings.map(text => text.includes('IPX')),
      [true, true],
    )
  })

  it('in a new list, by pages: what was known of it goes', async t => {
    const world = await FakeApiWorld.start(t, {}, api => {
      api.streamingLists = 'refused'
      api.put(SERVICES, serviceOf('a'))
      api.put(SLICES, sliceOf('a-1', 'a', ['10.0.0.1']))
    })
    await world.synced()
    world.api.silenceWatches()
    world.api.put(SLICES, { ...sliceOf('a-1', 'a', ['10.0.0.1']), addressType: 'IPX' })
    world.api.compact()
    world.api.closeWatches(SLICES)
    // For a watch that did not last; not for the version that is too old.
    await world.passBackoff(EPS)
    await world.until(() => world.addresses('a')!.length === 0, 'it is gone')
  })

  it('and thousands of them do not fill the log', async t => {
    const world = await FakeApiWorld.start(t, {}, api => {
      for (let i = 0; i < 2000; i++) api.put(SLICES, { ...sliceOf(`a-${i}`, 'a', []), addressType: 'IPX' })
    })
    await world.synced()
    assert.equal(world.status(EPS).refused, 2000)
    assert.equal(world.warnings.length, 101)
  })
})

describe('what cannot be published', () => {
  it('is told, does not end the watch, and is no failure of the API server', async t => {
    const world = await FakeApiWorld.start(t, { endpoints: false }, api => api.put(SERVICES, serviceOf('a')))
    await world.synced()
    world.publishError = new Error('the table is full')
    for (let i = 0; i < 20; i++) {
      world.api.put(SERVICES, serviceOf(`more-${i}`))
      const name = `more-${i}`
      await world.until(() => world.cluster.find('default', name) !== undefined, 'it is taken in')
    }
    assert.deepEqual(world.warnings, ['not all that the API server said is served: the table is full'])
    assert.deepEqual([world.status('services').state, world.stale()], ['watching', []])
    world.publishError = undefined
    const before = world.changes.length
    world.api.delete(SERVICES, 'default', 'more-0')
    await world.until(() => world.changes.length > before, 'changes are published again')
    assert.equal(world.status('services').connects, 1)
  })
})

describe('stop', () => {
  it('closes every socket, whatever was going on', async t => {
    const stages: Record<string, (world: FakeApiWorld) => Promise<void>> = {
      'in watches': world => world.synced(),
      'in a back-off': world => world.until(() => world.status(EPS).state === 'backing off', 'it backs off'),
      'in the middle of a list': world =>
        world.until(() => world.status(EPS).lastEventMs !== undefined, 'some has come'),
      'before the head of a response': world => world.until(() => world.api.requests.some(ofSlices), 'it is asked'),
    }
    for (const [stage, reach] of Object.entries(stages)) {
      const world = await FakeApiWorld.start(t, {}, api => {
        const octets = '{"items":[{"metadata":{"name":"a","namespace":"default"}},'
        const isPage = (one: RecordedRequest) => ofSlices(one) && !one.query.has('watch')
        api.streamingLists = 'refused'
        if (stage === 'in a back-off')
          api.fail({ kind: 'status', status: 500, body: statusOf(500, 'x', 'x') }, ofSlices)
        if (stage === 'in the middle of a list') api.fail({ kind: 'octets', octets, ending: 'silence' }, isPage)
        if (stage === 'before the head of a response') api.fail({ kind: 'silence' }, ofSlices)
      })
      await reach(world)
      const start = performance.now()
      await world.source.stop()
      assert.ok(performance.now() - start < 1000, stage)
      await world.until(() => world.api.sockets.size === 0, `${stage}: no socket is left`)
      assert.equal(world.time.sleepers, 0, stage)
      const { length } = world.api.requests
      await world.time.advance(600_000)
      await setImmediate()
      assert.equal(world.api.requests.length, length)
    }
  })
})

describe('ServiceImports', () => {
  const IMPORTS = '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports'
  const SERVICE_LABEL = 'multicluster.kubernetes.io/service-name'
  const importOf = (name: string) => ({ metadata: { namespace: 'default', name }, spec: { type: 'Headless' } })
  const sliceFrom = (cluster: string, address: string) => ({
    ...sliceOf(`web-${cluster}`, '', [address]),
    metadata: {
      namespace: 'default',
      name: `web-${cluster}`,
      labels: { [SERVICE_LABEL]: 'web', 'multicluster.kubernetes.io/source-cluster': cluster },
    },
  })
  const endpointsOf = (imports: ClusterState) =>
    imports
      .find('default', 'web')
      ?.slices.map(({ sourceCluster, endpoints }) => `${sourceCluster} ${endpoints[0]?.address}`)

  it('and their slices go to a state of their own, and are followed; what is local does not', async t => {
    const imports = new ClusterState([], () => {})
    const world = await FakeApiWorld.start(t, { imports }, api => {
      api.put(IMPORTS, importOf('web'))
      api.put(SERVICES, serviceOf('web'))
      api.put(SLICES, sliceOf('web-1', 'web', ['10.0.0.9']))
      api.put(SLICES, sliceFrom('east', '10.0.0.1'))
    })
    await world.synced()
    await world.until(() => imports.synced, 'the imports are in')
    assert.deepEqual(endpointsOf(imports), ['east 10.0.0.1'])
    assert.deepEqual(world.addresses('web'), ['10.0.0.9'])
    world.api.put(SLICES, sliceFrom('west', '10.1.0.1'))
    await world.until(() => endpointsOf(imports)?.length === 2, 'the other cluster is there')
    world.api.delete(IMPORTS, 'default', 'web')
    await world.until(() => endpointsOf(imports) === undefined, 'it is gone')
    assert.equal(world.status('serviceimports.multicluster.x-k8s.io').partition, 'multicluster')
  })

  it('an API that is not there holds up nothing else, is said, and is asked for again', async t => {
    const imports = new ClusterState([], () => {})
    const world = await FakeApiWorld.start(t, { imports }, api => {
      api.put(SERVICES, serviceOf('web'))
      const body = statusOf(404, 'NotFound', 'the server could not find the requested resource')
      api.fail({ kind: 'status', status: 404, body }, ({ path }) => path === IMPORTS, 3)
    })
    await world.until(() => world.addresses('web') !== undefined, 'the cluster is served')
    const isSaid = (warning: string) => warning.includes('serviceimports.multicluster.x-k8s.io')
    await world.until(() => world.warnings.some(isSaid), 'it is said')
    assert.equal(imports.synced, false)
    for (let i = 0; i < 3; i++) await world.passBackoff('serviceimports.multicluster.x-k8s.io')
    await world.until(() => imports.synced, 'the API has come')
  })
})

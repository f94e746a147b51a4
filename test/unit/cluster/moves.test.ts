import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { EndpointSlice, Service } from '../../../src/cluster/objects.ts'
import type { ObjectSink } from '../../../src/cluster/sink.ts'
import { ClusterState } from '../../../src/cluster/state.ts'
import { type EndpointShort, headless, slice } from '../../support/answering.ts'
import { SteppedMoveClock } from '../../support/move-clock.ts'

const WINDOW_MS = 100

let clock: SteppedMoveClock
let cluster: ClusterState
let services: ObjectSink<Service>
let slices: ObjectSink<EndpointSlice>
/** Times that something was handed on. */
let changes: number
let version = 0

function start(windowMs = WINDOW_MS): void {
  clock = new SteppedMoveClock(windowMs)
  changes = 0
  cluster = new ClusterState([], () => changes++, undefined, clock)
  clock.onWake = () => cluster.expire()
  services = cluster.open('Service')
  slices = cluster.open('EndpointSlice')
  services.replaceAll().commit()
  slices.replaceAll().commit()
  services.upsert({ ...headless('web'), selection: 1 })
  cluster.flush()
}

/** Of a pod: its number is that of its address and its uid. */
function pod(number: number, more: Partial<EndpointShort> = {}): EndpointShort {
  return { address: `10.0.0.${number}`, podName: `web-${number}`, target: 100 + number, terminating: false, ...more }
}

function put(name: string, endpoints: EndpointShort[], more: Partial<EndpointSlice> = {}): void {
  slices.upsert(slice('web', endpoints, { name, version: ++version, addressType: 'IPv4', ...more }))
}

/** Addresses of all slices, held ones behind a `?`. */
function served(): string[] {
  const view = cluster.find('default', 'web')
  const list = (some: readonly EndpointSlice[] = [], mark = '') =>
    some.flatMap(({ endpoints }) => endpoints.map(({ address }) => `${address.replace('10.0.0.', '')}${mark}`))
  return [...list(view?.slices), ...list(view?.held, '?')].sort()
}

function flushed(): string[] {
  cluster.flush()
  return served()
}

describe('an endpoint that moves between slices (F3, ovn-kubernetes#1857)', () => {
  beforeEach(() => {
    start()
    put('a', [pod(1), pod(2)])
    put('b', [pod(3)])
    cluster.flush()
  })

  it('removed first: it is held until it is added', () => {
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['1?', '2', '3'])
    clock.go(99)
    put('b', [pod(3), pod(1)])
    assert.deepEqual(flushed(), ['1', '2', '3'])
    clock.go(1000)
    assert.deepEqual(served(), ['1', '2', '3'])
  })

  it('added first: it is in both, then in one', () => {
    put('b', [pod(3), pod(1)])
    assert.deepEqual(flushed(), ['1', '1', '2', '3'])
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['1', '2', '3'])
    assert.equal(clock.asked, 0)
  })

  it('both in one chunk, in either order: nothing is held', () => {
    put('a', [pod(2)])
    put('b', [pod(3), pod(1)])
    assert.deepEqual(flushed(), ['1', '2', '3'])
    put('a', [pod(2), pod(1)])
    put('b', [pod(3)])
    assert.deepEqual(flushed(), ['1', '2', '3'])
  })

  it('not added again: it is gone when its time is over, published without a flush', () => {
    put('a', [pod(2)])
    cluster.flush()
    const before = changes
    clock.go(99)
    assert.deepEqual(served(), ['1?', '2', '3'])
    clock.go(1)
    assert.deepEqual(served(), ['2', '3'])
    assert.equal(changes, before + 1)
  })

  it('one wake-up for all: each is let go at its own time', () => {
    put('a', [pod(2)])
    cluster.flush()
    clock.go(40)
    put('a', [])
    put('b', [])
    cluster.flush()
    assert.equal(clock.asked, 1)
    clock.go(60)
    assert.deepEqual(served(), ['2?', '3?'])
    assert.equal(clock.asked, 2)
    clock.go(40)
    assert.deepEqual(served(), [])
  })

  it('back and forth, faster than the window', () => {
    for (let i = 0; i < 20; i++) {
      put('a', i % 2 === 0 ? [pod(2)] : [pod(2), pod(1)])
      assert.ok(flushed().some(one => one.startsWith('1')))
      clock.go(15)
      put('b', i % 2 === 0 ? [pod(3), pod(1)] : [pod(3)])
      assert.ok(flushed().some(one => one.startsWith('1')))
      clock.go(15)
    }
  })

  it('IPv6 moves as IPv4 does', () => {
    const v6 = (number: number) => pod(number, { address: `fd00::${number}` })
    put('c', [v6(1), v6(2)], { addressType: 'IPv6' })
    cluster.flush()
    put('c', [v6(2)], { addressType: 'IPv6' })
    assert.ok(flushed().includes('fd00::1?'))
  })
})

describe('a removal that takes effect at once', () => {
  beforeEach(() => {
    start()
    put('a', [pod(1), pod(2)])
    put('b', [pod(3)])
    cluster.flush()
  })

  it('the pod was not ready before', () => {
    put('a', [pod(1, { ready: false }), pod(2)])
    cluster.flush()
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['2', '3'])
  })

  it('the pod was terminating before, ready all the same (publishNotReadyAddresses)', () => {
    put('a', [pod(1, { terminating: true }), pod(2)])
    cluster.flush()
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['2', '3'])
  })

  it('another slice says afterwards that the pod is not ready: of its other family', () => {
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['1?', '2', '3'])
    put('c', [pod(1, { address: 'fd00::1', ready: false })], { addressType: 'IPv6' })
    assert.ok(!flushed().includes('1?'))
  })

  it('another slice has said already that the pod is terminating', () => {
    put('c', [pod(1, { address: 'fd00::1', terminating: true })], { addressType: 'IPv6' })
    put('a', [pod(2)])
    assert.ok(!flushed().includes('1?'))
  })

  it('it comes again, not ready: that is its state', () => {
    put('a', [pod(2)])
    put('b', [pod(3), pod(1, { ready: false })])
    assert.deepEqual(flushed(), ['1', '2', '3'])
    put('b', [pod(3)])
    assert.deepEqual(flushed(), ['2', '3'])
  })

  it('F2: the pod has another address', () => {
    put('a', [pod(1, { address: '10.0.0.7' }), pod(2)])
    assert.deepEqual(flushed(), ['2', '3', '7'])
  })

  it('F2: its successor of the same name is there', () => {
    put('a', [pod(1, { address: '10.0.0.7', target: 999 }), pod(2)])
    assert.deepEqual(flushed(), ['2', '3', '7'])
  })

  it('F2: its successor comes in another slice', () => {
    put('a', [pod(2)])
    put('b', [pod(3), pod(1, { address: '10.0.0.7', target: 999 })])
    assert.deepEqual(flushed(), ['2', '3', '7'])
  })

  it('F2: it has no targetRef: whoever wrote the slice means what it says', () => {
    put('a', [{ address: '10.0.0.8' }, { address: '10.0.0.9' }])
    clock.go(WINDOW_MS)
    put('a', [{ address: '10.0.0.9' }])
    assert.deepEqual(flushed(), ['3', '9'])
  })

  it('the slice is deleted, before or after it held anything', () => {
    slices.remove('default', 'b')
    assert.deepEqual(flushed(), ['1', '2'])
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['1?', '2'])
    slices.remove('default', 'a')
    assert.deepEqual(flushed(), [])
  })

  it('the slice is another Service’s now', () => {
    put('a', [pod(2)])
    slices.upsert(slice('other', [pod(2)], { name: 'a' }))
    assert.deepEqual(flushed(), ['3'])
  })

  it('the Service selects other pods: said before, or after', () => {
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['1?', '2', '3'])
    services.upsert({ ...headless('web'), selection: 2 })
    assert.deepEqual(flushed(), ['2', '3'])
    clock.go(500)
    put('b', [])
    assert.deepEqual(flushed(), ['2'])
    clock.go(500)
    put('a', [])
    assert.deepEqual(flushed(), ['2?'])
  })

  it('the Service is of another type', () => {
    put('a', [pod(2)])
    services.upsert({ ...headless('web'), selection: 1, kind: 'clusterIP', clusterIPs: ['10.96.0.1'] })
    assert.deepEqual(flushed(), ['2', '3'])
  })

  it('the Service is deleted, and made again', () => {
    put('a', [pod(2)])
    services.remove('default', 'web')
    cluster.flush()
    services.upsert({ ...headless('web'), selection: 1 })
    assert.deepEqual(flushed(), ['2', '3'])
  })

  it('a slice without a Service holds nothing', () => {
    slices.upsert(slice('later', [pod(5), pod(6)], { name: 'l' }))
    slices.upsert(slice('later', [pod(6)], { name: 'l' }))
    services.upsert(headless('later'))
    cluster.flush()
    assert.equal(cluster.find('default', 'later')!.held!.length, 0)
    assert.equal(clock.asked, 0)
  })

  it('records.moveWindow is 0', () => {
    start(0)
    put('a', [pod(1), pod(2)])
    cluster.flush()
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['2'])
    assert.equal(clock.asked, 0)
  })
})

describe('a complete list is exact', () => {
  beforeEach(() => {
    start()
    put('a', [pod(1), pod(2)])
    cluster.flush()
  })

  it('what it does not name is gone', () => {
    const list = slices.replaceAll()
    list.add(slice('web', [pod(2)], { name: 'a', version: ++version }))
    list.commit()
    assert.deepEqual(flushed(), ['2'])
  })

  it('what was held before is gone, even if the list brings nothing new', () => {
    put('a', [pod(2)])
    assert.deepEqual(flushed(), ['1?', '2'])
    const list = slices.replaceAll()
    list.add(slice('web', [pod(2)], { name: 'a', version, addressType: 'IPv4' }))
    assert.deepEqual(flushed(), ['1?', '2'])
    list.commit()
    assert.deepEqual(flushed(), ['2'])
  })

  it('a list of another partition lets go nothing', () => {
    const other = cluster.open('EndpointSlice', 'other')
    put('a', [pod(2)])
    other.replaceAll().commit()
    assert.deepEqual(flushed(), ['1?', '2'])
  })

  it('the end of a hold publishes nothing that waits for a flush', () => {
    services.upsert(headless('other'))
    put('a', [pod(2)])
    cluster.flush()
    services.upsert(headless('api'))
    services.upsert({ ...headless('other'), ports: [{ name: 'x', protocol: 'tcp', port: 1 }] })
    clock.go(WINDOW_MS)
    assert.deepEqual(served(), ['2'])
    assert.equal(cluster.find('default', 'api'), undefined)
    assert.deepEqual(cluster.find('default', 'other')!.service.ports, [])
  })
})

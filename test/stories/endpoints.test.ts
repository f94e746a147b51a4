/**
 * Stories of what makes an endpoint an answer: readiness, addresses that are shared, names that are shared or odd.
 */

import assert from 'node:assert/strict'
import { endpointSliceFromApi, serviceFromApi } from '../../src/cluster/from-api.ts'
import type { EndpointSlice, Service } from '../../src/cluster/objects.ts'
import { ClusterState } from '../../src/cluster/state.ts'
import { explainService } from '../../src/records/explain.ts'
import type { RecordOptions } from '../../src/records/options.ts'
import { dataOf } from '../support/dns-client.ts'
import { serviceOf } from '../support/fake-api-objects.ts'
import { sharedNowMs } from '../support/story-asker-types.ts'
import { endpoint, slice } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { story } from './story.ts'

const NAME = 'web.default.svc.cluster.local'
const REVERSE = '1.0.0.10.in-addr.arpa'
const SECOND_MS = 1000
/** As far as they are looked at to say why. */
const EXPLAINED = { zones: [], endpointPodNames: false } as unknown as RecordOptions
const WEB = {
  prepare(world: StoryWorld) {
    world.putService(serviceOf('web'))
  },
}
const pods = (count: number, from = 1) => Array.from({ length: count }, (_, i) => endpoint(`10.0.0.${from + i}`))
const put = (world: StoryWorld, endpoints: readonly object[], name = 'web-1', service = 'web') =>
  world.putSlices(slice(name, service, endpoints))

function answersNow(world: StoryWorld, name: string, type: string): readonly string[] {
  const verdict = world.truth.now({ name, type })
  return verdict.rcode === 'NOERROR' ? verdict.answers : []
}

story('F4: one address under two pods, the ghost terminating and the real one ready', WEB, async world => {
  const ghost = endpoint('10.0.0.1', { ready: false, serving: true, terminating: true, pod: 'a', hostname: 'ghost' })
  const real = endpoint('10.0.0.1', { ready: true, pod: 'b', hostname: 'real' })
  for (const [first, last] of [
    ['web-1', 'web-2'],
    ['web-2', 'web-1'],
  ] as const) {
    put(world, [endpoint('10.0.0.1', { ready: true, pod: 'a', hostname: 'ghost' })], first)
    await world.checker.agrees()
    world.putSlices(slice(first, 'web', [ghost]), slice(last, 'web', [real]))
    await world.checker.agrees()
    assert.deepEqual(answersNow(world, `real.${NAME}`, 'A'), [`real.${NAME} A 10.0.0.1`])
    world.deleteSlice(first, 'web')
    await world.checker.agrees()
    assert.deepEqual(answersNow(world, NAME, 'A'), [`${NAME} A 10.0.0.1`])
    world.deleteSlice(last, 'web')
  }
})

story(
  'F18: all pods are lost within a second: NXDOMAIN that nobody may keep for more than a second, and not a second after others came',
  WEB,
  async world => {
    const question = { name: NAME, type: 'A' }
    world.checker.focus([question])
    for (let i = 0; i < 5; i++) {
      const denials: { askedMs: number; ttl: number | undefined }[] = []
      put(world, pods(7, 1 + 10 * i))
      const cameMs = sharedNowMs()
      world.checker.onJudged = ({ question: { name, type }, askedMs, reply }) => {
        if (name === NAME && type === 'A' && reply.rcode === 'NXDOMAIN')
          denials.push({ askedMs, ttl: reply.negativeTtl })
      }
      await world.checker.agrees()
      assert.equal(
        denials.filter(({ askedMs }) => askedMs > cameMs + SECOND_MS).length,
        0,
        'denied for no more than 1 s',
      )
      for (let left = 6; left >= 0; left--) put(world, pods(left, 1 + 10 * i))
      await world.checker.agrees()
      await world.until(() => denials.length > 0, 'it is denied')
      assert.equal(world.truth.now(question).rcode, 'NXDOMAIN')
      assert.deepEqual(
        denials.filter(({ ttl = Number.POSITIVE_INFINITY }) => ttl > 1),
        [],
        'a TTL of 1 s at most',
      )
    }
  },
)

story('F20: pods that are published before they are ready find each other', WEB, async world => {
  // The controller says ready for a Service with publishNotReadyAddresses, and serving as it is.
  for (let count = 1; count <= 5; count++) {
    const some = Array.from({ length: count }, (_, i) =>
      endpoint(`10.0.0.${i + 1}`, { ready: true, serving: false, hostname: `nats-${i}` }),
    )
    put(world, some)
    await world.checker.agrees()
    assert.equal(answersNow(world, NAME, 'A').length, count)
  }
})

story('F21: a dead node with publishNotReadyAddresses: ready decides, whatever serving says', WEB, async world => {
  put(world, [
    endpoint('10.0.0.1', { ready: true, serving: true }),
    endpoint('10.0.0.2', { ready: true, serving: false }),
  ])
  await world.checker.agrees()
  assert.equal(answersNow(world, NAME, 'A').length, 2)
})

story('F22: a rollout with long grace: a terminating pod is out at once', WEB, async world => {
  put(world, [endpoint('10.0.0.1', { ready: true }), endpoint('10.0.0.2', { ready: true })])
  await world.checker.agrees()
  for (let i = 0; i < 5; i++) {
    const old = endpoint(`10.0.0.${1 + i}`, { ready: false, serving: true, terminating: true })
    put(world, [old, endpoint(`10.0.0.${2 + i}`, { ready: true }), endpoint(`10.0.0.${3 + i}`, { ready: true })])
    await world.checker.agrees()
    assert.equal(answersNow(world, NAME, 'A').length, 2)
  }
})

story(
  'T27b: a node is drained: each pod is gone 200 ms after the event that says so',
  { ...WEB, allowedMs: 200 },
  async world => {
    put(world, pods(20))
    for (let i = 0; i < 20; i++) {
      const drained = Array.from({ length: 20 }, (_, n) =>
        endpoint(`10.0.0.${n + 1}`, n > i ? { ready: true } : { ready: false, serving: true, terminating: true }),
      )
      put(world, drained)
      await world.checker.agrees()
    }
  },
)

story('F23: three pods share one hostname', WEB, async world => {
  for (const count of [1, 2, 3, 2, 1]) {
    put(
      world,
      Array.from({ length: count }, (_, i) => endpoint(`10.0.0.${i + 1}`, { hostname: 'x' })),
    )
    await world.checker.agrees()
    assert.equal(answersNow(world, `x.${NAME}`, 'A').length, count)
  }
})

/** In a headless Service and in one with a virtual address. */
async function inTwoServices(world: StoryWorld): Promise<void> {
  world.putService(serviceOf('balanced', 'default', '10.96.0.10'))
  put(world, [endpoint('10.0.0.1', { hostname: 'web-0' })])
  put(world, [endpoint('10.0.0.1', { hostname: 'web-0' })], 'balanced-1', 'balanced')
}

story('F24: a pod in two Services has both names at its address', WEB, async world => {
  await inTwoServices(world)
  await world.checker.agrees()
  assert.equal(answersNow(world, REVERSE, 'PTR').length, 2)
  world.deleteSlice('balanced-1', 'balanced')
  await world.checker.agrees()
})

story(
  'F24: with source.kubernetes.scope headless it has the name in the headless Service alone',
  {
    kubernetes: ({ url }) => ({ endpoint: url, scope: 'headless' }),
    perSecond: 0,
    share: 0,
    prepare: world => world.putService(serviceOf('web')),
  },
  async world => {
    const { port } = world.server.addresses[0]!
    const names = () => dataOf(REVERSE, 'PTR', { port })
    await inTwoServices(world)
    await world.until(async () => (await names()).length > 0, 'it has a name')
    await world.quiet()
    assert.deepEqual(await names(), [`web-0.${NAME}`])
    // Nobody asks by himself in this story.
    world.ask([{ name: NAME, type: 'A' }])
  },
)

story('F25: no ports, no selector, hostnames that are no label', WEB, async world => {
  world.putSlices(slice('web-1', 'web', pods(2), []))
  await world.checker.agrees()
  world.putSlices(slice('web-1', 'web', pods(2), null))
  await world.checker.agrees()
  const odd = ['a.b', '-a', 'a-', 'a_b', 'x'.repeat(64), '', '*', 'ä', ' ', '\u0000', 'UPPER', 'x'.repeat(63)]
  for (const hostname of odd) {
    put(world, [endpoint('10.0.0.1', { hostname }), endpoint('10.0.0.2')])
    await world.checker.agrees()
    assert.equal(answersNow(world, NAME, 'A').length, 2)
  }
})

story('F28: dual-stack, the slice of one family before that of the other', WEB, async world => {
  const [v4, v6] = [endpoint('10.0.0.1', { hostname: 'web-0' }), endpoint('fd00::1', { hostname: 'web-0' })]
  for (let i = 0; i < 5; i++) {
    const families = i % 2 === 0 ? [v4, v6] : [v6, v4]
    for (const [n, one] of families.entries()) {
      put(world, [one], `web-${n}`)
      await world.checker.agrees()
    }
    assert.equal(answersNow(world, `web-0.${NAME}`, 'AAAA').length, 1)
    world.deleteSlice('web-0', 'web')
    world.deleteSlice('web-1', 'web')
    await world.checker.agrees()
  }
})

story('T25c: an address is taken over by another pod while the first still terminates', WEB, async world => {
  for (let i = 0; i < 5; i++) {
    const [old, next] = [`pod-${i}`, `pod-${i + 1}`]
    put(world, [endpoint('10.0.0.1', { ready: true, pod: old, hostname: old })])
    await world.checker.agrees()
    const ghost = endpoint('10.0.0.1', { ready: false, serving: true, terminating: true, pod: old, hostname: old })
    const real = endpoint('10.0.0.1', { ready: true, pod: next, hostname: next })
    put(world, i % 2 === 0 ? [ghost, real] : [real, ghost])
    await world.checker.agrees()
    assert.deepEqual(answersNow(world, NAME, 'A'), [`${NAME} A 10.0.0.1`])
  }
})

story(
  'F29: an address goes from a pod of one namespace to one of another: its name follows, and why',
  WEB,
  async world => {
    const inOther = (one: object) => ({
      ...one,
      metadata: { ...(one as { metadata: object }).metadata, namespace: 'other' },
    })
    /** What people are told who ask why: from the same objects, in a state of their own. */
    const state = new ClusterState([], () => {})
    const [services, slices] = [state.open('Service'), state.open('EndpointSlice')]
    const list = services.replaceAll()
    for (const one of [serviceOf('web'), inOther(serviceOf('web'))]) list.add(serviceFromApi(one) as Service)
    list.commit()
    slices.replaceAll().commit()
    const told = (namespace: string) => {
      const { endpoints } = explainService(state.find(namespace, 'web')!, EXPLAINED)
      return endpoints.map(({ address, isAnswered, notes }) => `${address} ${isAnswered} ${notes}`)
    }
    const putBoth = (one: object, other: object) => {
      world.putSlices(one)
      world.putSlices(inOther(other))
      for (const given of [one, inOther(other)]) slices.upsert(endpointSliceFromApi(given) as EndpointSlice)
      state.flush()
    }
    world.putService(inOther(serviceOf('web')))
    for (let i = 0; i < 5; i++) {
      putBoth(slice('web-1', 'web', [endpoint('10.0.0.1', { ready: true })]), slice('web-1', 'web', []))
      await world.checker.agrees()
      assert.deepEqual([told('default'), told('other')], [['10.0.0.1 true '], []])
      putBoth(
        slice('web-1', 'web', [endpoint('10.0.0.1', { ready: false, terminating: true })]),
        slice('web-1', 'web', [endpoint('10.0.0.1', { ready: true })]),
      )
      await world.checker.agrees()
      assert.deepEqual(answersNow(world, REVERSE, 'PTR'), [`${REVERSE} PTR 10-0-0-1.web.other.svc.cluster.local`])
      assert.deepEqual([told('default'), told('other')], [['10.0.0.1 false it is terminating'], ['10.0.0.1 true ']])
    }
  },
)

story('F30: a burst of 1,000 named pods: the last is answered as soon as the first', { share: 0.05 }, async world => {
  const delays: number[] = []
  for (let service = 0; service < 10; service++) {
    const name = `burst-${service}`
    world.putService(serviceOf(name))
    for (let count = 10; count <= 100; count += 10) {
      const all = Array.from({ length: count }, (_, i) =>
        endpoint(`10.1.${service}.${i + 1}`, { hostname: `pod-${i}` }),
      )
      const question = { name: `pod-${count - 1}.${name}.default.svc.cluster.local`, type: 'A' }
      let seenMs = 0
      world.checker.onJudged = ({ question: { name, type }, answeredMs, reply }) => {
        if (name === question.name && type === 'A' && seenMs === 0 && reply.answers.length > 0) seenMs = answeredMs
      }
      world.checker.focus([question])
      const putMs = sharedNowMs()
      put(world, all, `${name}-1`, name)
      await world.until(() => seenMs > 0, `${question.name} is answered`)
      delays.push(seenMs - putMs)
    }
  }
  const median = (some: number[]) => some.toSorted((a, b) => a - b)[some.length >>> 1]!
  const [early, late] = [median(delays.slice(0, 50)), median(delays.slice(50))]
  assert.ok(late <= 2 * early + 10, `from event to answer ${early} ms in the first half, ${late} ms in the second`)
})

story('F36: Services and pods whose names begin with a digit', {}, async world => {
  for (const name of ['1svc', '2a2b-3c', '0']) {
    world.putService(serviceOf(name))
    put(world, [endpoint('10.0.0.1', { hostname: '0-pod' }), endpoint('10.0.0.2')], `${name}-1`, name)
    await world.checker.agrees()
    assert.equal(answersNow(world, `${name}.default.svc.cluster.local`, 'A').length, 2)
  }
})

story('T25d: one address twice: two ports, two slices, the same slice', WEB, async world => {
  world.putSlices(
    slice('web-1', 'web', pods(2), [{ name: 'http', port: 80, protocol: 'TCP' }]),
    slice('web-2', 'web', pods(2), [{ name: 'metrics', port: 9090, protocol: 'TCP' }]),
  )
  await world.checker.agrees()
  put(world, [...pods(3), ...pods(3)])
  await world.checker.agrees()
  assert.equal(answersNow(world, NAME, 'A').length, 3)
})

story('T25e: conditions that are not given, or empty, are ready', WEB, async world => {
  for (const conditions of [undefined, {}, { ready: null }, { serving: false }, { terminating: true }]) {
    put(world, [{ addresses: ['10.0.0.1'], conditions }])
    await world.checker.agrees()
    assert.equal(answersNow(world, NAME, 'A').length, 1)
    put(world, [endpoint('10.0.0.1', { ready: false })])
    await world.checker.agrees()
  }
})

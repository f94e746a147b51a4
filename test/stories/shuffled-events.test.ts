/**
 * A million events of slices in an order of chance, some of them twice, told to the state of the cluster in this process.
 */

import assert from 'node:assert/strict'
import { endpointSliceFromApi, identityOf, serviceFromApi } from '../../src/cluster/from-api.ts'
import type { EndpointSlice, Service } from '../../src/cluster/objects.ts'
import { type Changes, ClusterState, type ServiceView } from '../../src/cluster/state.ts'
import { serviceOf } from '../support/fake-api-objects.ts'
import { Random } from '../support/random.ts'
import { SliceEvents, shuffledNumbers } from '../support/story-events.ts'
import { seeded } from './story.ts'

const EVENTS = 1_000_000
const MS_TO_A_FLUSH = 5

/** What of a slice is an answer. */
function wordsOf({ name, version, endpoints }: EndpointSlice): string {
  return `${name} ${version} ${endpoints.map(({ address, ready, target }) => `${address} ${ready} ${target}`)}`
}

seeded(
  `T25b: ${EVENTS} events in an order of chance, some of them twice: in the end what the last of each said`,
  false,
  async (seed, context) => {
    const random = new Random(seed)
    const events = new SliceEvents(EVENTS, seed)
    let nowMs = 0
    let wakeMs = Number.POSITIVE_INFINITY
    const published = new Map<string, ServiceView | undefined>()
    const onChange = ({ services }: Changes) => {
      for (const { before, after } of services) {
        const { namespace, name } = (before ?? after)!.service
        const key = `${namespace}/${name}`
        assert.equal(before, published.get(key), 'a change begins where the last one ended')
        published.set(key, after)
      }
    }
    const state = new ClusterState([], onChange, () => {}, {
      windowMs: 100,
      now: () => nowMs,
      wake: afterMs => {
        wakeMs = nowMs + afterMs
      },
    })
    const [services, slices] = [state.open('Service'), state.open('EndpointSlice')]
    const first = services.replaceAll()
    for (const name of SliceEvents.services()) first.add(serviceFromApi(serviceOf(name)) as Service)
    first.commit()
    slices.replaceAll().commit()
    state.flush()

    const pass = (ms: number) => {
      nowMs += ms
      if (nowMs < wakeMs) return
      wakeMs = Number.POSITIVE_INFINITY
      state.expire()
    }
    let told = 0
    for (const number of shuffledNumbers(EVENTS, random)) {
      // Again, now or of some other time.
      for (const one of random.below(4) === 0 ? [number, random.below(number + 1)] : [number]) {
        const { isDeleted, object } = events.at(one)
        if (isDeleted) {
          const identity = identityOf(object)
          slices.remove(identity.namespace, identity.name, identity)
        } else slices.upsert(endpointSliceFromApi(object) as EndpointSlice)
        told++
      }
      if (random.below(8) > 0) continue
      state.flush()
      pass(random.below(2 * MS_TO_A_FLUSH))
    }
    state.flush()
    while (wakeMs < Number.POSITIVE_INFINITY) pass(MS_TO_A_FLUSH)

    const expected = new Map(SliceEvents.services().map(name => [name, [] as string[]]))
    for (const number of events.left().values()) {
      const { service, object } = events.at(number)
      expected.get(service)!.push(wordsOf(endpointSliceFromApi(object) as EndpointSlice))
    }
    for (const [name, words] of expected) {
      const view = state.find('default', name)!
      assert.deepEqual(view.slices.map(wordsOf).sort(), words.sort(), name)
      assert.deepEqual(view.held ?? [], [], `${name}: nobody is held for ever`)
      assert.equal(published.get(`default/${name}`), view)
    }
    context.diagnostic(`${told} events`)
  },
)

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ObjectSink, Replacement } from '../../../src/cluster/sink.ts'
import { Position } from '../../../src/kubernetes/position.ts'
import type { Resource } from '../../../src/kubernetes/reflector-types.ts'
import { Refusals } from '../../../src/kubernetes/refusals.ts'
import { WatchEvents } from '../../../src/kubernetes/watch-events.ts'

type Named = { metadata: { name?: string } }

function nameOf(raw: unknown): string {
  return (raw as Named | undefined)?.metadata.name ?? ''
}

/** What is said to the sink, and to a list, word by word. */
function watch(version = '') {
  const said: string[] = []
  const sink = {
    upsert: (object: unknown) => said.push(`upsert ${nameOf(object)}`),
    remove: (namespace: string, name: string) => said.push(`remove ${namespace}/${name}`),
  } as unknown as ObjectSink<Named>
  const list = {
    add: (object: unknown) => said.push(`add ${nameOf(object)}`),
    drop: (namespace: string, name: string) => said.push(`drop ${namespace}/${name}`),
  } as unknown as Replacement<Named>
  const resource: Resource<Named> = {
    path: '/things',
    name: 'things',
    partition: '',
    fromApi: raw => (nameOf(raw).startsWith('bad') ? 'it is bad' : (raw as Named)),
    identityOf: raw => ({ namespace: 'default', name: nameOf(raw), uid: 0, version: 0 }),
  }
  const position = new Position()
  position.moveTo(version)
  const refusals = new Refusals('things', { info: () => {}, warn: () => {} })
  const events = new WatchEvents(resource, sink, position, refusals)
  return { events, said, list, position, refusals }
}

function event(type: string, name: string | undefined, resourceVersion: string, annotations = {}) {
  return { type, object: { metadata: { ...(name !== undefined && { name }), resourceVersion, annotations } } }
}

describe('events of a watch', () => {
  it('change the sink, and move its place in the history', () => {
    const { events, said, position } = watch('1')
    events.apply(event('ADDED', 'a', '2'), undefined)
    events.apply(event('MODIFIED', 'a', '3'), undefined)
    events.apply(event('DELETED', 'a', '4'), undefined)
    assert.deepEqual(said, ['upsert a', 'upsert a', 'remove default/a'])
    assert.equal(position.version, '4')
    assert.equal(events.apply(event('BOOKMARK', undefined, '9'), undefined), false)
    assert.equal(position.version, '9')
  })

  it('make a list until the bookmark that ends it, whose version alone counts', () => {
    const { events, said, list, position } = watch()
    events.apply(event('ADDED', 'a', '8'), list)
    events.apply(event('ADDED', 'b', '5'), list)
    events.apply(event('DELETED', 'b', '9'), list)
    assert.deepEqual(said, ['add a', 'add b', 'drop default/b'])
    assert.equal(position.version, '')
    assert.equal(events.apply(event('BOOKMARK', undefined, '10', { 'k8s.io/initial-events-end': 'true' }), list), true)
    assert.equal(position.version, '10')
  })

  it('make no list when its end has no version: there is nowhere to go on from', () => {
    const { events, list, position } = watch()
    const end = event('BOOKMARK', undefined, '', { 'k8s.io/initial-events-end': 'true' })
    assert.throws(() => events.apply(end, list), { code: 'ERR_API_MALFORMED' })
    assert.equal(position.version, '')
  })

  it('take away what can no longer be used, and count it', () => {
    const { events, said, list, refusals } = watch('1')
    events.apply(event('MODIFIED', 'bad', '2'), undefined)
    events.apply(event('ADDED', 'bad', '3'), list)
    assert.deepEqual(said, ['remove default/bad', 'drop default/bad'])
    assert.equal(refusals.count, 2)
  })

  it('are of another history when their versions go back: nothing of them is served', () => {
    const { events, said } = watch('5')
    assert.throws(() => events.apply(event('MODIFIED', 'a', '4'), undefined), { code: 'ERR_API_HISTORY' })
    assert.deepEqual(said, [])
  })

  it('that are errors are counted until another comes', () => {
    const { events } = watch('1')
    const error = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } }
    for (const count of [1, 2]) {
      assert.throws(() => events.apply(error, undefined), { code: 'ERR_API_EXPIRED' })
      assert.equal(events.errors, count)
    }
    events.apply(event('BOOKMARK', undefined, '2'), undefined)
    assert.equal(events.errors, 0)
  })

  it('that are none end the watch', () => {
    const { events, list } = watch('1')
    for (const odd of [null, 7, {}, event('ADDED', '', '2'), event('RENAMED', 'a', '2')]) {
      assert.throws(() => events.apply(odd, undefined), { code: 'ERR_API_MALFORMED' })
    }
    assert.throws(() => events.apply(event('BOOKMARK', undefined, '2'), list), { code: 'ERR_API_NO_STREAMING_LIST' })
  })

  it('whose type is long or deep are told of in few words', () => {
    const { events } = watch('1')
    const deep: unknown = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000))
    for (const type of [deep, 'x'.repeat(8 << 20)]) {
      for (const name of ['a', '']) {
        const odd = { ...event('', name, '2'), type }
        assert.throws(() => events.apply(odd, undefined), { code: 'ERR_API_MALFORMED', message: /^.{1,200}$/ })
      }
    }
  })
})

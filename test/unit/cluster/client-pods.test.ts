/**
 * Whose an address is: known for sure, or not said.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { ClientPods } from '../../../src/cluster/client-pods.ts'
import { clientPodFromApi } from '../../../src/cluster/from-api.ts'
import type { Pod } from '../../../src/cluster/objects.ts'

const pod = (namespace: string, name: string, ...addresses: string[]): Pod => ({ namespace, name, addresses })

it('an address is known by the one pod that holds it, and by nobody else', () => {
  const pods = new ClientPods(address => address)
  assert.equal(pods.namespaceOf('10.0.0.1'), undefined)
  const source = pods.open('Pod')
  source.upsert(pod('shop', 'a', '10.0.0.1', '10.0.0.1', 'fd00::1'))
  assert.equal(pods.namespaceOf('10.0.0.1'), undefined, 'not before there is a complete list')
  const list = source.replaceAll()
  list.add(pod('shop', 'a', '10.0.0.1', 'fd00::1'))
  list.commit()
  assert.deepEqual([pods.namespaceOf('10.0.0.1'), pods.namespaceOf('fd00::1')], ['shop', 'shop'])

  // One of the two is gone, and nobody knows which.
  source.upsert(pod('bank', 'b', '10.0.0.1'))
  assert.equal(pods.namespaceOf('10.0.0.1'), undefined)
  source.remove('shop', 'a', {})
  assert.equal(pods.namespaceOf('10.0.0.1'), 'bank')
  assert.equal(pods.namespaceOf('fd00::1'), undefined)
  assert.equal(pods.size, 1)

  source.stale('the API server says nothing')
  assert.equal(pods.namespaceOf('10.0.0.1'), undefined, 'not while nobody is heard')
  source.fresh()
  assert.equal(pods.namespaceOf('10.0.0.1'), 'bank')
})

it('whatever pods come and go, with whatever addresses: the namespace of the only holder, or none', () => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    namespace: fc.constantFrom('shop', 'bank'),
    addresses: fc.uniqueArray(fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1'), { maxLength: 2 }),
    removes: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const pods = new ClientPods(address => address)
      const told = new Map<string, number>()
      pods.follow((address, namespace, isHere) => {
        const key = `${address} ${namespace}`
        told.set(key, (told.get(key) ?? 0) + (isHere ? 1 : -1))
      })
      const source = pods.open('Pod')
      source.replaceAll().commit()
      const model = new Map<string, Pod>()
      for (const { name, namespace, addresses, removes } of steps) {
        const key = `${namespace}/${name}`
        if (removes) {
          source.remove(namespace, name, {})
          model.delete(key)
        } else {
          source.upsert(pod(namespace, name, ...addresses))
          model.set(key, pod(namespace, name, ...addresses))
        }
        for (const address of ['10.0.0.1', '10.0.0.2', 'fd00::1']) {
          const holders = [...model.values()].filter(each => each.addresses.includes(address))
          assert.equal(pods.namespaceOf(address), holders.length === 1 ? holders[0]!.namespace : undefined)
          for (const each of ['shop', 'bank']) {
            const count = holders.filter(holder => holder.namespace === each).length
            assert.equal(told.get(`${address} ${each}`) ?? 0, count)
          }
        }
      }
    }),
  )
})

it('a pod that is on its Node’s network, goes, has ended, or has a search path of its own is not known by its address', () => {
  const raw = (spec: object, metadata: object = {}, status: object = {}) => ({
    metadata: { namespace: 'shop', name: 'a', ...metadata },
    spec,
    status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }], ...status },
  })
  const addressesOf = (object: object) => {
    const client = clientPodFromApi(object)
    return typeof client === 'string' ? client : client.addresses
  }
  assert.deepEqual(addressesOf(raw({})), ['10.0.0.1'])
  assert.deepEqual(addressesOf(raw({ dnsPolicy: 'ClusterFirst', dnsConfig: { options: [{ name: 'timeout' }] } })), [
    '10.0.0.1',
  ])
  for (const object of [
    raw({ hostNetwork: true }),
    raw({ dnsPolicy: 'Default' }),
    raw({ dnsPolicy: 'None' }),
    raw({ dnsConfig: { searches: ['corp.example'] } }),
    raw({ dnsConfig: { options: [{ name: 'ndots', value: '1' }] } }),
    raw({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    raw({}, {}, { phase: 'Succeeded' }),
    raw({}, {}, { phase: 'Failed' }),
  ]) {
    assert.deepEqual(addressesOf(object), [], JSON.stringify(object))
  }
})

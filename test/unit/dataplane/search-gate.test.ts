/**
 * Which names that do not exist are left to the main thread: those that a known client's search path begins with.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createSearchFilter, SearchFilter, SearchGate } from '../../../src/dataplane/search-gate.ts'
import { HEADER_OCTETS } from '../../../src/wire/constants.ts'
import { Query } from '../../../src/wire/query.ts'
import { queryOf, wireName } from '../../support/messages.ts'

const SEED = 7
const SHOP = 'shop.svc.cluster.local'

function world() {
  const filter = createSearchFilter()
  const writer = new SearchFilter(filter)
  // Zone 0 is one that search paths begin in, zone 1 is a reverse zone.
  const gate = new SearchGate({ filter, zoneLabels: [2, 0] })
  const query = new Query(SEED)
  const hashOf = (name: string): number => {
    const wire = wireName(name)
    query.readName(wire, 0, wire.length)
    return query.suffixHash[0]!
  }
  const wants = (name: string, address: number[], { zone = 0, below = 1 } = {}): boolean => {
    gate.begin({ copyAddress: (_start, to) => to.set(address) }, address.length === 16)
    const octets = queryOf(name, 'A')
    query.read(octets, new DataView(octets.buffer, octets.byteOffset, octets.length), 0, octets.length)
    assert.ok(octets.length > HEADER_OCTETS)
    return gate.wants(query, zone, below, 0)
  }
  return { writer, hashOf, wants, gate, query }
}

const V4 = [10, 0, 0, 1]
const V6 = [0xfd, ...Array<number>(14).fill(0), 1]

it('a name below the namespace of a client that is known is left; of any other client, namespace or zone it is not', () => {
  const { writer, hashOf, wants } = world()
  assert.equal(wants(`www.example.com.${SHOP}`, V4, { below: 3 }), false, 'nobody is known')
  for (const address of [V4, V6]) writer.change(Uint8Array.from(address), hashOf(SHOP), 1)
  for (const address of [V4, V6]) {
    assert.equal(wants(`www.example.com.${SHOP}`, address, { below: 3 }), true)
    assert.equal(wants(`WWW.example.com.${SHOP.toUpperCase()}`, address, { below: 3 }), true)
  }
  assert.equal(wants(`www.example.com.${SHOP}`, [10, 0, 0, 2], { below: 3 }), false)
  assert.equal(wants('www.example.com.bank.svc.cluster.local', V4, { below: 3 }), false)
  assert.equal(wants(`www.example.com.${SHOP}`, V4, { zone: 1, below: 3 }), false)
  assert.equal(wants('svc.cluster.local', V4), false)
})

it('a name below a Service that exists is not: who asks for it does not search', () => {
  const { writer, hashOf, wants } = world()
  writer.change(Uint8Array.from(V4), hashOf(SHOP), 1)
  assert.equal(wants(`gone.web.${SHOP}`, V4, { below: 1 }), false)
  assert.equal(wants(`gone.web.${SHOP}`, V4, { below: 2 }), true)
})

it('a client that left is not known any more, and one of two of the same address is', () => {
  const { writer, hashOf, wants } = world()
  const address = Uint8Array.from(V4)
  for (const by of [1, 1, -1] as const) writer.change(address, hashOf(SHOP), by)
  assert.equal(wants(`a.${SHOP}`, V4), true)
  writer.change(address, hashOf(SHOP), -1)
  assert.equal(wants(`a.${SHOP}`, V4), false)
})

it('who has no address is nobody', () => {
  const { writer, hashOf, gate, query } = world()
  writer.change(Uint8Array.from(V4), hashOf(SHOP), 1)
  const octets = queryOf(`a.${SHOP}`, 'A')
  query.read(octets, new DataView(octets.buffer, octets.byteOffset, octets.length), 0, octets.length)
  gate.begin(undefined, false)
  assert.equal(gate.wants(query, 0, 1, 0), false)
})

/**
 * What a screen decides goes before all else that could be answered.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SCREEN_BLOCK, SCREEN_DROP } from '../../../src/answer/elsewhere.ts'
import { queryOf } from '../../support/messages.ts'
import { createWorld } from '../../support/world.ts'

const NAME = 'web.default.svc.cluster.local'
const QUERIES = {
  A: queryOf(NAME, 'A'),
  AXFR: queryOf('cluster.local', 'AXFR'),
  IXFR: queryOf('cluster.local', 'IXFR'),
  'EDNS version 1': queryOf(NAME, 'A', { opt: { version: 1 } }),
  'class CH': queryOf(NAME, 'TXT', { qclass: 3 }),
}

for (const [what, query] of Object.entries(QUERIES)) {
  it(`${what}: a client that is dropped hears nothing, one that is blocked is judged once and hears something`, () => {
    const { answerer, exchange } = createWorld()
    let judged = 0
    let verdict = SCREEN_DROP
    answerer.screen = {
      judge: () => {
        judged++
        return verdict
      },
      drops: () => assert.fail('the question was read'),
    }
    assert.equal(exchange(query), undefined)
    verdict = SCREEN_BLOCK
    assert.ok(exchange(query) !== undefined)
    assert.equal(judged, 2)
  })
}

const UNREAD = {
  'another opcode': (query: Buffer) => query.writeUInt8(0x20, 2),
  'two questions (RFC 9619)': (query: Buffer) => query.writeUInt16BE(2, 4),
  'a name that ends nowhere': (query: Buffer) => query.writeUInt8(0xff, 12),
}

for (const [what, spoil] of Object.entries(UNREAD)) {
  it(`${what}: a client that is dropped whatever it asks hears nothing, another hears what is wrong`, () => {
    const { answerer, exchange } = createWorld()
    let isDropped = true
    answerer.screen = { judge: () => assert.fail('there is no question'), drops: () => isDropped }
    const query = Buffer.from(queryOf(NAME, 'A'))
    spoil(query)
    assert.equal(exchange(query), undefined)
    isDropped = false
    assert.ok(exchange(query) !== undefined)
  })
}

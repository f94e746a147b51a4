/** RFC 8914, Extended DNS Errors. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queryOf, RCODES, strictDecode } from '../support/messages.ts'
import { createWorld, WORLD_NAMES } from '../support/world.ts'

const server = createWorld({ unsynced: true })

describe('RFC 8914 §2: the EDE option', () => {
  it('is option 15 with a code of two octets, here without text', () => {
    const reply = strictDecode(server.exchange(queryOf('web.default.svc.cluster.local', 'A', { opt: {} }))!)
    assert.deepEqual(reply.opt!.options, [{ code: 15, data: Buffer.from([0, 14]) }])
  })

  it('is only in replies to queries with OPT', () => {
    const reply = strictDecode(server.exchange(queryOf('web.default.svc.cluster.local', 'A'))!)
    assert.deepEqual([reply.rcode, reply.opt, reply.length], [RCODES.SERVFAIL, undefined, 12 + 31 + 4])
  })
})

describe('RFC 8914 §4.15: Not Ready (14) until the first sync', () => {
  it('every name of our zones is SERVFAIL with it', () => {
    for (const name of WORLD_NAMES) {
      const reply = strictDecode(server.exchange(queryOf(name, 'A', { opt: {} }))!)
      if (reply.rcode === RCODES.REFUSED) continue
      assert.equal(reply.rcode, RCODES.SERVFAIL)
      assert.equal(reply.opt!.options[0]!.data.readUInt16BE(0), 14)
    }
  })

  it('no reply has it afterwards', () => {
    const ready = createWorld()
    for (const name of WORLD_NAMES) {
      const reply = strictDecode(ready.exchange(queryOf(name, 'A', { opt: {} }))!)
      assert.deepEqual(reply.opt!.options, [])
    }
  })
})

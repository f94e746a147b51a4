/** RFC 6604, xNAME RCODE and Status Bits Clarification. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AA, queryOf, RCODES, type Reply, strictDecode } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld()

function exchange(name: string, qtype = 'A'): Reply {
  return strictDecode(server.exchange(queryOf(`${name}.default.svc.cluster.local`, qtype))!)
}

describe('RFC 6604 §2.1: AA is that of the first owner name', () => {
  it('set for an alias of ours, wherever its target lies', () => {
    for (const name of ['outside', 'inside', 'twice', 'gone']) assert.equal(exchange(name).flags & AA, AA, name)
  })
})

describe('RFC 6604 §3: the RCODE is that of the last name of the chain', () => {
  it('NXDOMAIN when the target in our zone does not exist', () => {
    assert.equal(exchange('gone').rcode, RCODES.NXDOMAIN)
  })

  it('NOERROR when it exists, with the type or without', () => {
    for (const qtype of ['A', 'AAAA', 'MX']) assert.equal(exchange('twice', qtype).rcode, RCODES.NOERROR)
  })

  it('NOERROR when the target is not ours to know', () => {
    const reply = exchange('outside')
    assert.deepEqual([reply.rcode, reply.answers.length, reply.authority.length], [RCODES.NOERROR, 1, 0])
  })
})

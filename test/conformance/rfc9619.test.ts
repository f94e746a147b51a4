/** RFC 9619, In the DNS, QDCOUNT Is (Usually) One. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { message, optRecord, questionOf, RCODES, strictDecode } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld()
const question = questionOf('web.default.svc.cluster.local', 'A')

describe('RFC 9619 §4: QDCOUNT other than 1 in a query is FORMERR', () => {
  for (const [title, qdcount, parts] of [
    ['0, header alone', 0, []],
    ['0, with a question behind it', 0, [question]],
    ['2, with two questions', 2, [question, question]],
    ['2, with one question', 2, [question]],
    ['65535', 65_535, [question]],
    ['256 (the octets the wrong way round)', 256, [question]],
  ] as const) {
    it(title, () => {
      const reply = strictDecode(server.exchange(message({ counts: [qdcount, 0, 0, 0], parts }))!)
      assert.deepEqual([reply.rcode, reply.length, reply.question], [RCODES.FORMERR, 12, undefined])
    })
  }

  it('0 with an OPT: FORMERR too, since cookies are not served', () => {
    const query = message({
      counts: [0, 0, 0, 1],
      parts: [optRecord({ options: [{ code: 10, data: Buffer.alloc(8) }] })],
    })
    assert.equal(strictDecode(server.exchange(query)!).rcode, RCODES.FORMERR)
  })

  it('1 is answered', () => {
    assert.equal(strictDecode(server.exchange(message({ parts: [question] }))!).rcode, RCODES.NOERROR)
  })
})

/** What of an upstream's reply goes to the client. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Response } from '../../../src/forward/response.ts'
import { SCRUBBED, Scrubber, USELESS } from '../../../src/forward/scrub.ts'
import { soaOf } from '../../support/cached.ts'
import { type Asked, QNAME, type ReplyFields, recordOf, replyTo } from '../../support/fake-upstream.ts'
import { queryOf, RCODES, type Reply, strictDecode, wireName } from '../../support/messages.ts'

const NAME = 'www.old.example'
const [A, NS, CNAME] = [1, 2, 5]

/** @returns the reply that a client would have; undefined: it is useless */
function scrub(fields: ReplyFields, dnssecOk = false): Reply | undefined {
  const query = queryOf(NAME, A)
  const asked = { id: 1, question: query.subarray(12), hasOpt: false } as Asked
  const response = new Response()
  assert.ok(response.read(replyTo(asked, fields), query.length))
  const scrubber = new Scrubber()
  const out = Buffer.alloc(65_535)
  query.copy(out)
  const outcome = scrubber.scrub(response, A, dnssecOk, out, query.length, 12, out.length)
  if (outcome === USELESS) return undefined
  assert.equal(outcome, SCRUBBED)
  out.writeUInt16BE(0x8180, 2)
  out.writeUInt16BE(scrubber.answers, 6)
  out.writeUInt16BE(scrubber.authority, 8)
  return strictDecode(out.subarray(0, scrubber.at))
}

describe('RFC 2308 §2.1, §2.2: servers named in the authority section, and no SOA', () => {
  const authority = [recordOf('old.example', NS, wireName('ns.old.example'))]

  it('are a referral with NOERROR alone: NXDOMAIN is an answer, and names no servers to the client', () => {
    assert.equal(scrub({ authority }), undefined)
    const denied = scrub({ authority, flags: RCODES.NXDOMAIN })
    assert.deepEqual([denied?.answers, denied?.authority], [[], []])
  })

  it('are an answer behind a CNAME, with either RCODE, and beside a SOA', () => {
    const answers = [recordOf(QNAME, CNAME, wireName('www.new.example'))]
    for (const flags of [RCODES.NOERROR, RCODES.NXDOMAIN]) {
      assert.equal(scrub({ authority, answers, flags })?.answers.length, 1)
      assert.equal(scrub({ authority: [...authority, soaOf('old.example', 60, 60)], flags })?.authority.length, 1)
    }
  })
})

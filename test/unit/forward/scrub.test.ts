/** What of an upstream's reply goes to the client. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Response } from '../../../src/forward/response.ts'
import { SCRUBBED, Scrubber, USELESS } from '../../../src/forward/scrub.ts'
import { soaOf } from '../../support/cached.ts'
import { type Asked, addressOf, QNAME, type ReplyFields, recordOf, replyTo } from '../../support/fake-upstream.ts'
import { queryOf, RCODES, type Reply, strictDecode, u16, wireName } from '../../support/messages.ts'

const NAME = 'www.old.example'
const [A, NS, CNAME, DNAME, RRSIG] = [1, 2, 5, 39, 46]

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

describe('RFC 4035 §3.2.1, RFC 6672 §5.3.1: with DO, a DNAME', () => {
  const signature = (owner: string, covered: number): Buffer =>
    recordOf(
      owner,
      RRSIG,
      Buffer.concat([u16(covered), Buffer.alloc(16, 1), wireName('old.example'), Buffer.alloc(64, 7)]),
    )
  const dname = recordOf('old.example', DNAME, wireName('new.example'))
  const signed = signature('old.example', DNAME)
  const rest = [
    recordOf(NAME, CNAME, wireName('www.new.example')),
    addressOf('www.new.example', '192.0.2.1'),
    signature('www.new.example', A),
  ]
  const typesOf = (answers: readonly Buffer[], dnssecOk = true): number[] | undefined =>
    scrub({ answers }, dnssecOk)?.answers.map(({ type }) => type)

  it('has its signature, wherever that stands; without DO it has none', () => {
    for (const answers of [
      [dname, signed, ...rest],
      [signed, dname, ...rest],
      [...rest, dname, signed],
    ]) {
      assert.deepEqual(typesOf(answers)?.toSorted(), [A, DNAME, RRSIG, RRSIG, CNAME].toSorted())
      assert.deepEqual(typesOf(answers, false)?.toSorted(), [A, DNAME, CNAME].toSorted())
    }
  })

  it('has no others: of another type, of another name, of a DNAME that is not there', () => {
    const others = [
      signature('old.example', A),
      signature('example', DNAME),
      signature('other.example', DNAME),
      signature('b.old.example', DNAME),
    ]
    assert.deepEqual(typesOf([dname, ...others, ...rest]), [DNAME, CNAME, A, RRSIG])
    assert.deepEqual(typesOf([signed, ...rest]), [CNAME, A, RRSIG])
  })

  it('that leads to a name above itself is no loop, and one that leads back is', () => {
    const up = [dname, signed, recordOf(NAME, CNAME, wireName('old.example'))]
    const there = typesOf([...up, signature('old.example', A), addressOf('old.example', '192.0.2.1')])
    assert.deepEqual(there, [DNAME, CNAME, RRSIG, RRSIG, A])
    assert.equal(
      typesOf([dname, signed, ...rest.slice(0, 1), recordOf('www.new.example', CNAME, wireName(NAME))]),
      undefined,
    )
  })
})

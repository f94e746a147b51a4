/** A reply's header: what of an upstream's flags reaches the client. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type ClientQuery, ReplyWriter } from '../../../src/forward/client-query.ts'
import { QNAME, recordOf } from '../../support/fake-upstream.ts'
import { AA, AD, CD, queryOf, RD, strictDecode, TC, wireName } from '../../support/messages.ts'

/** @returns the flags of a reply to which an upstream has said `said` */
function flagsOf(said: number, { flags = RD, isAliased = false, dnssecOk = false }): number {
  const asked = queryOf('a.example', 'A', { flags })
  const message = isAliased ? Buffer.concat([asked, recordOf(QNAME, 5, wireName('b.example'))]) : asked
  const query: ClientQuery = {
    message,
    questionEnd: asked.length,
    aliases: Number(isAliased),
    targetAt: isAliased ? asked.length + 12 : 0,
    payloadSize: dnssecOk ? 1232 : 0,
    dnssecOk,
    stream: false,
    client: 'a',
    clientPort: 0,
    path: { send() {} },
  }
  const writer = new ReplyWriter(1232)
  return strictDecode(writer.finish(query, writer.begin(query), query.aliases, 0, 0, said)).flags & (AA | TC | AD | CD)
}

it('RFC 4035 §3.2.3, RFC 6840 §5.8: AD is given to who asks with DO or AD, and not behind an alias of ours', () => {
  for (const asking of [{ dnssecOk: true }, { flags: RD | AD }, { flags: RD | AD, dnssecOk: true }]) {
    assert.equal(flagsOf(AD, asking), AD)
    assert.equal(flagsOf(AD | TC, asking), AD | TC)
    assert.equal(flagsOf(TC, asking), TC)
    assert.equal(flagsOf(AD | TC, { ...asking, isAliased: true }), AA | TC)
  }
  assert.equal(flagsOf(AD | TC, {}), TC)
  assert.equal(flagsOf(AD, { flags: RD | CD }), CD)
})

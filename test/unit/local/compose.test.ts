/**
 * Replies made anew: whatever they hold, what comes out is sound, fits, and has the client's name.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type ClientQuery, ReplyWriter } from '../../../src/forward/client-query.ts'
import { type Changes, Composer } from '../../../src/local/compose.ts'
import { type Asked, addressOf, recordOf, replyTo } from '../../support/fake-upstream.ts'
import { AD, optRecord, queryOf, RD, strictDecode, TC, u16, wireName } from '../../support/messages.ts'
import { clientQueryOf } from '../../support/queries.ts'

function query(name: string, more: Partial<ClientQuery> = {}): ClientQuery {
  return clientQueryOf(queryOf(name, 'A', { flags: RD }), more)
}

function reply(
  name: string,
  answers: readonly Buffer[],
  authority: readonly Buffer[] = [],
  additional: readonly Buffer[] = [],
) {
  const { message, questionEnd } = query(name)
  const to = { id: 7, question: Buffer.from(message.subarray(12)), hasOpt: false } as Asked
  return { octets: replyTo(to, { answers, authority, additional, flags: AD }), questionEnd }
}

const composer = new Composer(new ReplyWriter(1232))

describe('a reply made anew', () => {
  it('has the client’s name where the other one stood, and other names as they were (property)', () => {
    const label = fc.stringMatching(/^[a-cA-C]{1,3}$/)
    const name = fc.array(label, { minLength: 1, maxLength: 5 }).map(labels => labels.join('.'))
    const record = fc.record({ owner: name, target: name, type: fc.constantFrom(1, 5, 33) })
    /** No two are the same. */
    const octetsOf = ({ owner, target, type }: { owner: string; target: string; type: number }, i: number): Buffer => {
      if (type === 1) return addressOf(owner, `192.0.2.${i}`)
      const data = wireName(`n${i}.${target}`)
      return recordOf(owner, type, type === 5 ? data : Buffer.concat([u16(1), u16(2), u16(3), data]))
    }
    fc.assert(
      fc.property(name, name, fc.array(record, { maxLength: 40 }), fc.boolean(), (asked, other, records, stream) => {
        const { octets, questionEnd } = reply(other, records.map(octetsOf))
        assert.ok(composer.read(octets, questionEnd))
        const client = query(asked, { stream })
        const made = composer.compose(client, { from: Uint8Array.from(wireName(other.toLowerCase())), isOurs: true })
        const { answers, flags } = strictDecode(made)
        assert.ok(stream || made.length <= 512)
        assert.equal(flags & AD, 0)
        assert.equal((flags & TC) !== 0, answers.length < records.length)
        for (const [i, { owner }] of answers.entries()) {
          const was = records[i]!.owner
          const wanted = was.toLowerCase() === other.toLowerCase() ? asked : was
          assert.equal(owner.toLowerCase(), wireName(wanted).toString('latin1').toLowerCase())
        }
        assert.deepEqual(
          answers.map(({ type }) => type),
          strictDecode(octets)
            .answers.slice(0, answers.length)
            .map(({ type }) => type),
        )
      }),
      { numRuns: 200 },
    )
  })

  it('RFC 4035 §3.2.3: has AD as long as it has the records that were validated, and no others', () => {
    const records = [addressOf('b', '192.0.2.1'), addressOf('b', '192.0.2.2')]
    const { octets, questionEnd } = reply('b', records)
    const client = query('b', { payloadSize: 1232, dnssecOk: true })
    const adOf = (changes: Changes): number => {
      assert.ok(composer.read(octets, questionEnd))
      return strictDecode(composer.compose(client, changes)).flags & AD
    }
    assert.equal(adOf({}), AD)
    assert.equal(adOf({ change: () => undefined }), AD)
    assert.equal(adOf({ change: (_, i) => (i === 0 ? 'none' : undefined) }), 0)
    assert.equal(adOf({ change: (_, i) => (i === 0 ? { type: 1, ttl: 1 } : undefined) }), 0)
    assert.equal(adOf({ alias: { target: wireName('c'), ttl: 1 } }), 0)
    assert.equal(adOf({ isOurs: true }), 0)
  })

  it('keeps the extended error of a reply made here, and no other option', () => {
    const error = optRecord({ options: [{ code: 15, data: Buffer.from([0, 14]) }] })
    const { octets, questionEnd } = reply('b', [], [], [error])
    assert.ok(composer.read(octets, questionEnd))
    const { opt } = strictDecode(composer.compose(query('a', { payloadSize: 1232 })))
    assert.deepEqual(opt?.options, [{ code: 15, data: Buffer.from([0, 14]) }])
  })

  it('is not made of octets that are none', () => {
    assert.equal(composer.read(reply('b', [Buffer.from([1, 2, 3])]).octets, 19), false)
  })
})

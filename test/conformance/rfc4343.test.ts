/** RFC 4343, DNS Case Insensitivity Clarification. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nameOf, queryOf, RCODES, strictDecode } from '../support/messages.ts'
import { Random } from '../support/random.ts'
import { createWorld, WORLD_NAMES } from '../support/world.ts'

const server = createWorld({ order: 'stable' })

/** Each letter in a random case. */
function mix(name: string, random: Random): string {
  return [...name].map(letter => (random.below(2) === 0 ? letter.toUpperCase() : letter.toLowerCase())).join('')
}

describe('RFC 4343 §3: names compare without regard to ASCII case', () => {
  it('the same answer, whatever the case of the question', () => {
    const random = new Random(4343)
    for (const name of WORLD_NAMES) {
      for (const qtype of ['A', 'AAAA', 'SRV', 'PTR', 'SOA', 'NS', 'TXT']) {
        const plain = strictDecode(server.exchange(queryOf(name.toLowerCase(), qtype, { opt: {} }))!)
        const mixed = strictDecode(server.exchange(queryOf(mix(name, random), qtype, { opt: {} }))!)
        const contents = (reply: typeof plain): unknown => [
          reply.rcode,
          [...reply.answers, ...reply.authority, ...reply.additional].map(({ owner, type, ttl, names, rdata }) => [
            owner.toLowerCase(),
            type,
            ttl,
            names.length > 0 ? names : rdata.toString('hex'),
          ]),
        ]
        assert.deepEqual(contents(mixed), contents(plain), `${name} ${qtype}`)
      }
    }
  })

  it('only A to Z have a lower case: the octets beside them and above 127 are themselves', () => {
    const known = nameOf('web', 'default', 'svc', 'cluster', 'local')
    for (let octet = 0; octet < 256; octet++) {
      const qname = Buffer.from(known)
      qname[1] = octet
      const expected = octet === 0x77 || octet === 0x57 ? RCODES.NOERROR : RCODES.NXDOMAIN
      assert.equal(strictDecode(server.exchange(queryOf(qname, 'A'))!).rcode, expected, `octet ${octet}`)
    }
  })

  it('letters of other alphabets do not fold: K (Kelvin sign) is no k', () => {
    const kelvin = queryOf(nameOf(Buffer.from('\u212a'), 'cluster', 'local'), 'A')
    assert.equal(strictDecode(server.exchange(kelvin)!).rcode, RCODES.NXDOMAIN)
  })
})

describe('RFC 4343 §4.1: the case of the question is kept', () => {
  it('octet by octet, in every reply that has a question', () => {
    const random = new Random(1)
    for (const name of [...WORLD_NAMES, 'www.EXAMPLE.com']) {
      const query = queryOf(mix(name, random), 'A')
      assert.deepEqual(strictDecode(server.exchange(query)!).question, query.subarray(12))
    }
  })

  it('and in the owner names, which point to it', () => {
    const { answers } = strictDecode(server.exchange(queryOf('wEb.Default.svc.cluster.LOCAL', 'A'))!)
    for (const { owner } of answers)
      assert.equal(owner, nameOf('wEb', 'Default', 'svc', 'cluster', 'LOCAL').toString('latin1'))
  })
})

/** RFC 3596, DNS Extensions to Support IP Version 6. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { check } from '../support/cases.ts'
import { queryOf, strictDecode } from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const server = createWorld()

describe('RFC 3596 §2.2: AAAA', () => {
  it('is sixteen octets in network order', () => {
    const { answers } = strictDecode(server.exchange(queryOf('api.default.svc.cluster.local', 'AAAA'))!)
    assert.deepEqual(
      answers.map(({ rdata }) => rdata.toString('hex')),
      ['fd000096000000000000000000000010'],
    )
  })
})

describe('RFC 3596 §2.5: ip6.arpa', () => {
  const nibbles = `0.1.${'0.'.repeat(22)}6.9.0.0.0.0.d.f`

  it('the nibbles of an address in reverse order, letters in either case', () => {
    for (const qname of [`${nibbles}.ip6.arpa`, `${nibbles.toUpperCase()}.IP6.ARPA`]) {
      check(server, { qname, qtype: 'PTR', answer: [`${qname}. 5 PTR api.default.svc.cluster.local.`] })
    }
  })

  it('fewer nibbles are names above, other nibbles no names', () => {
    check(server, { qname: 'd.f.ip6.arpa', qtype: 'PTR' })
    check(server, { qname: `1${nibbles.slice(1)}.ip6.arpa`, qtype: 'PTR', rcode: 'NXDOMAIN' })
    check(server, { qname: 'fd00.ip6.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' })
  })
})

/** RFC 8020, NXDOMAIN: There Really Is Nothing Underneath. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queryOf, RCODES, strictDecode } from '../support/messages.ts'
import { createWorld, WORLD_NAMES } from '../support/world.ts'

const server = createWorld()

function rcodeOf(qname: string, qtype: string): number {
  return strictDecode(server.exchange(queryOf(qname, qtype))!).rcode
}

describe('RFC 8020 §2: NXDOMAIN says that nothing is at the name or below it', () => {
  it('above every name that exists no name of the zone is NXDOMAIN, for any type', () => {
    for (const name of WORLD_NAMES) {
      if (rcodeOf(name, 'A') !== RCODES.NOERROR) continue
      const labels = name.split('.')
      for (let i = 0; i < labels.length; i++) {
        for (const qtype of ['A', 'AAAA', 'SRV', 'TXT', 'NS', 'SOA', 'PTR', 'ANY', 'DS', 'HTTPS']) {
          const above = labels.slice(i).join('.')
          assert.notEqual(rcodeOf(above, qtype), RCODES.NXDOMAIN, `${above} ${qtype}, above ${name}`)
        }
      }
    }
  })

  it('whether a name exists does not depend on the type', () => {
    for (const name of WORLD_NAMES) {
      const rcodes = ['A', 'AAAA', 'SRV', 'TXT', 'NS', 'SOA', 'PTR', 'ANY', 'MX', 'DS'].map(qtype =>
        rcodeOf(name, qtype),
      )
      const isAlias = /^(gone|loop)/.test(name)
      if (!isAlias) assert.equal(new Set(rcodes).size, 1, name)
    }
  })

  it('below a name that is NXDOMAIN every name is', () => {
    for (const name of WORLD_NAMES) {
      if (rcodeOf(name, 'A') !== RCODES.NXDOMAIN || name.startsWith('gone')) continue
      for (const below of ['a', '_http._tcp', '10-0-0-1', 'a.b.c']) {
        assert.equal(rcodeOf(`${below}.${name}`, 'A'), RCODES.NXDOMAIN, `${below}.${name}`)
      }
    }
  })
})

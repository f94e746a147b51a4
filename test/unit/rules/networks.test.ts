/**
 * Networks and access rules: which rule decides for which client, type and name.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ACL_ALLOW, ACL_BLOCK, ACL_DROP, ACL_FILTER, Acl, type AclRule } from '../../../src/rules/acl.ts'
import { type Network, NetworkRanges, parseNetwork } from '../../../src/rules/networks.ts'
import { read, wire } from '../../support/rule-names.ts'

const network = (text: string): Network => parseNetwork(text)!
const address = (text: string): Uint8Array => parseNetwork(text)!.octets

describe('networks', () => {
  it('are written as CIDR or as an address; nothing else is one', () => {
    assert.deepEqual(network('10.0.0.1'), { octets: Uint8Array.of(10, 0, 0, 1), prefix: 32 })
    assert.equal(network('fd00::/8').prefix, 8)
    for (const text of [
      '',
      '10.0.0.0/33',
      '10.0.0/8',
      'fd00::/129',
      '10.0.0.0/8/8',
      '10.0.0.0/',
      'fe80::1%eth0/64',
      'a/8',
      '10.0.0.0/-1',
      '1.1.1.1/1e1',
    ]) {
      assert.equal(parseNetwork(text), undefined, text)
    }
  })

  it('RFC 4291 §2.5.5.2: are of IPv4 where they are written as mapped into IPv6', () => {
    assert.deepEqual(network('::ffff:10.0.0.0/104'), network('10.0.0.0/8'))
    assert.deepEqual(network('::ffff:0:0/96'), network('0.0.0.0/0'))
    assert.deepEqual(network('::FFFF:a00:1'), network('10.0.0.1'))
    assert.deepEqual(network('::ffff:10.0.0.1/128'), network('10.0.0.1'))
    for (const text of ['::ffff:10.0.0.0/8', '::ffff:0:0/95', '::ffff:10.0.0.0/129', '::ffff:10.0.0.0/'])
      assert.equal(parseNetwork(text), undefined, text)
    for (const text of ['::/0', '::fffe:0:0/96', '1::ffff:a00:0/104']) assert.equal(network(text).octets.length, 16)
  })

  it('are found as comparing bit by bit finds them (property, both families)', () => {
    for (const octets of [4, 16]) {
      // Few different octets, so that networks overlap.
      const some = fc
        .array(fc.constantFrom(0, 1, 128, 255), { minLength: octets, maxLength: octets })
        .map(each => Uint8Array.from(each))
      const anyNetwork = fc.record({ octets: some, prefix: fc.nat({ max: octets * 8 }) })
      const lists = fc.array(fc.option(fc.array(anyNetwork, { maxLength: 4 }), { nil: undefined }), { maxLength: 5 })
      fc.assert(
        fc.property(lists, some, (all, client) => {
          const wanted = all.flatMap((list, i) => (list?.some(each => isWithin(client, each)) === false ? [] : [i]))
          assert.deepEqual([...new NetworkRanges(octets, all).find(client)], wanted)
        }),
        { numRuns: 300 },
      )
    }
  })
})

function isWithin(client: Uint8Array, { octets, prefix }: Network): boolean {
  for (let bit = 0; bit < prefix; bit++) {
    const mask = 0x80 >>> (bit & 7)
    if ((client[bit >>> 3]! & mask) !== (octets[bit >>> 3]! & mask)) return false
  }
  return true
}

describe('access rules', () => {
  const rule = (action: number, more: Partial<AclRule>): AclRule => ({
    action,
    networks: [],
    types: [],
    zones: [],
    ...more,
  })
  const judge = (acl: Acl, client: string, name = 'a.example.com', type: number | 'A' | 'AAAA' = 'A'): number =>
    acl.judge(read(name, type), address(client), client.includes(':'))

  it('the first that fits decides; none: allowed', () => {
    const acl = new Acl([
      rule(ACL_ALLOW, { networks: [network('10.0.1.0/24')] }),
      rule(ACL_BLOCK, { networks: [network('10.0.0.0/16'), network('fd00::/16')] }),
      rule(ACL_DROP, { networks: [network('10.0.0.0/8')] }),
    ])
    assert.equal(judge(acl, '10.0.1.9'), ACL_ALLOW)
    assert.equal(judge(acl, '10.0.2.9'), ACL_BLOCK)
    assert.equal(judge(acl, '10.9.0.1'), ACL_DROP)
    assert.equal(judge(acl, '11.0.0.1'), ACL_ALLOW)
    assert.equal(judge(acl, 'fd00::1'), ACL_BLOCK)
    assert.equal(judge(acl, 'fd01::1'), ACL_ALLOW)
  })

  it('fit clients of IPv4 where their networks are written as mapped into IPv6', () => {
    const acl = new Acl([rule(ACL_BLOCK, { networks: [network('::ffff:10.0.0.0/104')] })])
    assert.deepEqual([judge(acl, '10.1.2.3'), judge(acl, '11.1.2.3')], [ACL_BLOCK, ACL_ALLOW])
    assert.equal(judge(acl, 'fd00::1'), ACL_ALLOW)
  })

  it('of types and zones fit nothing else', () => {
    const acl = new Acl([
      rule(ACL_FILTER, { types: [28] }),
      rule(ACL_BLOCK, { zones: [wire('example.com'), wire('test')] }),
    ])
    assert.equal(judge(acl, '10.0.0.1', 'x.org', 'AAAA'), ACL_FILTER)
    assert.equal(judge(acl, '10.0.0.1', 'x.org'), ACL_ALLOW)
    assert.equal(judge(acl, '10.0.0.1', 'EXAMPLE.com'), ACL_BLOCK)
    assert.equal(judge(acl, 'fd00::1', 'a.b.example.com'), ACL_BLOCK)
    assert.equal(judge(acl, '10.0.0.1', 'notexample.com'), ACL_ALLOW)
    assert.equal(judge(acl, '10.0.0.1', 'com'), ACL_ALLOW)
  })

  it('an empty list of networks is all clients, a list of one family only those', () => {
    const acl = new Acl([rule(ACL_BLOCK, { networks: [network('fd00::/8')] }), rule(ACL_DROP, {})])
    assert.equal(judge(acl, '10.0.0.1'), ACL_DROP)
    assert.equal(judge(acl, 'fd00::1'), ACL_BLOCK)
  })
})

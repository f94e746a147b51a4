import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { reverseZonesOf } from '../../../src/control/reverse-zones.ts'
import { parseIPv6, reverseNameOfIPv4, reverseNameOfIPv6 } from '../../../src/wire/address.ts'
import { formatName } from '../../../src/wire/name.ts'

function isBelow(name: string, zone: string): boolean {
  return `.${name}`.endsWith(`.${zone}.`)
}

describe('reverse zones of a network', () => {
  it('end at octets (RFC 1035 §3.5) and at nibbles (RFC 3596 §2.5)', () => {
    assert.deepEqual(reverseZonesOf('10.0.0.0/8'), ['10.in-addr.arpa'])
    assert.deepEqual(reverseZonesOf('0.0.0.0/0'), ['in-addr.arpa'])
    assert.deepEqual(reverseZonesOf('1.2.3.4/32'), ['4.3.2.1.in-addr.arpa'])
    assert.deepEqual(reverseZonesOf('2001:db8::/32'), ['8.b.d.0.1.0.0.2.ip6.arpa'])
    assert.deepEqual(reverseZonesOf('::/0'), ['ip6.arpa'])
    assert.deepEqual(reverseZonesOf('1.2.3.4/31'), ['4.3.2.1.in-addr.arpa', '5.3.2.1.in-addr.arpa'])
    assert.equal(reverseZonesOf('10.0.0.0/25')?.length, 128)
    for (const wrong of ['', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '10.0.0/8', '::/-1']) {
      assert.equal(reverseZonesOf(wrong), undefined, wrong)
    }
  })

  it('hold the addresses of the network, each in one zone, and no others', () => {
    const v4 = fc.record({
      address: fc.nat(2 ** 32 - 1),
      other: fc.nat(2 ** 32 - 1),
      bits: fc.integer({ min: 0, max: 32 }),
    })
    const property = fc.property(v4, ({ address, other, bits }) => {
      const text = [24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.')
      const zones = reverseZonesOf(`${text}/${bits}`)!
      for (const one of [address, other]) {
        const isInside = bits === 0 || one >>> (32 - bits) === address >>> (32 - bits)
        const holders = zones.filter(zone => isBelow(formatName(reverseNameOfIPv4(one)), zone))
        assert.equal(holders.length, isInside ? 1 : 0)
      }
    })
    fc.assert(property)
  })

  it('hold the addresses of the network, each in one zone, and no others (IPv6)', () => {
    const property = fc.property(fc.ipV6(), fc.ipV6(), fc.integer({ min: 0, max: 128 }), (text, otherText, bits) => {
      const zones = reverseZonesOf(`${text}/${bits}`)!
      const prefix = (address: string) =>
        [...parseIPv6(address)]
          .map(octet => octet.toString(2).padStart(8, '0'))
          .join('')
          .slice(0, bits)
      for (const one of [text, otherText]) {
        const holders = zones.filter(zone => isBelow(formatName(reverseNameOfIPv6(parseIPv6(one))), zone))
        assert.equal(holders.length, prefix(one) === prefix(text) ? 1 : 0)
      }
    })
    fc.assert(property)
  })
})

import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  formatIPv4,
  formatIPv6,
  parseIPv4,
  parseIPv6,
  reverseNameOfIPv4,
  reverseNameOfIPv6,
} from '../../../src/wire/address.ts'
import { formatName } from '../../../src/wire/name.ts'

function hex(text: string): string {
  return Buffer.from(parseIPv6(text)).toString('hex')
}

describe('IPv4', () => {
  it('is an unsigned integer, first octet uppermost', () => {
    assert.equal(parseIPv4('10.0.0.1'), 0x0a000001)
    assert.equal(parseIPv4('255.255.255.255'), 0xffffffff)
    assert.equal(parseIPv4('0.0.0.0'), 0)
    assert.equal(formatIPv4(0xc0000201), '192.0.2.1')
  })

  it('any address comes back', () => {
    fc.assert(fc.property(fc.ipV4(), text => assert.equal(formatIPv4(parseIPv4(text)), text)))
  })
})

describe('RFC 4291 §2.2: text forms of IPv6', () => {
  for (const [text, expected] of [
    ['2001:DB8:0:0:8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['FF01:0:0:0:0:0:0:101', 'ff010000000000000000000000000101'],
    ['FF01::101', 'ff010000000000000000000000000101'],
    ['::1', '00000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['1::', '00010000000000000000000000000000'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::2:3:4:5:6:7:8', '00000002000300040005000600070008'],
    ['0:0:0:0:0:0:13.1.68.3', '0000000000000000000000000d014403'],
    ['::13.1.68.3', '0000000000000000000000000d014403'],
    ['::FFFF:129.144.52.38', '00000000000000000000ffff81903426'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
  ] as const) {
    it(text, () => {
      assert.ok(isIPv6(text))
      assert.equal(hex(text), expected)
    })
  }

  it('every form that the platform takes for an address is read as the platform reads it', () => {
    fc.assert(
      fc.property(fc.ipV6(), text => {
        if (!isIPv6(text)) return
        const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1)
        assert.equal(formatIPv6(parseIPv6(text)), canonical)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('RFC 5952 §4: canonical text of IPv6', () => {
  for (const [title, text, expected] of [
    ['4.1 no leading zeros', '2001:0db8::0001', '2001:db8::1'],
    ['4.2.1 shortened as much as possible', '2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['4.2.2 one group of zeros is not shortened', '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['4.2.3 the longest run', '2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['4.2.3 the first of equal runs', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['4.3 lower case', '2001:DB8::AbCd', '2001:db8::abcd'],
    ['at the start', '0:0:0:1::', '0:0:0:1::'],
    ['all zeros', '0:0:0:0:0:0:0:0', '::'],
  ] as const) {
    it(title, () => assert.equal(formatIPv6(parseIPv6(text)), expected))
  }

  it('any sixteen octets come back from their text', () => {
    const sparse = fc.array(fc.oneof(fc.constant(0), fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
    fc.assert(
      fc.property(fc.oneof(sparse, fc.array(fc.nat(255), { minLength: 16, maxLength: 16 })), octets => {
        const text = formatIPv6(Uint8Array.from(octets))
        assert.ok(isIPv6(text))
        assert.deepEqual([...parseIPv6(text)], octets)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('RFC 1035 §3.5 and RFC 3596 §2.5: reverse names', () => {
  it('of IPv4', () => {
    assert.equal(formatName(reverseNameOfIPv4(parseIPv4('10.2.0.52'))), '52.0.2.10.in-addr.arpa.')
  })

  it('of IPv6: the example of the RFC', () => {
    assert.equal(
      formatName(reverseNameOfIPv6(parseIPv6('4321:0:1:2:3:4:567:89ab'))),
      'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa.',
    )
  })
})

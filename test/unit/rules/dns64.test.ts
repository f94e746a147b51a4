/**
 * IPv4 addresses inside IPv6 addresses (RFC 6052), and which count (RFC 6147).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { embed, extract, isExcluded, mayEmbed, parseDns64Prefix, WELL_KNOWN_PREFIX } from '../../../src/rules/dns64.ts'
import { formatIPv6, parseIPv6 } from '../../../src/wire/address.ts'

const ADDRESS = Uint8Array.of(192, 0, 2, 33)

describe('RFC 6052 §2.4: addresses of every length of prefix', () => {
  for (const [prefix, written] of [
    ['2001:db8::/32', '2001:db8:c000:221::'],
    ['2001:db8:100::/40', '2001:db8:1c0:2:21::'],
    ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::'],
    ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::'],
    ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100:0'],
    ['2001:db8:122:344::/96', '2001:db8:122:344::c000:221'],
    [WELL_KNOWN_PREFIX, '64:ff9b::c000:221'],
  ] as const) {
    it(prefix, () => {
      const address = embed(parseDns64Prefix(prefix)!, ADDRESS)
      assert.deepEqual(address, parseIPv6(written))
      assert.deepEqual(extract(parseDns64Prefix(prefix)!, address), ADDRESS)
    })
  }

  it('what was put in comes out, and the reserved bits stay clear (property)', () => {
    const prefix = fc.tuple(fc.constantFrom(32, 40, 48, 56, 64, 96), fc.uint8Array({ minLength: 12, maxLength: 12 }))
    fc.assert(
      fc.property(prefix, fc.uint8Array({ minLength: 4, maxLength: 4 }), ([length, random], ipv4) => {
        const octets = new Uint8Array(16)
        octets.set(random.subarray(0, length / 8))
        octets[8] = 0
        const parsed = parseDns64Prefix(`${formatIPv6(octets)}/${length}`)!
        const address = embed(parsed, ipv4)
        assert.equal(address[8], 0)
        assert.deepEqual(extract(parsed, address), Uint8Array.from(ipv4))
      }),
    )
  })
})

describe('prefixes', () => {
  it('of other lengths, or with something behind them, are none', () => {
    for (const text of [
      '64:ff9b::/95',
      '64:ff9b::1/96',
      '2001:db8:0:0:100::/96',
      '10.0.0.0/32',
      '64:ff9b::',
      'x/96',
      '64:ff9b::/96/1',
    ]) {
      assert.equal(parseDns64Prefix(text), undefined, text)
    }
  })

  it('another prefix, or something in the reserved bits, gives no address', () => {
    const address = embed(parseDns64Prefix('2001:db8::/32')!, ADDRESS)
    address[8] = 1
    assert.equal(extract(parseDns64Prefix('2001:db8::/32')!, address), undefined)
    assert.equal(extract(parseDns64Prefix('64:ff9b::/96')!, parseIPv6('64:ff9c::c000:221')), undefined)
  })
})

describe('RFC 6052 §3.1: the well-known prefix stands for global addresses alone', () => {
  const wellKnown = parseDns64Prefix(WELL_KNOWN_PREFIX)!
  it('private and special ones are left out, ipv4only.arpa (RFC 7050 §2.2) is not', () => {
    for (const [a, b, c, d, allowed] of [
      [8, 8, 8, 8, true],
      [10, 0, 0, 1, false],
      [172, 16, 0, 1, false],
      [172, 32, 0, 1, true],
      [192, 168, 1, 1, false],
      [127, 0, 0, 1, false],
      [224, 0, 0, 1, false],
      [255, 255, 255, 255, false],
      [192, 0, 0, 170, true],
      [192, 0, 0, 172, false],
    ] as const) {
      assert.equal(mayEmbed(wellKnown, Uint8Array.of(a, b, c, d)), allowed, `${a}.${b}.${c}.${d}`)
    }
    assert.equal(mayEmbed(parseDns64Prefix('2001:db8::/96')!, Uint8Array.of(10, 0, 0, 1)), true)
  })
})

describe('RFC 6890 §2.2.2: addresses of the host itself', () => {
  it('have no place in any prefix', () => {
    const prefix = parseDns64Prefix('2001:db8::/96')!
    for (const first of [0, 127]) assert.equal(mayEmbed(prefix, Uint8Array.of(first, 0, 0, 1)), false)
    for (const first of [1, 126, 128]) assert.equal(mayEmbed(prefix, Uint8Array.of(first, 0, 0, 1)), true)
  })
})

describe('RFC 6147 §5.1.4', () => {
  it('::ffff:0:0/96 is excluded, and nothing else', () => {
    assert.ok(isExcluded(parseIPv6('::ffff:10.0.0.1')))
    assert.ok(!isExcluded(parseIPv6('::1')))
    assert.ok(!isExcluded(parseIPv6('2001:db8::ffff:a00:1')))
  })
})

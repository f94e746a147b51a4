import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { podAddress, readPodAddress } from '../../../src/answer/pod-addresses.ts'
import { dashedAddress } from '../../../src/records/slice-word.ts'
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../../../src/wire/address.ts'
import { nameOf } from '../../support/messages.ts'

/** @returns the address in presentation format; undefined: none */
function read(label: string): string | undefined {
  const family = readPodAddress(nameOf(label, 'ns'), 0)
  if (family === 0) return undefined
  if (family === 4) return formatIPv4(podAddress[0]! >>> 0)
  const octets = Buffer.alloc(16)
  for (let i = 0; i < 4; i++) octets.writeInt32BE(podAddress[i]!, 4 * i)
  return formatIPv6(octets)
}

describe('dashed addresses', () => {
  it('IPv4: three single dashes between decimal numbers', () => {
    assert.equal(read('10-1-0-5'), '10.1.0.5')
    assert.equal(read('255-255-255-255'), '255.255.255.255')
    assert.equal(read('0-0-0-0'), '0.0.0.0')
  })

  it('RFC 6943 §3.1.1: a leading zero may mean octal: such text is no address', () => {
    for (const label of ['010-1-0-5', '10-1-00-5', '10-1-0-05']) assert.equal(read(label), undefined, label)
  })

  it('IPv6: dashes for colons', () => {
    assert.equal(read('fd00--5'), 'fd00::5')
    assert.equal(read('1-2-3-4-5-6-7-8'), '1:2:3:4:5:6:7:8')
    assert.equal(read('--1'), '::1')
    assert.equal(read('0--1'), '::1')
    assert.equal(read('fd00--'), 'fd00::')
    assert.equal(read('2001-db8--0'), '2001:db8::')
    assert.equal(read('--'), '::')
  })

  it('anything else is none', () => {
    for (const label of [
      'a',
      '-',
      '1-2-3',
      '1-2-3-4-5',
      '256-1-1-1',
      '1-2-3-',
      '-1-2-3',
      '1--2--3',
      'fd00--g',
      '---',
    ]) {
      assert.equal(read(label), undefined, label)
    }
    for (const label of [
      '12345--1',
      '1-2-3-4-5-6-7-8-9',
      '1-2-3-4-5-6-7--8-9',
      'web',
      'fd00-',
      '-fd00--1',
      '1-2-3-4--',
    ]) {
      if (label === '1-2-3-4--') assert.equal(read(label), '1:2:3:4::')
      else assert.equal(read(label), undefined, label)
    }
  })

  it('any label is an address exactly when the platform takes it for one, dots or colons in place of dashes', () => {
    const text = fc.oneof(
      fc.stringMatching(/^[0-9a-f-]{1,24}$/),
      fc.stringMatching(/^[0-9]{1,3}(-[0-9]{1,3}){2,4}$/),
      fc.stringMatching(/^[0-9a-f]{0,4}(-[0-9a-f]{0,4}){1,8}$/),
      fc.ipV6().map(address => address.replaceAll(':', '-')),
      fc.ipV4().map(address => address.replaceAll('.', '-')),
    )
    fc.assert(
      fc.property(text, label => {
        if (label.length === 0 || label.length > 63 || label.includes('.')) return
        const [v4, v6] = [label.replaceAll('-', '.'), label.replaceAll('-', ':')]
        const expected = isIPv4(v4) ? v4 : isIPv6(v6) ? formatIPv6(parseIPv6(v6)) : undefined
        assert.equal(read(label), expected, label)
      }),
      { numRuns: 20_000 },
    )
  })

  it('the names that endpoints and verified Pods get are read back', () => {
    fc.assert(
      fc.property(fc.ipV6(), text => {
        if (isIPv6(text)) assert.equal(read(dashedAddress(parseIPv6(text), text)), formatIPv6(parseIPv6(text)))
      }),
    )
    fc.assert(fc.property(fc.ipV4(), text => assert.equal(read(dashedAddress(parseIPv4(text), text)), text)))
  })
})

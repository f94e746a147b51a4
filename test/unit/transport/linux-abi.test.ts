import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { decodeSockaddr, encodeSockaddr, IPV4, IPV6, SOCKADDR_OCTETS } from '../../../src/transport/linux-abi.ts'

function encode(address: string, port: number) {
  const view = new DataView(new ArrayBuffer(SOCKADDR_OCTETS + 8), 8)
  const family = encodeSockaddr(view, address, port)
  const octets = Buffer.from(view.buffer, 8, family.sockaddrOctets).toString('hex')
  return { family, octets, decoded: decodeSockaddr(view) }
}

test('sockaddr_in', () => {
  const { family, octets, decoded } = encode('192.0.2.254', 53)
  assert.equal(family, IPV4)
  assert.equal(octets, '02000035c00002fe0000000000000000')
  assert.deepEqual(decoded, { address: '192.0.2.254', port: 53 })
})

test('sockaddr_in6', () => {
  const { family, octets, decoded } = encode('2001:db8::a', 65_535)
  assert.equal(family, IPV6)
  assert.equal(octets, '0a00ffff00000000' + '20010db800000000000000000000000a' + '00000000')
  assert.deepEqual(decoded, { address: '2001:db8::a', port: 65_535 })
})

test('RFC 4007 §11.2: the zone of a link-local address is its interface, by name or number', () => {
  assert.equal(encode('fe80::1%7', 53).octets.slice(-8), '07000000')
  assert.equal(encode('fe80::1%no-such-interface', 53).octets.slice(-8), '00000000')
})

test('the zone of a link-local address comes back: the name of its interface, else the number', () => {
  assert.equal(encode('fe80::1%4242', 53).decoded.address, 'fe80::1%4242')
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some(each => each.family === 'IPv6' && each.scopeid > 0) !== true) continue
    assert.deepEqual(encode(`fe80::1%${name}`, 53).decoded, { address: `fe80::1%${name}`, port: 53 })
  }
})

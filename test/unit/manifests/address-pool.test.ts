import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AddressPool, simulatedIPv6 } from '../../../src/manifests/address-pool.ts'

const NOBODY: ReadonlySet<string> = new Set()

describe('addresses of simulated pods', () => {
  it('lie in the range, and none ends like a network', () => {
    const owners = Array.from({ length: 5000 }, (_, index) => `default/pod-${index}`)
    const addresses = [...new AddressPool('127.1.0.0/16').assign(owners, NOBODY).values()]
    assert.equal(new Set(addresses).size, 5000)
    for (const address of addresses) assert.match(address, /^127\.1\.\d{1,3}\.\d{1,3}$/)
    assert.deepEqual(
      addresses.filter(address => /\.(0|255)$/.test(address)),
      [],
    )
  })

  it('are the same in another process', () => {
    const assign = () => Object.fromEntries(new AddressPool('127.1.0.0/16').assign(['default/db-0', 'a/b'], NOBODY))
    assert.deepEqual(assign(), assign())
  })

  it('stay while other pods come and go', () => {
    const owner = fc.integer({ min: 0, max: 40 }).map(index => `default/pod-${index}`)
    fc.assert(
      fc.property(fc.array(fc.uniqueArray(owner, { maxLength: 30 }), { maxLength: 12 }), rounds => {
        const pool = new AddressPool('10.0.0.0/26') // small: they collide
        let before = new Map<string, string>()
        for (const owners of rounds) {
          const now = pool.assign(owners, NOBODY)
          assert.equal(now.size, owners.length)
          assert.equal(new Set(now.values()).size, owners.length)
          for (const [name, address] of now) if (before.has(name)) assert.equal(address, before.get(name))
          before = now
        }
      }),
    )
  })

  it('are none that a given pod has, even one given later', () => {
    const pool = new AddressPool('10.0.0.0/29')
    const first = pool.assign(['a/b'], NOBODY).get('a/b')!
    const second = pool.assign(['a/b'], new Set([first])).get('a/b')!
    assert.notEqual(second, first)
    assert.match(second, /^10\.0\.0\.[1-6]$/)
  })

  it('run out: the last owners go without', () => {
    const pool = new AddressPool('10.0.0.0/29')
    const owners = Array.from({ length: 9 }, (_, index) => `a/${index}`)
    assert.deepEqual([...pool.assign(owners, NOBODY).keys()], owners.slice(0, 6))
    assert.deepEqual([...pool.assign(owners.slice(6), NOBODY).keys()], owners.slice(6))
  })

  it('a range of one address has one', () => {
    assert.deepEqual([...new AddressPool('127.0.0.9/32').assign(['a/b', 'a/c'], NOBODY)], [['a/b', '127.0.0.9']])
  })

  it('an address that is not the first of its range stands for the range', () => {
    assert.match(new AddressPool('192.168.7.77/24').assign(['a/b'], NOBODY).get('a/b')!, /^192\.168\.7\./)
  })

  for (const cidr of [
    '',
    '127.1.0.0',
    '127.1.0.0/',
    '127.1.0.0/33',
    '127.1.0.0/7',
    '127.1/16',
    'fd00::/64',
    '1.2.3.4/8/8',
    '1.2.3.4/ 8',
  ]) {
    it(`"${cidr}" is refused`, () =>
      assert.throws(() => new AddressPool(cidr), { name: 'ManifestsError', code: 'ERR_MANIFESTS_POD_CIDR' }))
  }

  it('have IPv6 ones that differ as they do', () => {
    assert.equal(simulatedIPv6('127.1.2.3'), 'fd00::7f01:203')
    fc.assert(fc.property(fc.ipV4(), address => assert.ok(isIPv6(simulatedIPv6(address)))))
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseAddress, without } from '../../../src/records/ptr-changes.ts'
import { formatIPv4, formatIPv6 } from '../../../src/wire/address.ts'

const textOf = (address: number | Uint8Array) =>
  typeof address === 'number' ? formatIPv4(address) : formatIPv6(address)

describe('addresses that are not among others', () => {
  const texts = fc.subarray(
    Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? `10.0.0.${i}` : `fd00::${i}`)),
    { minLength: 0 },
  )

  it('are the same however many there are, as texts and as octets', () => {
    fc.assert(
      fc.property(texts, texts, (some, others) => {
        const expected = some
          .filter(one => !others.includes(one))
          .map(parseAddress)
          .map(textOf)
        assert.deepEqual(without(some, others).map(parseAddress).map(textOf), expected)
        assert.deepEqual(without(some.map(parseAddress), others.map(parseAddress)).map(textOf), expected)
      }),
    )
  })
})

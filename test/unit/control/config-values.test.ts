import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatSocketAddress } from '../../../src/control/config.ts'
import {
  formatDuration,
  Misfit,
  parseSocketAddress,
  readDuration,
  readSelector,
} from '../../../src/control/config-values.ts'

describe('label selectors', () => {
  it('are those that the API server takes', () => {
    const right = [
      '',
      'app',
      '!app',
      'app=web',
      'app==web',
      'app != web',
      'app=',
      'example.com/tier in (a, b)',
      'a notin (b),!c , d=e',
      'a in (,b)',
      'A_b.c-d=E_f.g-h',
    ]
    for (const text of right) assert.equal(readSelector(text), text)
  })

  it('are nothing else', () => {
    const wrong = [
      '=',
      'a=b=c',
      'a in b',
      'a in (b',
      'a in ()c',
      'a,,b',
      ',',
      '-a',
      'a-',
      'a/b/c',
      'A.b/c d',
      `${'a'.repeat(64)}`,
      5,
    ]
    for (const text of wrong) assert.ok(readSelector(text) instanceof Misfit, String(text))
  })

  it('are read in bounded time', () => {
    const start = performance.now()
    for (const text of [
      `a in (${'b,'.repeat(2000)}`,
      `${'a.'.repeat(2000)}!`,
      `${'a-'.repeat(2000)}`,
      '('.repeat(4000),
      `a${' '.repeat(4000)}!`,
    ]) {
      assert.ok(readSelector(text) instanceof Misfit)
    }
    assert.ok(performance.now() - start < 1000)
  })
})

describe('addresses and durations', () => {
  it('are read as they are written', () => {
    const address = fc.record({
      address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('fe80::1%eth0')),
      port: fc.nat(65_535),
    })
    fc.assert(fc.property(address, one => assert.deepEqual(parseSocketAddress(formatSocketAddress(one)), { ...one })))
    const read = readDuration('0s', '10m')
    fc.assert(fc.property(fc.nat(600_000), ms => assert.equal(read(formatDuration(ms)), ms)))
    assert.equal(read('10m'), 600_000)
  })
})

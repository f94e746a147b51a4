import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FAILURE_MS, Failures } from '../../../src/forward/failures.ts'

it('RFC 9520 §3.2: a failure is remembered between a second and five minutes, from the last time on', () => {
  assert.ok(FAILURE_MS >= 1000 && FAILURE_MS <= 300_000)
  const failures = new Failures()
  failures.add('a', 0)
  failures.add('a', 1000)
  assert.deepEqual([failures.has('a', FAILURE_MS + 999), failures.has('b', 0)], [true, false])
  assert.equal(failures.has('a', FAILURE_MS + 1000), false)
  failures.add('a', 0)
  failures.remove('a')
  assert.equal(failures.has('a', 1), false)
})

it('failures are bounded: the oldest go, and those that are over', () => {
  const failures = new Failures()
  for (let i = 0; i < 100_000; i++) failures.add(`n${i}`, 0)
  assert.equal(failures.size, 10_000)
  assert.deepEqual(
    [failures.has('n89999', 1), failures.has('n90000', 1), failures.has('n99999', 1)],
    [false, true, true],
  )
  failures.add('late', FAILURE_MS)
  assert.equal(failures.size, 1)
})

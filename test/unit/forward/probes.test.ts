import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Attempt } from '../../../src/forward/exchange.ts'
import { Probes } from '../../../src/forward/probes.ts'
import { Upstream } from '../../../src/forward/upstream.ts'

it('an upstream that is down is probed again and again, one that nobody names any more is not', () => {
  const sent: Attempt[] = []
  const exchange = { send: (attempt: Attempt) => void sent.push(attempt), cancel() {}, close() {} }
  const probes = new Probes(
    () => exchange,
    () => 1,
  )
  const [down, gone] = [1, 2].map(port => new Upstream({ address: '127.0.0.1', port, tls: false }))
  for (const upstream of [down!, gone!]) probes.blame(upstream, false, 0)
  probes.tick(0)
  assert.deepEqual(
    sent.map(({ upstream }) => upstream),
    [down, gone],
  )
  gone!.isGone = true
  for (let ms = 500; ms <= 5000; ms += 500) probes.tick(ms)
  assert.equal(sent.filter(({ upstream }) => upstream === gone).length, 1)
  assert.ok(sent.length > 4)
  down!.isGone = true
  for (let ms = 5500; ms <= 7000; ms += 500) probes.tick(ms)
  assert.ok(probes.isIdle)
})

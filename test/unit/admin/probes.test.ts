/**
 * Probes at ports of their own: one path each, with CoreDNS's words.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openProbe } from '../../../src/admin/http.ts'

it('a probe answers its own path alone: OK, or 503 with what is missing', async t => {
  let missing: string[] = []
  const probe = await openProbe({ address: '127.0.0.1', port: 0 }, '/ready', () => missing)
  t.after(() => probe.close())
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${probe.port}${path}`, { method })
    return [response.status, await response.text()]
  }
  assert.deepEqual(await ask('/ready'), [200, 'OK'])
  assert.deepEqual(await ask('/ready?x=1'), [200, 'OK'])
  assert.deepEqual(await ask('/ready', 'HEAD'), [200, ''])
  assert.equal((await ask('/metrics'))[0], 404)
  missing = ['the first list of Service is not complete']
  assert.deepEqual(await ask('/ready'), [503, 'the first list of Service is not complete\n'])
})

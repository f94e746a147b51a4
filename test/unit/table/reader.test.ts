/**
 * A reader that the writer overtakes in the midst of beginning a batch.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CONTROL_INDEX, CONTROL_STATE } from '../../../src/table/layout.ts'
import { createAnswering, headless, slice } from '../../support/answering.ts'

it('begin: a thread that stands still between its loads, while the first list is published, denies no name', t => {
  for (const word of [CONTROL_INDEX, CONTROL_STATE]) {
    const server = createAnswering({ unsynced: true })
    const lists = [server.services.replaceAll(), server.slices.replaceAll()] as const
    const publish = (): void => {
      for (let i = 0; i < 1500; i++) {
        lists[0].add(headless(`svc-${i}`))
        lists[1].add(slice(`svc-${i}`, [{ address: `10.1.${i >> 8}.${i & 255}` }]))
      }
      for (const list of lists) list.commit()
      server.flush()
    }
    let isDue = true
    const load = Atomics.load
    const mocked = t.mock.method(Atomics, 'load', (array: Int32Array, at: number) => {
      const value = load(array, at)
      if (isDue && at === word) {
        isDue = false
        publish()
      }
      return value
    })
    const { rcode, answers } = server.ask('svc-1400.default.svc.cluster.local', 'A')
    mocked.mock.restore()
    assert.equal(isDue, false)
    if (rcode !== 'SERVFAIL') assert.deepEqual([rcode, answers.length], ['NOERROR', 1])
  }
})

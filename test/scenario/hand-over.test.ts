/**
 * Kops#17677, kubernetes#129617 (F31): a rolling restart of the DNS server loses queries, and each costs a glibc client 5 s.
 * Two servers on one port, the second joining when it is synced, the first leaving with its queue answered.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { ManyClients } from '../support/many-clients.ts'
import { freePort, type ServerProcess, startServer } from '../support/server-process.ts'

const NAME = 'my-headless-service.default.svc.cluster.local'
const HAND_OVERS = 3
const problem = checkBatch()

describe('F31: the server is replaced under load', { skip: problem }, () => {
  it(`${HAND_OVERS} hand-overs on one port lose no query and answer none wrongly`, async () => {
    const port = await freePort()
    const start = () => startServer(['--demo', '--listen', `127.0.0.1:${port}`])
    let serving: ServerProcess = await start()
    const clients = await ManyClients.open(port, NAME, 3)
    try {
      clients.start(2000)
      for (let i = 0; i < HAND_OVERS; i++) {
        const next = await start()
        assert.match(next.output(), /another process has the port/)
        // SIGINT: no lameduck, the same leaving.
        assert.equal(await serving.stop('SIGINT'), 0)
        serving = next
      }
      const { asked, ...account } = await clients.stop()
      assert.ok(asked > 1000, `${asked} queries`)
      assert.deepEqual(account, { right: asked, wrong: 0, refused: 0, lost: 0 })
    } finally {
      await clients.stop(0).catch(() => {})
      await serving.stop('SIGINT')
    }
  })
})

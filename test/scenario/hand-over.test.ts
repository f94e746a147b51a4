/**
 * Kops#17677, kubernetes#129617 (F31): a rolling restart of the DNS server loses queries, and each costs a glibc client 5 s.
 * Two servers on one port, the second joining when it is synced, the first leaving with its queue answered.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { dataOf } from '../support/dns-client.ts'
import { SERVICES, SLICES, serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { FakeApiServer } from '../support/fake-api-server.ts'
import { ManyClients } from '../support/many-clients.ts'
import { freePort, type ServerProcess, startServer, until } from '../support/server-process.ts'

const NAME = 'my-headless-service.default.svc.cluster.local'
const WEB = 'web.default.svc.cluster.local'
const PODS = ['10.0.0.1', '10.0.0.2']
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

  it('a successor whose lists are late leaves every query to the server of before until they are in', async t => {
    const api = await startApi(t)
    const port = await freePort()
    const file = configOf(t, api)
    const args = ['--config', file, '--listen', `127.0.0.1:${port}`]
    const before = await startServer(args)
    t.after(() => before.stop('SIGINT'))
    api.hold()
    // /readyz names the lists that are missing.
    const next = await startServer(args, { untilStatus: 503, hasPort: false })
    t.after(() => next.stop('SIGINT'))
    const clients = await ManyClients.open(port, WEB, PODS.length)
    t.after(() => clients.stop(0))
    const answered = (queries: number): Promise<void> => {
      const target = clients.account.asked + queries
      return until(() => clients.account.asked >= target, `${queries} queries`)
    }

    clients.start(1000)
    await until(() => api.watchCount(SERVICES) === 2 && api.watchCount(SLICES) === 2, 'the successor asks for lists')
    await answered(1500)
    for (let i = 0; i < 20; i++) assert.deepEqual(await dataOf(WEB, 'A', { port, tcp: true }), PODS)
    assert.match((await next.admin('/readyz')).body, /no worker answers yet/)
    assert.match(next.output(), /another process has the port/)
    api.release()
    await until(async () => (await next.admin('/readyz')).status === 200, 'the successor answers')
    await answered(300)
    assert.equal(await before.stop('SIGINT'), 0)
    await answered(300)
    const { asked, ...account } = await clients.stop()
    assert.deepEqual(account, { right: asked, wrong: 0, refused: 0, lost: 0 })
  })
})

async function startApi(t: TestContext): Promise<FakeApiServer> {
  const api = await FakeApiServer.start()
  t.after(() => api[Symbol.asyncDispose]())
  api.put(SERVICES, serviceOf('web'))
  api.put(SLICES, sliceOf('web-1', 'web', PODS))
  return api
}

function configOf(t: TestContext, api: FakeApiServer): string {
  const folder = mkdtempSync(join(tmpdir(), 'hand-over-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'config.yaml')
  writeFileSync(file, `source: { kubernetes: { endpoint: "${api.url}" } }\n`)
  return file
}

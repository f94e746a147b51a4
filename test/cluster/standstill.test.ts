/**
 * A real API server whose process stands still, so that its kernel acknowledges what nobody reads: it is noticed, what is
 * known is answered, and what comes afterwards is served. Needs KUBECONFIG, kubectl, and the API server's process id in
 * the file `kube-apiserver.pid` beside the kubeconfig.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { SKIP, TestNamespace } from '../support/cluster-api.ts'
import { Checker } from '../support/cluster-check.ts'
import type { Model } from '../support/cluster-model.ts'
import { service, slice } from '../support/cluster-objects.ts'
import { type ServerProcess, startServer, until } from '../support/server-process.ts'

const NOTICED_MS = 20_000
const SERVED_MS = 45_000
const pidFile = join(dirname(process.env['KUBECONFIG'] ?? ''), 'kube-apiserver.pid')
const skip = SKIP || (existsSync(pidFile) ? false : 'the process of the API server is not known')

describe('an API server that stands still', { skip }, () => {
  const namespace = new TestNamespace()
  let server: ServerProcess
  let checker: Checker

  const fqdn = (name: string) => `${name}.${namespace.name}.svc.cluster.local`
  const count = (model: Model, name: string) => model.data(fqdn(name), 'A').size
  const signal = (name: NodeJS.Signals) => process.kill(Number(readFileSync(pidFile, 'utf8')), name)
  const broken = async () => {
    const { body } = await server.admin('/metrics')
    const found = [...body.matchAll(/^headless_dns_watch_failures_total\{.*reason="unreachable".*\} (\d+)$/gm)]
    return found.length
  }

  before(async () => {
    await namespace.create()
    await namespace.apply(
      service('web', { clusterIP: 'None' }),
      slice('web', 'web-1', [{ addresses: ['203.0.113.1'] }]),
    )
    server = await startServer(['--kubeconfig', process.env['KUBECONFIG']!])
    checker = new Checker(server, namespace.name)
    await checker.settle('one Service', model => count(model, 'web') === 1)
  })

  after(async () => {
    signal('SIGCONT')
    await server?.stop('SIGINT')
    await namespace.delete()
  })

  it('is noticed by both watches within 20 s; what is known stays; afterwards all is served again', async t => {
    signal('SIGSTOP')
    const start = performance.now()
    await until(async () => (await broken()) >= 2, 'it is noticed', NOTICED_MS)
    t.diagnostic(`noticed after ${((performance.now() - start) / 1000).toFixed(1)} s`)
    assert.equal((await server.admin('/readyz')).status, 200)
    signal('SIGCONT')
    const back = performance.now()
    await namespace.apply(slice('web', 'web-1', [{ addresses: ['203.0.113.1'] }, { addresses: ['203.0.113.2'] }]))
    await checker.settle('both addresses', model => count(model, 'web') === 2, SERVED_MS)
    t.diagnostic(`served after ${((performance.now() - back) / 1000).toFixed(1)} s more`)
  })
})

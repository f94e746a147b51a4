/**
 * A server whose connections to a real API server break while the cluster changes: nothing is missed, and what stays is
 * answered all the time. Needs KUBECONFIG and kubectl.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { run, SKIP, TestNamespace } from '../support/cluster-api.ts'
import { Checker, SteadyAsker } from '../support/cluster-check.ts'
import type { Model } from '../support/cluster-model.ts'
import { service, slice } from '../support/cluster-objects.ts'
import { type ApiProxy, openProxy } from '../support/cluster-proxy.ts'
import { type ServerProcess, startServer, until } from '../support/server-process.ts'

const HEADLESS = { clusterIP: 'None' }
const LONGEST_BACKOFF_MS = 45_000
const CHANGES = 30

describe('connections to a real API server that break', { skip: SKIP }, () => {
  const namespace = new TestNamespace()
  const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  let proxy: ApiProxy
  let server: ServerProcess
  let checker: Checker
  let steady: SteadyAsker

  const fqdn = (name: string) => `${name}.${namespace.name}.svc.cluster.local`
  const count = (model: Model, name: string) => model.data(fqdn(name), 'A').size
  const addresses = (count: number) => Array.from({ length: count }, (_, i) => ({ addresses: [`203.0.113.${i + 1}`] }))

  before(async () => {
    const kubeconfig = JSON.parse(
      await run('kubectl', ['config', 'view', '--raw', '--flatten', '--minify', '-o', 'json']),
    )
    const { cluster } = kubeconfig.clusters[0]
    const { hostname, port } = new URL(cluster.server)
    proxy = await openProxy({ host: hostname, port: Number(port) })
    cluster.server = `https://127.0.0.1:${proxy.port}`
    writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig), { mode: 0o600 })
    await namespace.create()
    await namespace.apply(
      service('always', HEADLESS),
      slice('always', 'always-1', [{ addresses: ['192.0.2.1'] }]),
      service('gone', HEADLESS),
      slice('gone', 'gone-1', addresses(2)),
      service('web', HEADLESS),
      slice('web', 'web-1', addresses(1)),
    )
    server = await startServer(['--kubeconfig', join(folder, 'kubeconfig')])
    checker = new Checker(server, namespace.name)
    steady = new SteadyAsker(server)
    await checker.settle('three Services', model => count(model, 'gone') === 2)
    steady.add(fqdn('always'), 'A', [`${fqdn('always')} A 192.0.2.1`])
    steady.add(fqdn('web'), 'A', 'some')
  })

  after(async () => {
    await steady?.stop()
    await server?.stop('SIGINT')
    await proxy?.close()
    rmSync(folder, { recursive: true })
    await namespace.delete()
  })

  afterEach(() => steady.assertNothingWrong())

  it('cut again and again while endpoints come: all of them are there in the end', async () => {
    for (let i = 2; i <= CHANGES; i++) {
      if (i % 10 === 0) proxy.cut(false)
      await namespace.apply(slice('web', 'web-1', addresses(i)))
    }
    await checker.settle('all endpoints', model => count(model, 'web') === CHANGES, LONGEST_BACKOFF_MS)
  })

  it('what was deleted, made and changed while nobody could be heard is known afterwards', async () => {
    const before = proxy.accepted()
    proxy.cut(true)
    await until(() => proxy.accepted() > before, 'the server tries again', LONGEST_BACKOFF_MS)
    await namespace.kubectl('delete', 'service/gone', 'endpointslice/gone-1', '--wait')
    await namespace.apply(
      slice('web', 'web-1', addresses(3)),
      service('new', HEADLESS),
      slice('new', 'new-1', [{ addresses: ['198.51.100.1'] }]),
    )
    assert.equal((await server.admin('/readyz')).status, 200, 'old answers are better than none')
    proxy.comeBack()
    const model = await checker.settle(
      'the end state',
      model => count(model, 'gone') === 0 && count(model, 'new') === 1 && count(model, 'web') === 3,
      LONGEST_BACKOFF_MS,
    )
    assert.equal(model.expect(fqdn('gone'), 'A').rcode, 'NXDOMAIN')
  })
})

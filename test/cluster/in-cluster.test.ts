/**
 * A server with what a pod has: a service account's token and CA, bound to the shipped ClusterRole and to nothing more; and with
 * less than that. Needs KUBECONFIG and kubectl.
 */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { loadAll } from 'js-yaml'
import { type ApiObject, run, SKIP, TestNamespace } from '../support/cluster-api.ts'
import { Checker } from '../support/cluster-check.ts'
import { service, slice } from '../support/cluster-objects.ts'
import { type ServerProcess, startServer, until } from '../support/server-process.ts'

const SHIPPED = new URL('../../config/kubernetes', import.meta.url).pathname
const ACCOUNT_FOLDER = 'var/run/secrets/kubernetes.io/serviceaccount'
const IN_POD = { entry: 'test/support/cluster-in-pod.ts' }
const RBAC = ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding']
const LONGEST_BACKOFF_MS = 45_000

describe('a server with the rights of a pod', { skip: SKIP }, () => {
  const namespace = new TestNamespace()
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'headless-dns-')))
  const account = `${namespace.name}-headless-dns`
  let shipped: ApiObject[]

  /** The shipped rights under names of this test's own, which are no other's. */
  async function render(): Promise<ApiObject[]> {
    const lines = [
      'apiVersion: kustomize.config.k8s.io/v1beta1',
      'kind: Kustomization',
      `namespace: ${namespace.name}`,
      `namePrefix: ${namespace.name}-`,
      `resources: [${relative(root, SHIPPED)}]`,
    ]
    writeFileSync(join(root, 'kustomization.yaml'), lines.join('\n'))
    const all = loadAll(await run('kubectl', ['kustomize', root])) as ApiObject[]
    return all.filter(({ kind }) => RBAC.includes(kind!))
  }

  const applyRules = (rules: readonly object[]) =>
    namespace.apply(...shipped.map(object => (object.kind === 'ClusterRole' ? { ...object, rules } : object)))
  const shippedRules = () => shipped.find(({ kind }) => kind === 'ClusterRole')!['rules'] as { resources: string[] }[]

  async function writeToken(): Promise<string> {
    const token = (await namespace.kubectl('create', 'token', account)).trim()
    writeFileSync(join(root, ACCOUNT_FOLDER, 'token'), token)
    return token
  }

  before(async () => {
    await namespace.create()
    shipped = await render()
    assert.deepEqual(shipped.map(({ kind }) => kind).sort(), [...RBAC].sort())
    await namespace.apply(...shipped)
    mkdirSync(join(root, ACCOUNT_FOLDER), { recursive: true })
    await writeToken()
    const inConfigMap = ['get', 'configmap', 'kube-root-ca.crt', '-o', 'jsonpath={.data.ca\\.crt}']
    const authority = await namespace.kubectl(...inConfigMap)
    writeFileSync(join(root, ACCOUNT_FOLDER, 'ca.crt'), authority)
    writeFileSync(join(root, ACCOUNT_FOLDER, 'namespace'), namespace.name)
    const [cluster] = JSON.parse(await run('kubectl', ['config', 'view', '--minify', '-o', 'json'])).clusters
    const { hostname, port } = new URL(cluster.cluster.server)
    Object.assign(process.env, {
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port || '443',
      POD_ROOT: root,
    })
    await namespace.apply(
      service('web', { clusterIP: 'None' }),
      slice('web', 'web-1', [{ addresses: ['203.0.113.1'] }]),
    )
  })

  after(async () => {
    rmSync(root, { recursive: true })
    await run('kubectl', ['delete', 'clusterrole,clusterrolebinding', account, '--ignore-not-found'])
    await namespace.delete()
  })

  it('needs no more than the shipped role: it becomes ready, answers and follows', async () => {
    const server = await startServer([], IN_POD)
    try {
      const checker = new Checker(server, namespace.name)
      const name = `web.${namespace.name}.svc.cluster.local`
      await checker.settle('one endpoint', model => model.data(name, 'A').size === 1)
      const endpoints = [{ addresses: ['203.0.113.1'] }, { addresses: ['203.0.113.2'] }]
      await namespace.apply(slice('web', 'web-1', endpoints))
      await checker.settle('two endpoints', model => model.data(name, 'A').size === 2)
    } finally {
      await server.stop('SIGINT')
    }
  })

  for (const [verbs, resource, rbacName] of [
    [['list'], 'endpointslices', 'endpointslices.discovery.k8s.io'],
    [['list'], 'services', 'services'],
    [[], 'services', 'services'],
  ] as const) {
    const what = verbs.length === 0 ? 'any verb' : '"watch"'
    it(`without ${what} on ${resource}: says so, is not ready; with it: ready, without a restart`, async () => {
      const others = shippedRules().filter(rule => !rule.resources.includes(resource))
      const own = shippedRules().filter(rule => rule.resources.includes(resource))
      await applyRules([...others, ...(verbs.length === 0 ? [] : own.map(rule => ({ ...rule, verbs })))])
      const server = await startServer([], { ...IN_POD, untilStatus: 503 })
      try {
        const sentence = new RegExp(`refuses "watch" on ${rbacName.replaceAll('.', '\\.')}: add that verb`)
        await until(async () => sentence.test((await server.admin('/readyz')).body), `/readyz says ${sentence}`)
        await until(() => messagesOf(server).some(message => sentence.test(message)), `the log says ${sentence}`)
        const other = resource === 'services' ? 'endpointslices' : 'services'
        assert.doesNotMatch((await server.admin('/readyz')).body, new RegExp(`" on ${other}`))
        assert.equal((await server.admin('/readyz')).status, 503)
        await applyRules(shippedRules())
        await until(async () => (await server.admin('/readyz')).status === 200, 'it is ready', LONGEST_BACKOFF_MS)
        await new Checker(server, namespace.name).settle('the answers of before', () => true)
      } finally {
        await server.stop('SIGINT')
        await applyRules(shippedRules())
      }
    })
  }

  it('with a token that the API server does not accept: says so, is not ready; with one that it does: ready', async () => {
    writeFileSync(join(root, ACCOUNT_FOLDER, 'token'), 'not.a.token')
    const server = await startServer([], { ...IN_POD, untilStatus: 503 })
    try {
      const sentence = /does not accept this server's credentials/
      await until(async () => sentence.test((await server.admin('/readyz')).body), `/readyz says ${sentence}`)
      const token = await writeToken()
      await until(async () => (await server.admin('/readyz')).status === 200, 'it is ready', LONGEST_BACKOFF_MS)
      assert.equal(server.output().includes(token), false, 'the log has the token')
    } finally {
      await server.stop('SIGINT')
    }
  })
})

function messagesOf(server: ServerProcess): string[] {
  const complete = server.output().split('\n').slice(0, -1)
  return complete.map(line => (JSON.parse(line) as { msg: string }).msg)
}

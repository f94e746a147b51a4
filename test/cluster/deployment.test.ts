/**
 * config/kubernetes against a real API server: accepted, admitted under Pod Security "restricted", and allowed to read what the
 * server watches and nothing else. No container runs. Needs KUBECONFIG and kubectl.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { load, loadAll } from 'js-yaml'
import { SERVICE_IMPORTS } from '../support/cluster-objects.ts'
import { startServer } from '../support/server-process.ts'

const BASE = new URL('../../config/kubernetes', import.meta.url).pathname
const ID = `headless-dns-deployment-${process.pid}`
const skip = process.env['KUBECONFIG'] === undefined ? 'KUBECONFIG is not set' : false

// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, read here and there
type Manifest = any

function kubectl(args: readonly string[], input = ''): { code: number; out: string; err: string } {
  const { status, stdout, stderr, error } = spawnSync('kubectl', args, { input, encoding: 'utf8', timeout: 30_000 })
  if (error !== undefined) throw error
  return { code: status ?? -1, out: stdout, err: stderr }
}

function succeed(args: readonly string[], input = ''): string {
  const { code, out, err } = kubectl(args, input)
  assert.equal(code, 0, `kubectl ${args.join(' ')}: ${err}`)
  assert.doesNotMatch(err, /Warning/)
  return out
}

/** The base, with components, in a namespace, under names of this test's own. */
function render(namespace: string, components: readonly string[] = []): Manifest[] {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'headless-dns-')))
  try {
    const base = relative(folder, BASE)
    const lines = [
      'apiVersion: kustomize.config.k8s.io/v1beta1',
      'kind: Kustomization',
      `namespace: ${namespace}`,
      `resources: [${base}]`,
      `components: [${components.map(name => `${base}/components/${name}`).join(', ')}]`,
    ]
    writeFileSync(join(folder, 'kustomization.yaml'), lines.join('\n'))
    return loadAll(succeed(['kustomize', folder]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function find(objects: readonly Manifest[], kind: string): Manifest {
  const found = objects.filter(object => object.kind === kind)
  assert.equal(found.length, 1, `one ${kind}`)
  return found[0]
}

function podOf(objects: readonly Manifest[], namespace: string): string {
  const { metadata, spec } = find(objects, 'DaemonSet').spec.template
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'probe', namespace }, spec }
  return JSON.stringify(pod)
}

function listOf(objects: readonly Manifest[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
}

describe('config/kubernetes', { skip }, () => {
  const restricted = `${ID}-restricted`
  const privileged = `${ID}-privileged`

  before(() => {
    for (const [namespace, level] of Object.entries({ [restricted]: 'restricted', [privileged]: 'privileged' })) {
      const labels = Object.fromEntries(['enforce', 'warn'].map(mode => [`pod-security.kubernetes.io/${mode}`, level]))
      const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }
      succeed(['apply', '-f', '-'], JSON.stringify(object))
      // Pods are admitted only with the service account that they name.
      succeed(['apply', '-f', '-'], JSON.stringify(find(render(namespace), 'ServiceAccount')))
    }
  })

  after(() => {
    kubectl(['delete', 'namespace', restricted, privileged, '--wait=false'])
    kubectl(['delete', 'clusterrole,clusterrolebinding', '-l', `test=${ID}`])
  })

  it('is accepted whole, without a warning', () => {
    const out = succeed(['apply', '--dry-run=server', '-f', '-'], listOf(render(restricted)))
    assert.equal(out.trim().split('\n').length, 6)
  })

  it('is accepted as it is by `kubectl apply -k`', () => {
    succeed(['apply', '--dry-run=server', '-k', BASE, '-n', restricted])
  })

  it('makes pods that Pod Security "restricted" admits', () => {
    succeed(['apply', '--dry-run=server', '-f', '-'], podOf(render(restricted), restricted))
  })

  it('with port-53, makes pods that listen on 53, and that "restricted" admits', () => {
    const objects = render(restricted, ['port-53'])
    succeed(['apply', '--dry-run=server', '-f', '-'], podOf(objects, restricted))
    const { ports } = find(objects, 'DaemonSet').spec.template.spec.containers[0]
    const targets = find(objects, 'Service').spec.ports.map((port: Manifest) => port.targetPort)
    assert.deepEqual(ports.map((port: Manifest) => port.containerPort).slice(0, 2), [53, 53])
    assert.deepEqual(targets.slice(0, 2), [53, 53])
  })

  it('with host-network, makes pods that only a privileged namespace admits', () => {
    const refused = kubectl(
      ['apply', '--dry-run=server', '-f', '-'],
      podOf(render(restricted, ['host-network']), restricted),
    )
    assert.notEqual(refused.code, 0)
    assert.match(refused.err, /violates PodSecurity "restricted:latest": host namespaces/)
    const objects = render(privileged, ['host-network'])
    succeed(['apply', '--dry-run=server', '-f', '-'], podOf(objects, privileged))
    assert.equal(find(objects, 'DaemonSet').spec.template.spec.containers[0].ports, undefined)
  })

  for (const [components, more] of [
    [[], []],
    [['verified-pods'], ['pods']],
    [['autopath'], ['pods']],
    [['namespace-labels'], ['namespaces']],
    [['multicluster'], ['serviceimports.multicluster.x-k8s.io']],
    [
      ['verified-pods', 'namespace-labels'],
      ['pods', 'namespaces'],
    ],
  ] as const) {
    it(`allows its account to read services, endpointslices ${more.join(' ')} and nothing else`, () => {
      const isOfImports = components[0] === 'multicluster'
      if (isOfImports) {
        // Of a resource that is not there kubectl cannot say who may read it.
        succeed(['apply', '-f', '-'], JSON.stringify(SERVICE_IMPORTS))
        succeed(['wait', '--for=condition=Established', `crd/${SERVICE_IMPORTS.metadata.name}`])
      }
      const objects = render(restricted, components)
      const role = find(objects, 'ClusterRole')
      const binding = find(objects, 'ClusterRoleBinding')
      assert.deepEqual(role.rules, [
        { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
        ...more.map(each => {
          const [resource, ...group] = each.split('.')
          return { apiGroups: [group.join('.')], resources: [resource], verbs: ['list', 'watch'] }
        }),
      ])
      const name = `${ID}-${components.length}${more[0] ?? ''}`
      for (const object of [role, binding]) object.metadata = { name, labels: { test: ID } }
      binding.roleRef.name = name
      succeed(['apply', '-f', '-'], listOf([role, binding]))
      try {
        const account = `system:serviceaccount:${restricted}:headless-dns`
        const isAllowed = (verb: string, resource: string) =>
          kubectl(['auth', 'can-i', verb, resource, '--all-namespaces', '--as', account]).out.trim() === 'yes'
        const wanted: string[] = ['services', 'endpointslices.discovery.k8s.io', ...more]
        for (const resource of [...wanted, 'pods', 'namespaces', 'nodes', 'secrets', 'endpoints']) {
          for (const verb of ['list', 'watch']) {
            assert.equal(isAllowed(verb, resource), wanted.includes(resource), `${verb} ${resource}`)
          }
        }
        assert.equal(isAllowed('get', 'services'), false)
      } finally {
        succeed(['delete', 'clusterrole,clusterrolebinding', name])
        if (isOfImports) succeed(['delete', 'crd', SERVICE_IMPORTS.metadata.name])
      }
    })
  }

  it('gives its account what the server needs to become ready', async () => {
    const objects = render(restricted)
    const [role, binding] = [find(objects, 'ClusterRole'), find(objects, 'ClusterRoleBinding')]
    const name = `${ID}-server`
    for (const object of [role, binding]) object.metadata = { name, labels: { test: ID } }
    binding.roleRef.name = name
    succeed(['apply', '-f', '-'], listOf([role, binding]))
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    try {
      const kubeconfig = JSON.parse(succeed(['config', 'view', '--raw', '--flatten', '--minify', '-o', 'json']))
      const token = succeed(['create', 'token', 'headless-dns', '-n', restricted]).trim()
      kubeconfig.users[0].user = { token }
      writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig), { mode: 0o600 })
      const server = await startServer(['--kubeconfig', join(folder, 'kubeconfig')])
      assert.equal(await server.stop('SIGINT'), 0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('sends port 53 of the Service to where the configuration listens', () => {
    const objects = render(restricted)
    const config = load(find(objects, 'ConfigMap').data['config.yaml']) as Manifest
    const listened = config.listen.map((address: string) => Number(address.split(':').at(-1)))
    const admin = Number(config.admin.split(':').at(-1))
    // A Service of both families would have an address that nobody listens behind.
    const families = new Set(config.listen.map((address: string) => address.startsWith('[')))
    assert.equal(find(objects, 'Service').spec.ipFamilyPolicy === 'SingleStack', families.size === 1)
    const [container] = find(objects, 'DaemonSet').spec.template.spec.containers
    for (const { port, targetPort } of find(objects, 'Service').spec.ports) {
      assert.deepEqual(port === 53 ? [targetPort] : [admin, port], port === 53 ? listened : [targetPort, 9153])
    }
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      assert.equal(container[probe].httpGet.port, admin)
    }
  })
})

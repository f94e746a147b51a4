/**
 * Zones besides the cluster zone, against a real API server: ServiceImports, whose API comes while the server runs, and the
 * addresses by which Services are reached from outside. Needs KUBECONFIG and kubectl.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { run, SKIP, TestNamespace } from '../support/cluster-api.ts'
import { SERVICE_IMPORTS, service } from '../support/cluster-objects.ts'
import { askServer, dataOf } from '../support/dns-client.ts'
import { type ServerProcess, startServer, until } from '../support/server-process.ts'

/** After three refusals the next request is some ten seconds away. */
const PATIENCE_MS = 60_000

describe('zones besides the cluster zone', { skip: SKIP }, () => {
  const namespace = new TestNamespace()
  const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  let server: ServerProcess
  const options = () => ({ port: server.port })
  const fqdn = (name: string) => `${name}.${namespace.name}.svc.clusterset.local`
  const outside = (name: string) => `${name}.${namespace.name}.ext.example`
  const settled = (name: string, type: string, wanted: readonly string[]) =>
    until(
      async () => (await dataOf(name, type, options())).toSorted().join() === wanted.toSorted().join(),
      `${name} ${type} is ${wanted.join(', ')}`,
      PATIENCE_MS,
    )

  before(async () => {
    await run('kubectl', ['delete', 'crd', SERVICE_IMPORTS.metadata.name, '--ignore-not-found'])
    await namespace.create()
    const config = join(folder, 'config.yaml')
    writeFileSync(
      config,
      JSON.stringify({
        source: { kubernetes: { kubeconfig: process.env['KUBECONFIG'] } },
        records: { multicluster: ['clusterset.local'], external: { zones: ['ext.example'] } },
      }),
    )
    await namespace.apply(service('web', { type: 'LoadBalancer' }))
    server = await startServer(['--config', config])
  })

  after(async () => {
    await server?.stop('SIGINT')
    rmSync(folder, { recursive: true })
    await run('kubectl', ['delete', 'crd', SERVICE_IMPORTS.metadata.name, '--ignore-not-found'])
    await namespace.delete()
  })

  it('without the API of ServiceImports the cluster zone is answered, and the zone of the clusterset SERVFAIL', async () => {
    assert.equal((await askServer(`web.${namespace.name}.svc.cluster.local`, 'A', options())).rcode, 'NOERROR')
    assert.equal((await askServer(fqdn('web'), 'A', options())).rcode, 'SERVFAIL')
  })

  it('an address that a load balancer gets is served in the external zone, and goes with it', async () => {
    assert.equal((await askServer(outside('web'), 'A', options())).rcode, 'NXDOMAIN')
    const ingress = (value: object[]) =>
      namespace.kubectl(
        ...['patch', 'service', 'web', '--subresource=status', '--type=merge'],
        ...['-p', JSON.stringify({ status: { loadBalancer: { ingress: value } } })],
      )
    await ingress([{ ip: '192.0.2.1' }])
    await settled(outside('web'), 'A', ['192.0.2.1'])
    await ingress([{ hostname: 'lb.example.com' }])
    await settled(outside('web'), 'CNAME', ['lb.example.com'])
    await ingress([])
    await settled(outside('web'), 'CNAME', [])
    assert.equal((await askServer(outside('web'), 'A', options())).rcode, 'NXDOMAIN')
  })

  it('the API comes: ServiceImports and endpoints of all clusters are served, and go with their objects', async () => {
    await run('kubectl', ['apply', '-f', '-'], JSON.stringify(SERVICE_IMPORTS))
    await run('kubectl', ['wait', '--for=condition=Established', `crd/${SERVICE_IMPORTS.metadata.name}`])
    const imported = (name: string, spec: object) => ({
      apiVersion: 'multicluster.x-k8s.io/v1alpha1',
      kind: 'ServiceImport',
      metadata: { name },
      spec,
    })
    const slice = (cluster: string, address: string) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `db-${cluster}`,
        labels: {
          'multicluster.kubernetes.io/service-name': 'db',
          'multicluster.kubernetes.io/source-cluster': cluster,
        },
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], hostname: 'db-0' }],
      ports: [{ name: 'pg', port: 5432, protocol: 'TCP' }],
    })
    await namespace.apply(
      imported('web', { type: 'ClusterSetIP', ips: ['10.42.0.1'], ports: [{ port: 80, protocol: 'TCP' }] }),
      imported('db', { type: 'Headless', ports: [{ name: 'pg', port: 5432, protocol: 'TCP' }] }),
      slice('east', '10.0.0.1'),
      slice('west', '10.1.0.1'),
    )
    await settled(fqdn('web'), 'A', ['10.42.0.1'])
    await settled(fqdn('db'), 'A', ['10.0.0.1', '10.1.0.1'])
    await settled(fqdn('db-0.west.db'), 'A', ['10.1.0.1'])
    await namespace.kubectl('delete', 'endpointslice', 'db-west')
    await settled(fqdn('db'), 'A', ['10.0.0.1'])
    assert.equal((await askServer(fqdn('db-0.west.db'), 'A', options())).rcode, 'NXDOMAIN')
    await namespace.kubectl('delete', 'serviceimport', 'db')
    await settled(fqdn('db'), 'A', [])
  })
})

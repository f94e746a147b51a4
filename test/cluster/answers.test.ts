/**
 * A server beside a real API server, through what happens in a cluster: after every step each answer is what the API's own
 * objects imply (test/support/cluster-model.ts), over UDP and TCP, and in between nothing that stayed was ever answered wrongly.
 * The steps build on one another. Needs KUBECONFIG and kubectl; the outage, also CLUSTER and CLUSTER_DIR.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { keepNodes, run, SKIP, TestNamespace } from '../support/cluster-api.ts'
import { Checker, SteadyAsker } from '../support/cluster-check.ts'
import type { Model } from '../support/cluster-model.ts'
import { deployment, selecting, service, slice, statefulSet } from '../support/cluster-objects.ts'
import { askServer } from '../support/dns-client.ts'
import { type ServerProcess, startServer, until } from '../support/server-process.ts'

const { CLUSTER, CLUSTER_DIR } = process.env
const SKIP_OUTAGE =
  CLUSTER === undefined || CLUSTER_DIR === undefined
    ? 'CLUSTER and CLUSTER_DIR are not set: nothing can be stopped'
    : false

const HEADLESS = { clusterIP: 'None' }
const ALWAYS = ['192.0.2.1', '192.0.2.2']
const ROUNDS_IN_OUTAGE = 3
const LONGEST_BACKOFF_MS = 45_000

describe('answers beside a real API server', { skip: SKIP }, () => {
  const namespace = new TestNamespace()
  const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  let releaseNodes: () => Promise<void>
  let server: ServerProcess
  let checker: Checker
  let steady: SteadyAsker

  const fqdn = (name: string, branch = 'svc') => `${name}.${namespace.name}.${branch}.cluster.local`
  const count = (model: Model, name: string, type = 'A', branch = 'svc') => model.data(fqdn(name, branch), type).size
  const patch = (kind: string, name: string, value: object, ...more: string[]) =>
    namespace.kubectl('patch', kind, name, '-p', JSON.stringify(value), ...more)
  const setReady = (pod: string, isReady: boolean) => {
    const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }]
    return patch('pod', pod, { status: { conditions } }, '--subresource=status')
  }

  before(async () => {
    releaseNodes = await keepNodes()
    await namespace.create()
    const config = join(folder, 'config.yaml')
    writeFileSync(config, JSON.stringify({ source: { kubernetes: { kubeconfig: process.env['KUBECONFIG'] } } }))
    await namespace.apply(
      service('stable', {}),
      service('always', HEADLESS),
      slice('always', 'always-1', [{ addresses: [ALWAYS[0]], hostname: 'first' }, { addresses: [ALWAYS[1]] }]),
    )
    server = await startServer(['--config', config])
    checker = new Checker(server, namespace.name)
    steady = new SteadyAsker(server)
  })

  after(async () => {
    await steady?.stop()
    await server?.stop('SIGINT')
    rmSync(folder, { recursive: true })
    await namespace.delete()
    await releaseNodes?.()
  })

  afterEach(() => steady.assertNothingWrong())

  it('what was there before the server: a Service with a virtual address, a headless one with a slice made by hand', async () => {
    const model = await checker.settle(
      'two services',
      model => count(model, 'stable') === 1 && count(model, 'always') === 2,
    )
    const [virtual] = model.data(fqdn('stable'), 'A')
    steady.add(fqdn('stable'), 'A', [`${fqdn('stable')} A ${virtual}`])
    steady.add(`_http._tcp.${fqdn('stable')}`, 'SRV', [`_http._tcp.${fqdn('stable')} SRV 80 ${fqdn('stable')}`])
    steady.add(
      fqdn('always'),
      'A',
      ALWAYS.map(address => `${fqdn('always')} A ${address}`),
    )
    steady.add(fqdn('first.always'), 'A', [`${fqdn('first.always')} A ${ALWAYS[0]}`])
    steady.add('1.2.0.192.in-addr.arpa', 'PTR', [`1.2.0.192.in-addr.arpa PTR ${fqdn('first.always')}`])
  })

  it('a StatefulSet of 3: a name for every pod', async () => {
    await namespace.apply(
      service('db', { ...HEADLESS, ...selecting('db') }),
      service('db-all', { ...HEADLESS, ...selecting('db'), publishNotReadyAddresses: true }),
      statefulSet('db', 3),
    )
    const model = await checker.settle('3 pods', model => count(model, 'db') === 3 && count(model, 'db-all') === 3)
    for (const pod of ['db-0', 'db-1', 'db-2']) assert.equal(count(model, `${pod}.db`), 1, pod)
    const [address] = model.data(fqdn('db-0.db'), 'A')
    steady.add(fqdn('db-0.db'), 'A', [`${fqdn('db-0.db')} A ${address}`])
    steady.add(fqdn('db'), 'A', 'some')
    steady.add(`_http._tcp.${fqdn('db')}`, 'SRV', 'some')
  })

  it('scaled to 5, then to 2', async () => {
    await namespace.kubectl('scale', 'statefulset/db', '--replicas=5')
    await checker.settle('5 pods', model => count(model, 'db') === 5 && count(model, 'db-4.db') === 1)
    await namespace.kubectl('scale', 'statefulset/db', '--replicas=2')
    await checker.settle('2 pods', model => count(model, 'db') === 2 && count(model, 'db-2.db') === 0)
  })

  it('a pod that is not ready has no name, but where publishNotReadyAddresses says so', async () => {
    await setReady('db-1', false)
    await checker.settle('1 ready', model => count(model, 'db') === 1 && count(model, 'db-all') === 2)
    await setReady('db-1', true)
    await checker.settle('2 ready', model => count(model, 'db') === 2)
  })

  it('no pod ready: the name is not there; then it is again', async () => {
    for (const [name, type] of [
      ['db-0.db', 'A'],
      ['db', 'A'],
    ] as const)
      steady.remove(fqdn(name), type)
    steady.remove(`_http._tcp.${fqdn('db')}`, 'SRV')
    await Promise.all([setReady('db-0', false), setReady('db-1', false)])
    const model = await checker.settle('none ready', model => count(model, 'db') === 0 && count(model, 'db-all') === 2)
    assert.equal(model.expect(fqdn('db'), 'A').rcode, 'NXDOMAIN')
    await Promise.all([setReady('db-0', true), setReady('db-1', true)])
    await checker.settle('both ready', model => count(model, 'db') === 2)
  })

  it('a Deployment behind a headless Service, a virtual address and one of each family', async () => {
    await namespace.apply(
      service('web', { ...HEADLESS, ...selecting('web') }),
      service('web-virtual', { ...selecting('web'), ipFamilyPolicy: 'RequireDualStack' }),
      deployment('web', 4),
    )
    const model = await checker.settle(
      '4 pods in both Services',
      model => count(model, 'web') === 4 && count(model, 'web-virtual', 'A', 'direct') === 4,
    )
    assert.equal(count(model, 'web-virtual', 'AAAA'), 1)
    for (const name of [fqdn('web'), fqdn('web', 'direct'), fqdn('web-virtual', 'direct')])
      steady.add(name, 'A', 'some')
    steady.add(`_http._tcp.${fqdn('web')}`, 'SRV', 'some')
  })

  it('a rolling update: other addresses, and at no moment none', async () => {
    const pods = async () => (await namespace.kubectl('get', 'pods', '-l', 'app=web', '-o', 'name')).split('\n')
    const old = new Set(await pods())
    await namespace.kubectl('rollout', 'restart', 'deployment/web')
    await namespace.kubectl('rollout', 'status', 'deployment/web', '--timeout=50s')
    assert.deepEqual(
      (await pods()).filter(pod => pod !== '' && old.has(pod)),
      [],
    )
    await checker.settle('4 other pods', model => count(model, 'web') === 4)
  })

  it('slices made by hand: ports of their own, endpoints of unknown readiness, one endpoint in two slices', async () => {
    const endpoints = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => ({ addresses: [`198.51.100.${from + i}`] }))
    const special = [
      { addresses: ['203.0.113.1'], hostname: 'one', conditions: {} },
      { addresses: ['203.0.113.2'], hostname: 'two', conditions: { ready: false, serving: true, terminating: true } },
      { addresses: ['203.0.113.3', '203.0.113.4'], hostname: 'both', conditions: { ready: true } },
    ]
    await namespace.apply(
      service('wide', { ...HEADLESS, ports: [] }),
      slice('wide', 'wide-1', endpoints(1, 61)),
      slice('wide', 'wide-2', endpoints(60, 91)),
      service('special', HEADLESS),
      slice('special', 'special-1', special, [
        { name: 'http', port: 8081, protocol: 'TCP' },
        { name: '', port: 9999, protocol: 'TCP' },
      ]),
      slice(
        'special',
        'special-2',
        [{ addresses: ['203.0.113.1'], hostname: 'one' }],
        [{ name: 'http', port: 8082, protocol: 'TCP' }],
      ),
      slice('special', 'special-3', [{ addresses: ['203.0.113.9'] }], []),
    )
    const model = await checker.settle(
      'two slices',
      model => count(model, 'wide') === 90 && count(model, 'special') === 4,
    )
    assert.equal(count(model, '_http._tcp.special', 'SRV'), 3)
    steady.add(fqdn('198-51-100-60.wide'), 'A', 'some')
  })

  it('an endpoint that moves to another slice is there all the time; a slice that is deleted takes its endpoints with it', async () => {
    await patch('endpointslice', 'wide-1', { endpoints: [{ addresses: ['198.51.100.1'] }] }, '--type=merge')
    await checker.settle('31 and 1', model => count(model, 'wide') === 32)
    await namespace.kubectl('delete', 'endpointslice', 'wide-1')
    await checker.settle('31', model => count(model, 'wide') === 31)
  })

  it('Endpoints that the cluster mirrors into slices', async () => {
    const addresses = [{ ip: '203.0.113.21', hostname: 'm' }, { ip: '203.0.113.22' }]
    const subsets = [{ addresses, notReadyAddresses: [{ ip: '203.0.113.23' }], ports: [{ name: 'http', port: 81 }] }]
    await namespace.apply(service('mirrored', HEADLESS), {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'mirrored' },
      subsets,
    })
    await checker.settle('2 ready', model => count(model, 'mirrored') === 2)
  })

  it('both families: headless, with one of them, and with a virtual address', async () => {
    await namespace.apply(
      service('dual', { ...HEADLESS, ...selecting('web'), ipFamilyPolicy: 'RequireDualStack' }),
      slice(
        'dual',
        'dual-v6',
        [{ addresses: ['2001:db8::1'], hostname: 'six' }, { addresses: ['2001:db8::'] }],
        undefined,
        'IPv6',
      ),
      service('six', { ...HEADLESS, ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' }),
      slice('six', 'six-1', [{ addresses: ['2001:db8::5:1'] }], undefined, 'IPv6'),
      service('six-virtual', { ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' }),
    )
    const model = await checker.settle(
      'both families',
      model =>
        count(model, 'dual') === 4 && count(model, 'dual', 'AAAA') === 2 && count(model, 'six-virtual', 'AAAA') === 1,
    )
    assert.deepEqual(model.expect(fqdn('six'), 'A'), { rcode: 'NOERROR', answers: [], isNegative: true })
  })

  it('an ExternalName: to a name outside, to one inside, to another alias, to nothing', async () => {
    const alias = (name: string, externalName: string) =>
      service(name, { type: 'ExternalName', externalName, ports: undefined })
    await namespace.apply(
      alias('outside', 'db.example.com'),
      alias('inside', fqdn('db')),
      alias('again', fqdn('inside')),
      alias('nothing', fqdn('no-such-service')),
    )
    const model = await checker.settle(
      'aliases',
      model => count(model, 'again', 'CNAME') === 1 && count(model, 'nothing', 'CNAME') === 1,
    )
    assert.equal(model.expect(fqdn('again'), 'A').answers.length, 4)
    await patch('service', 'outside', { spec: { externalName: fqdn('web') } })
    await checker.settle(
      'an alias that leads elsewhere',
      model => model.expect(fqdn('outside'), 'A').answers.length === 5,
    )
  })

  it('the API server stops: nothing changes; it starts: changes are seen', { skip: SKIP_OUTAGE }, async () => {
    const model = await checker.settle('everything before the outage', () => true)
    await run(CLUSTER!, ['stop', 'kube-apiserver', CLUSTER_DIR!])
    let late: ServerProcess | undefined
    try {
      try {
        await until(() => server.output().includes('ECONNREFUSED'), 'the server notices')
        for (let i = 0; i < ROUNDS_IN_OUTAGE; i++) assert.deepEqual(await checker.compare(model), [])
        assert.deepEqual(await server.admin('/readyz'), { status: 200, body: 'OK\n' })
        late = await startServer(['--kubeconfig', process.env['KUBECONFIG']!], { untilStatus: 503 })
        await until(async () => !(await late!.admin('/readyz')).body.includes('no worker'), 'another server answers')
        const { rcode } = await askServer(fqdn('always'), 'A', { port: late.port })
        assert.equal(rcode, 'SERVFAIL', 'a server that has not seen the cluster yet')
      } finally {
        await run(CLUSTER!, ['start', 'kube-apiserver', CLUSTER_DIR!])
      }
      // Made by hand: controllers may take a minute to come back, and the server waits up to 40 s between tries.
      await patch('endpointslice', 'special-3', { endpoints: [{ addresses: ['203.0.113.10'] }] }, '--type=merge')
      await checker.settle(
        'a change after the outage',
        model => count(model, '203-0-113-10.special') === 1,
        LONGEST_BACKOFF_MS,
      )
      await until(
        async () => (await late!.admin('/readyz')).status === 200,
        'the other is ready, too',
        LONGEST_BACKOFF_MS,
      )
      await new Checker(late, namespace.name).settle('the same answers', () => true)
    } finally {
      await late?.stop('SIGINT')
    }
  })

  it('a Service that is deleted and made again as another kind', async () => {
    steady.remove(fqdn('web'), 'A')
    steady.remove(fqdn('web', 'direct'), 'A')
    steady.remove(`_http._tcp.${fqdn('web')}`, 'SRV')
    await namespace.kubectl('delete', 'service', 'web')
    await checker.settle('no Service', model => count(model, 'web') === 0 && count(model, 'web', 'A', 'direct') === 0)
    await namespace.apply(service('web', selecting('web')))
    await checker.settle(
      'a virtual address',
      model => count(model, 'web') === 1 && count(model, 'web', 'A', 'direct') === 4,
    )
    await namespace.kubectl('delete', 'service', 'web')
    await namespace.apply(service('web', { ...HEADLESS, ...selecting('web') }))
    await checker.settle('headless again', model => count(model, 'web') === 4)
    await namespace.kubectl('delete', 'service', 'web')
    await namespace.apply(service('web', { type: 'ExternalName', externalName: 'web.example.com', ports: undefined }))
    await checker.settle(
      'an alias',
      model => count(model, 'web', 'CNAME') === 1 && count(model, 'web', 'A', 'direct') === 0,
    )
  })

  it('everything deleted: no name is left', async context => {
    await steady.stop()
    await namespace.kubectl('delete', 'statefulsets,deployments,services,endpointslices,endpoints', '--all')
    const model = await checker.settle('nothing', model => !model.names().some(name => name.includes(namespace.name)))
    assert.equal(model.expect(fqdn('stable'), 'A').rcode, 'NXDOMAIN')
    assert.deepEqual(await checker.compare(model, checker.everSeen), [])
    context.diagnostic(`${checker.asked} answers compared, ${steady.asked} on the side`)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EndpointSlice } from '../../../src/cluster/objects.ts'
import { AddressPool } from '../../../src/manifests/address-pool.ts'
import { type Choice, type Reconciled, reconcile } from '../../../src/manifests/controller.ts'
import { readDocuments } from '../../../src/manifests/documents.ts'
import { parseLabelSelector } from '../../../src/manifests/label-selector.ts'

type Json = Record<string, unknown>
const ALL: Choice = { namespaces: [], namespaceLabels: () => true, labels: () => true }

function objectsOf(objects: readonly Json[]) {
  const { objects: read, problems } = readDocuments(
    'f',
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  )
  assert.deepEqual(problems, [])
  return read
}

function run(
  objects: readonly Json[],
  choice: Partial<Choice> = {},
  pool = new AddressPool('127.1.0.0/16'),
): Reconciled {
  return reconcile(objectsOf(objects), pool, { ...ALL, ...choice })
}

function service(spec: Json = {}, metadata: Json = {}): Json {
  const whole = { clusterIP: 'None', selector: { app: 'a' }, ports: [{ port: 80 }], ...spec }
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', ...metadata }, spec: whole }
}

/** A pod as a cluster gives it: running, with an address. */
function pod(name: string, spec: Json = {}, status: Json = {}, metadata: Json = {}): Json {
  const whole = { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }], ...status }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: 'a' }, ...metadata }, spec, status: whole }
}

function bare(name: string, rest: Json = {}, metadata: Json = {}): Json {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: 'a' }, ...metadata }, ...rest }
}

function workload(kind: string, spec: Json = {}, metadata: Json = {}): Json {
  const template = { metadata: { labels: { app: 'a' } } }
  const whole = { selector: { matchLabels: { app: 'a' } }, template, ...spec }
  return { apiVersion: 'apps/v1', kind, metadata: { name: 'w', ...metadata }, spec: whole }
}

/** `family [ports] pod@address(not ready)hostname` */
function lines(slices: readonly EndpointSlice[]): string[] {
  return slices.map(({ addressType, ports, endpoints }) => {
    const all = endpoints.map(
      ({ address, ready, hostname, podName }) =>
        `${podName}@${address}${ready ? '' : ' not ready'}${hostname === '' ? '' : ` ${hostname}`}`,
    )
    return `${addressType} [${ports.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`).join(' ')}] ${all.join(', ')}`
  })
}

const ip = (podIP: string) => ({ podIP })
const http = (containerPort: number, protocol?: string) => ({ ports: [{ name: 'http', containerPort, protocol }] })

describe('the rules of the EndpointSlice controller (compared with Kubernetes 1.36)', () => {
  const table: Record<string, readonly [objects: Json[], expected: string[]]> = {
    'a pod that the selector matches is an endpoint': [[service(), pod('p')], ['IPv4 [/tcp/80] p@10.0.0.1']],
    'a pod of another namespace is not': [[service(), pod('p', {}, {}, { namespace: 'other' })], ['IPv4 [] ']],
    'every label of the selector must match': [
      [service({ selector: { app: 'a', tier: 'x' } }), pod('p'), pod('q', {}, {}, { labels: { tier: 'x', app: 'a' } })],
      ['IPv4 [/tcp/80] q@10.0.0.1'],
    ],
    'a Service that selects no pod has an empty slice': [[service()], ['IPv4 [] ']],
    'a Service without selector has none': [[service({ selector: null }), pod('p')], []],
    'a Service with an empty selector has none': [[service({ selector: {} }), pod('p')], []],
    'an ExternalName Service has none': [[service({ type: 'ExternalName', externalName: 'e.example' }), pod('p')], []],
    'a pod that is not ready is in, not ready': [
      [service(), pod('p', {}, { conditions: [{ type: 'Ready', status: 'False' }] })],
      ['IPv4 [/tcp/80] p@10.0.0.1 not ready'],
    ],
    'conditions without Ready are not ready': [
      [service(), pod('p', {}, { conditions: [{ type: 'PodScheduled', status: 'True' }] })],
      ['IPv4 [/tcp/80] p@10.0.0.1 not ready'],
    ],
    'publishNotReadyAddresses makes it ready': [
      [service({ publishNotReadyAddresses: true }), pod('p', {}, { conditions: [{ type: 'Ready', status: 'False' }] })],
      ['IPv4 [/tcp/80] p@10.0.0.1'],
    ],
    'a terminating pod is not ready, whatever its condition': [
      [service(), pod('p', {}, {}, { deletionTimestamp: '2026-01-01T00:00:00Z' })],
      ['IPv4 [/tcp/80] p@10.0.0.1 not ready'],
    ],
    'a terminating pod is ready under publishNotReadyAddresses': [
      [service({ publishNotReadyAddresses: true }), pod('p', {}, {}, { deletionTimestamp: '2026-01-01T00:00:00Z' })],
      ['IPv4 [/tcp/80] p@10.0.0.1'],
    ],
    'a pod that has ended is out, even under publishNotReadyAddresses': [
      [
        service({ publishNotReadyAddresses: true }),
        pod('p', {}, { phase: 'Failed' }),
        pod('q', {}, { phase: 'Succeeded' }),
      ],
      ['IPv4 [] '],
    ],
    'a pod without address is out': [
      [service(), pod('p', {}, { phase: 'Pending', podIP: '', conditions: [] })],
      ['IPv4 [] '],
    ],
    'a numeric targetPort is the port': [
      [service({ ports: [{ port: 80, targetPort: 8080 }] }), pod('p')],
      ['IPv4 [/tcp/8080] p@10.0.0.1'],
    ],
    'no ports: a slice without ports': [[service({ ports: null }), pod('p')], ['IPv4 [] p@10.0.0.1']],
    'names and protocols go into the slice': [
      [
        service({
          ports: [
            { name: 'X', port: 80 },
            { name: 'y', port: 80, protocol: 'UDP' },
          ],
        }),
        pod('p'),
      ],
      ['IPv4 [x/tcp/80 y/udp/80] p@10.0.0.1'],
    ],
    'a named targetPort is looked up in each pod; pods with other numbers are in other slices': [
      [
        service({
          ports: [
            { name: 'web', port: 80, targetPort: 'http' },
            { name: 'm', port: 9 },
          ],
        }),
        pod('p', { containers: [http(8001)] }, ip('10.0.0.1')),
        pod('q', { containers: [http(8002)] }, ip('10.0.0.2')),
        pod('r', { containers: [http(8001)] }, ip('10.0.0.3')),
        pod('s', {}, ip('10.0.0.4')),
      ],
      [
        'IPv4 [web/tcp/8001 m/tcp/9] p@10.0.0.1, r@10.0.0.3',
        'IPv4 [web/tcp/8002 m/tcp/9] q@10.0.0.2',
        'IPv4 [m/tcp/9] s@10.0.0.4',
      ],
    ],
    'a named port must have the protocol too; sidecars count, init containers do not': [
      [
        service({ ports: [{ port: 80, targetPort: 'http' }] }),
        pod('p', {
          containers: [http(8003, 'UDP')],
          initContainers: [http(9999), { restartPolicy: 'Always', ...http(8004) }],
        }),
      ],
      ['IPv4 [/tcp/8004] p@10.0.0.1'],
    ],
    'digits in quotes are a name': [
      [service({ ports: [{ port: 80, targetPort: '8080' }] }), pod('p')],
      ['IPv4 [] p@10.0.0.1'],
    ],
    'the hostname counts when the subdomain is the Service': [
      [
        service(),
        pod('p', { hostname: 'h1', subdomain: 'web' }, ip('10.0.0.1')),
        pod('q', { hostname: 'h2' }, ip('10.0.0.2')),
        pod('r', { subdomain: 'web' }, ip('10.0.0.3')),
        pod('s', { hostname: 'h4', subdomain: 'other' }, ip('10.0.0.4')),
      ],
      ['IPv4 [/tcp/80] p@10.0.0.1 h1, q@10.0.0.2, r@10.0.0.3, s@10.0.0.4'],
    ],
    'podIPs are divided by family': [
      [
        service({ ipFamilyPolicy: 'RequireDualStack' }),
        pod('p', {}, { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] }),
      ],
      ['IPv4 [/tcp/80] p@10.0.0.1', 'IPv6 [/tcp/80] p@fd00::1'],
    ],
    'ipFamilies choose': [
      [service({ ipFamilies: ['IPv6'] }), pod('p', {}, { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] })],
      ['IPv6 [/tcp/80] p@fd00::1'],
    ],
    'clusterIPs choose': [
      [service({ clusterIP: '10.96.0.1' }), pod('p', {}, { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] })],
      ['IPv4 [/tcp/80] p@10.0.0.1'],
    ],
    'on the desk a Service that says nothing has every family of its pods': [
      [service(), pod('p', {}, { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] })],
      ['IPv4 [/tcp/80] p@10.0.0.1', 'IPv6 [/tcp/80] p@fd00::1'],
    ],
  }
  for (const [title, [objects, expected]] of Object.entries(table)) {
    it(title, () => assert.deepEqual(lines(run(objects).slices), expected))
  }

  it('the zone is that of the Node, or of the label that the pod carries', () => {
    const zone = { 'topology.kubernetes.io/zone': 'a' }
    const { slices } = run([
      service(),
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: zone } },
      pod('p', { nodeName: 'n1' }),
      pod('q', { nodeName: 'n2' }, {}, { labels: { app: 'a', 'topology.kubernetes.io/zone': 'b' } }),
      pod('r'),
    ])
    assert.deepEqual(
      slices[0]!.endpoints.map(({ nodeName, zone }) => [nodeName, zone]),
      [
        ['n1', 'a'],
        ['n2', 'b'],
        ['', ''],
      ],
    )
  })
})

describe('EndpointSlices that are given', () => {
  const slice = (name: string, labels: Json): Json => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels },
    addressType: 'IPv4',
    ports: [{ name: '', port: 1, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.9.9.9'], conditions: {} }],
  })
  it('win: none are made for their Service', () => {
    const { slices } = run([service(), pod('p'), slice('web-x', { 'kubernetes.io/service-name': 'web' })])
    assert.deepEqual(lines(slices), ['IPv4 [/tcp/1] @10.9.9.9'])
  })
  it('of another Service change nothing', () => {
    const { slices } = run([service(), pod('p'), slice('db-x', { 'kubernetes.io/service-name': 'db' })])
    assert.deepEqual(lines(slices), ['IPv4 [/tcp/1] @10.9.9.9', 'IPv4 [/tcp/80] p@10.0.0.1'])
  })
})

describe('a Pod written by hand', () => {
  const only = (...objects: Json[]) => run([service(), ...objects]).slices[0]!.endpoints
  it('without a status is ready, at a simulated address', () => {
    const [endpoint] = only(bare('p'))
    assert.equal(endpoint!.ready, true)
    assert.match(endpoint!.address, /^127\.1\./)
    assert.equal(endpoint!.nodeName, 'simulated')
  })
  it('with nothing but an address has that, and is ready', () => {
    const [endpoint] = only(bare('p', { status: { podIP: '127.0.0.5' } }))
    assert.deepEqual([endpoint!.address, endpoint!.ready, endpoint!.nodeName], ['127.0.0.5', true, ''])
  })
  it('with nothing but Ready: False has a simulated address, and is not ready', () => {
    const [endpoint] = only(bare('p', { status: { conditions: [{ type: 'Ready', status: 'False' }] } }))
    assert.equal(endpoint!.ready, false)
    assert.match(endpoint!.address, /^127\.1\./)
  })
  it('with headless-dns.io/ready: "false" is not ready', () => {
    assert.equal(only(bare('p', {}, { annotations: { 'headless-dns.io/ready': 'false' } }))[0]!.ready, false)
  })
})

describe('workloads without Pods', () => {
  const names = (...objects: Json[]) =>
    run([service(), ...objects]).slices.flatMap(slice => slice.endpoints.map(({ podName }) => podName))

  it('StatefulSet: names and hostnames count from ordinals.start', () => {
    const set = workload('StatefulSet', { replicas: 2, serviceName: 'web', ordinals: { start: 5 } })
    const { slices, simulatedPods } = run([service(), set])
    assert.deepEqual(
      slices[0]!.endpoints.map(({ podName, hostname }) => [podName, hostname]),
      [
        ['w-5', 'w-5'],
        ['w-6', 'w-6'],
      ],
    )
    assert.equal(simulatedPods, 2)
  })
  it('Deployment and ReplicaSet: as many names as replicas, one if they say none', () => {
    assert.equal(names(workload('Deployment'))[0]!.match(/^w-[a-z0-9]{5}-[a-z0-9]{5}$/)?.length, 1)
    assert.equal(names(workload('ReplicaSet'))[0]!.match(/^w-[a-z0-9]{5}$/)?.length, 1)
    assert.equal(new Set(names(workload('Deployment', { replicas: 20_000 }))).size, 20_000)
    assert.deepEqual(names(workload('Deployment', { replicas: 0 })), [])
  })
  it('scaling keeps the names and addresses of those that stay', () => {
    const pool = new AddressPool('127.1.0.0/16')
    const at = (replicas: number) =>
      run([service(), workload('Deployment', { replicas })], {}, pool).slices[0]!.endpoints.map(
        ({ podName, address }) => `${podName} ${address}`,
      )
    const three = at(3)
    assert.deepEqual(at(5).slice(0, 3), three)
    assert.deepEqual(at(2), three.slice(0, 2))
    assert.deepEqual(at(3), three)
  })
  it('workloads of one name and different kinds have pods of their own', () => {
    const kinds = ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet']
    const { slices, notes } = run([service(), ...kinds.map(kind => workload(kind, { replicas: 3 }))])
    const { endpoints } = slices[0]!
    assert.deepEqual([new Set(endpoints.map(({ podName }) => podName)).size, notes], [10, []])
    assert.equal(new Set(endpoints.map(({ address }) => address)).size, 10)
  })
  it('DaemonSet: one pod', () => assert.equal(names(workload('DaemonSet')).length, 1))
  it('named ports come from the template', () => {
    const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [http(8123)] } }
    const { slices } = run([
      service({ ports: [{ port: 80, targetPort: 'http' }] }),
      workload('Deployment', { template }),
    ])
    assert.equal(slices[0]!.ports[0]!.port, 8123)
  })
  it('with headless-dns.io/ready: "false" in the template are not ready', () => {
    const template = { metadata: { labels: { app: 'a' }, annotations: { 'headless-dns.io/ready': 'false' } } }
    for (const kind of ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet']) {
      const [endpoint] = run([service(), workload(kind, { template })]).slices[0]!.endpoints
      assert.equal(endpoint!.ready, false, kind)
    }
  })
  it('a given Pod that the selector matches is all there is', () =>
    assert.deepEqual(names(workload('Deployment', { replicas: 3 }), pod('p')), ['p']))
  it('a given Pod with the workload as its owner is all there is', () => {
    const selector = { matchLabels: { app: 'a', hash: 'h' } }
    const ownedBy = (kind: string, name: string) => ({ ownerReferences: [{ kind, name }] })
    const replicaSet = workload('ReplicaSet', { selector }, { name: 'w-h', ...ownedBy('Deployment', 'w') })
    const objects = [workload('Deployment', { selector, replicas: 3 }), replicaSet]
    assert.deepEqual(names(...objects, pod('p', {}, {}, ownedBy('ReplicaSet', 'w-h'))), ['p'])
    assert.equal(names(...objects).length, 3, 'and without it, the Deployment alone makes Pods')
  })
  it('a Pod of the same name in another namespace changes nothing', () => {
    assert.equal(names(workload('Deployment', { replicas: 3 }), pod('p', {}, {}, { namespace: 'other' })).length, 3)
  })
  it('have IPv6 addresses when a Service asks for the family', () => {
    const { slices } = run([service({ ipFamilyPolicy: 'PreferDualStack' }), workload('Deployment')])
    assert.deepEqual(
      slices.map(slice => [slice.addressType, slice.endpoints.length]),
      [
        ['IPv4', 1],
        ['IPv6', 1],
      ],
    )
    assert.match(slices[1]!.endpoints[0]!.address, /^fd00::7f01:/)
  })
  it('too many replicas, or too small a range, are bounded and said', () => {
    const many = run([service(), workload('Deployment', { replicas: 2_000_000_000 })])
    assert.equal(many.simulatedPods, 256 * 254)
    assert.match(many.notes.join('\n'), /more than 100000 simulated pods[\s\S]*podCIDR is too small: 34976/)
  })
})

describe('Services', () => {
  it('that should have a cluster IP and name none are answered as headless, with a note', () => {
    const { services, slices, notes } = run([service({ clusterIP: undefined }), pod('p')])
    assert.equal(services[0]!.kind, 'headless')
    assert.deepEqual(lines(slices), ['IPv4 [/tcp/80] p@10.0.0.1'])
    assert.match(notes[0]!, /^f:1: Service default\/web names no clusterIP/)
  })
  it('NodePort and LoadBalancer are as ClusterIP', () => {
    for (const type of ['NodePort', 'LoadBalancer']) {
      const { services } = run([service({ type, clusterIP: '10.96.0.7' })])
      assert.deepEqual([services[0]!.kind, services[0]!.clusterIPs], ['clusterIP', ['10.96.0.7']])
    }
  })
  it('given twice: the last one counts, with a note', () => {
    const { services, notes } = run([service({ clusterIP: '10.96.0.1' }), service({ clusterIP: '10.96.0.2' })])
    assert.deepEqual(
      services.map(({ clusterIPs }) => clusterIPs),
      [['10.96.0.2']],
    )
    assert.match(notes[0]!, /Service default\/web is given again in f:1; the latter counts/)
  })
})

describe('Pods and Namespaces', () => {
  it('a pod that has ended or goes away has no addresses', () => {
    const { pods } = run([
      pod('p'),
      pod('q', {}, { phase: 'Failed' }),
      pod('r', {}, {}, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      bare('s'),
    ])
    assert.deepEqual(
      pods.slice(0, 3).map(({ addresses }) => addresses),
      [['10.0.0.1'], [], []],
    )
    assert.match(pods[3]!.addresses[0]!, /^127\.1\./)
  })
  it('a pod that was lost with its Node has no addresses, and is an endpoint all the same', () => {
    const { pods, slices } = run([service(), pod('p', {}, { phase: 'Unknown' })])
    assert.deepEqual(pods[0]!.addresses, [])
    assert.deepEqual(lines(slices), ['IPv4 [/tcp/80] p@10.0.0.1'])
  })
  it('an address has one spelling, as from the API server', () => {
    const { pods, clients } = run([
      pod('p', {}, ip('FD00::1')),
      pod('q', {}, { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00:0:0::2' }] }),
    ])
    for (const given of [pods, clients]) {
      assert.deepEqual(
        given.map(({ addresses }) => addresses),
        [['fd00::1'], ['10.0.0.1', 'fd00::2']],
      )
    }
  })
  it('every namespace that an object names is there', () => {
    const { namespaces } = run([
      service(),
      pod('p', {}, {}, { namespace: 'n2' }),
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n3' } },
    ])
    assert.deepEqual(
      namespaces.map(({ name }) => name),
      ['default', 'n2', 'n3'],
    )
  })
})

describe('what is chosen', () => {
  const namespace = (name: string, labels: Json): Json => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
  })
  const objects = [
    namespace('n1', { team: 'x' }),
    service({}, { namespace: 'n1', labels: { tier: 'front' } }),
    service({}, { namespace: 'n2' }),
    pod('p', {}, {}, { namespace: 'n1' }),
  ]
  const seen = ({ services, slices, namespaces, pods }: Reconciled) =>
    [services, slices, pods, namespaces].map(kind => kind.length)

  it('is all, by default', () => assert.deepEqual(seen(run(objects)), [2, 2, 1, 2]))
  it('namespaces by name', () => assert.deepEqual(seen(run(objects, { namespaces: ['n2'] })), [1, 1, 0, 1]))
  it('namespaces by label', () =>
    assert.deepEqual(seen(run(objects, { namespaceLabels: parseLabelSelector('team in (x,y)') })), [1, 1, 1, 1]))
  it('namespaces by the label that the API server gives to each', () =>
    assert.deepEqual(
      seen(run(objects, { namespaceLabels: parseLabelSelector('kubernetes.io/metadata.name=n2') })),
      [1, 1, 0, 1],
    ))
  it('Services by label, their slices with them, made of Pods without it', () => {
    const chosen = run(objects, { labels: parseLabelSelector('tier=front') })
    assert.deepEqual(seen(chosen), [1, 1, 0, 2])
    assert.deepEqual(lines(chosen.slices), ['IPv4 [/tcp/80] p@10.0.0.1'])
  })
})

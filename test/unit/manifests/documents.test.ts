import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AddressPool } from '../../../src/manifests/address-pool.ts'
import { reconcile } from '../../../src/manifests/controller.ts'
import { readDocuments } from '../../../src/manifests/documents.ts'

const SERVICE = 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\n'

const DEPLOYMENT =
  'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector:\n    matchExpressions:\n'

function named(text: string): string[] {
  const { objects, problems } = readDocuments('f.yaml', text)
  assert.deepEqual(problems, [])
  return objects.map(({ kind, namespace, name, line }) => `${line} ${kind} ${namespace}/${name}`)
}

function problem(text: string): string {
  const { problems } = readDocuments('f.yaml', text)
  return problems.map(({ file, line, reason }) => `${file}:${line}: ${reason}`).join('\n')
}

describe('objects of a file', () => {
  it('are in the namespace default when they name none', () => {
    const { objects } = readDocuments('f', SERVICE)
    assert.equal(objects[0]!.namespace, 'default')
    assert.deepEqual(objects[0]!.raw['metadata'], { name: 'web', namespace: 'default' })
  })

  it('have no version: one that kubectl get printed says nothing beside those of an API server', () => {
    const { objects } = readDocuments('f', SERVICE.replace('name: web', 'name: web, resourceVersion: "100", uid: u'))
    assert.deepEqual(objects[0]!.raw['metadata'], { name: 'web', uid: 'u', namespace: 'default' })
  })

  it('are found in every document, each with its line', () => {
    const text = `# demo\n${SERVICE}---\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: ns}\n`
    assert.deepEqual(named(text), ['2 /Service default/web', '7 apps/Deployment ns/d'])
  })

  it('are found in what kubectl get -o yaml prints', () => {
    const text = `apiVersion: v1
items:
- apiVersion: v1
  kind: Service
  metadata:
    creationTimestamp: "2026-11-23T13:25:40Z"
    name: a
    namespace: ns
  spec:
    clusterIP: None
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  addressType: IPv4
  endpoints: null
  metadata:
    name: a-x
    namespace: ns
  ports: null
kind: List
metadata:
  resourceVersion: ""
`
    assert.deepEqual(named(text), ['3 /Service ns/a', '11 discovery.k8s.io/EndpointSlice ns/a-x'])
    assert.deepEqual(
      named('{"kind":"List","apiVersion":"v1","items":[{"kind":"Pod","apiVersion":"v1",\n"metadata":{"name":"p"}}]}'),
      ['1 /Pod default/p'],
    )
  })

  it('have the kind of their list when they say none', () => {
    assert.deepEqual(named('apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: a}\n'), [
      '4 /Service default/a',
    ])
  })

  it('of other kinds are left out without a word', () => {
    assert.deepEqual(named('apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: x}\nspec: [odd]'), [])
    assert.deepEqual(named('apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\nspec: [odd]'), [])
  })
})

describe('what the API server would refuse is said with file, line and reason', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    [
      `${SERVICE}spec:\n  selector:\n    a: b\n    app: y\n`,
      /^f\.yaml:7: Service web: spec\.selector\.app is true; it must be text/,
    ],
    [
      `${SERVICE}spec:\n  ports:\n  - port: 80\n  - port: 99999\n`,
      /^f\.yaml:7: Service web: spec\.ports\[1\]\.port is 99999/,
    ],
    [
      `${SERVICE}spec:\n  ports:\n  - {name: y, port: 1}\n`,
      /^f\.yaml:6: .*ports\[0\]\.name is true; it must be text \(write it in quotes\)$/,
    ],
    [`${SERVICE}spec: {clusterIP: none}`, /^f\.yaml:4: .*clusterIP is "none"; it must be None or an IP address/],
    [`${SERVICE}spec: {type: Headless}`, /one of ClusterIP, NodePort, LoadBalancer, ExternalName/],
    [`${SERVICE}spec: {type: ExternalName}`, /spec\.externalName is missing/],
    [`${SERVICE}spec: []`, /spec is a list; it must be a mapping/],
    [`${SERVICE}spec: {ports: {port: 80}}`, /spec\.ports is a mapping; it must be a list/],
    ['apiVersion: v1\nkind: Service\nmetadata:\n  namespace: x\n', /^f\.yaml:4: .*metadata\.name is missing/],
    ['apiVersion: v1\nkind: Service\nmetadata:\n  name: 123\n', /^f\.yaml:4: .*metadata\.name is 123; it must be text/],
    ['apiVersion: v1\nkind: Service\nmetadata:\n  name: My_Web\n', /^f\.yaml:4: .*its name must be made of/],
    ['kind: Service\nmetadata: {name: a}', /Service has no apiVersion/],
    ['apiVersion: v1\nKind: Service', /it has no kind/],
    ['just text', /a Kubernetes object is a mapping/],
    ['apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec: {replicas: -1}', /replicas is -1/],
    ['apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}', /addressType is missing/],
    ['apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus:\n  podIP: 1.2.3\n', /^f\.yaml:5: .*podIP is "1\.2\.3"/],
    [
      `${DEPLOYMENT}      - {key: tier, operator: Exists}\n      - key: app\n        values: [a]\n`,
      /^f\.yaml:8: Deployment d: spec\.selector\.matchExpressions\[1\]: operator is missing$/,
    ],
    [`${DEPLOYMENT}      - {operator: Exists}\n`, /^f\.yaml:7: .*\[0\]: key is missing$/],
    ['a: &a {kind: List, apiVersion: v1, items: [*a]}', /./],
    [
      `${'apiVersion: v1\nkind: List\nitems: ['}${'{apiVersion: v1, kind: List, items: ['.repeat(6)}${']}'.repeat(6)}]`,
      /nested too deeply/,
    ],
  ]
  for (const [text, expected] of table) it(`${expected}`, () => assert.match(problem(text), expected))

  it('and the rest of the file is read', () => {
    const { objects, problems } = readDocuments('f', `${SERVICE}spec: []\n---\n${SERVICE}`)
    assert.equal(objects.length, 1)
    assert.equal(problems.length, 1)
  })

  it('no more often than a person reads, and how many more there are', () => {
    const { problems } = readDocuments('f', 'x\n---\n'.repeat(1000))
    assert.equal(problems.length, 21)
    assert.deepEqual(problems.at(-1), { file: 'f', line: 39, reason: 'more problems below: 980' })
  })

  it('and a file of broken documents without end is not read to its end', () => {
    const { objects, problems } = readDocuments('f', `${'[\n---\n'.repeat(2000)}${SERVICE}`)
    assert.deepEqual(objects, [])
    assert.match(problems.at(-1)!.reason, /^here ends the reading: 100 documents could not be read$/)
  })

  it('and what is right behind many problems is read, in documents and in lists', () => {
    const bad = SERVICE.replace('web', 'BAD')
    const namesIn = (text: string) => readDocuments('f', text).objects.map(({ name }) => name)
    assert.deepEqual(namesIn(`${`${bad}---\n`.repeat(30)}${SERVICE}`), ['web'])
    const service = (name: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name } })
    const items = [...Array(30).fill(service('BAD')), service('web')]
    assert.deepEqual(namesIn(JSON.stringify({ apiVersion: 'v1', kind: 'List', items })), ['web'])
  })
})

describe('any JSON value anywhere in an object', () => {
  const kinds = [
    'Namespace',
    'Node',
    'Pod',
    'Service',
    'EndpointSlice',
    'Deployment',
    'StatefulSet',
    'ReplicaSet',
    'DaemonSet',
  ]
  const apiVersions: Record<string, string> = {
    EndpointSlice: 'discovery.k8s.io/v1',
    Deployment: 'apps/v1',
    StatefulSet: 'apps/v1',
    ReplicaSet: 'apps/v1',
    DaemonSet: 'apps/v1',
  }
  const template = {
    metadata: {
      name: 'x',
      namespace: 'n',
      labels: { a: 'b' },
      annotations: { c: 'd' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'x' }],
      deletionTimestamp: null,
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: 'None',
      clusterIPs: ['None'],
      selector: { a: 'b' },
      publishNotReadyAddresses: true,
      ipFamilies: ['IPv6'],
      ipFamilyPolicy: 'SingleStack',
      externalName: 'e',
      ports: [{ name: 'p', port: 1, protocol: 'TCP', targetPort: 'q' }],
      hostname: 'h',
      subdomain: 'x',
      nodeName: 'x',
      containers: [{ ports: [{ name: 'q', containerPort: 2, protocol: 'TCP' }] }],
      initContainers: [{ restartPolicy: 'Always', ports: [{ name: 'q', containerPort: 2 }] }],
      replicas: 2,
      serviceName: 'x',
      ordinals: { start: 1 },
      template: {
        metadata: { labels: { a: 'b' } },
        spec: { hostname: 'h', containers: [{ ports: [{ name: 'q', containerPort: 3 }] }] },
      },
    },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'x' } }],
    ports: [{ name: 'p', port: 1, protocol: 'TCP' }],
  }
  const paths = pathsOf(template)

  it('never throws: it is used, or it is a problem', () => {
    const value = fc.oneof(
      fc.constant(null),
      fc.constantFrom<unknown>(true, 0, -1, '', 'None', [], {}, [null], [[]], { a: null }),
      fc.jsonValue(),
    )
    const change = fc.tuple(fc.constantFrom(...paths), value)
    const object = fc.tuple(fc.constantFrom(...kinds), fc.array(change, { maxLength: 3 }))
    fc.assert(
      fc.property(fc.array(object, { minLength: 1, maxLength: 4 }), objects => {
        const items = objects.map(([kind, changes]) => {
          const raw = { apiVersion: apiVersions[kind] ?? 'v1', kind, ...structuredClone(template) }
          for (const [path, changed] of changes) set(raw, path, structuredClone(changed))
          return raw
        })
        const read = readDocuments('f', JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
        const all = () => true
        reconcile(read.objects, new AddressPool('127.1.0.0/24'), { namespaces: [], namespaceLabels: all, labels: all })
      }),
      { numRuns: 500 },
    )
  })

  function pathsOf(value: unknown, path: string[] = []): string[][] {
    if (typeof value !== 'object' || value === null) return [path]
    return [
      ...(path.length > 0 ? [path] : []),
      ...Object.entries(value).flatMap(([key, child]) => pathsOf(child, [...path, key])),
    ]
  }
  function set(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
    let node = root
    for (const step of path.slice(0, -1)) {
      if (typeof node[step] !== 'object' || node[step] === null) return
      node = node[step] as Record<string, unknown>
    }
    node[path.at(-1)!] = value
  }
})

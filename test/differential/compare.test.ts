/**
 * `compare` against CoreDNS on a cluster of 200 Services of every kind: no difference that is not in the list of causes, with
 * CoreDNS configured as kubeadm has it, and with each option of its kubernetes plugin that changes what is answered.
 * Skipped where CoreDNS is not at hand (bench/rivals/coredns.sh builds it).
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { runCommand } from '../../src/cli/main.ts'
import { COREDNS, startCoreDns } from '../support/coredns.ts'
import { everyKind } from '../support/every-kind.ts'
import { NAMESPACES, PODS, SERVICES, SLICES, sliceOf } from '../support/fake-api-objects.ts'
import { FakeApiServer } from '../support/fake-api-server.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'

const SERVICE_COUNT = 200
const CLUSTER = everyKind(SERVICE_COUNT)
const skip = COREDNS === undefined ? 'CoreDNS is not at hand' : false

/** As kubeadm has it, with nothing outside the cluster to forward to. */
const KUBEADM = `
  errors
  cache 30 {
    disable success cluster.local
    disable denial cluster.local
  }
  loadbalance`

interface Pair {
  readonly title: string
  /** Of CoreDNS's kubernetes plugin. */
  readonly option: string
  /** Ours that mean the same. */
  readonly records: string
  readonly source?: string
}

const KUBEADM_PAIR: Pair = {
  title: 'as kubeadm has it',
  option: 'pods insecure\n    ttl 30',
  records: '{ pods: insecure }',
}
const PAIRS: readonly Pair[] = [
  { title: 'pods verified', option: 'pods verified', records: '{ pods: verified }' },
  { title: 'endpoint_pod_names', option: 'endpoint_pod_names', records: '{ endpointPodNames: true }' },
  { title: 'ignore empty_service', option: 'ignore empty_service', records: '{ ignoreEmptyService: true }' },
  { title: 'noendpoints', option: 'noendpoints', records: '{ noEndpoints: true }' },
  { title: 'zonal', option: 'zonal', records: '{}' },
  { title: 'namespaces', option: 'namespaces default shop', records: '{}', source: 'namespaces: [default, shop]' },
]

interface Outcome {
  readonly code: number
  readonly out: string
  /** Of the report. */
  readonly groups: readonly { readonly name: string }[]
  readonly asked: Readonly<Record<string, number>>
}

describe('compare with CoreDNS, 200 Services of every kind', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'compare-'))
  after(() => rmSync(folder, { recursive: true }))

  async function compare({ option, records, source = '' }: Pair, lines: readonly string[]): Promise<Outcome> {
    await using api = await FakeApiServer.start()
    const { namespaces, services, slices, pods } = CLUSTER
    for (const object of namespaces) api.put(NAMESPACES, object)
    for (const object of services) api.put(SERVICES, object)
    for (const object of slices) api.put(SLICES, object)
    for (const object of pods) api.put(PODS, object)
    // No Service has it: CoreDNS gives it a PTR all the same.
    api.put(SLICES, sliceOf('orphan-0', 'orphan', ['10.199.0.1']))
    const config = join(folder, 'config.yaml')
    const list = join(folder, 'list.txt')
    const kubernetes = `kubernetes cluster.local in-addr.arpa ip6.arpa {\n    endpoint ${api.url}\n    ${option}\n  }`
    writeFileSync(config, `records: ${records}\nsource:\n  kubernetes:\n    endpoint: ${api.url}\n    ${source}\n`)
    writeFileSync(list, lines.join('\n'))
    const coredns = await startCoreDns(COREDNS!, `${KUBEADM}\n  ${kubernetes}`)
    let server: ServerProcess | undefined
    let out = ''
    let err = ''
    try {
      server = await startServer(['--config', config])
      const at = ['--server', `127.0.0.1:${server.port}`, '--admin', `127.0.0.1:${server.adminPort}`]
      const how = ['--rate', '100000', '--json', '--questions', list]
      const code = await runCommand(['compare', '--against', `127.0.0.1:${coredns.port}`, ...at, ...how], {
        out: text => (out += text),
        err: text => (err += text),
      })
      assert.equal(err, '')
      return { ...(JSON.parse(out) as Outcome), code, out }
    } finally {
      await Promise.all([server?.stop('SIGINT'), coredns.stop()])
    }
  }

  it('as kubeadm has it: nothing differs that is not explained; what clients may ask besides has its cause by name', async () => {
    const web = 'stateful-set-13.kube-system.svc.cluster.local'
    const outcome = await compare(KUBEADM_PAIR, [
      '# names that are nobody’s',
      `http.tcp.${web} SRV`,
      `_._tcp.${web} SRV`,
      `http.tcp.${web} A`,
      '[INFO] 127.0.0.1:50759 - 29008 "TXT IN cluster.local. udp 41 false 4096" NOERROR qr,rd,ra 68 0.037990251s',
      '{"name":"a.b.10-1-2-3.default.pod.cluster.local.","type":"A"}',
      '10-1-2-3.default.pod.cluster.local',
      '10-1-2-3.default.pod.cluster.local SRV',
      'default.pod.cluster.local A',
      `${web} ANY`,
      'alias-outside-31.data-9.svc.cluster.local TXT',
      'alias-outside-31.data-9.svc.cluster.local HTTPS',
      '1.0.199.10.in-addr.arpa PTR',
    ])
    assert.equal(outcome.code, 0, outcome.out)
    const seen = outcome.groups.map(({ name }) => name)
    const listed = [
      'port-name-wildcard',
      'text-at-empty-name',
      'below-pod-name',
      'pod-name-srv',
      'any',
      'pointer-to-nothing',
    ]
    const names = ['direct-names', 'zonal-names', 'own-names', 'empty-non-terminal', 'port-name-addresses']
    for (const name of [...listed, ...names, 'alias-forgotten', 'srv-weights', 'glue']) {
      assert.ok(seen.includes(name), `${name} is not among ${seen}`)
    }
    assert.equal(outcome.asked['list'], 13)
    assert.ok(outcome.asked['index']! > 9000 && outcome.asked['search path']! > 2000)
  })

  for (const pair of PAIRS) {
    it(`with its option ${pair.title}`, async () => {
      const outcome = await compare(pair, moreNames())
      assert.equal(outcome.code, 0, outcome.out)
      assert.ok(outcome.asked['list']! > 3000)
    })
  }
})

/** Of zones and pods, addresses that somebody has or nobody, and what is not there. */
function moreNames(): string[] {
  const ofServices = CLUSTER.services.flatMap(({ metadata: { name, namespace } }) => {
    const own = `${name}.${namespace}.svc.cluster.local`
    const zonal = ['eu-west-1a', 'none'].flatMap(zone => [`${zone}.pin._zone.${own}`, `${zone}.prefer._zone.${own}`])
    return [
      ...zonal,
      `pin._zone.${own}`,
      `${own} MX`,
      `${own} TXT`,
      `${own} CNAME`,
      `${own} SRV`,
      `*.${own}`,
      `x.y.z.${own}`,
    ]
  })
  const ofPods = CLUSTER.pods.map(({ metadata: { namespace }, status }) => {
    const { podIP } = status as { podIP: string }
    return `${podIP.replaceAll(/[.:]/g, '-')}.${namespace}.pod.cluster.local`
  })
  const branches = ['svc', 'pod', 'other'].flatMap(branch =>
    ['default', 'nobodys'].flatMap(namespace => [`${namespace}.${branch}`, `10-0-0-1.${namespace}.${branch}`]),
  )
  const reverse = Array.from({ length: 256 }, (_, i) => [`${i}.0.96.10`, `1.${i}.100.10`, `7.${i}.100.10`]).flat()
  return [
    ...ofServices,
    ...ofPods,
    ...branches.map(name => `${name}.cluster.local`),
    ...reverse.map(name => `${name}.in-addr.arpa PTR`),
  ]
}

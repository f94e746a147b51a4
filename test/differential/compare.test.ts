/**
 * `compare` against CoreDNS on a cluster of 200 Services of every kind: no difference that is not in the list of causes.
 * Skipped where CoreDNS is not at hand (bench/rivals/coredns.sh builds it).
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runCommand } from '../../src/cli/main.ts'
import { COREDNS, type CoreDns, startCoreDns } from '../support/coredns.ts'
import { everyKind } from '../support/every-kind.ts'
import { NAMESPACES, SERVICES, SLICES, sliceOf } from '../support/fake-api-objects.ts'
import { FakeApiServer } from '../support/fake-api-server.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'

const SERVICE_COUNT = 200
/** As kubeadm has it, with nothing outside the cluster to forward to. */
const corefile = (endpoint: string) => `
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    endpoint ${endpoint}
    pods insecure
    ttl 30
  }
  cache 30 {
    disable success cluster.local
    disable denial cluster.local
  }
  loadbalance`
/** Those that come up with the names of the list alone. */
const LISTED_CAUSES = [
  'port-name-wildcard',
  'text-at-empty-name',
  'below-pod-name',
  'pod-name-srv',
  'any',
  'pointer-to-nothing',
]
const skip = COREDNS === undefined ? 'CoreDNS is not at hand' : false

describe('compare with CoreDNS', { skip }, () => {
  let api: FakeApiServer
  let coredns: CoreDns
  let server: ServerProcess
  const folder = mkdtempSync(join(tmpdir(), 'compare-'))

  before(async () => {
    api = await FakeApiServer.start()
    const { namespaces, services, slices } = everyKind(SERVICE_COUNT)
    for (const object of namespaces) api.put(NAMESPACES, object)
    for (const object of services) api.put(SERVICES, object)
    for (const object of slices) api.put(SLICES, object)
    // No Service has it: CoreDNS gives it a PTR all the same.
    api.put(SLICES, sliceOf('orphan-0', 'orphan', ['10.199.0.1']))
    const config = join(folder, 'config.yaml')
    writeFileSync(config, `records: { pods: insecure }\nsource:\n  kubernetes:\n    endpoint: ${api.url}\n`)
    coredns = await startCoreDns(COREDNS!, corefile(api.url))
    server = await startServer(['--config', config])
  })

  after(async () => {
    rmSync(folder, { recursive: true })
    await Promise.all([server?.stop(), coredns?.stop()])
    await api?.[Symbol.asyncDispose]()
  })

  async function compare(...more: string[]): Promise<{ code: number; out: string; err: string }> {
    const written = { out: '', err: '' }
    const flags = ['--server', `127.0.0.1:${server.port}`, '--admin', `127.0.0.1:${server.adminPort}`]
    const args = ['compare', '--against', `127.0.0.1:${coredns.port}`, ...flags, '--rate', '100000', ...more]
    const code = await runCommand(args, {
      out: text => (written.out += text),
      err: text => (written.err += text),
    })
    return { code, ...written }
  }

  it('200 Services of every kind: nothing differs that is not explained', async () => {
    const { code, out, err } = await compare()
    if (process.env['SHOW']) console.log(out)
    assert.deepEqual({ code, err }, { code: 0, err: '' }, out)
  })

  it('lists and query logs: what clients may ask besides is explained by the name of its cause', async () => {
    const list = join(folder, 'list.txt')
    const web = 'stateful-set-13.kube-system.svc.cluster.local'
    writeFileSync(
      list,
      `# names that are nobody's
http.tcp.${web} SRV
_._tcp.${web} SRV
http.tcp.${web} A
[INFO] 127.0.0.1:50759 - 29008 "TXT IN cluster.local. udp 41 false 4096" NOERROR qr,rd,ra 68 0.037990251s
{"name":"a.b.10-1-2-3.default.pod.cluster.local.","type":"A"}
10-1-2-3.default.pod.cluster.local
10-1-2-3.default.pod.cluster.local SRV
default.pod.cluster.local A
${web} ANY
alias-outside-31.data-9.svc.cluster.local TXT
alias-outside-31.data-9.svc.cluster.local HTTPS
1.0.199.10.in-addr.arpa PTR
`,
    )
    const { code, out, err } = await compare('--questions', list, '--json')
    assert.deepEqual({ code, err }, { code: 0, err: '' }, out)
    const { groups, asked } = JSON.parse(out) as { groups: { name: string }[]; asked: Record<string, number> }
    const seen = groups.map(({ name }) => name)
    for (const name of LISTED_CAUSES) assert.ok(seen.includes(name), `${name} is not among ${seen}`)
    assert.equal(asked['list'], 13)
  })
})

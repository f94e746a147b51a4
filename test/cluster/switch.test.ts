/**
 * The commands of config/from-coredns.md, as they stand there and in their order, against a real API server with CoreDNS in
 * kubeadm's shape: after each step the address of kube-dns leads where the page says. No container runs. Needs KUBECONFIG and kubectl.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type ApiObject, keepNodes, run, SKIP } from '../support/cluster-api.ts'
import { textOf } from '../support/import-fixture.ts'
import { ROOT, until } from '../support/server-process.ts'

const PAGE = readFileSync(join(ROOT, 'config/from-coredns.md'), 'utf8')
const LIMIT_MS = 120_000
const NAMESPACE = 'kube-system'

interface Block {
  readonly section: string
  readonly text: string
  readonly isRun: boolean
}

/** What stands between ```sh and ```, with the heading above it. */
function blocksOf(page: string): Block[] {
  const blocks: Block[] = []
  let section = ''
  for (const [, heading, remark, text] of page.matchAll(
    /^## (.*)$|(<!-- not run: .* -->\n)?^```sh\n([\s\S]*?)^```$/gm,
  )) {
    if (heading !== undefined) section = heading
    else blocks.push({ section, text: text!, isRun: remark === undefined })
  }
  return blocks
}

describe('from CoreDNS to this server, with a way back: the page’s own commands', { skip: SKIP }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'switch-'))
  const blocks = blocksOf(PAGE)
  const done = new Set<Block>()
  let releaseNodes: () => Promise<void>
  let address: string
  let saved: ApiObject

  const get = async (...args: string[]): Promise<ApiObject> =>
    JSON.parse(await run('kubectl', ['-n', NAMESPACE, 'get', ...args, '-o', 'json'])) as ApiObject
  const service = (name = 'kube-dns') => get('service', name)

  /** Runs the commands of a section, or those of them that have a word in them. */
  function follow(section: string, word = ''): string {
    const chosen = blocks.filter(block => block.isRun && block.section === section && block.text.includes(word))
    assert.ok(chosen.length > 0, `there are no commands in ${section}`)
    // What stands above all steps is there in each: the page is followed in one shell.
    const texts = [...blocks.filter(block => block.section === ''), ...chosen].map(({ text }) => text)
    const { status, stdout, stderr } = spawnSync('bash', ['-c', `set -euo pipefail\n${texts.join('\n')}`], {
      cwd: folder,
      encoding: 'utf8',
      timeout: LIMIT_MS,
    })
    assert.equal(status, 0, `${section}: ${stderr}${stdout}`)
    for (const block of chosen) done.add(block)
    return stdout
  }

  /** Waits until these pods, and no others, are behind a Service. */
  async function leadsTo(pods: RegExp, count: number, name = 'kube-dns'): Promise<void> {
    await until(async () => {
      const { items } = await get('endpointslices', '-l', `kubernetes.io/service-name=${name}`)
      const endpoints = (items as ApiObject[]).flatMap(slice => slice['endpoints'] ?? [])
      const names = new Set(endpoints.map(({ targetRef }) => targetRef.name as string))
      return names.size === count && [...names].every(one => pods.test(one))
    }, `${name} leads to ${count} of ${pods}`)
  }

  before(async () => {
    releaseNodes = await keepNodes()
    // Kubelets say so of themselves; KWOK's nodes do not.
    await run('kubectl', ['label', 'nodes', '--all', 'kubernetes.io/os=linux', '--overwrite'])
    symlinkSync(ROOT, join(folder, 'headless-dns'))
    const labels = { 'k8s-app': 'kube-dns' }
    const metadata = { name: 'coredns', namespace: NAMESPACE, labels }
    const pod = { metadata: { labels }, spec: { containers: [{ name: 'coredns', image: 'coredns' }] } }
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
      { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
      { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
    ]
    const items = [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { Corefile: textOf('kubeadm') } },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: { replicas: 2, selector: { matchLabels: labels }, template: pod },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { ...metadata, name: 'kube-dns' },
        spec: { selector: labels, ports, clusterIP: '10.96.0.10' },
      },
    ]
    await run('kubectl', ['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    await leadsTo(/^coredns-/, 2)
    saved = await service()
    address = saved['spec'].clusterIP
  })

  after(async () => {
    const own = ['deployment/coredns', 'configmap/coredns', 'service/kube-dns', 'service/moved-dns']
    await run('kubectl', ['-n', NAMESPACE, 'delete', ...own, '--ignore-not-found'])
    await run('kubectl', ['-n', 'default', 'delete', 'pod', 'dns-canary', '--ignore-not-found', '--wait=false'])
    await run('kubectl', ['delete', '-k', join(folder, 'dns'), '--ignore-not-found'])
    await run('kubectl', ['label', 'nodes', '--all', 'kubernetes.io/os-'])
    await releaseNodes()
    rmSync(folder, { recursive: true })
  })

  it('imports the Corefile: check takes the result', () => {
    const config = follow('1. The Corefile, imported')
    assert.match(config, /^listen: \["0\.0\.0\.0:53", "\[::\]:53"\]$/m)
    assert.match(config, /snapshot: "?\/var\/lib\/headless-dns\/snapshot"?/)
  })

  it('puts a ready pod on each node, with the imported configuration, and takes nothing from CoreDNS', async () => {
    follow('2. Beside CoreDNS')
    const { spec } = await get('daemonset', 'headless-dns')
    const volume = (spec.template.spec.volumes as ApiObject[]).find(({ configMap }) => configMap !== undefined)!
    const { data } = await get('configmap', volume['configMap'].name)
    assert.equal(data['config.yaml'], readFileSync(join(folder, 'config.yaml'), 'utf8'))
    assert.deepEqual(
      spec.template.spec.containers[0].ports.map((port: { containerPort: number }) => port.containerPort),
      [53, 53, 9153],
    )
    await leadsTo(/^headless-dns-/, 3, 'headless-dns')
    await leadsTo(/^coredns-/, 2)
  })

  it('gives one pod the new server, by the address of its Service', async () => {
    follow('4. One pod first')
    const pod = JSON.parse(await run('kubectl', ['get', 'pod', 'dns-canary', '-o', 'json'])) as ApiObject
    assert.deepEqual(pod['spec'].dnsConfig.nameservers, [(await service('headless-dns'))['spec'].clusterIP])
  })

  it('finds the policies that name CoreDNS’s pods', async () => {
    const policy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'to-dns', namespace: 'default' },
      spec: { podSelector: {}, egress: [{ to: [{ podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }] }] },
    }
    await run('kubectl', ['apply', '-f', '-'], JSON.stringify(policy))
    try {
      const found = follow("5. What names CoreDNS's pods")
      assert.match(found, /name: to-dns/)
    } finally {
      await run('kubectl', ['-n', 'default', 'delete', 'networkpolicy', 'to-dns'])
    }
  })

  it('switches by one write: the address and the ports stay, the pods behind them are the new ones', async () => {
    follow('6. Switch', 'k8s-app')
    await leadsTo(/^headless-dns-/, 3)
    const { spec } = await service()
    assert.deepEqual([spec.clusterIP, spec.ports], [address, saved['spec'].ports])
    const listed = follow('6. Switch', 'endpointslices').trim().split('\n')
    assert.equal(listed.filter(name => name.startsWith('headless-dns-')).length, 3)
    follow('6. Switch', 'internalTrafficPolicy')
    assert.equal((await service())['spec'].internalTrafficPolicy, 'Local')
  })

  it('goes back by one write: all is as it was', async () => {
    follow('The way back', 'patch')
    await leadsTo(/^coredns-/, 2)
    assert.deepEqual((await service())['spec'], saved['spec'])
  })

  it('moves the address to a Service of another name or namespace, and back', async () => {
    follow('In a namespace of its own', 'moved.yaml <<END')
    await leadsTo(/^headless-dns-/, 3, 'moved-dns')
    assert.equal((await service('moved-dns'))['spec'].clusterIP, address)
    follow('In a namespace of its own', 'delete -f moved.yaml')
    await leadsTo(/^coredns-/, 2)
    assert.deepEqual((await service())['spec'], saved['spec'])
  })

  it('leaves CoreDNS without pods in the end', async () => {
    follow('The way back', 'scale')
    await leadsTo(/^coredns-/, 0)
  })

  it('has run every command that is not marked otherwise', () => {
    const left = blocks
      .filter(block => block.isRun && block.section !== '' && !done.has(block))
      .map(({ section }) => section)
    assert.deepEqual(left, [])
    assert.ok(blocks.filter(({ isRun }) => isRun).length >= 10)
  })
})

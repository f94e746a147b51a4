/**
 * CoreDNS with the Corefiles that clusters have, beside this server with what `import-corefile` makes of each: the same questions
 * get the same answers, or the difference stands in a rule (corefile-rules.ts). Skipped where CoreDNS is not at hand.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { toolsOf } from '../../src/cli/import-corefile.ts'
import { importCorefile } from '../../src/corefile/import-corefile.ts'
import { COREDNS, runCoreDns } from '../support/coredns.ts'
import { askServer, exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { everyKind } from '../support/every-kind.ts'
import { NAMESPACES, PODS, SERVICES, SLICES } from '../support/fake-api-objects.ts'
import { FakeApiServer } from '../support/fake-api-server.ts'
import { type Asked, addressOf, QNAME, recordOf, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { textOf } from '../support/import-fixture.ts'
import { queryOf, wireName } from '../support/messages.ts'
import { runnable } from '../support/runnable-corefile.ts'
import { freePort, startServer } from '../support/server-process.ts'
import { type Aspect, type Pair, RULES } from './corefile-rules.ts'
import { plainReply } from './reply.ts'

const skip = COREDNS === undefined ? 'CoreDNS is not at hand' : false
const NAMES = ['kubeadm', 'deployment', 'eks', 'k3s', 'gke-stub-domains', 'rules']
const CLUSTER = everyKind(60)
const HOSTS = '10.9.0.7 node-7 node-7.example.net\nfd00::7 node-7.example.net\n'
const RD = 0x0100
const ENV = { CLUSTER_DOMAIN: 'cluster.local', RECORD_TTL: '9', PODS_MODE: 'verified' }

describe('CoreDNS with a Corefile, and this server with what is imported of it', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'corefiles-'))
  after(() => rmSync(folder, { recursive: true }))

  for (const name of NAMES) {
    it(name, { timeout: 60_000 }, async t => {
      const upstream = await startUpstream(outside('192.0.2.10'))
      t.after(() => upstream.close())
      const stub = await startUpstream(outside('192.0.2.99'))
      t.after(() => stub.close())
      const api = await FakeApiServer.start()
      t.after(() => api[Symbol.asyncDispose]())
      fill(api)
      const port = await freePort()
      const hosts = join(folder, 'NodeHosts')
      writeFileSync(hosts, HOSTS)
      const corefile = runnable(textOf(name), {
        port,
        api: api.url,
        upstream: `127.0.0.1:${upstream.port}`,
        stub: `127.0.0.1:${stub.port}`,
        http: [await freePort(), await freePort(), await freePort()],
        hosts,
      })
      const env = { ...ENV, DNS_PORT: String(port) }
      const isSynced = () => {
        const { metadata } = CLUSTER.services.find(({ metadata }) => metadata.name.startsWith('stateful-set'))!
        return askServer(`${metadata.name}.${metadata.namespace}.svc.cluster.local`, 'A', { port }).then(
          ({ answers }) => answers!.length > 0,
          () => false,
        )
      }
      const coredns = await runCoreDns(COREDNS!, corefile, isSynced, env)
      t.after(() => coredns.stop())
      const { config } = importCorefile('Corefile', corefile, toolsOf(env))
      const path = join(folder, `${name}.yaml`)
      // CoreDNS has the ports of its probes.
      writeFileSync(path, config.replace(/^(health|ready): .*$/gm, ''))
      const server = await startServer(['--config', path])
      t.after(() => server.stop('SIGINT'))

      const wrong: string[] = []
      for (const [question, type] of questions()) {
        for (const tcp of [false, true, false]) {
          const query = queryOf(question, type, { flags: RD, opt: tcp ? false : { size: 1232 } })
          const exchange = tcp ? exchangeTcp : exchangeUdp
          const [ours, theirs] = (
            await Promise.all([exchange(query, { port: server.port }), exchange(query, { port })])
          ).map(octets => plainReply(octets, true))
          const pair: Pair = { name: question, type, tcp, ours: ours!, theirs: theirs! }
          const found = unexplained(pair)
          if (found.length > 0) wrong.push(`${question} ${type}${tcp ? ' over TCP' : ''}: ${describePair(pair, found)}`)
        }
      }
      assert.equal(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 4000).join('\n')}`)
    })
  }

  it('needs every rule of the list', () => {
    assert.deepEqual(
      RULES.filter(({ name }) => !used.has(name)).map(({ name }) => name),
      [],
    )
  })
})

const used = new Set<string>()

function unexplained(pair: Pair): Aspect[] {
  const differing = differ(pair)
  const rules = RULES.filter(rule => rule.aspects.some(aspect => differing.includes(aspect)) && rule.applies(pair))
  for (const { name } of rules) used.add(name)
  return differing.filter(aspect => !rules.some(rule => rule.aspects.includes(aspect)))
}

const SECTIONS = ['answer', 'authority', 'additional'] as const

function differ({ ours, theirs }: Pair): Aspect[] {
  const plain = (['rcode', 'flags', 'tc', 'question'] as const).filter(aspect => ours[aspect] !== theirs[aspect])
  const sections = SECTIONS.filter(section => withoutTtl(ours[section]) !== withoutTtl(theirs[section]))
  const ttls = ours.answer.map(ttlOf)
  const isTtl = sections.length === 0 && ttls.some((ttl, i) => Math.abs(ttl - ttlOf(theirs.answer[i]!)) > 1)
  return [...plain, ...sections, ...(isTtl ? (['ttl'] as const) : [])]
}

/** Of a SOA the zone is compared, whose serial each server makes for itself. */
const withoutTtl = (records: readonly string[]) =>
  records
    .map(record => record.replace(/^(\S+) \d+/, '$1').replace(/ 1 6 .*/, ' 1 6'))
    .sort()
    .join('\n')

const ttlOf = (record: string) => Number(record.split(' ')[1])

function describePair(pair: Pair, aspects: readonly Aspect[]): string {
  const of = (reply: Pair['ours']) =>
    aspects.map(aspect => JSON.stringify(aspect === 'ttl' ? reply.answer : reply[aspect])).join(' ')
  return `${aspects.join(', ')}\n    ours ${of(pair.ours)}\n  theirs ${of(pair.theirs)}`
}

function fill(api: FakeApiServer): void {
  const { namespaces, services, slices, pods } = CLUSTER
  for (const object of namespaces) api.put(NAMESPACES, object)
  for (const object of services) api.put(SERVICES, object)
  for (const object of slices) api.put(SLICES, object)
  for (const object of pods) api.put(PODS, object)
}

/** An upstream that says who it is by its address. */
function outside(address: string): (asked: Asked) => Buffer[] {
  const numbers = Buffer.alloc(20, 0)
  return asked => {
    const [first] = asked.name.toLowerCase().split('.')
    const zone = asked.name.split('.').slice(-2).join('.')
    const soa = recordOf(
      zone,
      6,
      Buffer.concat([wireName('ns.example.com'), wireName('root.example.com'), numbers]),
      60,
    )
    const none = (flags: number) => [replyTo(asked, { flags, authority: [soa] })]
    if (first === 'absent') return none(3)
    if (first === 'servfail') return [replyTo(asked, { flags: 2 })]
    if (first === 'refused') return [replyTo(asked, { flags: 5 })]
    if (asked.type === 12) return [replyTo(asked, { answers: [recordOf(QNAME, 12, wireName('host.example.com'))] })]
    if (asked.type !== 1) return none(0)
    if (first === 'alias') {
      const target = 'target.example.com'
      return [replyTo(asked, { answers: [recordOf(QNAME, 5, wireName(target)), addressOf(target, address)] })]
    }
    const ttl = first === 'long' ? 86_400 : first === 'short' ? 1 : 20
    return [replyTo(asked, { answers: [addressOf(QNAME, address, ttl)] })]
  }
}

function questions(): [name: string, type: string][] {
  const all: [string, string][] = []
  const outsideNames = ['www', 'absent', 'alias', 'long', 'short', 'servfail', 'refused'].map(
    name => `${name}.example.com`,
  )
  const stubs = ['corp.example', 'acme.local', 'other.example', 'internal.example', 'secret.example']
  const beside = [
    'localhost',
    'node-7',
    'node-7.example.net',
    'node-1',
    'node-1.example.net',
    'other.example.net',
    'old.example.com',
    'www.legacy.example',
    'ip-3-4.made.example',
    'www.made.example',
    'www.noise.example',
    'db.hosts.example',
    'absent.hosts.example',
    'WwW.ExAmPlE.com',
  ]
  for (const name of [...outsideNames, ...stubs.flatMap(zone => [`db.${zone}`, `absent.${zone}`, zone]), ...beside]) {
    for (const type of ['A', 'AAAA', 'TXT', 'MX']) all.push([name, type])
  }
  all.push(['www.example.com', 'HTTPS'], ['www.example.com', 'SRV'])
  for (const address of ['1.0.0.127', '10.2.0.192', '7.0.9.10', '1.0.9.10', '1.0.0.10', '99.0.2.192']) {
    all.push([`${address}.in-addr.arpa`, 'PTR'])
  }
  for (const { metadata } of CLUSTER.services) {
    const name = `${metadata.name}.${metadata.namespace}.svc.cluster.local`
    for (const type of ['A', 'AAAA']) all.push([name, type])
    all.push([`www.example.com.${metadata.namespace}.svc.cluster.local`, 'A'])
  }
  return all
}

/**
 * The whole way of a drop-in: a Corefile in kubeadm's shape with a stub domain, imported; this server with the result, in front of
 * a fake upstream, beside a real API server; asked as pods ask, by /etc/resolv.conf with its search path, by each resolver that
 * programs have. Needs KUBECONFIG and kubectl, port 53 of an address of loopback, and a mount namespace for each client.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { keepNodes, run, SKIP, TestNamespace, takeSnapshot } from '../support/cluster-api.ts'
import { Model, reverseName } from '../support/cluster-model.ts'
import { selecting, service, slice, statefulSet } from '../support/cluster-objects.ts'
import { askServer } from '../support/dns-client.ts'
import { type Asked, addressOf, type FakeUpstream, recordOf, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { textOf } from '../support/import-fixture.ts'
import { wireName } from '../support/messages.ts'
import { type Client, type Kind, podClients, SKIP_RESOLV_CONF } from '../support/pod-clients.ts'
import { ROOT, type ServerProcess, startServer, until } from '../support/server-process.ts'

const DNS_PORT = 53
/** Nobody else's, as far as anybody can know. */
const SERVER = `127.53.${process.pid % 250}.1`
const UPSTREAM = `127.53.${process.pid % 250}.2`
const MANY = 150
/** Addresses that every reply of 512 octets has room for. */
const FIT_IN_512 = 25
const CLUSTER_DOMAIN = 'cluster.local'

async function whyNoPort(): Promise<string | false> {
  const socket = createSocket('udp4')
  const failed = once(socket, 'error').then(([error]) => (error as Error).message)
  const bound = once(socket, 'listening').then(() => false as const)
  socket.bind(DNS_PORT, SERVER)
  const why = await Promise.race([failed, bound])
  if (why === false) socket.close()
  return why
}

const skip = SKIP || SKIP_RESOLV_CONF || (await whyNoPort())

/** What the upstream knows: type and data by name. */
const OUTSIDE: Readonly<Record<string, readonly (readonly [type: number, data: string])[]>> = {
  'www.example.com': [
    [1, '192.0.2.10'],
    [1, '192.0.2.11'],
    [28, '2001:db8::10'],
  ],
  'many.example.com': Array.from({ length: MANY }, (_, i) => [1, `198.51.100.${i}`] as const),
  [reverseName('192.0.2.10')]: [[12, 'www.example.com']],
  'one.two.three.four.five.example.org': [[1, '192.0.2.20']],
}
const STUB: typeof OUTSIDE = { 'db.corp.example': [[1, '192.0.2.99']] }

/** Over UDP what does not fit into 512 octets is truncated. */
function knowing(names: typeof OUTSIDE): (asked: Asked) => Buffer[] {
  return asked => {
    const known = names[asked.name.toLowerCase()]
    const records = (known ?? []).filter(([type]) => type === asked.type)
    if (!asked.tcp && records.length > 20) return [replyTo(asked, { flags: 0x0200 })]
    const answers = records.map(([type, data]) => recordFor(asked.name, type, data))
    return [
      replyTo(asked, { flags: known === undefined ? 3 : 0, answers, authority: answers.length === 0 ? [SOA] : [] }),
    ]
  }
}

function recordFor(owner: string, type: number, data: string): Buffer {
  if (type === 1) return addressOf(owner, data)
  if (type === 12) return recordOf(owner, type, wireName(data))
  const octets = reverseName(data).split('.').slice(0, 32).toReversed().join('')
  return recordOf(owner, type, Buffer.from(octets, 'hex'))
}

const SOA = recordOf(
  'example.com',
  6,
  Buffer.concat([wireName('ns.example.com'), wireName('root.example.com'), Buffer.alloc(20, 1)]),
)

interface Question {
  readonly kind: Kind
  /** As a program says it: short, or with a final dot. */
  readonly name: string
  readonly expected: readonly string[]
}

describe('a Corefile of kubeadm, imported: what pods ask is answered as before', { skip }, () => {
  const namespace = new TestNamespace()
  const folder = mkdtempSync(join(tmpdir(), 'drop-in-'))
  const clients = skip ? [] : podClients(folder)
  const fqdn = (name: string) => `${name}.${namespace.name}.svc.${CLUSTER_DOMAIN}`
  let upstream: FakeUpstream
  let stub: FakeUpstream
  let server: ServerProcess
  let questions: readonly Question[]
  let releaseNodes: () => Promise<void>

  const resolvConf = (name: string, ...options: string[]): string => {
    const path = join(folder, name)
    const search = `${namespace.name}.svc.${CLUSTER_DOMAIN} svc.${CLUSTER_DOMAIN} ${CLUSTER_DOMAIN}`
    const lines = [`nameserver ${SERVER}`, `search ${search}`, `options ${['ndots:5', ...options].join(' ')}`]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }

  before(async () => {
    releaseNodes = await keepNodes()
    await namespace.create()
    const addresses = Array.from({ length: MANY }, (_, i) => ({ addresses: [`203.0.113.${i}`] }))
    const six = { clusterIP: 'None', ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' }
    await namespace.apply(
      service('db', { clusterIP: 'None', ...selecting('db') }),
      statefulSet('db', 3),
      service('web', { ipFamilyPolicy: 'RequireDualStack' }),
      service('many', { clusterIP: 'None' }),
      slice('many', 'many-1', addresses.slice(0, MANY / 2)),
      slice('many', 'many-2', addresses.slice(MANY / 2)),
      service('six', six),
      slice('six', 'six-1', [{ addresses: ['2001:db8:6::1'] }, { addresses: ['2001:db8:6::2'] }], [], 'IPv6'),
      service('outside', { type: 'ExternalName', externalName: 'www.example.com' }),
    )
    await namespace.kubectl('rollout', 'status', 'statefulset/db', '--timeout=60s')
    upstream = await startUpstream(knowing(OUTSIDE), undefined, { address: UPSTREAM, port: DNS_PORT })
    stub = await startUpstream(knowing(STUB))
    const corefile = join(folder, 'Corefile')
    const upstreams = join(folder, 'upstream.conf')
    writeFileSync(upstreams, `nameserver ${UPSTREAM}\n`)
    const stubBlock = `corp.example:53 {\n  errors\n  cache 30\n  forward . 127.0.0.1:${stub.port}\n}\n`
    writeFileSync(corefile, textOf('kubeadm').replace('/etc/resolv.conf', upstreams) + stubBlock)
    const config = join(folder, 'config.yaml')
    const imported = await run(process.execPath, [join(ROOT, 'src/main.ts'), 'import-corefile', corefile])
    writeFileSync(
      config,
      imported.replaceAll(/^(health|ready): "?0\.0\.0\.0/gm, (line: string) => line.replace('0.0.0.0', SERVER)),
    )
    // The same but for what a pod has and this process has not: an address of its own and a service account.
    const here = ['--listen', `${SERVER}:${DNS_PORT}`, '--kubeconfig', process.env['KUBECONFIG']!]
    server = await startServer(['--config', config, ...here])
    await until(async () => new Model(await takeSnapshot()).data(fqdn('db'), 'A').size === 3, 'there are three pods')
    await until(async () => {
      const { answers = [] } = await askServer(fqdn('db'), 'A', { port: DNS_PORT, address: SERVER })
      return answers.length === 3
    }, 'three pods are answered')
    questions = questionsOf(new Model(await takeSnapshot()))
  })

  after(async () => {
    await server?.stop('SIGINT')
    await Promise.all([upstream?.close(), stub?.close(), namespace.delete(), releaseNodes?.()])
    rmSync(folder, { recursive: true })
  })

  it('the probes of CoreDNS’s Deployment are answered', async () => {
    for (const where of ['8080/health', '8181/ready']) {
      const response = await fetch(`http://${SERVER}:${where}`)
      assert.deepEqual([response.status, await response.text()], [200, 'OK'])
    }
  })

  function questionsOf(model: Model): Question[] {
    const [first] = model.data(fqdn('db-0.db'), 'A')
    const outside = OUTSIDE['www.example.com']!
    const dataOf = (type: number, names: typeof outside) => names.filter(one => one[0] === type).map(([, data]) => data)
    const addresses = (name: string, four: readonly string[], six: readonly string[]): Question[] => [
      { kind: '4', name, expected: four },
      { kind: '6', name, expected: six },
      { kind: 'any', name, expected: [...four, ...six] },
    ]
    const own = (typed: string, name: string) =>
      addresses(typed, [...model.data(fqdn(name), 'A')], [...model.data(fqdn(name), 'AAAA')])
    const pointer = (address: string): Question => {
      const expected = [...model.data(reverseName(address), 'PTR')]
      return { kind: 'ptr', name: address, expected }
    }
    const srv = (name: string): Question => {
      return { kind: 'srv', name: `${fqdn(name)}.`, expected: [...model.data(fqdn(name), 'SRV')] }
    }
    const virtual = ['A', 'AAAA'].flatMap(type => [...model.data(fqdn('web'), type)])
    assert.equal(virtual.length, 2)
    const all = [
      ...['db', `db.${namespace.name}`, `db.${namespace.name}.svc`, fqdn('db'), `${fqdn('db')}.`].flatMap(typed =>
        own(typed, 'db'),
      ),
      ...own('db-0.db', 'db-0.db'),
      ...own('web', 'web'),
      ...own('six', 'six'),
      ...own('many', 'many'),
      ...['outside', 'www.example.com', 'www.example.com.'].flatMap(typed =>
        addresses(typed, dataOf(1, outside), dataOf(28, outside)),
      ),
      ...addresses('many.example.com', dataOf(1, OUTSIDE['many.example.com']!), []),
      ...addresses('one.two.three.four.five.example.org', ['192.0.2.20'], []),
      ...addresses('db.corp.example', ['192.0.2.99'], []),
      ...['absent', 'absent.db', 'absent.example.com', 'absent.corp.example'].flatMap(name => addresses(name, [], [])),
      pointer(first!),
      ...virtual.map(pointer),
      pointer('2001:db8:6::1'),
      { kind: 'ptr', name: '192.0.2.10', expected: ['www.example.com'] } as const,
      { kind: 'ptr', name: '192.0.2.77', expected: [] } as const,
      srv('_http._tcp.db'),
      srv('_gossip._udp.web'),
      srv('_absent._tcp.db'),
    ]
    const empty = all.filter(({ expected }) => expected.length === 0)
    assert.ok(empty.length > 10 && all.length - empty.length > 40, `${empty.length} of ${all.length} expect nothing`)
    return all
  }

  /** @returns a line for each wrong answer */
  async function compare(client: Client, conf: string, isTcp: boolean): Promise<string[]> {
    const asked = questions.filter(
      ({ kind, name }) => client.kinds.includes(kind) && (client.isSearching || isFull(name)),
    )
    assert.ok(asked.length > 4)
    const wrong: string[] = []
    for (const { kind, name, expected } of asked) {
      const answer = await client.ask(kind, name, conf, isTcp).catch((error: Error) => [error.message])
      const wanted = expected.toSorted().join(', ')
      const isPart = answer.length >= FIT_IN_512 && answer.every(one => expected.includes(one))
      if (client.mayTakePart && expected.length === MANY && isPart) continue
      if (answer.join(', ') !== wanted) wrong.push(`${name} (${kind}): [${answer.join(', ')}], not [${wanted}]`)
    }
    return wrong
  }

  const isFull = (name: string) => /\.(com|org|example|local)\.?$|^[0-9.]+$|:/.test(name)

  async function queriesOver(proto: 'tcp' | 'udp'): Promise<number> {
    const { body } = await server.admin('/metrics')
    const rows = body.split('\n').filter(row => row.startsWith('coredns_dns_requests_total{'))
    const counted = rows.filter(row => row.includes(`proto="${proto}"`))
    return counted.reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(' '))), 0)
  }

  for (const client of clients) {
    it(`${client.title}, over UDP, and TCP where a reply is truncated`, { skip: client.skip }, async () => {
      const before = await queriesOver('tcp')
      assert.deepEqual(await compare(client, resolvConf('udp.conf'), false), [])
      if (!client.mayTakePart) assert.ok((await queriesOver('tcp')) > before)
    })

    if (client.overTcp === false) continue
    it(`${client.title}, over TCP alone`, { skip: client.skip }, async () => {
      const before = await queriesOver('udp')
      const conf = client.overTcp === 'argument' ? resolvConf('tcp.conf') : resolvConf('tcp.conf', 'use-vc')
      assert.deepEqual(await compare(client, conf, true), [])
      assert.equal(await queriesOver('udp'), before)
    })
  }

  it('misses of the search path are answered here: no upstream was asked for a name of the cluster', () => {
    const names = [...upstream.asked, ...stub.asked].map(({ name }) => name.toLowerCase())
    assert.deepEqual(
      names.filter(name => name.endsWith(CLUSTER_DOMAIN)),
      [],
    )
    assert.ok(names.includes('www.example.com'))
  })

  it('the stub domain was asked of its own upstream, all else of the other', () => {
    assert.ok(stub.asked.length > 0)
    assert.ok(stub.asked.every(({ name }) => name.toLowerCase().endsWith('corp.example')))
    assert.ok(upstream.asked.every(({ name }) => !name.toLowerCase().endsWith('corp.example')))
  })

  it('what was asked of upstreams was kept: each question once, as the Corefile’s cache had it', () => {
    const [first] = upstream.asked.filter(({ name }) => name === 'www.example.com')
    const same = upstream.asked.filter(({ question }) => question.equals(first!.question))
    assert.ok(same.length <= 2, `${same.length} times`)
  })
})

/**
 * The search path walked for the client, where CoreDNS's autopath gave answers of another namespace when an address had a
 * new pod (coredns#2593, #3746 and their kin): pods of manifests, asked for from their addresses.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { configOf } from '../../src/control/config-load.ts'
import { createLogOver } from '../../src/control/log.ts'
import { serve } from '../../src/control/serve.ts'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { type Asked, addressOf, QNAME, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { readAnswer } from '../support/forwarding.ts'
import { queryOf, RCODES, RD } from '../support/messages.ts'
import { until } from '../support/server-process.ts'

/** A client by its address: loopback is 127.0.0.0/8. */
const SHOP = '127.0.5.1'
const BANK = '127.0.5.2'
const STRANGER = '127.0.5.9'
const NEGATIVE_TTL = 1

const podOf = (namespace: string, name: string, ip: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: { app: name } },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] },
})
const serviceOf = (namespace: string, name: string): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { clusterIP: 'None', selector: { app: name }, ports: [{ port: 80 }] },
})
const FIRST = [
  serviceOf('shop', 'web'),
  serviceOf('bank', 'web'),
  serviceOf('bank', 'vault'),
  podOf('shop', 'web', SHOP),
  podOf('bank', 'web', BANK),
  podOf('bank', 'vault', '127.0.5.3'),
]

/** What there is outside, by name. */
const OUTSIDE = new Map([
  ['www.example.com', '192.0.2.1'],
  ['intra.corp.example', '192.0.2.2'],
])

function outside(asked: Asked): readonly Uint8Array[] {
  const address = OUTSIDE.get(asked.name.toLowerCase())
  if (address === undefined) return [replyTo(asked, { flags: 0x8183 })]
  return [replyTo(asked, { answers: asked.type === 1 ? [addressOf(QNAME, address)] : [] })]
}

async function start(
  t: TestContext,
  transport: 'batch' | 'portable',
  autopath = '{ search: [corp.example], enabled: true }',
) {
  const folder = mkdtempSync(join(tmpdir(), 'autopath-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'all.json')
  const write = (objects: readonly object[]): void =>
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  write(FIRST)
  const upstream = await startUpstream(outside)
  t.after(() => upstream.close())
  const text = [
    `source: { manifests: ${file} }`,
    'listen: ["127.0.0.1:0"]\nadmin: 127.0.0.1:0\nlameduck: 0s',
    `transport: ${transport}\nforward: [{ upstreams: ["127.0.0.1:${upstream.port}"] }]`,
    `autopath: ${autopath}`,
  ].join('\n')
  const config = configOf({ path: '/c.yaml', text }, {}, { directory: '/', isInPod: false, nodeName: '' })
  const server = await serve(config, 'test', createLogOver('silent', { write() {} }))
  t.after(() => server.stop(0))
  const { port } = server.addresses[0]!
  const ask = async (from: string, name: string, type = 'A'): Promise<string> => {
    const { rcode, answers } = readAnswer(await exchangeFrom(from, port, queryOf(name, type, { flags: RD })))
    return [rcode, ...answers.map(each => each.replace(/^(\S+)\. (\d+) (.*?)\.?$/, '$1/$2/$3'))].join(' ')
  }
  const metrics = async () => (await fetch(`http://127.0.0.1:${server.adminAddress!.port}/metrics`)).text()
  await until(async () => (await ask(STRANGER, 'web.shop.svc.cluster.local')).startsWith('0 '), 'names are served')
  return { ask, write, upstream, port, metrics }
}

function exchangeFrom(from: string, port: number, query: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    const timer = setTimeout(() => socket.close(() => reject(new Error('no reply'))), 5000)
    socket.once('message', reply => {
      clearTimeout(timer)
      socket.close(() => resolve(reply))
    })
    socket.bind(0, from, () => socket.send(query, port, '127.0.0.1'))
  })
}

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`autopath over ${transport}`, { skip: problem ?? false }, () => {
    it('the first name of a search path that exists is answered at once, behind a CNAME', async t => {
      const { ask, upstream, metrics } = await start(t, transport)
      assert.equal(
        await ask(SHOP, 'www.Example.com.shop.svc.cluster.local'),
        '0 www.Example.com.shop.svc.cluster.local/5/www.example.com www.Example.com/1/192.0.2.1',
      )
      assert.deepEqual(
        upstream.asked.map(({ name }) => name.toLowerCase()).filter(name => name.includes('cluster')),
        [],
        'names of the cluster are asked of nobody',
      )
      // svc.cluster.local: a Service of another namespace.
      assert.equal(
        await ask(SHOP, 'vault.bank.shop.svc.cluster.local'),
        '0 vault.bank.shop.svc.cluster.local/5/vault.bank.svc.cluster.local vault.bank.svc.cluster.local/1/127.0.5.3',
      )
      // The Node's own list.
      assert.equal(
        await ask(SHOP, 'intra.shop.svc.cluster.local'),
        '0 intra.shop.svc.cluster.local/5/intra.corp.example intra.corp.example/1/192.0.2.2',
      )
      // A type without records: the name exists, so no later one is the answer.
      const nodata = await ask(SHOP, 'www.example.com.shop.svc.cluster.local', 'AAAA')
      assert.equal(nodata, '0 www.example.com.shop.svc.cluster.local/5/www.example.com')
      assert.match(await metrics(), /^coredns_autopath_success_total\{server="dns:\/\/127[^"]*"\} 4$/m)
    })

    it('a name that is there is answered as ever; one that is nowhere is NXDOMAIN', async t => {
      const { ask } = await start(t, transport)
      assert.equal(await ask(SHOP, 'web.shop.svc.cluster.local'), `0 web.shop.svc.cluster.local/1/${SHOP}`)
      assert.equal(await ask(SHOP, 'nowhere.shop.svc.cluster.local'), `${RCODES.NXDOMAIN}`)
      // A pod that is not there is not looked for outside: a Service of that name is.
      assert.equal(await ask(SHOP, 'gone.web.shop.svc.cluster.local'), `${RCODES.NXDOMAIN}`)
    })

    it('who is not known, or asks in the path of another namespace, is told the plain truth', async t => {
      const { ask, upstream } = await start(t, transport)
      for (const [from, name] of [
        [STRANGER, 'www.example.com.shop.svc.cluster.local'],
        [SHOP, 'www.example.com.bank.svc.cluster.local'],
        [BANK, 'www.example.com.shop.svc.cluster.local'],
        [SHOP, 'www.example.com.svc.cluster.local'],
      ] as const) {
        assert.equal(await ask(from, name), `${RCODES.NXDOMAIN}`, `${name} from ${from}`)
      }
      assert.equal(upstream.asked.length, 0)
    })

    it('an address that has a new pod in another namespace is that pod’s, at once', async t => {
      const { ask, write } = await start(t, transport)
      const [inShop, inBank] = ['www.example.com.shop.svc.cluster.local', 'www.example.com.bank.svc.cluster.local']
      assert.match(await ask(SHOP, inShop), /^0 .*192\.0\.2\.1$/)
      // Two pods hold it: one of them is gone, and nobody knows which.
      write([...FIRST, podOf('bank', 'new', SHOP)])
      await until(async () => (await ask(SHOP, inShop)) === `${RCODES.NXDOMAIN}`, 'nobody is sure')
      assert.equal(await ask(SHOP, inBank), `${RCODES.NXDOMAIN}`)
      write([...FIRST.filter(each => JSON.stringify(each).indexOf(SHOP) < 0), podOf('bank', 'new', SHOP)])
      await until(async () => (await ask(SHOP, inBank)).endsWith('192.0.2.1'), 'the new pod is known')
      assert.equal(await ask(SHOP, inShop), `${RCODES.NXDOMAIN}`)
      write([
        ...FIRST.filter(each => JSON.stringify(each).indexOf(SHOP) < 0),
        podOf('bank', 'new', SHOP, { hostNetwork: true }),
      ])
      await until(
        async () => (await ask(SHOP, inBank)) === `${RCODES.NXDOMAIN}`,
        'one on the Node’s network is not known',
      )
    })

    it('an upstream that fails ends the walk: no later name may be told', async t => {
      const { ask, upstream } = await start(t, transport)
      upstream.script = asked => [
        replyTo(asked, { flags: asked.name.endsWith('corp.example') ? 0x8182 : 0x8180, answers: [] }),
      ]
      assert.equal(await ask(SHOP, 'www.example.com.shop.svc.cluster.local'), `${RCODES.NXDOMAIN}`)
    })
  })
}

describe('autopath', () => {
  it('over TCP as over UDP', async t => {
    const { port } = await start(t, 'portable')
    const query = queryOf('www.example.com.shop.svc.cluster.local', 'A', { flags: RD })
    const reply = await new Promise<Buffer>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: SHOP })
      socket.on('error', reject)
      socket.on('data', data => {
        socket.destroy()
        resolve(data.subarray(2))
      })
      socket.write(Buffer.concat([Buffer.from([0, query.length]), query]))
    })
    assert.deepEqual(readAnswer(reply).answers, [
      'www.example.com.shop.svc.cluster.local. 5 www.example.com.',
      'www.example.com. 1 192.0.2.1',
    ])
  })

  it('what is said of the client’s name holds for records.negativeTtl', async t => {
    const { port } = await start(t, 'portable')
    const query = queryOf('www.example.com.shop.svc.cluster.local', 'A', { flags: RD })
    const { reply } = readAnswer(await exchangeFrom(SHOP, port, query))
    assert.equal(reply.answers[0]!.ttl, NEGATIVE_TTL)
  })

  it('with it off, nobody is asked', async t => {
    const { ask, upstream } = await start(t, 'portable', 'false')
    assert.equal(await ask(SHOP, 'www.example.com.shop.svc.cluster.local'), `${RCODES.NXDOMAIN}`)
    assert.equal(upstream.asked.length, 0)
  })
})

/**
 * A configuration that changes while the server runs: what is taken over, what goes on, what is told. From reloads of CoreDNS
 * that dropped what was under way (coredns#4167 and its kin) and from ConfigMaps that were saved half finished.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { loadConfig } from '../../src/control/config-load.ts'
import { createLogOver } from '../../src/control/log.ts'
import { type ServedConfig, serve } from '../../src/control/serve.ts'
import { checkBatch } from '../../src/transport/batch-check.ts'
import type { ListenAddress } from '../../src/transport/datagram.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { addressOf, always, QNAME, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { Burst, readAnswer } from '../support/forwarding.ts'
import { queryOf, RCODES, RD } from '../support/messages.ts'
import { ROOT, until } from '../support/server-process.ts'

const CLUSTER_NAME = 'my-headless-service.default.svc.cluster.local'

interface Reloading {
  readonly file: string
  readonly server: ServedConfig
  readonly where: ListenAddress
  readonly said: string[]
  /** As the kubelet changes a ConfigMap's volume: the link that all its files stand behind is exchanged. */
  write(text: string): void
  metric(name: string): Promise<number>
}

async function start(t: TestContext, transport: 'batch' | 'portable', text: string): Promise<Reloading> {
  const folder = mkdtempSync(join(tmpdir(), 'reload-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'config.yaml')
  let version = 0
  const write = (more: string): void => {
    const base = `source: { manifests: ['${ROOT}config/demo'] }\nadmin: 127.0.0.1:0\ntransport: ${transport}\nlameduck: 0s\n`
    writeFileSync(join(folder, `..${++version}`), base + more)
    symlinkSync(`..${version}`, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  write(text)
  symlinkSync('..data', file)
  const said: string[] = []
  const log = createLogOver('info', { write: line => void said.push(line) })
  const load = () => loadConfig(file, { listen: ['127.0.0.1:0'] }, { needsSource: true })
  const server = await serve(load(), 'test', log, undefined, { file, load })
  t.after(() => server.stop(0))
  const metric = async (name: string): Promise<number> => {
    const body = await (await fetch(`http://127.0.0.1:${server.adminAddress!.port}/metrics`)).text()
    const lines = body.split('\n').filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    return lines.map(line => Number(line.slice(line.lastIndexOf(' ') + 1))).reduce((a, b) => a + b, 0)
  }
  await until(
    async () => (await fetch(`http://127.0.0.1:${server.adminAddress!.port}/readyz`)).ok,
    'the server is ready',
  )
  return { file, server, where: server.addresses[0]!, said, write, metric }
}

const ask = async (name: string, where: ListenAddress, type = 'A'): Promise<string> => {
  const { rcode, answers } = readAnswer(await exchangeUdp(queryOf(name, type, { flags: RD }), where))
  return `${rcode} ${answers.map(each => each.split(' ').at(-1)).join(' ')}`
}

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`reload over ${transport}`, { skip: problem ?? false }, () => {
    it('a file that changes is taken over: hosts, forwarding, rules, threads; over UDP and TCP', async t => {
      const [one, two] = [await startUpstream(always('192.0.2.1')), await startUpstream(always('192.0.2.2'))]
      t.after(() => Promise.all([one.close(), two.close()]))
      const forward = (port: number): string => `forward: [{ upstreams: ['127.0.0.1:${port}'] }]\n`
      const world = await start(t, transport, `hosts: { entries: [10.0.0.1 a.example] }\n${forward(one.port)}`)
      const { where, write } = world
      assert.deepEqual(
        [await ask('a.example', where), await ask('www.example.com', where)],
        ['0 10.0.0.1', '0 192.0.2.1'],
      )
      write(`hosts: { entries: [10.0.0.2 a.example] }\nworkers: 2\n${forward(two.port)}`)
      // Until the threads of before have ended, some clients are answered by these, and others by the new ones.
      await until(async () => (await world.metric('headless_dns_reloads_total')) === 1, 'it is taken over')
      assert.equal(await ask('a.example', where), '0 10.0.0.2')
      assert.equal(await ask('www.example.com', where), '0 192.0.2.2', 'nothing of before is kept')
      const overTcp = readAnswer(await exchangeTcp(queryOf('a.example', 'A', { flags: RD }), where))
      assert.deepEqual(overTcp.answers, ['a.example. 1 10.0.0.2'])
      assert.equal(world.server.workers.serving, 2)
      write('')
      await until(async () => (await world.metric('headless_dns_reloads_total')) === 2, 'it is taken over')
      assert.equal(await ask('a.example', where), `${RCODES.REFUSED} `)
      assert.match(await ask(CLUSTER_NAME, where), /^0 (127\.1\.\d+\.\d+ ?){3}$/)
    })

    it('a query that waits for its upstream is answered, by the upstream it was sent to', async t => {
      const gate = Promise.withResolvers<void>()
      const upstream = await startUpstream(async asked => {
        await gate.promise
        return [replyTo(asked, { answers: [addressOf(QNAME, '192.0.2.1')] })]
      })
      t.after(() => upstream.close())
      const world = await start(t, transport, `forward: [{ upstreams: ['127.0.0.1:${upstream.port}'] }]\n`)
      const burst = await Burst.open(t, world.where.port)
      for (let id = 0; id < 50; id++) burst.send(queryOf(`n${id}.example.com`, 'A', { flags: RD }), id)
      const overTcp = exchangeTcp(queryOf('tcp.example.com', 'A', { flags: RD }), world.where)
      await until(() => upstream.asked.length >= 51, 'all are waiting')
      for (const [i, text] of ['', 'workers: 2\n', 'hosts: { entries: [10.0.0.1 a.example] }\n'].entries()) {
        world.write(text)
        await until(async () => (await world.metric('headless_dns_reloads_total')) === i + 1, 'it is taken over')
      }
      assert.equal(burst.replies.size, 0)
      gate.resolve()
      await until(() => burst.replies.size === 50, 'all are answered')
      for (const reply of burst.replies.values()) assert.match(readAnswer(reply).answers[0]!, /192\.0\.2\.1$/)
      assert.match(readAnswer(await overTcp).answers[0]!, /192\.0\.2\.1$/)
    })
  })
}

describe('reload', () => {
  it('a TCP connection goes on, and is answered by what is new', async t => {
    const world = await start(t, 'portable', 'hosts: { entries: [10.0.0.1 a.example] }\n')
    const socket = connect(world.where.port, '127.0.0.1')
    t.after(() => socket.destroy())
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    const length = () => chunks.reduce((sum, { length }) => sum + length, 0)
    for (const address of ['10.0.0.1', '10.0.0.2']) {
      const query = queryOf('a.example', 'A', { flags: RD })
      const before = length()
      socket.write(Buffer.concat([Buffer.from([0, query.length]), query]))
      await until(() => length() > before + 2, 'a reply')
      const [reply] = chunks.splice(0)
      assert.match(readAnswer(reply!.subarray(2)).answers[0]!, new RegExp(`${address}$`))
      world.write('hosts: { entries: [10.0.0.2 a.example] }\n')
      await until(async () => (await world.metric('headless_dns_reloads_total')) === 1, 'it is taken over')
    }
  })

  it('a broken file, and one that asks for what cannot be had, is told with its line; what ran goes on', async t => {
    const world = await start(t, 'portable', 'hosts: { entries: [10.0.0.1 a.example] }\n')
    const broken = [
      ['hosts: { entries: [10.0.0.2 a.example]\n', /config\.yaml:\d+: /],
      [
        'hosts: { entries: [10.0.0.2 a.example] }\nworker: 1\n',
        /config\.yaml:6: worker: there is no such key; did you mean workers/,
      ],
      ['hosts: { entries: [10.0.0.2 a.example] }\nforward: [{ upstreams: [127.0.0.1], tlsCa: /nowhere }]\n', /nowhere/],
    ] as const
    for (const [i, [text, words]] of broken.entries()) {
      world.write(text)
      await until(async () => (await world.metric('coredns_reload_failed_total')) === i + 1, 'it is refused')
      assert.match(world.said.at(-1)!, words)
      assert.match(world.said.at(-1)!, /what ran goes on/)
      assert.equal(await ask('a.example', world.where), '0 10.0.0.1')
    }
    await world.server.reloadConfig()
    assert.equal(await world.metric('coredns_reload_failed_total'), 4, 'asked again, told again')
    world.write('hosts: { entries: [10.0.0.3 a.example] }\n')
    await until(
      async () => (await world.metric('headless_dns_reloads_total')) === 1,
      'what is right again is taken over',
    )
    assert.equal(await ask('a.example', world.where), '0 10.0.0.3')
  })

  it('what needs a restart is named, in the log, at the admin port and in a metric; the rest is taken over', async t => {
    const world = await start(t, 'portable', '')
    world.write('zones: [cluster.local, other.local]\nrecords: { ttl: 9 }\nhosts: { entries: [10.0.0.1 a.example] }\n')
    await until(async () => (await world.metric('headless_dns_reload_restart_keys')) === 2, 'two keys wait')
    assert.equal(await ask('a.example', world.where), '0 10.0.0.1')
    assert.ok(world.said.some(line => line.includes('"keys":["zones","records.ttl"]')))
    const ready = await fetch(`http://127.0.0.1:${world.server.adminAddress!.port}/readyz?verbose`)
    assert.match(await ready.text(), /changes that need a restart: zones, records\.ttl/)
    assert.match(await ask('my-headless-service.default.svc.other.local', world.where), /^(5|3) /)
    world.write('')
    await until(async () => (await world.metric('headless_dns_reload_restart_keys')) === 0, 'none waits')
  })

  it('a pipe where a file should be is told, holds up nothing, and can be put right', async t => {
    const { server, where, said, write } = await start(t, 'portable', 'reload: false\n')
    const folder = mkdtempSync(join(tmpdir(), 'reload-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const upstream = `upstreams: ['tls://127.0.0.1:1#a']`
    for (const text of [`hosts: { files: ['${pipe}'] }\n`, `forward: [{ ${upstream}, tlsCa: '${pipe}' }]\n`]) {
      said.length = 0
      write(text)
      await server.reloadConfig()
      assert.match(said.join(''), /pipe is no file/)
    }
    write(`hosts: { files: ['${pipe}'], entries: [10.0.0.1 a.example] }\n`)
    await server.reloadConfig()
    assert.equal(await ask('a.example', where), '0 10.0.0.1')
  })

  it('the configuration itself is not read again where it is no file any more', async t => {
    const { file, server, where, said } = await start(
      t,
      'portable',
      'reload: false\nhosts: { entries: [10.0.0.1 a.example] }\n',
    )
    execFileSync('mkfifo', [`${file}.new`])
    renameSync(`${file}.new`, file)
    await server.reloadConfig()
    assert.match(said.at(-1)!, /not taken over.*is no file/)
    assert.equal(await ask('a.example', where), '0 10.0.0.1')
  })

  it('counters never go back', async t => {
    const world = await start(t, 'portable', 'hosts: { entries: [10.0.0.1 a.example] }\n')
    for (let i = 1; i <= 4; i++) {
      await ask(CLUSTER_NAME, world.where)
      await ask('a.example', world.where)
      await until(async () => (await world.metric('coredns_dns_requests_total')) === 2 * i, 'both are counted')
      world.write(`workers: ${1 + (i % 3)}\nhosts: { entries: [10.0.0.1 a.example, 10.0.0.${i} b.example] }\n`)
      await until(async () => (await world.metric('headless_dns_reloads_total')) === i, 'it is taken over')
    }
    // Nobody is left whose answers would be counted.
    world.write('workers: 1\n')
    await until(async () => (await world.metric('headless_dns_reloads_total')) === 5, 'it is taken over')
    assert.equal(await world.metric('coredns_dns_requests_total'), 8)
  })
})

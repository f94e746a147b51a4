/**
 * The life of the process: a start that fails, a start before the API server is there, a worker that dies, the end.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { decodeReply } from '../support/answering.ts'
import { askServer, dataOf, encodeQuery, exchangeUdp } from '../support/dns-client.ts'
import { freePort, ROOT, startServer, until } from '../support/server-process.ts'

const DEMO = 'my-headless-service.default.svc.cluster.local'

async function run(args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const child = spawn(process.execPath, ['src/main.ts', ...args], { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', chunk => (stderr += chunk))
  const [code] = await once(child, 'close')
  return { code, stderr }
}

describe('a start that cannot be', () => {
  it('says in one line that the port is taken, and what to do', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const { code, stderr } = await run(['serve', '--demo', '--listen', `127.0.0.1:${port}`, '--admin', 'off'])
    taken.close()
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^headless-dns: .*127\\.0\\.0\\.1:${port}.*taken[^\n]*\n$`))
  })

  it('names an unknown flag and the nearest right one', async () => {
    const { code, stderr } = await run(['serve', '--manifest', 'x'])
    assert.equal(code, 2)
    assert.match(stderr, /--manifests/)
  })

  it('names what there could be to serve when nothing is', async () => {
    const { code, stderr } = await run(['serve'])
    assert.equal(code, 1)
    assert.match(stderr, /--demo/)
  })

  it('names a path of manifests that is not there', async () => {
    const { code, stderr } = await run([
      'serve',
      '--manifests',
      '/no/such/path',
      '--listen',
      '127.0.0.1:0',
      '--admin',
      'off',
    ])
    assert.equal(code, 1)
    assert.match(stderr, /^headless-dns: [^\n]*\/no\/such\/path[^\n]*\n$/)
  })
})

describe('before the API server is there', () => {
  it('cluster names are SERVFAIL with EDE 14, others REFUSED, and /readyz says what is missing', async t => {
    const folder = temporary(t)
    const file = join(folder, 'config.yaml')
    const nobody = await freePort()
    writeFileSync(file, `source: { kubernetes: { endpoint: "http://127.0.0.1:${nobody}" } }\n`)
    const server = await startServer(['--config', file], { untilStatus: 503 })
    t.after(() => server.stop('SIGINT'))
    await until(async () => (await server.admin('/readyz')).body.includes('EndpointSlice'), '/readyz names the slices')
    await until(
      async () => /listening for cluster\.local on [^"]*: not ready yet/.test(server.output()),
      'it says that it listens',
    )
    assert.doesNotMatch(server.output(), /serving 0 services/)
    assert.equal((await server.admin('/healthz')).status, 200)
    for (const tcp of [false, true]) {
      const exchange = await askServer('web.default.svc.cluster.local', 'A', { port: server.port, tcp })
      assert.equal(exchange.rcode, 'SERVFAIL')
    }
    const reply = decodeReply(
      await exchangeUdp(encodeQuery('web.default.svc.cluster.local', 'A', 1232), { port: server.port }),
    )
    assert.equal(reply.opt?.options[0]?.code, 15)
    assert.deepEqual([...(reply.opt?.options[0]?.data ?? [])], [0, 14])
    assert.equal((await askServer('example.com', 'A', { port: server.port })).rcode, 'REFUSED')
  })
})

describe('signals during a start that waits to join a port', () => {
  async function waiting(t: TestContext) {
    const before = await startServer(['--demo'])
    t.after(() => before.stop('SIGKILL'))
    const file = join(temporary(t), 'config.yaml')
    const nobody = await freePort()
    const write = (address: string): void =>
      writeFileSync(
        file,
        `reload: false
hosts: { entries: [${address} a.example] }
source: { kubernetes: { endpoint: "http://127.0.0.1:${nobody}" } }
`,
      )
    write('10.0.0.1')
    const listen = ['--listen', `127.0.0.1:${before.port}`]
    const next = await startServer(['--config', file, ...listen], { untilStatus: 503, hasPort: false })
    t.after(() => next.stop('SIGKILL'))
    await until(() => next.output().includes('watching the API server'), 'it waits')
    return { before, next, write }
  }

  it('SIGTERM and SIGINT give it up: it says so and exits with 0, and who has the port answers on', async t => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const { before, next } = await waiting(t)
      const exited = once(next.child, 'exit')
      next.child.kill(signal)
      assert.deepEqual(await exited, [0, null])
      assert.match(next.output(), new RegExp(`"signal":"${signal}","msg":"shutting down before the start had ended"`))
      assert.equal((await askServer(DEMO, 'A', { port: before.port })).rcode, 'NOERROR')
    }
  })

  it('SIGHUP is taken note of: the configuration is loaded again when it has started', async t => {
    const { before, next, write } = await waiting(t)
    write('10.0.0.2')
    next.child.kill('SIGHUP')
    await until(() => next.output().includes('SIGHUP'), 'it is heard')
    assert.doesNotMatch(next.output(), /taken over/)
    await before.stop('SIGINT')
    await until(() => next.output().includes('taken over'), 'it is loaded again')
    assert.deepEqual(await dataOf('a.example', 'A', { port: before.port }), ['10.0.0.2'])
  })
})

describe('SIGTERM', () => {
  it('makes /readyz bad at once, answers through the lameduck, exits with 0', async t => {
    const folder = temporary(t)
    const file = join(folder, 'config.yaml')
    writeFileSync(file, 'lameduck: 1s\n')
    const server = await startServer(['--config', file, '--demo'])
    t.after(() => server.stop('SIGKILL'))
    server.child.kill('SIGTERM')
    await until(async () => (await server.admin('/readyz')).status === 503, '/readyz is bad')
    const { rcode } = await askServer(DEMO, 'A', { port: server.port })
    assert.equal(rcode, 'NOERROR')
    const [code] = await once(server.child, 'exit')
    assert.equal(code, 0)
  })

  it('with the lameduck that is the default the process has ended within 7 s, with 0', async t => {
    const server = await startServer(['--demo'])
    t.after(() => server.stop('SIGKILL'))
    assert.equal((await askServer(DEMO, 'A', { port: server.port })).rcode, 'NOERROR')
    const exited = once(server.child, 'exit')
    const begin = performance.now()
    server.child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
    const seconds = (performance.now() - begin) / 1000
    assert.ok(seconds < 7, `${seconds.toFixed(1)} s`)
    assert.ok(seconds > 4.9, `${seconds.toFixed(1)} s are no lameduck`)
  })

  it('makes /ready at a port of its own bad, while /health there is well', async t => {
    const file = join(temporary(t), 'config.yaml')
    const [health, ready] = [await freePort(), await freePort()]
    writeFileSync(file, `lameduck: 2s\nhealth: 127.0.0.1:${health}\nready: 127.0.0.1:${ready}\n`)
    const server = await startServer(['--config', file, '--demo'])
    t.after(() => server.stop('SIGKILL'))
    const status = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
    assert.deepEqual([await status(health, '/health'), await status(ready, '/ready')], [200, 200])
    server.child.kill('SIGTERM')
    await until(async () => (await status(ready, '/ready')) === 503, '/ready is bad')
    assert.equal(await status(health, '/health'), 200)
    const [code] = await once(server.child, 'exit')
    assert.equal(code, 0)
  })

  it('SIGHUP loads the configuration again, although the file is not followed', async t => {
    const file = join(temporary(t), 'config.yaml')
    const write = (address: string): void =>
      writeFileSync(file, `reload: false\nhosts: { entries: [${address} a.example] }\n`)
    write('10.0.0.1')
    const server = await startServer(['--config', file, '--demo'])
    t.after(() => server.stop('SIGINT'))
    write('10.0.0.2')
    server.child.kill('SIGHUP')
    await until(() => server.output().includes('taken over'), 'it is said')
    assert.deepEqual(await dataOf('a.example', 'A', { port: server.port }), ['10.0.0.2'])
  })
})

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

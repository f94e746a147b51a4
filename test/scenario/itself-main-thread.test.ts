/**
 * Trouble on the main thread: workers answer on while it is blocked, errors that nobody caught end nothing, and a log that
 * cannot be written (a full disk) stops no answer.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { askServer } from '../support/dns-client.ts'
import { freePort, ROOT, until } from '../support/server-process.ts'
import { UdpClient } from '../support/udp-client.ts'

const NAME = 'my-headless-service.default.svc.cluster.local'

interface Troubled {
  readonly child: ChildProcess
  readonly port: number
  output(): string
  admin(path: string): Promise<{ status: number; body: string }>
}

async function start(t: TestContext, transport: string): Promise<Troubled> {
  const [port, adminPort] = [await freePort(), await freePort()]
  const entry = new URL('../support/troubled-server.ts', import.meta.url)
  const child = fork(entry, [transport, `127.0.0.1:${port}`, `127.0.0.1:${adminPort}`], { silent: true })
  let output = ''
  child.stdout!.on('data', chunk => (output += chunk))
  child.stderr!.on('data', chunk => (output += chunk))
  t.after(async () => {
    child.kill('SIGINT')
    if (child.exitCode === null) await once(child, 'exit')
  })
  await said(child, 'ready')
  return {
    child,
    port,
    output: () => output,
    async admin(path) {
      const response = await fetch(`http://127.0.0.1:${adminPort}${path}`)
      return { status: response.status, body: await response.text() }
    },
  }
}

async function said(child: ChildProcess, word: string): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  for (;;) if ((await once(child, 'message', { signal }))[0] === word) return
}

for (const transport of ['batch', 'portable']) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`the main thread is blocked for a second, over ${transport}`, { skip: problem ?? false }, () => {
    it('no query over UDP is lost meanwhile', async t => {
      const server = await start(t, transport)
      const client = await UdpClient.open(server.port, NAME)
      t.after(() => client.close())
      assert.ok(await client.ask(), 'it serves')
      const blocked = said(server.child, 'blocking')
      let isDone = false
      const done = said(server.child, 'done').then(() => {
        isDone = true
      })
      server.child.send('block')
      await blocked
      const metrics = server.admin('/metrics').then(() => isDone)
      let answered = 0
      let lost = 0
      const started = performance.now()
      while (!isDone) {
        if (await client.ask()) answered++
        else lost++
      }
      const seconds = (performance.now() - started) / 1000
      await done
      t.diagnostic(`${answered} answered and ${lost} lost in ${seconds.toFixed(2)} s`)
      assert.equal(lost, 0)
      assert.ok(answered > 100, `${answered} answered`)
      assert.ok(await metrics, 'the main thread said nothing meanwhile')
    })
  })
}

describe('errors that nobody caught', () => {
  it('are counted and logged with their stack; DNS over UDP and TCP, manifests and /healthz go on', async t => {
    const server = await start(t, 'auto')
    server.child.send('throw')
    server.child.send('reject')
    const count = async (): Promise<number> =>
      Number(/^headless_dns_uncaught_errors_total (\d+)$/m.exec((await server.admin('/metrics')).body)?.[1])
    await until(async () => (await count()) === 2, 'both are counted')
    for (const tcp of [false, true])
      assert.equal((await askServer(NAME, 'A', { port: server.port, tcp })).rcode, 'NOERROR')
    assert.match(server.output(), /"origin":"uncaughtException","stack":"Error: thrown by a test\\n +at /)
    assert.match(server.output(), /"origin":"unhandledRejection","stack":"Error: rejected by a test\\n +at /)
    const { status, body } = await server.admin('/healthz?verbose')
    assert.equal(status, 200)
    assert.equal(body, 'OK\n[+]workers\n[+]errors\n[+]table\n')
  })
})

describe('a worker that nobody can end', { skip: checkBatch() ?? false }, () => {
  it('makes /healthz bad while a successor answers, and does not hold up the end of the process', async t => {
    const entry = new URL('../support/defective-server.ts', import.meta.url)
    const child = fork(entry, { silent: true, env: { ...process.env, DEFECT_POLL_MS: '60000' } })
    t.after(() => child.kill('SIGKILL'))
    const [{ port, adminPort }] = (await once(child, 'message')) as [{ port: number; adminPort: number }]
    const client = await UdpClient.open(port, NAME)
    t.after(() => client.close())
    const health = async (): Promise<{ status: number; body: string }> => {
      const response = await fetch(`http://127.0.0.1:${adminPort}/healthz?verbose`)
      return { status: response.status, body: await response.text() }
    }
    assert.equal((await health()).status, 200)
    client.send('poll')
    await until(async () => (await health()).status === 503, '/healthz is bad')
    assert.match((await health()).body, /^workers that hang in a system call and cannot be ended: 1\n\[-\]workers: /)
    await until(() => client.ask(NAME, 500), 'the successor answers the same client')
    const started = performance.now()
    child.kill('SIGINT')
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
    assert.ok(performance.now() - started < 20_000, 'the system call was not waited for')
  })
})

describe('a worker whose heap is full', { skip: checkBatch() ?? false }, () => {
  it('is ended and replaced before the process is too large for its pod, and the other loses no query', async t => {
    /** The shipped pod has 512. */
    const MOST_MIB = 400
    const entry = new URL('../support/defective-server.ts', import.meta.url)
    // A thread that collects garbage hears no ring, and on a slow machine it would be found to hang before its heap is full.
    const env = { ...process.env, DEFECT_WORKERS: '2', DEFECT_RING_MS: '60000' }
    const child = fork(entry, { silent: true, env })
    t.after(() => child.kill('SIGKILL'))
    const [{ port, adminPort }] = (await once(child, 'message')) as [{ port: number; adminPort: number }]
    const metric = async (name: string): Promise<number> => {
      const body = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
      return Number(new RegExp(`^${name} (.+)$`, 'm').exec(body)?.[1])
    }
    const clients = await Promise.all(Array.from({ length: 16 }, () => UdpClient.open(port, NAME)))
    t.after(() => clients.map(client => client.close()))
    for (const client of clients) assert.ok(await client.ask())

    clients[0]!.send('heap')
    let isOver = false
    t.after(() => {
      isOver = true
    })
    const lost = clients.slice(1).map(async client => {
      let missing = 0
      while (!isOver) if (!(await client.ask())) missing++
      return missing
    })
    let most = 0
    await until(async () => {
      most = Math.max(most, await metric('process_resident_memory_bytes'))
      return (await metric('headless_dns_worker_deaths_total')) === 1 && (await metric('headless_dns_workers')) === 2
    }, 'it is replaced')
    isOver = true
    assert.ok((await Promise.all(lost)).includes(0), 'clients of the other worker were answered on')
    t.diagnostic(`${Math.round(most / (1 << 20))} MiB`)
    assert.ok(most < MOST_MIB << 20, `${most} octets`)
    assert.equal(await metric('headless_dns_worker_hangs_total'), 0)
    for (const client of clients) assert.ok(await client.ask(), 'every client is answered')
    assert.equal(child.exitCode, null)
  })
})

describe('a full disk', () => {
  it('under the log stops nothing, not even the end of the process', async t => {
    const [port, adminPort] = [await freePort(), await freePort()]
    const full = openSync('/dev/full', 'w')
    const args = [
      'src/main.ts',
      'serve',
      '--demo',
      '--listen',
      `127.0.0.1:${port}`,
      '--admin',
      `127.0.0.1:${adminPort}`,
    ]
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', full, full] })
    closeSync(full)
    t.after(() => child.kill('SIGKILL'))
    const ready = async (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
        ({ status }) => status === 200,
        () => false,
      )
    await until(ready, 'it is ready')
    for (const tcp of [false, true]) assert.equal((await askServer(NAME, 'A', { port, tcp })).rcode, 'NOERROR')
    assert.equal((await fetch(`http://127.0.0.1:${adminPort}/healthz`)).status, 200)
    child.kill('SIGINT')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })
})

/**
 * Many reloads under load: 5,000 queries a second for names of the cluster, of hosts and of an upstream, while the file
 * changes again and again. RELOADS=200 is the whole proof; five are what every run of the tests has time for.
 */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { addressOf, QNAME, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { ManyClients } from '../support/many-clients.ts'
import { ROOT, startServer, until } from '../support/server-process.ts'

const RELOADS = Number(process.env['RELOADS'] ?? 5)
/** What is measured for leaks begins when so many have warmed everything up. */
const WARM = Math.min(40, Math.floor(RELOADS / 2))
const CLUSTER_NAME = 'my-headless-service.default.svc.cluster.local'
/** Beside queries: an upstream's answer is always on its way when a reload comes. */
const UPSTREAM_MS = 20
const MOST_HELD_GROWTH_MIB = 2
/** What the allocators keep of threads that have ended; it levels off. */
const MOST_GROWTH_MIB = 128
const SETTLED_LOOKS = 20

describe('a configuration that changes under load', { skip: checkBatch() ?? false }, () => {
  it(`${RELOADS} reloads at 5,000 queries a second: none unanswered, none wrong, nothing left behind`, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'reload-load-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const upstream = await startUpstream(async asked => {
      await new Promise(resolve => setTimeout(resolve, UPSTREAM_MS))
      return [replyTo(asked, { answers: asked.type === 1 ? [addressOf(QNAME, '192.0.2.1', 1)] : [] })]
    })
    t.after(() => upstream.close())
    const file = join(folder, 'config.yaml')
    const write = (version: number): void => {
      const lines = [
        `source: { manifests: ['${ROOT}config/demo'] }`,
        'transport: batch',
        `workers: ${1 + (version % 2)}`,
        `answers: { order: ${['shuffle', 'rotate', 'stable'][version % 3]} }`,
        `hosts: { entries: [10.0.0.1 a.example, 10.0.${version >> 8}.${version & 255} version.example] }`,
        // Every third time forwarding goes on as it is.
        `forward: [{ upstreams: ['127.0.0.1:${upstream.port}'], maxConcurrent: ${1000 + Math.floor(version / 3)} }]`,
        `acl: [{ action: block, networks: [192.0.2.${version & 255}] }]`,
        `limits: { errorRate: ${1000 + version} }`,
      ]
      writeFileSync(`${file}.new`, lines.join('\n'))
      renameSync(`${file}.new`, file)
    }
    write(0)
    process.env['SOAK_MEMORY_FILE'] = join(folder, 'memory')
    const server = await startServer(['--config', file], { entry: 'test/support/collecting-server.ts' })
    t.after(() => server.stop('SIGINT'))
    const clients = await Promise.all([
      ManyClients.open(server.port, CLUSTER_NAME, 3),
      ManyClients.open(server.port, 'a.example', 1),
      ManyClients.open(server.port, 'www.example.com', 1),
    ])
    t.after(() => Promise.all(clients.map(each => each.stop(0))))
    for (const [i, rate] of [4000, 500, 500].entries()) clients[i]!.start(rate)
    let early: Footprint | undefined
    for (let version = 1; version <= RELOADS; version++) {
      write(version)
      const isDone = async () => (await server.admin('/metrics')).body.includes(`_reloads_total ${version}\n`)
      await until(isDone, `reload ${version}`).catch(error => assert.fail(`${error.message}\n${server.output()}`))
      if (version === WARM) early = await settled(server.child)
    }
    for (const [i, each] of clients.entries()) {
      const { asked, ...account } = await each.stop()
      assert.ok(asked > 100 * RELOADS * [0.8, 0.1, 0.1][i]!, `${asked} queries`)
      assert.deepEqual(account, { right: asked, wrong: 0, refused: 0, lost: 0 })
    }
    assert.match((await server.admin('/metrics')).body, /^coredns_reload_failed_total 0$/m)
    const late = await settled(server.child)
    t.diagnostic(`${RELOADS} reloads: ${JSON.stringify(early)} after ${WARM}, ${JSON.stringify(late)} at the end`)
    assert.ok(early !== undefined)
    if (RELOADS < 100) return
    assert.ok(late.threads <= early.threads + 1, `${late.threads} threads, ${early.threads} before`)
    assert.ok(
      late.descriptors <= early.descriptors + 12,
      `${late.descriptors} descriptors, ${early.descriptors} before`,
    )
    const grown = (what: 'heldMiB' | 'rssMiB') => late[what] - early![what]
    assert.ok(grown('heldMiB') < MOST_HELD_GROWTH_MIB, `what is held grew by ${grown('heldMiB')} MiB`)
    assert.ok(grown('rssMiB') < MOST_GROWTH_MIB, `the process grew by ${grown('rssMiB')} MiB`)
  })
})

interface Footprint {
  readonly descriptors: number
  readonly threads: number
  /** Of the main thread's heap and its buffers, and of the process, when what is dead has been collected. */
  readonly heldMiB: number
  readonly rssMiB: number
}

/** When what gave way has ended: threads and descriptors stay the same for a while. */
async function settled(child: ChildProcess): Promise<Footprint> {
  const count = (): string =>
    `${readdirSync(`/proc/${child.pid}/fd`).length} ${readdirSync(`/proc/${child.pid}/task`).length}`
  let last = count()
  let equal = 0
  await until(() => {
    const now = count()
    equal = now === last ? equal + 1 : 0
    last = now
    return equal === SETTLED_LOOKS
  }, 'threads and descriptors stay the same')
  const memory = process.env['SOAK_MEMORY_FILE']!
  rmSync(memory, { force: true })
  child.kill('SIGUSR2')
  let use: NodeJS.MemoryUsage | undefined
  await until(() => {
    const text = existsSync(memory) ? readFileSync(memory, 'utf8') : ''
    use = text.endsWith('}') ? JSON.parse(text) : undefined
    return use !== undefined
  }, 'what is dead is collected')
  const mib = (octets: number): number => Math.round((octets / 1024 / 1024) * 100) / 100
  const { heapUsed, external, rss } = use!
  const [descriptors, threads] = last.split(' ').map(Number)
  return { descriptors: descriptors!, threads: threads!, heldMiB: mib(heapUsed + external), rssMiB: mib(rss) }
}

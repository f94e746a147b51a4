/**
 * The query log of a whole server: queries of the table, of the forwarder, over UDP and TCP; turned on and off by a reload.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { loadConfig } from '../../src/control/config-load.ts'
import { createLogOver } from '../../src/control/log.ts'
import { QueryLog } from '../../src/control/query-log.ts'
import { serve } from '../../src/control/serve.ts'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { always, startUpstream } from '../support/fake-upstream.ts'
import { queryOf, RD } from '../support/messages.ts'
import { ROOT, until } from '../support/server-process.ts'

const CLUSTER_NAME = 'my-headless-service.default.svc.cluster.local'

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`the query log over ${transport}`, { skip: problem ?? false }, () => {
    it('has a line for each query, whoever answered it; a reload turns it on and off', async t => {
      const folder = mkdtempSync(join(tmpdir(), 'query-log-'))
      t.after(() => rmSync(folder, { recursive: true }))
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const file = join(folder, 'config.yaml')
      const write = (queries: string): void =>
        writeFileSync(
          file,
          [
            `source: { manifests: ['${ROOT}config/demo'] }`,
            `admin: 127.0.0.1:0\nlameduck: 0s\ntransport: ${transport}\nreload: false`,
            `forward: [{ upstreams: ['127.0.0.1:${upstream.port}'] }]`,
            `log: { queries: ${queries} }`,
          ].join('\n'),
        )
      write('{ classes: [all] }')
      const lines: Record<string, unknown>[] = []
      const log = createLogOver('info', {
        write(line) {
          const { time: _, level: __, msg, ...fields } = JSON.parse(line)
          if (msg === 'query') lines.push(fields)
        },
      })
      const load = () => loadConfig(file, { listen: ['127.0.0.1:0'], admin: '127.0.0.1:0' }, { needsSource: true })
      const server = await serve(load(), 'test', log, undefined, { file, load })
      t.after(() => server.stop(0))
      const where = server.addresses[0]!
      const url = `http://127.0.0.1:${server.adminAddress!.port}`
      await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server is ready')

      const seen = async (name: string, exchange = exchangeUdp) => {
        const before = lines.length
        const query = queryOf(name, 'A', { flags: RD, id: 4711, opt: {} })
        const reply = await exchange(query, where)
        await until(() => lines.length > before, 'a line')
        const { size, rsize, ...rest } = lines.at(-1)!
        assert.deepEqual([size, rsize], [query.length, reply.length])
        return rest
      }
      const common = { client: '127.0.0.1', id: 4711, type: 'A', do: false, bufsize: 1232, rcode: 'NOERROR' }
      assert.deepEqual(await seen(CLUSTER_NAME), {
        ...common,
        name: `${CLUSTER_NAME}.`,
        proto: 'udp',
        rflags: 'qr,aa,rd,ra',
        answers: 3,
      })
      const outside = { ...common, name: 'www.example.com.', proto: 'udp', rflags: 'qr,rd,ra', answers: 1 }
      assert.deepEqual(await seen('www.example.com'), outside)
      assert.deepEqual(await seen('www.example.com'), outside, 'from the cache too')
      assert.deepEqual(await seen('www.example.com', exchangeTcp), { ...outside, proto: 'tcp' })
      assert.match(await (await fetch(`${url}/metrics`)).text(), /^headless_dns_query_log_lines_total 4$/m)

      write('{ classes: [denial], zones: [cluster.local] }')
      await server.reloadConfig()
      for (const name of [CLUSTER_NAME, 'www.example.com']) await exchangeUdp(queryOf(name, 'A', { flags: RD }), where)
      assert.equal((await seen(`no.${CLUSTER_NAME}`))['rcode'], 'NXDOMAIN')
      assert.equal(lines.length, 5)

      write('{ classes: [] }')
      await server.reloadConfig()
      await exchangeUdp(queryOf(`no.${CLUSTER_NAME}`, 'A', { flags: RD }), where)
      assert.doesNotMatch(await (await fetch(`${url}/metrics`)).text(), /query_log/)
      assert.equal(lines.length, 5)
    })
  })
}

describe('the query log over reloads that change no part', () => {
  it('reads as many rings as before, and misses no query over TCP', async t => {
    const { open } = QueryLog.prototype
    let rings = 0
    t.mock.method(QueryLog.prototype, 'open', function (this: QueryLog) {
      rings++
      const { ring, close } = open.call(this)
      const count = (): void => {
        rings--
        close()
      }
      return { ring, close: count }
    })
    const lines: string[] = []
    const log = createLogOver('info', { write: line => void lines.push(line) })
    const folder = mkdtempSync(join(tmpdir(), 'query-log-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'config.yaml')
    const write = (idle: number): void => {
      const source = `source: { manifests: ['${ROOT}config/demo'] }`
      const rest = `lameduck: 0s\ntransport: portable\nreload: false\nlog: { queries: { classes: [all] } }`
      writeFileSync(file, `${source}\n${rest}\nlimits: { tcp: { idle: ${idle}s } }`)
    }
    write(10)
    const load = () => loadConfig(file, { listen: ['127.0.0.1:0'], admin: '127.0.0.1:0' }, { needsSource: true })
    const server = await serve(load(), 'test', log, undefined, { file, load })
    t.after(() => server.stop(0))
    const before = rings
    for (let idle = 11; idle <= 15; idle++) {
      await exchangeTcp(queryOf(CLUSTER_NAME, 'A'), server.addresses[0]!)
      write(idle)
      await server.reloadConfig()
    }
    assert.equal(rings, before)
    assert.equal(lines.filter(line => line.includes('"msg":"query"')).length, 5)
  })
})

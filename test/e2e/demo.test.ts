/**
 * The demo as a newcomer meets it: started by the README's command, asked with what people have at hand.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { askServer, dataOf } from '../support/dns-client.ts'
import { ROOT, type ServerProcess, startServer, until } from '../support/server-process.ts'

const NAME = 'my-headless-service.default.svc.cluster.local'

function has(program: string): boolean {
  try {
    execFileSync('which', [program])
    return true
  } catch {
    return false
  }
}

/** Skips with a reason where a program is not installed. */
function needs(program: string): { skip: string | false } {
  return { skip: has(program) ? false : `${program} is not installed` }
}

for (const transport of ['batch', 'portable']) {
  describe(`the demo over ${transport}`, {
    skip: transport === 'batch' && process.platform !== 'linux' ? 'batch needs Linux' : false,
  }, () => {
    let server: ServerProcess

    before(async () => {
      server = await startServer(['--demo', '--transport', transport])
    })
    after(async () => {
      await server.stop('SIGINT')
    })

    it('answers with the ready pods and no virtual address, over UDP and TCP', async () => {
      const udp = await dataOf(NAME, 'A', { port: server.port })
      assert.equal(udp.length, 3)
      assert.ok(
        udp.every(address => address.startsWith('127.1.')),
        `simulated pods lie in 127.1.0.0/16: ${udp}`,
      )
      assert.deepEqual(await dataOf(NAME, 'A', { port: server.port, tcp: true }), udp)
    })

    it('answers what the README and the demo files ask', async () => {
      const demo = globSync(join(ROOT, 'config/demo/*.yaml'))
      const [, tried = ''] = readFileSync(join(ROOT, 'README.md'), 'utf8').split(/^##+ .*$/m)
      const asked = [tried, ...demo.map(file => readFileSync(file, 'utf8'))].flatMap(text => [
        ...text.matchAll(/(?:dig|query) .*?([\w.-]+\.cluster\.local\.?)(?: (SRV|AAAA|CNAME))?/g),
      ])
      assert.ok(asked.length > 5, `${asked.length} names`)
      for (const [line, name = '', type = 'A'] of asked) {
        assert.notDeepEqual(await dataOf(name, type, { port: server.port }), [], line)
      }
    })

    it('answers each pod by its own name', async () => {
      for (const address of await dataOf(NAME, 'A', { port: server.port })) {
        const own = `${address.replaceAll('.', '-')}.${NAME}`
        assert.deepEqual(await dataOf(own, 'A', { port: server.port }), [address])
      }
    })

    it('is asked with dig', needs('dig'), async () => {
      const lines = execFileSync('dig', ['@127.0.0.1', '-p', String(server.port), NAME, '+short'], { encoding: 'utf8' })
      assert.deepEqual(lines.trim().split('\n').sort(), await dataOf(NAME, 'A', { port: server.port }))
    })

    it('is asked with nslookup', needs('nslookup'), async () => {
      const text = execFileSync('nslookup', [`-port=${server.port}`, NAME, '127.0.0.1'], { encoding: 'utf8' })
      for (const address of await dataOf(NAME, 'A', { port: server.port }))
        assert.match(text, new RegExp(`Address: ${address}\n`))
    })

    it('is asked with kdig, over TCP', needs('kdig'), async () => {
      const lines = execFileSync('kdig', ['+tcp', '@127.0.0.1', '-p', String(server.port), NAME, '+short'], {
        encoding: 'utf8',
      })
      assert.deepEqual(lines.trim().split('\n').sort(), await dataOf(NAME, 'A', { port: server.port }))
    })

    it('says what it serves, where, and a dig line to paste', () => {
      assert.match(
        server.output(),
        /serving \d+ services with \d+ ready endpoints in cluster\.local on 127\.0\.0\.1:\d+ \(UDP and TCP\)/,
      )
      assert.match(server.output(), new RegExp(`dig @127\\.0\\.0\\.1 -p ${server.port} ${NAME}`))
    })

    it('counts under the names that CoreDNS has', async () => {
      await askServer(NAME, 'A', { port: server.port })
      const { body } = await server.admin('/metrics')
      assert.match(
        body,
        /^coredns_dns_requests_total\{[^}]*zone="cluster\.local\.",[^}]*proto="udp",family="1",type="A"\} [1-9]/m,
      )
      assert.match(body, /^coredns_dns_responses_total\{[^}]*rcode="NOERROR"[^}]*\} [1-9]/m)
      assert.match(body, /^coredns_panics_total 0$/m)
      assert.match(body, /^headless_dns_services [1-9]/m)
    })
  })
}

describe('an edit of a manifest', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  const file = join(folder, 'demo', '1-my-headless-service.yaml')
  let server: ServerProcess
  const addresses = () => dataOf(NAME, 'A', { port: server.port })

  before(async () => {
    cpSync(join(ROOT, 'config/demo'), join(folder, 'demo'), { recursive: true })
    server = await startServer(['--manifests', join(folder, 'demo')])
  })
  after(async () => {
    await server.stop('SIGINT')
    rmSync(folder, { recursive: true })
  })

  it('makes a pod ready, and not ready again', async () => {
    const before = await addresses()
    const text = readFileSync(file, 'utf8')
    assert.match(text, /status: "False"/)
    writeFileSync(file, text.replace('status: "False"', 'status: "True"'))
    await until(async () => (await addresses()).length === before.length + 1, 'the pod is in the answer')
    writeFileSync(file, text)
    await until(async () => (await addresses()).length === before.length, 'the pod has left the answer')
    assert.deepEqual(await addresses(), before)
  })

  it('that is broken is reported with file and line, and what was served stays', async () => {
    const before = await addresses()
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, `${text}\n---\nkind: Service\nmetadata: [`)
    await until(() => server.output().includes('1-my-headless-service.yaml'), 'the file is named in the log')
    assert.deepEqual(await addresses(), before)
    writeFileSync(file, text)
  })
})

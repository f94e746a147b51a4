/**
 * Upstreams that are this server itself (CVE-2026-26018: CoreDNS ends its process), a black hole under a flood of random
 * names, and TLS that proves nothing: who asks for cluster names notices none of it.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { makeCertificate } from '../support/certificate.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { always, startUpstream } from '../support/fake-upstream.ts'
import { Burst, CLUSTER_NAME, readAnswer, startForwarding, zoneOf } from '../support/forwarding.ts'
import { queryOf, RCODES, RD } from '../support/messages.ts'
import { freePort, until } from '../support/server-process.ts'

const question = (name = 'www.example.com') => queryOf(name, 'A', { flags: RD, opt: {} })
const cluster = queryOf(CLUSTER_NAME, 'A', { flags: RD })

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`trouble with upstreams, over ${transport}`, { skip: problem ?? false }, () => {
    const startAt = (t: TestContext, port: number, upstream: number) =>
      startForwarding(t, transport, [zoneOf([upstream])], {}, {}, { listen: [{ address: '127.0.0.1', port }] })

    it('a server that forwards to itself: one packet, SERVFAIL at once, and it lives', async t => {
      const port = await freePort()
      const { server } = await startAt(t, port, port)
      const { rcode } = readAnswer(await exchangeUdp(question(), { port }))
      const { loops, shared, servfail } = server.forward!.forwarder.stats
      assert.deepEqual([rcode, loops, shared], [RCODES.SERVFAIL, 1, 0])
      assert.ok(servfail <= 2)
      assert.equal(readAnswer(await exchangeUdp(cluster, { port })).answers.length, 2)
    })

    it('two servers that forward to each other: SERVFAIL before 4.5 s, at most ten packets', async t => {
      const [a, b] = [await freePort(), await freePort()]
      const first = await startAt(t, a, b)
      const second = await startAt(t, b, a)
      const started = performance.now()
      const { rcode } = readAnswer(await exchangeUdp(question(), { port: a }, 6000))
      assert.equal(rcode, RCODES.SERVFAIL)
      assert.ok(performance.now() - started < 4500)
      const taken = [first, second].map(({ server }) => server.forward!.forwarder.stats.shared + 1)
      assert.ok(taken[0]! + taken[1]! <= 10, `${taken}`)
    })

    it('a flood of random names at a black hole: every cluster name is answered, over UDP and TCP', async t => {
      const hole = await startUpstream(() => [])
      t.after(() => hole.close())
      const { ipv4, server } = await startForwarding(t, transport, [zoneOf([hole.port])], { concurrent: 200 })
      const burst = await Burst.open(t, ipv4.port)
      let id = 0
      for (let round = 0; round < 100; round++) {
        for (let i = 0; i < 100; i++, id++) burst.send(question(`a${id}.example.com`), id)
        const exchange = round % 10 === 0 ? exchangeTcp : exchangeUdp
        assert.equal(readAnswer(await exchange(cluster, ipv4)).answers.length, 2)
      }
      const { inFlight, stats } = server.forward!.forwarder
      assert.ok(inFlight <= 200, `${inFlight} in flight`)
      assert.ok(stats.overTotal > 1000)
      // Whoever is over the cap hears it.
      await until(() => burst.replies.size > 1000, 'refusals')
      for (const reply of burst.replies.values()) assert.equal(readAnswer(reply).rcode, RCODES.SERVFAIL)
    })
  })
}

describe('upstreams over TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  const ours = makeCertificate(folder, 'ours')
  const other = makeCertificate(folder, 'other')

  it('are asked over a connection that their certificate holds for', async t => {
    t.after(() => rmSync(folder, { recursive: true }))
    const upstream = await startUpstream(always('192.0.2.1'), ours)
    t.after(() => upstream.close())
    const secure = `tls://127.0.0.1:${upstream.port}`
    const { ipv4, server } = await startForwarding(t, 'portable', [zoneOf([secure], { tlsCa: ours.file })])
    for (const name of ['a.example.com', 'b.example.com']) {
      assert.deepEqual(readAnswer(await exchangeUdp(question(name), ipv4)).answers, [`${name}. 1 192.0.2.1`])
    }
    assert.ok(upstream.asked.every(({ tcp }) => tcp))
    const [{ connectionHits, connectionMisses }] = server.forward!.upstreams as [never]
    assert.deepEqual([connectionHits, connectionMisses], [1, 1])

    for (const [upstreams, tlsCa] of [
      [secure, other.file],
      [`${secure}#dns.example`, ours.file],
    ] as const) {
      const strict = await startForwarding(t, 'portable', [zoneOf([upstreams], { tlsCa })])
      const asked = upstream.asked.length
      assert.equal(readAnswer(await exchangeUdp(question(), strict.ipv4)).rcode, RCODES.SERVFAIL)
      assert.equal(upstream.asked.length, asked)
    }
  })
})

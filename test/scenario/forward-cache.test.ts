/**
 * Forwarded answers a second time, through the whole server: from the data-plane threads, without the upstream, without the
 * main thread; what an operator can do about them.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { CACHE, soaOf } from '../support/cached.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { addressOf, type FakeUpstream, QNAME, recordOf, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { ALIAS, Burst, CLUSTER_NAME, readAnswer, startForwarding, TARGET, zoneOf } from '../support/forwarding.ts'
import { AA, queryOf, RA, RCODES, RD, strictDecode, TC } from '../support/messages.ts'
import { rulesOf } from '../support/rules.ts'
import { until } from '../support/server-process.ts'

const QR = 0x8000
const ADMIN = { address: '127.0.0.1', port: 0 }

/** One address for each name; nothing for `none.*`, SERVFAIL for `bad.*`, 200 addresses for `big.*`. */
async function startNames(t: TestContext): Promise<FakeUpstream> {
  const soa = recordOf('example.com', 6, Buffer.concat([Buffer.of(0, 0), Buffer.alloc(16), Buffer.of(0, 0, 0, 60)]))
  const upstream = await startUpstream(asked => {
    const [first] = asked.name.toLowerCase().split('.')
    if (first === 'none') return [replyTo(asked, { flags: RCODES.NXDOMAIN, authority: [soa] })]
    if (first === 'bad') return [replyTo(asked, { flags: RCODES.SERVFAIL })]
    if (first === 'big' && !asked.tcp) return [replyTo(asked, { flags: TC })]
    const count = first === 'big' ? 200 : 1
    const answers = Array.from({ length: count }, (_, i) => addressOf(QNAME, `192.0.2.${i}`))
    return [replyTo(asked, asked.type === 1 ? { answers } : { authority: [soa] })]
  })
  t.after(() => upstream.close())
  return upstream
}

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`the answer cache over ${transport}`, { skip: problem ?? false }, () => {
    it('asks once for what is asked again: addresses, denials, failures, over UDP and TCP, behind an ExternalName', async t => {
      const upstream = await startNames(t)
      const { ipv4, ipv6 } = await startForwarding(t, transport, [zoneOf([upstream.port])], {}, {}, { cache: CACHE })
      for (const [name, rcode] of [
        [TARGET, 0],
        ['none.example.com', RCODES.NXDOMAIN],
        ['bad.example.com', RCODES.SERVFAIL],
      ] as const) {
        const before = upstream.asked.length
        const first = readAnswer(await exchangeUdp(queryOf(name, 'A', { flags: RD }), ipv4))
        const asked = upstream.asked.length
        assert.ok(asked > before)
        for (const [exchange, where] of [
          [exchangeUdp, ipv4],
          [exchangeUdp, ipv6],
          [exchangeTcp, ipv4],
        ] as const) {
          const {
            answers,
            flags,
            rcode: got,
            reply,
          } = readAnswer(await exchange(queryOf(name, 'A', { flags: RD }), where))
          assert.deepEqual([answers, flags, got], [first.answers, QR | RD | RA, rcode])
          assert.equal(reply.authority.length, first.reply.authority.length)
        }
        assert.equal(upstream.asked.length, asked, 'nobody was asked again')
      }
      const asked = upstream.asked.length
      const alias = readAnswer(await exchangeUdp(queryOf(ALIAS, 'A', { flags: RD }), ipv4))
      assert.deepEqual(alias.answers, [`${ALIAS}. 5 ${TARGET}.`, `${TARGET}. 1 192.0.2.0`])
      assert.equal(upstream.asked.length, asked)
    })

    it('has what the client’s size holds with TC, the whole over TCP, from one question', async t => {
      const upstream = await startNames(t)
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])], {}, {}, { cache: CACHE })
      for (const time of ['first', 'again']) {
        const cut = readAnswer(await exchangeUdp(queryOf('big.example.com', 'A', { flags: RD }), ipv4))
        assert.deepEqual([cut.flags & TC, cut.answers.length], [TC, 29], time)
        const whole = readAnswer(await exchangeTcp(queryOf('big.example.com', 'A', { flags: RD }), ipv4))
        assert.deepEqual([whole.flags & TC, whole.answers.length], [0, 200], time)
      }
      assert.equal(upstream.asked.length, 2, 'over UDP and, truncated, over TCP')
    })

    it('is purged by name from the admin port, and counted under CoreDNS’s names', async t => {
      const upstream = await startNames(t)
      const listening = await startForwarding(
        t,
        transport,
        [zoneOf([upstream.port])],
        {},
        {},
        { cache: CACHE, admin: ADMIN },
      )
      const { server, ipv4 } = listening
      const url = `http://127.0.0.1:${server.adminAddress!.port}`
      const ask = async (name: string) => readAnswer(await exchangeUdp(queryOf(name, 'A', { flags: RD }), ipv4))
      const purge = async (query: string, method = 'DELETE') => {
        const response = await fetch(`${url}/cache${query}`, { method })
        return `${response.status} ${await response.text()}`
      }
      for (const name of ['a.example.com', 'b.example.com', 'none.example.com']) {
        await ask(name)
        await ask(name)
      }
      assert.equal(upstream.asked.length, 3)
      const metrics = await (await fetch(`${url}/metrics`)).text()
      const label = `server="dns://127.0.0.1:${ipv4.port}"`
      for (const line of [
        `coredns_cache_entries{${label},type="success",zones=".",view=""} 2`,
        `coredns_cache_entries{${label},type="denial",zones=".",view=""} 1`,
        `coredns_cache_hits_total{${label},type="success",zones=".",view=""} 2`,
        `coredns_cache_hits_total{${label},type="denial",zones=".",view=""} 1`,
        `coredns_cache_misses_total{${label},zones=".",view=""} 3`,
        `coredns_cache_requests_total{${label},zones=".",view=""} 6`,
      ]) {
        assert.ok(metrics.includes(`\n${line}\n`), line)
      }
      assert.equal(await purge('?name=A.example.com'), '200 1 answers purged\n')
      await ask('a.example.com')
      await ask('b.example.com')
      assert.equal(upstream.asked.length, 4, 'that name alone was asked again')
      assert.equal(await purge('?name=c.example.com'), '200 0 answers purged\n')
      assert.match(await purge('?name=a..b'), /^400 /)
      assert.match(await purge('?nam=a.example.com'), /^400 /)
      assert.match(await purge('', 'GET'), /^405 /)
      assert.equal(await purge(''), '200 3 answers purged\n')
    })

    it('gives way to a host that a file names from now on', async t => {
      const upstream = await startNames(t)
      const folder = mkdtempSync(join(tmpdir(), 'forward-cache-'))
      t.after(() => rmSync(folder, { recursive: true }))
      const file = join(folder, 'hosts')
      writeFileSync(file, '10.9.0.1 db.example.com\n')
      const rules = rulesOf({ hosts: { files: [file] } })
      const more = { cache: CACHE, rules }
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])], {}, {}, more)
      const answer = async () =>
        readAnswer(await exchangeUdp(queryOf('late.example.com', 'A', { flags: RD }), ipv4)).answers
      for (let i = 0; i < 2; i++) assert.deepEqual(await answer(), ['late.example.com. 1 192.0.2.0'])
      writeFileSync(file, '10.9.0.1 db.example.com\n10.9.0.2 late.example.com\n')
      await until(async () => (await answer()).join() === 'late.example.com. 1 10.9.0.2', 'the host is answered')
    })

    it('keeps no answer that was asked for before the hosts changed', async t => {
      const upstream = await startNames(t)
      const { script } = upstream
      let release = (): void => {}
      const gate = new Promise<void>(resolve => (release = resolve))
      upstream.script = async asked => {
        if (asked.name === TARGET) await gate
        return script(asked)
      }
      const folder = mkdtempSync(join(tmpdir(), 'forward-cache-'))
      t.after(() => rmSync(folder, { recursive: true }))
      const file = join(folder, 'hosts')
      writeFileSync(file, '10.9.0.1 db.example.com\n')
      const rules = rulesOf({ hosts: { files: [file] } })
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])], {}, {}, { cache: CACHE, rules })
      const answer = async (name: string) =>
        readAnswer(await exchangeUdp(queryOf(name, 'A', { flags: RD }), ipv4)).answers.join()
      const before = answer(TARGET)
      await until(() => upstream.asked.length === 1, 'it is asked for')
      writeFileSync(file, `10.9.0.2 mark.example.com ${TARGET}\n`)
      await until(async () => (await answer('mark.example.com')).endsWith(' 10.9.0.2'), 'the hosts are read')
      release()
      assert.equal(await before, `${TARGET}. 1 192.0.2.0`)
      for (const time of ['first', 'again']) assert.equal(await answer(TARGET), `${TARGET}. 1 10.9.0.2`, time)
    })

    it('gives TTLs to whoever asks first as to those who ask later: no longer than it is kept, no shorter, 0 as it is', async t => {
      const seconds: Readonly<Record<string, number>> = { long: 9000, short: 1, never: 0, ordinary: 40 }
      const soa = soaOf('example.com', 9000, 9000)
      const upstream = await startUpstream(asked => {
        const ttl = seconds[asked.name.split('.')[0]!]
        if (ttl === undefined) return [replyTo(asked, { flags: RCODES.NXDOMAIN, authority: [soa] })]
        return [replyTo(asked, { answers: [addressOf(QNAME, '192.0.2.1', ttl)] })]
      })
      t.after(() => upstream.close())
      const cache = {
        ...CACHE,
        success: { ...CACHE.success, ttl: 60, minTtl: 10 },
        denial: { ...CACHE.denial, ttl: 20 },
      }
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])], {}, {}, { cache })
      const ttlOf = async (name: string) => {
        const query = queryOf(`${name}.example.com`, 'A', { flags: RD })
        const { answers, authority } = strictDecode(await exchangeUdp(query, ipv4))
        return [...answers, ...authority][0]!.ttl
      }
      const names = ['long', 'short', 'never', 'ordinary', 'none']
      assert.deepEqual(await Promise.all(names.map(ttlOf)), [60, 10, 0, 40, 20])
    })

    it('asks again, by itself, for what is asked often, before it expires', async t => {
      const upstream = await startNames(t)
      const cache = {
        ...CACHE,
        success: { ...CACHE.success, ttl: 2, minTtl: 1 },
        prefetch: { amount: 2, duration: 60, percentage: 50 },
      }
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])], {}, {}, { cache })
      for (const name of [TARGET, TARGET, TARGET, 'once.example.com']) {
        await exchangeUdp(queryOf(name, 'A', { flags: RD }), ipv4)
      }
      await until(() => upstream.asked.length === 3, 'one more question')
      assert.deepEqual(
        upstream.asked.map(({ name }) => name),
        [TARGET, 'once.example.com', TARGET],
      )
    })

    it('holds still when 1,000 names that do not exist are asked for: what is used stays, memory is bounded', async t => {
      const upstream = await startNames(t)
      const cache = { ...CACHE, denial: { ...CACHE.denial, capacity: 300 } }
      const { ipv4, server } = await startForwarding(
        t,
        transport,
        [zoneOf([upstream.port])],
        {},
        {},
        { cache, admin: ADMIN },
      )
      await exchangeUdp(queryOf(TARGET, 'A', { flags: RD }), ipv4)
      const burst = await Burst.open(t, ipv4.port)
      for (let i = 0; i < 1000; i++) {
        burst.send(queryOf(`none.x${i}.example.com`, 'A', { flags: RD }), i)
        if (i % 100 === 99) await until(() => burst.replies.size > i, 'replies')
      }
      const asked = upstream.asked.length
      const known = readAnswer(await exchangeUdp(queryOf(CLUSTER_NAME, 'A', { flags: RD }), ipv4))
      assert.deepEqual([known.answers.length, known.flags & AA], [2, AA])
      const kept = readAnswer(await exchangeUdp(queryOf(TARGET, 'A', { flags: RD }), ipv4))
      assert.equal(kept.answers.length, 1)
      assert.equal(upstream.asked.length, asked)
      const metrics = await (await fetch(`http://127.0.0.1:${server.adminAddress!.port}/metrics`)).text()
      const entries = /coredns_cache_entries\{[^}]*type="denial"[^}]*\} (\d+)/.exec(metrics)
      assert.equal(Number(entries![1]), 300)
    })
  })
}

/**
 * Names that are not the cluster's, through the whole server to an upstream and back: over UDP and TCP, on both transports;
 * what the cluster's own names must not notice of it.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RunningServer } from '../../src/control/server-options.ts'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { addressOf, always, QNAME, recordOf, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { ALIAS, Burst, CLUSTER_NAME, readAnswer, startForwarding, TARGET, zoneOf } from '../support/forwarding.ts'
import { AA, CD, queryOf, RA, RCODES, RD, TC, wireName } from '../support/messages.ts'
import { until } from '../support/server-process.ts'

const QR = 0x8000

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`forwarding over ${transport}`, { skip: problem ?? false }, () => {
    it('answers names outside the zones over UDP and TCP, IPv4 and IPv6, with RA and without AA', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const { ipv4, ipv6 } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      for (const where of [ipv4, ipv6]) {
        for (const exchange of [exchangeUdp, exchangeTcp]) {
          const octets = await exchange(queryOf('wWw.Example.com', 'A', { flags: RD, opt: {} }), where)
          const { rcode, flags, answers, reply } = readAnswer(octets)
          assert.deepEqual([rcode, flags, answers], [0, QR | RD | RA, ['wWw.Example.com. 1 192.0.2.1']])
          assert.deepEqual(reply.opt, { size: 1232, version: 0, flags: 0, options: [] })
        }
      }
    })

    it('a query without RD is REFUSED, and nobody is asked', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      const { rcode, flags } = readAnswer(await exchangeUdp(queryOf('www.example.com', 'A'), ipv4))
      assert.deepEqual([rcode, flags], [RCODES.REFUSED, QR | RA])
      assert.equal(upstream.asked.length, 0)
    })

    it('cluster names are answered here, with authority; unknown ones are NXDOMAIN here', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      for (const exchange of [exchangeUdp, exchangeTcp]) {
        const known = readAnswer(await exchange(queryOf(CLUSTER_NAME, 'A', { flags: RD }), ipv4))
        assert.deepEqual([known.rcode, known.flags], [0, QR | AA | RD | RA])
        assert.equal(known.answers.length, 2)
        const unknown = readAnswer(await exchange(queryOf(`no.${CLUSTER_NAME}`, 'A', { flags: RD }), ipv4))
        assert.deepEqual([unknown.rcode, unknown.flags], [RCODES.NXDOMAIN, QR | AA | RD | RA])
      }
      assert.equal(upstream.asked.length, 0)
    })

    it('1,000 equal questions at once are one packet to the upstream, and 1,000 answers', async t => {
      let release = (): void => {}
      const gate = new Promise<void>(resolve => (release = resolve))
      const upstream = await startUpstream(async asked => {
        await gate
        return [replyTo(asked, { answers: [addressOf(QNAME, '192.0.2.1')] })]
      })
      t.after(() => upstream.close())
      const { ipv4, server } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      const burst = await Burst.open(t, ipv4.port)
      const query = queryOf('www.example.com', 'A', { flags: RD })
      // In parts, since the ring between the threads holds 512.
      for (let id = 0; id < 1000; id += 100) {
        for (let i = id; i < id + 100; i++) burst.send(query, i)
        await until(() => taken(server) === id + 100, `${id + 100} are waiting`)
      }
      release()
      await until(() => burst.replies.size === 1000, 'all are answered')
      for (const reply of burst.replies.values()) assert.equal(readAnswer(reply).rcode, 0)
      assert.equal(upstream.asked.length, 1)
    })

    it('an unknown address of a reverse zone is asked for; a zone of fallthrough too', async t => {
      const upstream = await startUpstream(asked => [
        replyTo(asked, {
          answers: [
            recordOf(QNAME, asked.type, asked.type === 12 ? wireName('far.example') : Buffer.from([192, 0, 2, 7])),
          ],
        }),
      ])
      t.after(() => upstream.close())
      const fallthrough = [wireName('cluster.local')]
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])], { fallthrough })
      const ptr = readAnswer(await exchangeUdp(queryOf('9.9.9.9.in-addr.arpa', 'PTR', { flags: RD }), ipv4))
      assert.deepEqual(ptr.answers, ['9.9.9.9.in-addr.arpa. 12 far.example.'])
      const known = readAnswer(await exchangeUdp(queryOf('1.0.1.10.in-addr.arpa', 'PTR', { flags: RD }), ipv4))
      assert.deepEqual([known.rcode, known.answers.length, upstream.asked.length], [0, 1, 1])
      const missing = readAnswer(await exchangeUdp(queryOf('far.cluster.local', 'A', { flags: RD }), ipv4))
      assert.deepEqual(missing.answers, ['far.cluster.local. 1 192.0.2.7'])
    })

    it('an ExternalName is answered with the addresses of its target', async t => {
      const upstream = await startUpstream(asked => [
        replyTo(asked, {
          answers: [recordOf(QNAME, 5, wireName('cdn.example.net')), addressOf('cdn.example.net', '192.0.2.3')],
        }),
      ])
      t.after(() => upstream.close())
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      for (const exchange of [exchangeUdp, exchangeTcp]) {
        const { rcode, flags, answers } = readAnswer(await exchange(queryOf(ALIAS, 'A', { flags: RD, opt: {} }), ipv4))
        assert.deepEqual([rcode, flags], [0, QR | AA | RD | RA])
        assert.deepEqual(answers, [
          `${ALIAS}. 5 ${TARGET}.`,
          `${TARGET}. 5 cdn.example.net.`,
          'cdn.example.net. 1 192.0.2.3',
        ])
      }
      assert.deepEqual(
        upstream.asked.map(({ name, type }) => `${name} ${type}`),
        [`${TARGET} 1`, `${TARGET} 1`],
      )
      // The alias itself is ours, and asks nobody.
      const cname = readAnswer(await exchangeUdp(queryOf(ALIAS, 'CNAME', { flags: RD }), ipv4))
      assert.deepEqual(cname.answers, [`${ALIAS}. 5 ${TARGET}.`])
      assert.equal(upstream.asked.length, 2)
    })

    it('what is too long for the client is cut with TC and its OPT, and whole over TCP', async t => {
      const many = Array.from({ length: 200 }, (_, i) => addressOf(QNAME, `192.0.2.${i}`))
      const upstream = await startUpstream(asked =>
        asked.tcp ? [replyTo(asked, { answers: many })] : [replyTo(asked, { flags: TC })],
      )
      t.after(() => upstream.close())
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      const cut = await exchangeUdp(queryOf('big.example.com', 'A', { flags: RD, opt: {} }), ipv4)
      const { flags, answers, reply } = readAnswer(cut)
      assert.equal(flags, QR | RD | RA | TC)
      assert.ok(cut.length <= 1232 && answers.length > 50 && reply.opt !== undefined, `${answers.length}`)
      const small = await exchangeUdp(queryOf('big.example.com', 'A', { flags: RD }), ipv4)
      assert.ok(small.length <= 512 && readAnswer(small).reply.opt === undefined)
      const whole = readAnswer(await exchangeTcp(queryOf('big.example.com', 'A', { flags: RD }), ipv4))
      assert.deepEqual([whole.answers.length, whole.flags], [200, QR | RD | RA])
    })

    it('CD and DO go to the upstream; UPDATE, NOTIFY, CH and transfers do not', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      await exchangeUdp(queryOf('a.example.com', 'A', { flags: RD | CD, opt: { flags: 0x8000 } }), ipv4)
      const [asked] = upstream.asked
      assert.equal(asked!.flags, RD | CD)
      assert.equal(asked!.octets.readUInt16BE(asked!.octets.length - 4), 0x8000)
      for (const opcode of [4, 5]) {
        await exchangeUdp(queryOf('a.example.com', 'A', { flags: RD | (opcode << 11) }), ipv4)
      }
      await exchangeUdp(queryOf('a.example.com', 'A', { flags: RD, qclass: 3 }), ipv4)
      await exchangeUdp(queryOf('a.example.com', 252, { flags: RD }), ipv4)
      assert.equal(upstream.asked.length, 1)
    })
  })
}

/** Queries that the forwarder has taken and not answered. */
function taken({ forward }: RunningServer): number {
  const { stats, inFlight } = forward!.forwarder
  return stats.shared + inFlight
}

/**
 * Where forwarding ends: names that have no upstream, names below a zone that fall through, sockets on all addresses, and a
 * server that ends while it waits.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { checkBatch } from '../../src/transport/batch-check.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { always, startUpstream, wireName } from '../support/fake-upstream.ts'
import { ALIAS, CLUSTER_NAME, readAnswer, startForwarding, TARGET, zoneOf } from '../support/forwarding.ts'
import { AA, QR, queryOf, RA, RCODES, RD } from '../support/messages.ts'
import { freePort, until } from '../support/server-process.ts'

const SOA = 6

for (const transport of ['batch', 'portable'] as const) {
  const problem = transport === 'batch' ? checkBatch() : undefined
  describe(`the edges of forwarding, over ${transport}`, { skip: problem ?? false }, () => {
    it('names without an upstream: NXDOMAIN with SOA in our zones, an alias as far as it goes, REFUSED elsewhere', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const stub = zoneOf([upstream.port], { zone: 'corp.example' })
      const { ipv4 } = await startForwarding(t, transport, [stub], { fallthrough: [wireName('cluster.local')] })
      for (const exchange of [exchangeUdp, exchangeTcp]) {
        const ask = async (name: string, type: string) =>
          readAnswer(await exchange(queryOf(name, type, { flags: RD, opt: {} }), ipv4))
        for (const [name, type] of [
          ['9.9.9.9.in-addr.arpa', 'PTR'],
          ['none.default.svc.cluster.local', 'A'],
        ] as const) {
          const { rcode, flags, reply } = await ask(name, type)
          assert.deepEqual([rcode, flags], [RCODES.NXDOMAIN, QR | AA | RD | RA], name)
          assert.deepEqual(
            reply.authority.map(each => each.type),
            [SOA],
            name,
          )
        }
        const alias = await ask(ALIAS, 'A')
        assert.deepEqual([alias.rcode, alias.flags, alias.answers], [0, QR | AA | RD | RA, [`${ALIAS}. 5 ${TARGET}.`]])
        const other = await ask('www.example.com', 'A')
        assert.deepEqual([other.rcode, other.flags], [RCODES.REFUSED, QR | RD | RA])
        assert.equal((await ask('db.corp.example', 'A')).answers.length, 1)
      }
      assert.ok(upstream.asked.every(({ name }) => name === 'db.corp.example'))
    })

    it('fallthrough of a name below a zone: what lies there is asked for, the rest of the zone is not', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const fallthrough = [wireName('corp.cluster.local')]
      const { ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])], { fallthrough })
      const rcodeOf = async (name: string) =>
        readAnswer(await exchangeUdp(queryOf(name, 'A', { flags: RD }), ipv4)).rcode
      assert.equal(await rcodeOf('DB.Corp.cluster.local'), 0)
      assert.equal(await rcodeOf('corp.cluster.local'), 0)
      assert.equal(await rcodeOf('dbcorp.cluster.local'), RCODES.NXDOMAIN)
      assert.equal(await rcodeOf('none.default.svc.cluster.local'), RCODES.NXDOMAIN)
      assert.equal(await rcodeOf(CLUSTER_NAME), 0)
      assert.deepEqual(
        upstream.asked.map(({ name }) => name),
        ['DB.Corp.cluster.local', 'corp.cluster.local'],
      )
    })

    it('a socket on all addresses: a forwarded reply comes from the address that was asked', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const port = await freePort()
      const listen = [{ address: '0.0.0.0', port }]
      await startForwarding(t, transport, [zoneOf([upstream.port])], {}, {}, { listen })
      // Connected: the kernel lets in what comes from the address that was asked, and nothing else.
      for (const address of ['127.0.0.1', ...(transport === 'batch' ? ['127.0.0.2', '127.3.2.1'] : [])]) {
        const socket = createSocket('udp4')
        t.after(() => socket.close())
        socket.connect(port, address)
        await once(socket, 'connect')
        const reply = once(socket, 'message', { signal: AbortSignal.timeout(4000) })
        socket.send(queryOf('www.example.com', 'A', { flags: RD }))
        assert.equal(readAnswer((await reply)[0] as Buffer).answers.length, 1, address)
      }
    })

    it('the server ends: who waits for an upstream hears SERVFAIL, over UDP and TCP', async t => {
      const hole = await startUpstream(() => [])
      t.after(() => hole.close())
      const { server, ipv4 } = await startForwarding(t, transport, [zoneOf([hole.port])])
      const replies = [exchangeUdp, exchangeTcp].map((exchange, i) =>
        exchange(queryOf(`a${i}.example.com`, 'A', { flags: RD }), ipv4),
      )
      await until(() => hole.asked.length === 2, 'both are asked for')
      const stopped = server.stop(0)
      for (const reply of await Promise.all(replies)) assert.equal(readAnswer(reply).rcode, RCODES.SERVFAIL)
      await stopped
    })

    it('over TCP a query that the server has not read at its end is forwarded and answered: RFC 7766 §6.2.4', async t => {
      const upstream = await startUpstream(always('192.0.2.1'))
      t.after(() => upstream.close())
      const { server, ipv4 } = await startForwarding(t, transport, [zoneOf([upstream.port])])
      const client = connect({ host: '127.0.0.1', port: ipv4.port })
      t.after(() => client.destroy())
      const chunks: Buffer[] = []
      client.on('data', chunk => chunks.push(chunk))
      const ask = (name: string): void => {
        const query = queryOf(name, 'A', { flags: RD })
        client.write(Buffer.concat([Buffer.of(query.length >>> 8, query.length & 255), query]))
      }
      ask('before.example.com')
      await until(() => chunks.length === 1, 'the connection is served')
      // In the same turn: nothing is read between the two.
      ask('last.example.com')
      const stopped = server.stop(0)
      await once(client, 'end')
      client.end()
      await stopped
      assert.equal(readAnswer(Buffer.concat(chunks.slice(1)).subarray(2)).rcode, 0)
    })
  })
}

/**
 * What `/metrics` says of forwarded queries, under CoreDNS's names and labels.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { always, replyTo, startUpstream, wireName } from '../support/fake-upstream.ts'
import { ALIAS, CLUSTER_NAME, startForwarding, zoneOf } from '../support/forwarding.ts'
import { queryOf, RCODES, RD, TC } from '../support/messages.ts'

it('forwarded queries are counted as CoreDNS counts them, and apart by plugin', async t => {
  const good = always('192.0.2.1')
  const upstream = await startUpstream(asked => {
    if (asked.name.startsWith('no.')) return [replyTo(asked, { flags: RCODES.NXDOMAIN })]
    return asked.name.startsWith('long.') && !asked.tcp ? [replyTo(asked, { flags: TC })] : good(asked)
  })
  t.after(() => upstream.close())
  const fallthrough = [wireName('cluster.local')]
  const admin = { address: '127.0.0.1', port: 0 }
  const { server, ipv4 } = await startForwarding(
    t,
    'portable',
    [zoneOf([upstream.port])],
    { fallthrough },
    {},
    { admin },
  )
  const ask = (name: string, exchange: typeof exchangeTcp = exchangeUdp, opt = {}) =>
    exchange(queryOf(name, 'A', { flags: RD, opt }), ipv4)
  await ask('www.example.com')
  await ask('www.example.com', exchangeTcp)
  await ask('long.example.com')
  await ask('long.example.com')
  await ask('no.example.com', exchangeUdp, { flags: 0x8000 })
  await ask('no.cluster.local')
  await ask(ALIAS)
  await ask(CLUSTER_NAME)

  const { address, port } = server.adminAddress!
  const text = await (await fetch(`http://${address}:${port}/metrics`)).text()
  const lines = text.split('\n')
  const samples = lines.filter(line => line !== '' && !line.startsWith('#'))
  const keys = samples.map(line => line.slice(0, line.lastIndexOf(' ')))
  assert.equal(new Set(keys).size, keys.length, 'no sample twice')
  const of = (prefix: string): Record<string, number> =>
    Object.fromEntries(
      samples
        .filter(line => line.startsWith(prefix))
        .map(line => {
          const at = line.lastIndexOf(' ')
          const labels = line.slice(prefix.length, at).replace(/server="[^"]*",?|,?view=""|[{}"]/g, '')
          return [labels.replaceAll(`127.0.0.1:${upstream.port}`, 'UP'), Number(line.slice(at + 1))]
        }),
    )
  assert.deepEqual(of('coredns_dns_requests_total'), {
    'zone=.,proto=udp,family=1,type=A': 4,
    'zone=.,proto=tcp,family=1,type=A': 1,
    'zone=cluster.local.,proto=udp,family=1,type=A': 3,
  })
  assert.deepEqual(of('coredns_dns_responses_total'), {
    'zone=.,rcode=NOERROR,plugin=forward': 4,
    'zone=.,rcode=NXDOMAIN,plugin=forward': 1,
    'zone=cluster.local.,rcode=NXDOMAIN,plugin=forward': 1,
    'zone=cluster.local.,rcode=NOERROR,plugin=forward': 1,
    'zone=cluster.local.,rcode=NOERROR,plugin=kubernetes': 1,
  })
  assert.deepEqual(of('coredns_dns_do_requests_total'), { 'zone=.': 1 })
  assert.equal(of('coredns_dns_request_duration_seconds_count')['zone=.'], 5)
  assert.deepEqual(of('coredns_proxy_request_duration_seconds_count'), {
    'proxy_name=forward,to=UP,rcode=NOERROR': 5,
    'proxy_name=forward,to=UP,rcode=NXDOMAIN': 2,
  })
  assert.deepEqual(of('coredns_proxy_conn_cache_misses_total'), { 'proxy_name=forward,to=UP,proto=tcp': 1 })
  assert.deepEqual(of('coredns_proxy_conn_cache_hits_total'), { 'proxy_name=forward,to=UP,proto=tcp': 1 })
  assert.deepEqual(of('coredns_proxy_healthcheck_failures_total'), { 'proxy_name=forward,to=UP': 0 })
  assert.deepEqual(of('coredns_forward_max_concurrent_rejects_total'), { '': 0 })
  assert.deepEqual(of('coredns_forward_healthcheck_broken_total'), { '': 0 })
  assert.deepEqual(of('headless_dns_forward_replies_total'), {
    'result=answered': 7,
    'result=cached': 0,
    'result=servfail': 0,
    'result=refused': 0,
    'result=unrouted': 0,
  })
  assert.deepEqual(of('headless_dns_forward_in_flight'), { '': 0 })
})

/**
 * CoreDNS's metrics, of the plugins that have a counterpart here: dashboards and alerts that stand on their names and labels go on.
 * The list is that of CoreDNS 1.15 (`/metrics` of its plugins, in its README files and code).
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { loadConfig } from '../../src/control/config-load.ts'
import { createLogOver } from '../../src/control/log.ts'
import { serve } from '../../src/control/serve.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-client.ts'
import { addressOf, QNAME, replyTo, startUpstream } from '../support/fake-upstream.ts'
import { queryOf, RCODES, RD } from '../support/messages.ts'
import { ROOT, until } from '../support/server-process.ts'

/** Name → labels, those of histograms without `le`. */
const COREDNS: Readonly<Record<string, readonly string[]>> = {
  coredns_build_info: ['version', 'revision', 'goversion'],
  coredns_dns_requests_total: ['server', 'zone', 'view', 'proto', 'family', 'type'],
  coredns_dns_request_duration_seconds: ['server', 'zone', 'view'],
  coredns_dns_request_size_bytes: ['server', 'zone', 'view', 'proto'],
  coredns_dns_response_size_bytes: ['server', 'zone', 'view', 'proto'],
  coredns_dns_responses_total: ['server', 'zone', 'view', 'rcode', 'plugin'],
  coredns_dns_do_requests_total: ['server', 'zone', 'view'],
  coredns_panics_total: [],
  coredns_plugin_enabled: ['server', 'zone', 'view', 'name'],
  coredns_kubernetes_dns_programming_duration_seconds: ['service_kind'],
  coredns_forward_healthcheck_broken_total: [],
  coredns_forward_max_concurrent_rejects_total: [],
  coredns_proxy_request_duration_seconds: ['proxy_name', 'to', 'rcode'],
  coredns_proxy_healthcheck_failures_total: ['proxy_name', 'to'],
  coredns_proxy_conn_cache_hits_total: ['proxy_name', 'to', 'proto'],
  coredns_proxy_conn_cache_misses_total: ['proxy_name', 'to', 'proto'],
  coredns_cache_entries: ['server', 'type', 'zones', 'view'],
  coredns_cache_hits_total: ['server', 'type', 'zones', 'view'],
  coredns_cache_misses_total: ['server', 'zones', 'view'],
  coredns_cache_requests_total: ['server', 'zones', 'view'],
  coredns_cache_prefetch_total: ['server', 'zones', 'view'],
  coredns_cache_drops_total: ['server', 'zones', 'view'],
  coredns_cache_served_stale_total: ['server', 'zones', 'view'],
  coredns_cache_evictions_total: ['server', 'type', 'zones', 'view'],
  coredns_reload_failed_total: [],
  coredns_reload_version_info: ['hash', 'value'],
  coredns_hosts_entries: [],
  coredns_hosts_reload_timestamp_seconds: [],
  coredns_template_matches_total: ['server', 'zone', 'view', 'class', 'type'],
  coredns_template_template_failures_total: ['server', 'zone', 'view', 'class', 'type', 'section', 'template'],
  coredns_template_rr_failures_total: ['server', 'zone', 'view', 'class', 'type', 'section', 'template'],
  coredns_autopath_success_total: ['server'],
  coredns_dns64_requests_translated_total: ['server'],
  coredns_acl_blocked_requests_total: ['server', 'zone', 'view'],
  coredns_acl_filtered_requests_total: ['server', 'zone', 'view'],
  coredns_acl_allowed_requests_total: ['server', 'view'],
  coredns_acl_dropped_requests_total: ['server', 'zone', 'view'],
  coredns_local_localhost_requests_total: [],
  coredns_health_request_duration_seconds: [],
  coredns_health_request_failures_total: [],
  coredns_kubernetes_rest_client_request_duration_seconds: ['verb', 'host'],
  coredns_kubernetes_rest_client_rate_limiter_duration_seconds: ['verb', 'host'],
  coredns_kubernetes_rest_client_requests_total: ['code', 'method', 'host'],
}

/** What is not there, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  coredns_health_request_duration_seconds: 'it asks itself over HTTP; /healthz looks at threads and the table instead',
  coredns_health_request_failures_total: 'the same',
  coredns_kubernetes_rest_client_request_duration_seconds: 'of client-go; headless_dns_watch_* say how the watches are',
  coredns_kubernetes_rest_client_rate_limiter_duration_seconds: 'of client-go: there is no limiter here',
  coredns_kubernetes_rest_client_requests_total: 'of client-go; headless_dns_watch_connects_total counts requests',
  coredns_template_template_failures_total: 'templates are compiled at the start: none fails later',
}

it('every metric of CoreDNS is there with its labels, or its absence has a reason', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const upstream = await startUpstream(asked => [
    asked.name.startsWith('no.')
      ? replyTo(asked, { flags: 0x8180 | RCODES.NXDOMAIN })
      : replyTo(asked, { answers: asked.type === 1 ? [addressOf(QNAME, '192.0.2.1')] : [] }),
  ])
  t.after(() => upstream.close())
  const file = join(folder, 'config.yaml')
  writeFileSync(join(folder, 'hosts'), '10.0.0.1 a.example\n')
  const pod = { hostname: 'a', ip: '127.0.0.1' }
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod.hostname, namespace: 'default' },
      spec: { containers: [] },
      status: { phase: 'Running', podIP: pod.ip, podIPs: [{ ip: pod.ip }] },
    },
  ]
  writeFileSync(join(folder, 'pods.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  writeFileSync(
    file,
    [
      `source: { manifests: ['${ROOT}config/demo', '${join(folder, 'pods.json')}'] }`,
      'admin: 127.0.0.1:0\nlameduck: 0s\ntransport: portable',
      `forward: [{ upstreams: ['127.0.0.1:${upstream.port}'] }]`,
      `hosts: { files: ['${join(folder, 'hosts')}'] }`,
      'template: [{ zone: t.example, rcode: NXDOMAIN }]',
      'acl: [{ action: filter, types: [TXT] }, { action: block, zones: [secret.example] }, { action: drop, zones: [gone.example] }]',
      'dns64: { prefix: "64:ff9b::/96", allowIPv4: true }',
      'autopath: { enabled: true, search: [] }',
    ].join('\n'),
  )
  const load = () => loadConfig(file, { listen: ['127.0.0.1:0'] }, { needsSource: true })
  const server = await serve(load(), 'test', createLogOver('silent', { write() {} }), undefined, { file, load })
  t.after(() => server.stop(0))
  const where = server.addresses[0]!
  const url = `http://127.0.0.1:${server.adminAddress!.port}`
  await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server is ready')
  const asked: [string, string][] = [
    ['my-headless-service.default.svc.cluster.local', 'A'],
    ['no.such.name.cluster.local', 'A'],
    ['www.example.com.default.svc.cluster.local', 'A'],
    ['www.example.com', 'A'],
    ['www.example.com', 'A'],
    ['www.example.com', 'AAAA'],
    ['no.example.com', 'A'],
    ['a.example', 'A'],
    ['x.t.example', 'A'],
    ['localhost', 'A'],
    ['www.example.com', 'TXT'],
    ['secret.example', 'A'],
  ]
  for (const [name, type] of asked) await exchangeUdp(queryOf(name, type, { flags: RD, opt: { flags: 0x8000 } }), where)
  await exchangeTcp(queryOf('www.example.com', 'A', { flags: RD }), where)
  const text = await (await fetch(`${url}/metrics`)).text()

  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]))
  const labels = new Map<string, string>()
  for (const [, sample, list = ''] of text.matchAll(/^(coredns_\w+)(?:\{(.*)\})? \S+$/gm)) {
    const family = types.has(sample!) ? sample! : sample!.replace(/_(bucket|sum|count)$/, '')
    const names = [...list.matchAll(/(\w+)="/g)].map(([, name]) => name!).filter(name => name !== 'le')
    labels.set(family, names.sort().join())
  }
  const wanted = Object.entries(COREDNS).filter(([name]) => LEFT_OUT[name] === undefined)
  const wrong = wanted.flatMap(([name, list]) => {
    if (!types.has(name)) return [`${name} is missing`]
    const found = labels.get(name)
    const expected = list.toSorted().join()
    return found === undefined || found === expected ? [] : [`${name} has ${found}, not ${expected}`]
  })
  assert.deepEqual(wrong, [])
  const silent = wanted.filter(([name]) => !labels.has(name)).map(([name]) => name)
  assert.deepEqual(silent, ['coredns_kubernetes_dns_programming_duration_seconds'], 'all others have samples')
  const surplus = [...types.keys()].filter(name => name.startsWith('coredns_') && COREDNS[name] === undefined)
  assert.deepEqual(surplus, [], 'nothing under CoreDNS’s name that it has not')
})

/**
 * Metrics of rules: CoreDNS's names and labels, and none for what is not configured.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { nameFamilies } from '../../../src/control/name-metrics.ts'
import type { NameService } from '../../../src/control/name-service.ts'
import { ACL_AT, ROW_FIELDS } from '../../../src/dataplane/counters.ts'
import { LocalNames } from '../../../src/local/local-names.ts'
import { whole } from '../../support/pieces.ts'
import { asked } from '../../support/rule-names.ts'
import { rulesOf } from '../../support/rules.ts'

function samples(raw: object, ask: readonly [string, number][] = []): string[] {
  const rules = rulesOf(raw)
  const { hosts, templates, localhost } = rules
  const names = new LocalNames({ hosts: hosts.options, firstHosts: hosts.first, templates, localhost })
  whole(names.replaceHosts(rules.hosts.entries))
  for (const [name, type] of ask) names.answer(asked(name), type)
  const dns64 = rules.dns64 && { translated: 4 }
  const [row, ...rows] = [0, 1, 2].map(() => new Float64Array(ROW_FIELDS))
  for (const each of rows) each.set([10, 20, 30, 40], ACL_AT)
  row!.set([0, 1, 2, 3], ACL_AT)
  const service = { names, hosts: { changedAt: 1.5e9 }, dns64 } as NameService
  return nameFamilies(rules, service, 'dns://:53', [...rows, row!]).flatMap(family =>
    ('samples' in family ? family.samples : []).map(({ labels = {}, value }) => {
      const text = Object.entries(labels).map(([key, label]) => `${key}=${label}`)
      return `${family.name}{${text}} ${value}`
    }),
  )
}

it('rules have CoreDNS’s metrics, as far as they are configured', () => {
  assert.deepEqual(samples({ localhost: false }), [])
  const raw = {
    hosts: { entries: ['10.0.0.1 a b'] },
    template: [
      { zone: 'x', types: ['A', 'AAAA'] },
      { match: '^(.*)\\.y\\.$', answer: ['A $1'] },
    ],
    acl: [{ action: 'block', networks: ['10.0.0.0/8'] }],
    dns64: { prefix: '64:ff9b::/96' },
  }
  const common = 'server=dns://:53,zone=.,view='
  const ofX = 'server=dns://:53,zone=x.,view=,class=IN,type=A,AAAA'
  const ofAll = `${common},class=IN,type=ANY`
  assert.deepEqual(
    samples(raw, [
      ['a.x', 1],
      ['b.x', 28],
      ['no.y', 1],
      ['localhost', 1],
    ]),
    [
      'coredns_acl_allowed_requests_total{server=dns://:53,view=} 20',
      `coredns_acl_blocked_requests_total{${common}} 41`,
      `coredns_acl_filtered_requests_total{${common}} 62`,
      `coredns_acl_dropped_requests_total{${common}} 83`,
      'coredns_hosts_entries{} 2',
      'coredns_hosts_reload_timestamp_seconds{} 1500000000',
      `coredns_template_matches_total{${ofX}} 2`,
      `coredns_template_matches_total{${ofAll}} 1`,
      `coredns_template_rr_failures_total{${ofX},section=answer,template=} 0`,
      `coredns_template_rr_failures_total{${ofAll},section=answer,template=A $1} 1`,
      'coredns_dns64_requests_translated_total{server=dns://:53} 4',
      'coredns_local_localhost_requests_total{} 1',
    ],
  )
})

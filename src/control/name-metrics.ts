/**
 * What `/metrics` says of rules, under CoreDNS's names. Layer: control.
 */

import type { Family, Sample } from '../admin/prometheus.ts'
import { ACL_AT } from '../dataplane/counters.ts'
import { ACL_ALLOW, ACL_BLOCK, ACL_DROP, ACL_FILTER } from '../rules/acl.ts'
import type { TemplateRule } from '../rules/template.ts'
import { typeName } from '../wire/mnemonics.ts'
import { formatName } from '../wire/name.ts'
import type { NameRules } from './name-rules.ts'
import type { NameService } from './name-service.ts'

const ACL_METRICS = [
  ['allowed', ACL_ALLOW, 'Queries that access rules let pass.'],
  ['blocked', ACL_BLOCK, 'Queries that access rules had REFUSED.'],
  ['filtered', ACL_FILTER, 'Queries that access rules had answered without records.'],
  ['dropped', ACL_DROP, 'Queries that access rules had left without a reply.'],
] as const

/**
 * @param server as CoreDNS labels a listener
 * @param rows   counters of all threads, and of deferred queries
 */
export function nameFamilies(
  rules: NameRules,
  service: NameService | undefined,
  server: string,
  rows: readonly Float64Array[],
): Family[] {
  return [
    ...(rules.acl.length === 0 ? [] : aclFamilies(server, rows)),
    ...(service === undefined ? [] : serviceFamilies(rules, service, server)),
  ]
}

function aclFamilies(server: string, rows: readonly Float64Array[]): Family[] {
  return ACL_METRICS.map(([name, action, help]) => ({
    name: `coredns_acl_${name}_requests_total`,
    help,
    type: 'counter',
    samples: [
      {
        labels: { server, ...(action === ACL_ALLOW ? {} : { zone: '.' }), view: '' },
        value: rows.reduce((sum, row) => sum + row[ACL_AT + action]!, 0),
      },
    ],
  }))
}

function serviceFamilies(rules: NameRules, { names, hosts, dns64, autopath }: NameService, server: string): Family[] {
  const family = (name: string, type: 'counter' | 'gauge', help: string, samples: Sample[]): Family => ({
    name,
    help,
    type,
    samples,
  })
  const templates = (field: 'matches' | 'failures', more: (rule: TemplateRule) => Record<string, string>): Sample[] =>
    rules.templates.map((rule, i) => ({
      labels: {
        server,
        zone: formatName(rule.zone),
        view: '',
        class: 'IN',
        type: rule.types.map(typeName).join(',') || 'ANY',
        ...more(rule),
      },
      value: names.templates.stats[i]![field],
    }))
  const families: Family[] = []
  if (rules.hosts.files.length + rules.hosts.entries.length > 0) {
    families.push(
      family('coredns_hosts_entries', 'gauge', 'Pairs of a name and an address, of files and inline.', [
        { value: names.hostEntries },
      ]),
      family(
        'coredns_hosts_reload_timestamp_seconds',
        'gauge',
        'Unix time of the last change of a file of hosts that is served.',
        [{ value: hosts.changedAt }],
      ),
    )
  }
  if (rules.templates.length > 0) {
    families.push(
      family(
        'coredns_template_matches_total',
        'counter',
        'Queries that a template answered.',
        addUp(templates('matches', () => ({}))),
      ),
      family(
        'coredns_template_rr_failures_total',
        'counter',
        'Queries for which a template made no record: SERVFAIL.',
        addUp(templates('failures', ({ answers }) => ({ section: 'answer', template: answers.join('; ') }))),
      ),
    )
  }
  if (dns64 !== undefined) {
    families.push(
      family('coredns_dns64_requests_translated_total', 'counter', 'Replies with AAAA records made of A records.', [
        { labels: { server }, value: dns64.translated },
      ]),
    )
  }
  if (autopath !== undefined) {
    families.push(
      family('coredns_autopath_success_total', 'counter', 'Replies that spared a client its search path.', [
        { labels: { server }, value: autopath.found },
      ]),
    )
  }
  if (rules.localhost) {
    families.push(
      family('coredns_local_localhost_requests_total', 'counter', 'Queries for names of the loopback.', [
        { value: names.localhostQueries },
      ]),
    )
  }
  return families
}

/** Templates with the same labels are one sample. */
function addUp(samples: readonly Sample[]): Sample[] {
  const groups = Map.groupBy(samples, ({ labels }) => JSON.stringify(labels))
  return [...groups.values()].map(group => ({ ...group[0]!, value: group.reduce((sum, { value }) => sum + value, 0) }))
}

/**
 * Rules of a configuration file: what is wrong is named with its key; what data-plane threads have to know.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatEffective } from '../../../src/control/config-format.ts'
import { configOf } from '../../../src/control/config-load.ts'
import { text } from '../../support/rule-names.ts'
import { problemsOf, rulesOf } from '../../support/rules.ts'

describe('rules', () => {
  it('what is wrong is named with its key', () => {
    const cases: [object, string][] = [
      [
        { hosts: { entries: ['10.0.0.300 a'] } },
        'hosts.entries.0: it must be an address and names behind it, such as "10.0.0.1 db.example.com db" ("10.0.0.300" is no IP address), not "10.0.0.300 a"',
      ],
      [{ template: [{ answer: ['A x'] }] }, 'template.0.answer.0: A x is no record'],
      [
        { template: [{ answer: ['A 10.0.0.1'], rcode: 'NXDOMAIN' }] },
        'template.0.answer: with the rcode NXDOMAIN there is no answer',
      ],
      [
        { template: [{ match: '(a+)+' }] },
        'template.0.match: it must be a regular expression (there are too many ways to fit it, which can take seconds for a name: begin it with ^, let what follows a repetition say where it ends ([^.]*\\. rather than .*\\.), and repeat no repetition and no choice), not "(a+)+"',
      ],
      [{ rewrite: [{ from: 'a' }] }, 'rewrite.0.to: it is needed'],
      [{ rewrite: [{ from: 'a..b', to: 'c' }] }, 'rewrite.0.from: a..b is no name'],
      [
        { rewrite: [{ match: 'regex', from: '(', to: 'c' }] },
        'rewrite.0.from: it is no regular expression: /(/i: Unterminated group',
      ],
      [{ rewrite: [{ match: 'type', from: 'A', to: 'B' }] }, 'rewrite.0.to: B is no type of records'],
      [{ acl: [{ action: 'refuse' }] }, 'acl.0.action: it must be one of allow, block, filter, drop, not "refuse"'],
      [
        { acl: [{ networks: ['10.0.0.0/99'] }] },
        'acl.0.networks.0: it must be a network or an address, such as 10.244.0.0/16 or fd00:10::1, not "10.0.0.0/99"',
      ],
      [
        { acl: [{ types: ['AAAAA'] }] },
        'acl.0.types.0: it must be a type of records such as AAAA, or TYPE65, not "AAAAA"',
      ],
      [
        { dns64: { prefix: '64:ff9b::/64x' } },
        'dns64.prefix: it must be an IPv6 network of 32, 40, 48, 56, 64 or 96 bits, such as 64:ff9b::/96, or off, not "64:ff9b::/64x"',
      ],
      [
        { fallthrough: ['cluster.local'] },
        'fallthrough: there is nothing to fall through to: no forward, hosts or template',
      ],
    ]
    for (const [raw, problem] of cases) assert.deepEqual(problemsOf(raw), [problem])
    assert.deepEqual(problemsOf({ fallthrough: ['cluster.local'], hosts: { files: ['x'] } }), [])
  })

  it('threads are told of names in the cluster’s zones, and of rewriting, and of nothing else', () => {
    const { handOver } = rulesOf({
      hosts: {
        entries: ['10.0.0.1 a.cluster.local far.example *.w.cluster.local'],
        zones: ['z.cluster.local', 'example'],
      },
      template: [{ zone: '.' }, { zone: 't.cluster.local' }],
      rewrite: [
        { from: 'Old.Example', to: 'new' },
        { match: 'suffix', from: '.s', to: '.t' },
        { match: 'prefix', from: 'P-', to: 'q' },
        { match: 'regex', from: '^r', to: 'q' },
        { match: 'type', from: 'any', to: 'hinfo' },
      ],
    })
    const names = handOver.names.map(({ name, self, below }) => `${self ? '=' : ''}${below ? '<' : ''}${text(name)}`)
    assert.deepEqual(names, [
      '=a.cluster.local.',
      '<w.cluster.local.',
      '=<z.cluster.local.',
      '=<t.cluster.local.',
      '=old.example.',
      '<s.',
    ])
    assert.deepEqual([handOver.prefixes, handOver.patterns, handOver.types], [['p-'], [/^r/i], [255]])
    const none = rulesOf({ hosts: { entries: ['10.0.0.1 a.example'] }, acl: [{}], template: [{ zone: 'example' }] })
    assert.deepEqual(none.handOver, { names: [], prefixes: [], patterns: [], types: [] })
  })

  it('the effective configuration loads to the same', () => {
    const raw = {
      hosts: { files: ['/etc/hosts'], entries: ['10.0.0.1 a'], zones: ['corp.example'] },
      template: [{ zone: 'x.example', match: '^(a|b)\\.x\\.$', types: ['aaaa', 'TYPE65'], answer: ['TXT "a b"'] }],
      rewrite: [{ match: 'regex', from: '^(.*)\\.y\\.$', to: '$1.z', continue: true }],
      acl: [{ action: 'drop', networks: ['10.0.0.0/8', 'fd00::1'], zones: ['.'] }],
      dns64: { prefix: '2001:db8::/32', allowIPv4: true },
      localhost: false,
    }
    const where = { directory: '/', isInPod: true, nodeName: 'n' }
    const load = (text: string) => configOf({ path: '/config.yaml', text }, {}, where)
    const config = load(JSON.stringify(raw))
    assert.deepEqual(load(formatEffective(config)), config)
  })
})

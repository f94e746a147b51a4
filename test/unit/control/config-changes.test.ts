/**
 * Which keys a running server can take over: every key of the schema is one or the other, and the documentation says which.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { Config } from '../../../src/control/config.ts'
import { applicable, changesOf, needsRestart, partsOf } from '../../../src/control/config-changes.ts'
import { configOf } from '../../../src/control/config-load.ts'
import { describeKeys } from '../../../src/control/config-schema.ts'
import { ROOT } from '../../support/server-process.ts'

const configFrom = (text: string): Config =>
  configOf({ path: '/c.yaml', text }, {}, { directory: '/', isInPod: false, nodeName: '' })

describe('a key of the configuration', () => {
  it('needs a restart when the table is built from it or it belongs to the process; config/README.md names the same', () => {
    const groups = new Set(
      describeKeys()
        .filter(({ path }) => needsRestart(path))
        .map(({ path }) => path.split('.')[0]!),
    )
    const text = readFileSync(`${ROOT}config/README.md`, 'utf8')
    const sentence = /Changes of (.*?) need a restart/s.exec(text)![1]!
    assert.deepEqual([...sentence.matchAll(/`(\w+)`/g)].map(([, key]) => key).sort(), [...groups].sort())
  })

  it('that is in a list that is taken over is taken over as well', () => {
    for (const path of ['forward.zone', 'hosts.entries', 'limits.tcp.idle', 'cache.success.ttl', 'transfer.notify']) {
      assert.equal(needsRestart(path), false, path)
    }
  })
})

describe('changes', () => {
  const before = configFrom('workers: 1')

  it('are named by the keys of the file', () => {
    const after = configFrom(
      'limits: { tcp: { idle: 5s } }\nrecords: { ttl: 9 }\nforward: [{ upstreams: [127.0.0.1] }]',
    )
    assert.deepEqual(changesOf(before, after), ['records.ttl', 'forward', 'limits.tcp.idle'])
    assert.deepEqual(changesOf(before, before), [])
  })

  it('that are taken over are exactly those that need no restart', () => {
    const after = configFrom(
      [
        'zones: [other.local]\nreverseZones: [10.0.0.0/8]\nlisten: [127.0.0.1:5300]\nadmin: off\nhealth: 127.0.0.1:8080\nready: 127.0.0.1:8181\nworkers: 2\ntransport: portable',
        'source: { kubernetes: { endpoint: "http://127.0.0.1:1" }, snapshot: /s, snapshotInterval: 9s }',
        'records: { ttl: 9, negativeTtl: 2, pods: verified, moveWindow: 1s }',
        'answers: { order: stable, maxUdpSize: 1400, staleError: true }\nfallthrough: [other.local]\nforward: [{ upstreams: [127.0.0.1] }]',
        'hosts: { entries: [10.0.0.1 a.example] }\ntemplate: [{ zone: x }]\nrewrite: [{ match: exact, from: a, to: b }]',
        'acl: [{ action: block, networks: [10.0.0.0/8] }]\nopenResolver: true\ntransfer: [10.0.0.1]',
        'dns64: { prefix: "64:ff9b::/96" }\nlocalhost: false\nautopath: true\ncache: { serveStale: 60m }\nnode: { name: node1 }',
        'limits: { tcp: { connections: 9 }, errorRate: 9, responseRate: { perSecond: 9 }, forward: { concurrent: 9 } }',
        'lameduck: 9s\nreload: false\nlog: { level: debug, queries: { classes: [all] } }',
      ].join('\n'),
    )
    const changes = changesOf(before, after)
    const groups = new Set(describeKeys().map(({ path }) => path.split('.')[0]))
    assert.deepEqual(new Set(changes.map(path => path.split('.')[0])), groups, 'something of every group has changed')
    const taken = applicable(before, after)
    assert.deepEqual(
      changesOf(before, taken),
      changes.filter(path => !needsRestart(path)),
    )
    assert.deepEqual(
      changesOf(taken, after),
      changes.filter(path => needsRestart(path)),
    )
  })

  it('make anew what they are for, and nothing else', () => {
    assert.deepEqual(partsOf(['hosts.entries']), { names: true, transfers: false, workers: false })
    assert.deepEqual(partsOf(['transfer']), { names: false, transfers: true, workers: false })
    assert.deepEqual(partsOf(['limits.errorRate']), { names: false, transfers: false, workers: true })
    assert.deepEqual(partsOf(['limits.tcp.idle', 'log.level', 'lameduck']), {
      names: false,
      transfers: false,
      workers: false,
    })
  })
})

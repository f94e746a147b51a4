import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Flags, Surroundings } from '../../../src/control/config.ts'
import { ConfigError } from '../../../src/control/config-error.ts'
import { formatEffective } from '../../../src/control/config-format.ts'
import { configOf, loadConfig, surroundingsOf } from '../../../src/control/config-load.ts'

const DESK: Surroundings = { directory: '/home/me', isInPod: false, nodeName: '' }
const POD: Surroundings = { directory: '/', isInPod: true, nodeName: 'node-1' }

function load(text: string, flags: Flags = {}, surroundings = DESK, needsSource = false) {
  return configOf({ path: '/etc/dns/config.yaml', text }, flags, surroundings, needsSource)
}

/** The problems that a configuration has, without the file's name. */
function problemsOf(text: string, flags: Flags = {}, surroundings = DESK, needsSource = false): readonly string[] {
  try {
    load(text, flags, surroundings, needsSource)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.code, 'ERR_CONFIG_INVALID')
    assert.equal(error.message, error.problems.join('\n'))
    return error.problems.map(problem => problem.replace('/etc/dns/config.yaml', ''))
  }
  return []
}

describe('configuration: what is meant', () => {
  it('an empty file, and empty keys, are the defaults', () => {
    const defaults = configOf(undefined, {}, DESK)
    assert.deepEqual(load(''), defaults)
    assert.deepEqual(load('# nothing\n'), defaults)
    assert.deepEqual(load('records:\nlog:\n  level:\nsource:\n  kubernetes:\n'), defaults)
    assert.equal(defaults.lameduckMs, 5000)
    assert.deepEqual(defaults.limits.tcp, { connections: 1000, perClient: 100, idleMs: 10_000 })
    assert.deepEqual(defaults.listen, [{ address: '127.0.0.1', port: 1053 }])
    const none = { kubernetes: undefined, manifests: undefined, snapshot: undefined }
    assert.deepEqual(defaults.source, { ...none, snapshotIntervalMs: 30_000 })
  })

  it('is frozen to its depths', () => {
    const config = load('source: {manifests: a}')
    assert.throws(() => Object.assign(config.records, { ttl: 1 }), TypeError)
    assert.throws(() => (config.source.manifests!.paths as string[]).push('b'), TypeError)
  })

  it('zones lose their final dot and their case (RFC 4343)', () => {
    assert.deepEqual(load('zones: [Cluster.LOCAL., b.example]').zones, ['cluster.local', 'b.example'])
  })

  it('networks become the reverse zones that hold them (RFC 1035 §3.5, RFC 3596 §2.5)', () => {
    assert.deepEqual(load('reverseZones: [10.96.0.0/14, "fd00:10::/31", 7.in-addr.arpa]').reverseZones, [
      '96.10.in-addr.arpa',
      '97.10.in-addr.arpa',
      '98.10.in-addr.arpa',
      '99.10.in-addr.arpa',
      '0.1.0.0.0.0.d.f.ip6.arpa',
      '1.1.0.0.0.0.d.f.ip6.arpa',
      '7.in-addr.arpa',
    ])
  })

  it('admin may be off, which YAML 1.1 reads as false', () => {
    for (const off of ['off', 'false', '"off"']) assert.equal(load(`admin: ${off}`).admin, undefined)
  })

  it('manifests may be written short', () => {
    const long = { paths: ['/etc/dns/a', '/b'], podCIDR: '127.1.0.0/16' }
    assert.deepEqual(load('source: {manifests: [a, /b]}').source.manifests, long)
    assert.deepEqual(load('source: {manifests: {paths: [a, /b]}}').source.manifests, long)
    assert.deepEqual(load('source: {manifests: a}').source.manifests?.paths, ['/etc/dns/a'])
  })

  it('paths in the file are relative to the file, paths in flags to the working directory', () => {
    const { kubernetes } = load('source: {kubernetes: {kubeconfig: kube}}').source
    assert.equal(kubernetes?.kubeconfig, '/etc/dns/kube')
    assert.equal(kubernetes?.inCluster, false)
    const { source } = load('', { kubeconfig: 'kube', manifests: ['m'] })
    assert.equal(source.kubernetes?.kubeconfig, '/home/me/kube')
    assert.deepEqual(source.manifests?.paths, ['/home/me/m'])
  })

  it('a snapshot is of the API server alone; its path is relative to the file', () => {
    const { source } = load('source: {kubernetes: {}, snapshot: s, snapshotInterval: 5s}', {}, POD)
    assert.deepEqual([source.snapshot, source.snapshotIntervalMs], ['/etc/dns/s', 5000])
    assert.throws(
      () => load('source: {manifests: a, snapshot: s}'),
      /source\.snapshot: a snapshot is of source\.kubernetes/,
    )
  })

  it('in a pod the source is the cluster, unless another is named', () => {
    assert.equal(load('', {}, POD, true).source.kubernetes?.inCluster, true)
    assert.equal(load('', {}, POD).node.name, 'node-1')
    assert.equal(load('source: {manifests: a}', {}, POD, true).source.kubernetes, undefined)
    assert.equal(load('source: {kubernetes: {namespaces: [a]}}', {}, POD, true).source.kubernetes?.inCluster, true)
  })

  it('knows a pod by its environment and its token', () => {
    const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', NODE_NAME: 'n' }
    const token = '/var/run/secrets/kubernetes.io/serviceaccount/token'
    assert.deepEqual(
      surroundingsOf(env, '/', path => path === token),
      { directory: '/', isInPod: true, nodeName: 'n' },
    )
    assert.equal(surroundingsOf(env, '/', () => false).isInPod, false)
    assert.equal(surroundingsOf({}, '/', () => true).isInPod, false)
  })

  it('flags win over the file', () => {
    const config = load('workers: 2\nlisten: ["127.0.0.1:5300"]\nlog: {level: warn}\nadmin: off', {
      workers: '3',
      listen: ['[::1]:0'],
      logLevel: 'debug',
      admin: '127.0.0.1:0',
    })
    assert.equal(config.workers, 3)
    assert.deepEqual(config.listen, [{ address: '::1', port: 0 }])
    assert.equal(config.log.level, 'debug')
    assert.deepEqual(config.admin, { address: '127.0.0.1', port: 0 })
  })

  it("a flag's way to the API server takes the file's away, and leaves what else it says", () => {
    const file = 'source: {kubernetes: {endpoint: "http://127.0.0.1:8001", namespaces: [a]}}'
    const { kubernetes } = load(file, { kubeconfig: '/k', context: 'c' }).source
    assert.equal(kubernetes?.endpoint, undefined)
    assert.equal(kubernetes?.context, 'c')
    assert.deepEqual(kubernetes?.namespaces, ['a'])
    assert.equal(load(file, { inCluster: true }, POD).source.kubernetes?.inCluster, true)
  })
})

describe('configuration: what is wrong', () => {
  const WRONG: Record<string, [text: string, problem: RegExp]> = {
    'an unknown key': [
      'zones: [a]\nrecords:\n  tll: 5',
      /^:3: records\.tll: there is no such key; did you mean records\.ttl\?$/,
    ],
    'a key in the wrong place': ['ttl: 5', /^:1: ttl: .*did you mean records\.ttl\?$/],
    'a key that is like no other': ['qwertyuiop: 5', /^:1: qwertyuiop: there is no such key$/],
    'a key to come': ['answers: {topology: hints}', /^:1: answers\.topology: planned, not built yet$/],
    'the prototype as a key': ['__proto__: {workers: 2}', /__proto__: there is no such key/],
    'a method as a key': ['constructor: 1', /^:1: constructor: there is no such key$/],
    'a number as text': [
      'records: {ttl: "5"}',
      /^:1: records\.ttl: it must be a whole number of seconds from 0 to 3600, not "5"$/,
    ],
    'a fraction': ['workers: 1.5', /^:1: workers: it must be a whole number from 1 to 60, not 1\.5$/],
    'too small': ['answers: {maxUdpSize: 511}', /from 512 to 4096, not 511$/],
    'too large': ['workers: 65', /from 1 to 60, not 65$/],
    'a word that is none': ['transport: fast', /^:1: transport: it must be one of auto, batch, portable, not "fast"$/],
    'a duration without a unit': ['lameduck: 5', /a duration such as 500ms, 5s or 1m, from 0s to 10m, not 5$/],
    'a duration too long': ['limits: {tcp: {idle: 11m}}', /from 1s to 10m, not "11m"$/],
    'a mapping as a list': ['records: [ttl]', /^:1: records: it must be a mapping of ttl, .*, not a list$/],
    'a list as text': ['zones: cluster.local', /^:1: zones: it must be a list, such as \[a, b\], not "cluster.local"$/],
    'a host name': ['listen: ["localhost:53"]', /^:1: listen\[0\]: it must be an IP address and a port/],
    'a port too high': ['listen: ["127.0.0.1:65536"]', /^:1: listen\[0\]/],
    'an address without its brackets': ['listen: ["::1:53"]', /^:1: listen\[0\]/],
    'a scope on a global address': ['listen: ["[2001:db8::1%eth0]:53"]', /^:1: listen\[0\]/],
    'no address': ['listen: []', /^:1: listen: at least one is needed$/],
    'more addresses than replies can be told apart by': [
      `listen: [${Array.from({ length: 257 }, (_, i) => `"127.0.0.1:${1000 + i}"`)}]`,
      /^:1: listen: there are 257 addresses, and 256 may be$/,
    ],
    'an address twice': ['listen: ["127.0.0.1:53", "127.0.0.1:53"]', /listen: 127\.0\.0\.1:53 is given twice$/],
    'admin where DNS is': ['admin: 127.0.0.1:1053', /admin: 127\.0\.0\.1:1053 is where DNS over TCP listens$/],
    'no zone': ['zones: []', /^:1: zones: at least one is needed$/],
    'only reverse zones': [
      'zones: [10.in-addr.arpa]',
      /zones\[0\]: it must be a zone of names; reverse zones stand under reverseZones/,
    ],
    'a zone twice': ['zones: [a.b, A.b.]', /zones: a\.b is given twice$/],
    'a zone below which no name fits': [
      `zones: [${'a.'.repeat(120)}aa]`,
      /zones\[0\]: it is longer than 241 characters, and no name would fit below it$/,
    ],
    'more zones than the table counts': [
      'reverseZones: [10.0.0.0/9, 11.0.0.0/9]',
      /:1: zones: with reverseZones, .* there are 257 zones, and 255 may be/,
    ],
    'a name with a space': ['zones: ["a b"]', /zones\[0\]: it must be a domain name/],
    'a name with an empty label': ['zones: [a..b]', /zones\[0\]/],
    'the root': ['zones: [.]', /zones\[0\]/],
    'a label of 64 octets (RFC 1035 §2.3.4)': [`zones: [${'a'.repeat(64)}]`, /zones\[0\]/],
    'a name of 256 octets (RFC 1035 §2.3.4)': [`zones: [${'a.'.repeat(127)}a]`, /zones\[0\]/],
    'a forward zone among the reverse': [
      'reverseZones: [cluster.local]',
      /reverseZones\[0\]: .*other zones stand under zones/,
    ],
    'a network too long': ['reverseZones: [10.0.0.0/33]', /reverseZones\[0\]: it must be a network such as/],
    'an address without a length': ['reverseZones: [10.0.0.0]', /reverseZones\[0\]: it must be a network/],
    'two ways to the API server': [
      'source: {kubernetes: {kubeconfig: a, inCluster: true}}',
      /source\.kubernetes: kubeconfig, endpoint and inCluster exclude/,
    ],
    'no way to it': [
      'source: {kubernetes: {inCluster: false}}',
      /without inCluster, kubeconfig or endpoint is needed$/,
    ],
    'a context of nothing': ['source: {kubernetes: {context: a}}', /context: a context is one of a kubeconfig/],
    'namespaces by name and by label': [
      'source: {kubernetes: {namespaces: [a], namespaceLabels: b}}',
      /namespaces and namespaceLabels exclude/,
    ],
    'a namespace in capitals': [
      'source: {kubernetes: {namespaces: [A]}}',
      /namespaces\[0\]: it must be the name of a namespace/,
    ],
    'plain HTTP to elsewhere': ['source: {kubernetes: {endpoint: "http://10.0.0.1"}}', /endpoint: it must be a URL/],
    'a password in the URL': ['source: {kubernetes: {endpoint: "https://a:b@10.0.0.1"}}', /endpoint: it must be a URL/],
    'no path of manifests': ['source: {manifests: []}', /source\.manifests: at least one path is needed$/],
    'pods in IPv6': ['source: {manifests: {paths: [a], podCIDR: "fd00::/64"}}', /podCIDR: it must be an IPv4 network/],
    'a list instead of a mapping': ['- a', /^: it is no mapping of keys to values/],
    'broken YAML': ['zones: [a', /^:\d+: /],
    'two documents': ['workers: 1\n---\nworkers: 2', /several YAML documents/],
  }
  for (const [what, [text, problem]] of Object.entries(WRONG)) {
    it(what, () => {
      const problems = problemsOf(text)
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0]!, problem)
    })
  }

  it('all at once, each with its line', () => {
    const problems = problemsOf('recrds: 1\nworkers: 0\nrecords:\n  ttl: x\n  pod: verified\n')
    assert.deepEqual(
      problems.map(problem => /^:(\d+): ([\w.]+):/.exec(problem)?.slice(1)),
      [
        ['1', 'recrds'],
        ['2', 'workers'],
        ['4', 'records.ttl'],
        ['5', 'records.pod'],
      ],
    )
  })

  it("a flag's problem names the flag", () => {
    assert.deepEqual(problemsOf('', { workers: 'many' }), [
      '--workers: it must be a whole number from 1 to 60, not "many"',
    ])
    assert.match(problemsOf('', { listen: ['x'] })[0]!, /^--listen: /)
    const free = (count: number) => ({ listen: new Array(count).fill('127.0.0.1:0') })
    assert.deepEqual(problemsOf('', free(257)), ['--listen: there are 257 addresses, and 256 may be'])
    assert.deepEqual(problemsOf('', free(256)), [])
    assert.match(problemsOf('', { context: 'x' })[0]!, /^--context: a context is one of a kubeconfig/)
  })

  it('a server without a source says what to give', () => {
    assert.deepEqual(problemsOf('', {}, DESK, false), [])
    assert.match(problemsOf('', {}, DESK, true)[0]!, /--demo, --manifests PATH or --kubeconfig FILE/)
    assert.match(problemsOf('', { inCluster: true }, DESK, true)[0]!, /this is no pod/)
  })

  it('a file that is not there, is a folder, or has no end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    try {
      const options = { surroundings: { ...DESK, directory: folder } }
      assert.throws(() => loadConfig('none', {}, options), {
        code: 'ERR_CONFIG_INVALID',
        message: /^none: cannot be read/,
      })
      assert.throws(() => loadConfig('.', {}, options), { code: 'ERR_CONFIG_INVALID', message: /cannot be read/ })
      assert.throws(() => loadConfig('/dev/zero', {}, options), { message: /over 1 MiB/ })
      writeFileSync(join(folder, 'c.yaml'), 'workers: 4')
      assert.equal(loadConfig('c.yaml', {}, options).workers, 4)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('says only so much of a file full of mistakes, and soon', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `${'k'.repeat(30)}${i}: 1\n`).join('')
    const problems = problemsOf(text)
    assert.ok(problems.length > 0 && problems.length <= 25, `${problems.length} problems`)
  })
})

describe('effective configuration', () => {
  const zone = fc.stringMatching(/^[a-z0-9]{1,9}(\.[a-z0-9]{1,9}){0,2}$/)
  const whole = (min: number, max: number) => fc.integer({ min, max })
  const port = whole(1, 65_535)
  const address = fc.oneof(
    port.map(port => `127.0.0.1:${port}`),
    port.map(port => `[fd00::1]:${port}`),
  )
  const duration = (min: number, max: number) =>
    fc.oneof(
      whole(min, max).map(s => `${s}s`),
      whole(min * 1000, max * 1000).map(ms => `${ms}ms`),
    )
  // Text that YAML could take for something else, and text that no terminal should see.
  const path = fc.oneof(
    fc.string({ minLength: 1, unit: 'binary' }),
    fc.constantFrom('yes', 'on', '1', '~', 'null', '1e3', '- a', '\u2028', '#'),
  )
  const usable = path.filter(text => text.trim() !== '' && text.isWellFormed())
  const optional = <T>(model: Record<string, fc.Arbitrary<T>>) => fc.record(model, { requiredKeys: [] })
  const raw = fc.record(
    {
      zones: fc.uniqueArray(zone, { minLength: 1, maxLength: 3 }),
      reverseZones: fc.subarray(['10.96.0.0/12', 'fd00::/62', '127.in-addr.arpa', '8.b.d.0.1.0.0.2.ip6.arpa']),
      listen: fc.uniqueArray(address, { minLength: 1, maxLength: 3 }),
      admin: fc.constantFrom('off', '127.0.0.1:0'),
      workers: whole(1, 60),
      transport: fc.constantFrom('auto', 'batch', 'portable'),
      source: fc.record(
        {
          kubernetes: fc.oneof(
            fc.record({
              kubeconfig: usable,
              context: usable,
              namespaces: fc.uniqueArray(fc.constantFrom('a', 'on', '1')),
            }),
            fc.record({
              endpoint: fc.constantFrom('https://api:6443/x', 'http://[::1]:1'),
              labels: fc.constantFrom('a in (b, c),!d', 'x.y/z='),
            }),
            fc.record({
              inCluster: fc.constant(true),
              namespaceLabels: fc.constantFrom('a', 'a!=b'),
              scope: fc.constant('headless'),
            }),
            fc.constant({}),
          ),
          manifests: fc.oneof(
            usable,
            fc.array(usable, { minLength: 1 }),
            fc.record({ paths: fc.array(usable, { minLength: 1 }), podCIDR: fc.constant('10.0.0.0/8') }),
          ),
        },
        { requiredKeys: [] },
      ),
      records: optional<unknown>({
        ttl: whole(0, 3600),
        negativeTtl: whole(0, 3600),
        pods: fc.constantFrom('insecure', 'verified'),
        endpointPodNames: fc.boolean(),
      }),
      answers: optional<unknown>({ order: fc.constantFrom('rotate', 'stable'), maxUdpSize: whole(512, 4096) }),
      node: optional({ name: fc.constantFrom('', 'n-1', 'on', '1') }),
      limits: fc.record({
        tcp: optional<unknown>({ connections: whole(1, 9), perClient: whole(1, 9), idle: duration(1, 600) }),
      }),
      lameduck: duration(0, 600),
      log: optional({ level: fc.constantFrom('debug', 'silent') }),
    },
    { requiredKeys: [] },
  )

  it('is a configuration that means the same', () => {
    const property = fc.property(raw, fc.constantFrom(DESK, POD), (file, surroundings) => {
      const config = load(JSON.stringify(file), {}, surroundings)
      assert.deepEqual(load(formatEffective(config), {}, surroundings), config)
    })
    fc.assert(property, { numRuns: 300 })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toolsOf } from '../../../src/cli/import-corefile.ts'
import { configOf } from '../../../src/control/config-load.ts'
import type { Directive } from '../../../src/corefile/directive.ts'
import { readTokens } from '../../../src/corefile/lexer.ts'
import { parseBlocks } from '../../../src/corefile/parser.ts'
import { PLUGINS } from '../../../src/corefile/plugins/index.ts'
import { oneLine } from '../../../src/corefile/print.ts'
import { parseManifest } from '../../../src/manifests/yaml.ts'
import { COREFILES, importText, textOf } from '../../support/import-fixture.ts'

const SURROUNDINGS = { directory: '/etc', isInPod: false, nodeName: '' }
const load = (text: string) => configOf({ path: '/etc/headless-dns.yaml', text }, {}, SURROUNDINGS)

/** What would be carried over if our configuration took every key and value. */
function carried(text: string): Record<string, unknown> {
  const [document] = parseManifest(importText(text, { problemsOf: () => [] }).config)
  return (document as unknown as { value: Record<string, unknown> }).value
}

/** `LINE first word: verdict`, of those that are not built in. */
function remarks(text: string, tools = {}): string[] {
  const { findings } = importText(text, tools)
  const told = findings.filter(({ verdict }) => verdict !== 'builtIn')
  return told.map(({ line, text, verdict }) => `${line} ${text.split(' ', 1)[0]}: ${verdict}`)
}

const PROBES = { health: '0.0.0.0:8080', ready: '0.0.0.0:8181' }
const CLUSTER = {
  zones: ['cluster.local'],
  reverseZones: ['in-addr.arpa', 'ip6.arpa'],
  listen: ['0.0.0.0:53', '[::]:53'],
  admin: '0.0.0.0:9153',
  source: { kubernetes: { inCluster: true } },
}
const ANY_ORDER = { answers: { order: 'shuffle' } }
const CACHE = { cache: { enabled: true, success: { ttl: 30 }, denial: { ttl: 30 } }, localhost: false }
const RESOLV_CONF = { zone: '.', upstreams: ['/etc/resolv.conf'] }

describe('a Corefile of the shape of', () => {
  it('kubeadm', () => {
    assert.deepEqual(carried(textOf('kubeadm')), {
      ...CACHE,
      ...CLUSTER,
      ...PROBES,
      ...ANY_ORDER,
      records: { pods: 'insecure', ttl: 30 },
      forward: [{ ...RESOLV_CONF, maxConcurrent: 1000 }],
      lameduck: '5s',
    })
    assert.deepEqual(remarks(textOf('kubeadm'), { problemsOf: () => [] }), [])
  })

  it('coredns/deployment, with a stub domain', () => {
    const main = {
      zone: '.',
      upstreams: ['10.0.0.2', '10.0.0.3:5353'],
      maxConcurrent: 1000,
      policy: 'sequential',
      except: ['internal.example'],
    }
    assert.deepEqual(carried(textOf('deployment')), {
      ...CACHE,
      ...CLUSTER,
      ...PROBES,
      ...ANY_ORDER,
      forward: [main, { zone: 'corp.example', upstreams: ['10.150.0.1'] }],
      lameduck: '5s',
    })
  })

  it('k3s, whose imports match nothing', () => {
    const config = carried(textOf('k3s')) as Record<string, unknown>
    assert.deepEqual(config['forward'], [RESOLV_CONF])
    assert.deepEqual(config['records'], { pods: 'insecure' })
    assert.deepEqual(config['hosts'], { files: ['/etc/coredns/NodeHosts'], ttl: 30 })
    const imports = remarks(textOf('k3s')).filter(remark => remark.includes('import'))
    assert.deepEqual(imports, ['19 import: leftOut', '22 import: leftOut'])
  })

  it('EKS, with an option of old', () => {
    assert.deepEqual(carried(textOf('eks')), {
      ...CACHE,
      ...CLUSTER,
      ...PROBES,
      ...ANY_ORDER,
      records: { pods: 'insecure' },
      forward: [RESOLV_CONF],
      lameduck: '5s',
    })
  })

  it('GKE with stub domains and upstream name servers', () => {
    const stub = { upstreams: ['1.2.3.4', '1.2.3.5'], forceTcp: true, policy: 'roundRobin' }
    assert.deepEqual(carried(textOf('gke-stub-domains')), {
      ...CACHE,
      ...CLUSTER,
      health: PROBES.health,
      log: { queries: { zones: ['.'], classes: ['error'] } },
      records: { pods: 'disabled' },
      forward: [
        { zone: '.', upstreams: ['8.8.8.8', '8.8.4.4'] },
        { zone: 'acme.local', ...stub },
        { zone: 'other.example', ...stub },
        { zone: '2.0.192.in-addr.arpa', upstreams: ['192.0.2.53'] },
      ],
    })
    // It has no cache, where the others have one.
    assert.ok(remarks(textOf('gke-stub-domains')).includes('24 2.0.192.in-addr.arpa:53: leftOut'))
  })

  it('a node-local cache: the cluster is asked itself, and told so', () => {
    assert.deepEqual(carried(textOf('node-local')), {
      ...CACHE,
      zones: ['cluster.local'],
      listen: ['169.254.20.10:53', '10.96.0.10:53'],
      admin: '0.0.0.0:9253',
      health: '169.254.20.10:8080',
      source: { kubernetes: { inCluster: true } },
      forward: [RESOLV_CONF],
    })
    assert.ok(remarks(textOf('node-local')).includes('10 forward: changesAnswers'))
  })

  it('one with probes and without metrics: admin has a port of its own, where a DaemonSet asks', () => {
    const text = '.:53 {\n  health :8080\n  ready\n  kubernetes cluster.local\n}\n'
    const { admin, health, ready } = carried(text)
    assert.deepEqual({ admin, health, ready }, { admin: '0.0.0.0:9153', ...PROBES })
    assert.deepEqual(
      remarks(text).filter(remark => /health|ready/.test(remark)),
      [],
    )
  })

  it('snippets with arguments and variables', () => {
    assert.deepEqual(carried(textOf('snippets')), {
      ...CACHE,
      zones: ['cluster.local'],
      reverseZones: [],
      listen: ['0.0.0.0:1053', '[::]:1053'],
      admin: 'off',
      source: { kubernetes: { inCluster: true } },
      records: { ttl: 9, pods: 'verified' },
      forward: [{ zone: '.', upstreams: ['tls://9.9.9.9#dns.quad9.net'], policy: 'sequential' }],
    })
  })
})

describe('every configuration', () => {
  for (const name of COREFILES) {
    it(`of ${name} loads`, () => {
      const { zones, listen } = load(importText(textOf(name)).config)
      assert.deepEqual(zones, ['cluster.local'])
      assert.ok(listen.length > 0)
    })

    it(`of ${name} or what is said beside it names every line`, () => {
      const { config, findings } = importText(textOf(name), { problemsOf: () => [] })
      const told = new Set(findings.map(({ line }) => line))
      for (const [, line] of config.matchAll(/Corefile:(\d+)/g)) told.add(Number(line))
      const all = parseBlocks(readTokens('Corefile', textOf(name))).flatMap(({ plugins }) => plugins)
      const silent = all.flatMap(plugin => silentIn(plugin, told, false))
      assert.deepEqual(silent, [])
    })
  }

  it('is refused no key that the table of plugins gives, and no plugin is missing', () => {
    const known = new Set(Object.keys(PLUGINS))
    const used = parseBlocks(readTokens('', textOf('every-plugin'))).flatMap(({ plugins }) => plugins)
    for (const { name } of used) known.delete(name)
    // `proxy` is forward under its name of old.
    assert.deepEqual([...known], ['proxy'])
  })
})

/** Lines that nobody spoke of. The options of a plugin that is spoken of as a whole are spoken of. */
function silentIn({ line, name, body }: Directive, told: ReadonlySet<number>, isCovered: boolean): string[] {
  const isWhole = typeof PLUGINS[name] !== 'function' && told.has(line)
  // A snippet's own lines and imports are told of where they are used.
  const isTold = told.has(line) || isCovered || /^(import|timeouts|acl)$/.test(name)
  return [...(isTold ? [] : [`${line} ${name}`]), ...body.flatMap(each => silentIn(each, told, isWhole || isCovered))]
}

describe('a directive', () => {
  const inCluster = (text: string) => `. {\nkubernetes cluster.local in-addr.arpa {\n${text}\n}\n}`

  it('of no plugin known, and an option that is none, are said to be unknown', () => {
    assert.deepEqual(
      remarks('. {\nfrobnicate a {\nb\n}\nforward . 1.1.1.1 {\nwhatever 5\n}\nkubernetes a.b\n}', {
        problemsOf: () => [],
      }),
      ['2 frobnicate: changesAnswers', '6 whatever: changesAnswers'],
    )
    assert.ok(remarks('. {\n__proto__ a\nconstructor\n}').includes('2 __proto__: changesAnswers'))
  })

  it('whose value our configuration does not take is said with its reason, and the rest stays', () => {
    const { config, findings } = importText(inCluster('ttl 9999\nnamespaces a B_ c'))
    assert.deepEqual(load(config).source.kubernetes?.namespaces, ['a', 'c'])
    const said = findings.filter(({ verdict }) => verdict === 'changesAnswers')
    assert.deepEqual(
      said.map(({ line, text }) => `${line} ${text}`),
      ['3 ttl 9999', '4 namespaces a B_ c'],
    )
    assert.match(said[0]?.instead ?? '', /from 0 to 3600/)
  })

  it('that two server blocks give differently is said, and the first kept', () => {
    const text = `a {\nkubernetes {\nttl 5\n}\n}\nb {\nkubernetes {\nttl 6\n}\n}`
    assert.deepEqual(load(importText(text).config).records.ttl, 5)
    assert.ok(remarks(text).includes('8 ttl: changesAnswers'))
    assert.ok(!remarks(text.replace('6', '5')).includes('8 ttl: changesAnswers'))
  })

  it('in an unset variable is said', () => {
    assert.ok(remarks(inCluster('pods {$NOWHERE}')).includes('3 {$NOWHERE}: changesAnswers'))
  })

  it('cannot break out of its comment', () => {
    const { config } = importText(
      '. {\n"x\nworkers: 64\r\u2028workers: 3\u0085\u0007" "\u001b[2J"\nkubernetes cluster.local\n}',
    )
    assert.equal(load(config).workers, 1)
    assert.ok([...config].every(character => character === '\n' || (character >= ' ' && character !== '\u2028')))
  })
})

describe('names and who answers them', () => {
  const routes = (text: string) => (carried(text) as { forward?: unknown }).forward

  it('a server block’s zone and FROM together are the zone of a forward', () => {
    assert.deepEqual(routes('a.b {\nforward . 1.1.1.1\nforward c.a.b 2.2.2.2\nforward x.y 3.3.3.3\n}'), [
      { zone: 'a.b', upstreams: ['1.1.1.1'] },
      { zone: 'c.a.b', upstreams: ['2.2.2.2'] },
    ])
    assert.deepEqual(remarks('a.b {\nforward x.y 3.3.3.3\nkubernetes\n}', { problemsOf: () => [] }), [
      '2 forward: leftOut',
    ])
  })

  it('networks are their reverse zones', () => {
    assert.deepEqual(routes('10.2.0.0/16 {\nforward . 1.1.1.1\n}'), [
      { zone: '2.10.in-addr.arpa', upstreams: ['1.1.1.1'] },
    ])
  })

  it('a forward that came too late in CoreDNS, or a second of one zone, is said', () => {
    const late = '. {\nforward . 1.1.1.1\nforward a.b 2.2.2.2\n}'
    assert.ok(remarks(late).includes('3 forward: changesAnswers'))
    assert.ok(
      !remarks('. {\nforward a.b 2.2.2.2\nforward . 1.1.1.1\n}', { problemsOf: () => [] }).includes(
        '2 forward: changesAnswers',
      ),
    )
    const twice = '. {\nforward . 1.1.1.1 {\nnext NXDOMAIN\n}\nforward . 2.2.2.2\n}'
    assert.deepEqual(routes(twice), [{ zone: '.', upstreams: ['1.1.1.1'] }])
    assert.ok(remarks(twice).includes('3 next: changesAnswers') && remarks(twice).includes('5 forward: changesAnswers'))
  })

  it('of more upstreams than CoreDNS starts with the first are carried over, one that is named twice once', () => {
    const addresses = Array.from({ length: 16 }, (_, i) => `10.0.0.${i}`)
    const text = `. {\nkubernetes\nforward . 10.0.0.0 ${addresses.join(' ')}\n}`
    assert.deepEqual(routes(text), [{ zone: '.', upstreams: addresses.slice(0, 15) }])
    assert.ok(remarks(text).includes('3 forward: changesAnswers'))
    assert.ok(!remarks(text.replace(' 10.0.0.15', '')).includes('3 forward: changesAnswers'))
  })

  it('what a server block kept to itself is excepted from the forwards of others', () => {
    assert.deepEqual(routes('. {\nforward . 1.1.1.1\n}\nsecret.example {\nfile db\n}'), [
      { zone: '.', upstreams: ['1.1.1.1'], except: ['secret.example'] },
    ])
  })

  it('stub domains inside the cluster’s zone, and zones that another block took, are said', () => {
    const inside = 'cluster.local {\nkubernetes\n}\nx.cluster.local {\nforward . 1.1.1.1\n}'
    assert.ok(remarks(inside, { problemsOf: () => [] }).includes('5 forward: changesAnswers'))
    const taken = '. {\nkubernetes cluster.local\n}\ncluster.local {\nforward . 1.1.1.1\n}'
    assert.ok(remarks(taken, { problemsOf: () => [] }).includes('2 kubernetes: changesAnswers'))
  })

  it('reverse zones without fallthrough are said where there is a forward', () => {
    const text = (option: string) => `. {\nkubernetes cluster.local in-addr.arpa {\n${option}\n}\nforward . 1.1.1.1\n}`
    const told = (option: string) => remarks(text(option), { problemsOf: () => [] })
    assert.deepEqual(told('ttl 5'), ['2 kubernetes: changesAnswers'])
    assert.deepEqual(told('fallthrough in-addr.arpa'), [])
    assert.deepEqual(told('fallthrough'), [])
    assert.deepEqual((carried(text('fallthrough')) as { fallthrough: unknown }).fallthrough, ['cluster.local'])
  })

  it('other transports, ports and interfaces are said', () => {
    assert.ok(remarks('tls://. {\nkubernetes a.b\n}').includes('1 tls://.: changesAnswers'))
    assert.ok(remarks('.:53 {\nkubernetes a.b\n}\nx.y:54 {\nerrors\n}').includes('4 x.y:54: changesAnswers'))
    assert.ok(remarks('. {\nbind eth0\nkubernetes a.b\n}').includes('2 bind: changesAnswers'))
  })

  it('a Corefile without the plugin kubernetes is said to answer for no cluster', () => {
    assert.ok(remarks('. {\nforward . 1.1.1.1\n}').includes('1 .: changesAnswers'))
  })
})

describe('what is done here unless told otherwise', () => {
  const forward = 'forward . 1.1.1.1'
  const of = (plugins: string) => {
    const { cache, localhost } = load(importText(`. {\nkubernetes a.b\n${plugins}\n}`).config)
    return [cache !== undefined, localhost]
  }

  it('is not done where CoreDNS does it by a plugin, and the Corefile has none', () => {
    assert.deepEqual(of(forward), [false, false])
    assert.deepEqual(of(`${forward}\ncache`), [true, false])
    assert.deepEqual(of(`${forward}\nlocal`), [false, true])
    assert.deepEqual(carried('. {\nkubernetes a.b\n}')['localhost'], undefined)
  })

  it('is said of a server block without cache beside one with', () => {
    const told = remarks(`. {\nkubernetes a.b\n${forward}\ncache\n}\nx.y {\n${forward}\n}\nz.y {\nerrors\n}`)
    assert.deepEqual(told, ['6 x.y: leftOut'])
    assert.ok(remarks(`. {\nkubernetes a.b\n${forward}\n}\nx.y {\n${forward}\ncache\n}`).includes('1 .: leftOut'))
  })
})

describe('hosts', () => {
  const hosts = (text: string) => (carried(text) as { hosts?: unknown }).hosts

  it('has its lines, the file that is read anyway, and the zones that end there', () => {
    const text = 'a.b {\nhosts {\n10.0.0.1 x.a.b y.a.b # z\nfd00::1 *.a.b x.org\nno_reverse\n}\n}'
    assert.deepEqual(hosts(text), {
      files: ['/etc/hosts'],
      entries: ['10.0.0.1 x.a.b y.a.b', 'fd00::1 *.a.b'],
      reverse: false,
      zones: ['a.b'],
    })
    assert.ok(remarks(text).includes('4 fd00::1: leftOut') && remarks(text).includes('2 hosts: changesAnswers'))
    assert.deepEqual(load(importText(text).config).hosts.entries.length, 2)
  })

  it('of all names without fallthrough, or above the zone of another block, ends nothing, which is said', () => {
    const told = remarks('. {\nkubernetes cluster.local\nhosts f\n}')
    assert.ok(told.includes('3 hosts: changesAnswers'))
    assert.deepEqual(hosts('b {\nhosts f\n}\na.b {\nforward . 1.1.1.1\n}'), { files: ['f'] })
  })

  it('beside the cluster, where they come first in CoreDNS: names of it are said if there are any, addresses always', () => {
    const text = (zones: string, option = '') =>
      `. {\nkubernetes ${zones}\nhosts f {\nfallthrough\n${option}\n}\nforward . 1.1.1.1\n}`
    const said = (corefile: string, file?: string) => {
      const readImport = () => (file === undefined ? [] : [{ file: 'f', text: file }])
      const { findings } = importText(corefile, { readImport })
      return findings.filter(({ line, verdict }) => line === 3 && verdict === 'changesAnswers').map(({ did }) => did)
    }
    assert.deepEqual(said(text('a.b'), '10.0.0.1 x.y # x.a.b\n'), [])
    assert.match(said(text('a.b'), '10.0.0.1 x.y X.A.B.\n')[0]!, /^The file has names of the cluster \(X\.A\.B\.\)/)
    assert.match(said(text('a.b'))[0]!, /^A name of the cluster/)
    assert.match(said(text('a.b in-addr.arpa'), '')[0]!, /^PTR of an address/)
    assert.deepEqual(said(text('a.b in-addr.arpa', 'no_reverse'), ''), [])
  })

  it('of two server blocks with different TTLs are said, one of them the default', () => {
    const text = 'a {\nhosts f {\nttl 5\n}\n}\nb {\nhosts g\n}'
    assert.deepEqual(hosts(text), { files: ['f', 'g'], ttl: 5, reverse: true, zones: ['a', 'b'] })
    const { findings } = importText(text)
    assert.ok(findings.some(({ line, instead }) => line === 7 && instead.startsWith('hosts.ttl is one for')))
  })

  it('has a line that is none taken out, with its reason', () => {
    const { config, findings } = importText('. {\nhosts {\n10.0.0.1 a..b\n10.0.0.2 a.b\nfallthrough\n}\n}')
    assert.deepEqual(load(config).hosts.entries, ['10.0.0.2 a.b'])
    assert.ok(findings.some(({ line, verdict }) => line === 3 && verdict === 'changesAnswers'))
  })
})

describe('rewrite', () => {
  const rules = (lines: string) => (carried(`. {\n${lines}\n}`) as { rewrite?: unknown }).rewrite
  const told = (lines: string) => remarks(`. {\nkubernetes a.b\n${lines}\n}`)

  it('of names and types is carried over, in order', () => {
    const lines = [
      'rewrite name Foo.Example bar.example.',
      'rewrite continue name exact a.example b.example answer auto',
      'rewrite stop name suffix .old.example .new.example answer auto',
      'rewrite name suffix .x.example y.example answer auto',
      'rewrite name prefix Web- www- answer auto',
      'rewrite name substring a.b c$d answer auto',
      'rewrite {\nname regex (.*)-(?P<to>eu)\\.example$ {1}.{2}.example\nanswer name (.*) {1}\n}',
      'rewrite type any HINFO',
    ]
    assert.deepEqual(rules(lines.join('\n')), [
      { from: 'foo.example', to: 'bar.example' },
      { from: 'a.example', to: 'b.example', continue: true },
      { match: 'suffix', from: '.old.example', to: '.new.example' },
      { match: 'regex', from: '^(.*)\\.x\\.example\\.$', to: '$1y.example.' },
      { match: 'prefix', from: 'web-', to: 'www-' },
      { match: 'regex', from: '^(.*?)a\\.b(.*)$', to: '$1c$$d$2' },
      { match: 'regex', from: '(.*)-(?<to>eu)\\.example$', to: '$1.$2.example.' },
      { match: 'type', from: 'ANY', to: 'HINFO' },
    ])
    const made = importText(`. {\nkubernetes a.b\n${lines.join('\n')}\n}`)
    assert.equal(load(made.config).rewrite.length, 8)
    assert.deepEqual(
      made.findings.filter(({ verdict }) => verdict === 'changesAnswers').map(({ text }) => text.split(' ')[2]),
      ['substring'],
    )
  })

  it('of what has no key, and what differs, is said', () => {
    for (const rule of ['class CH IN', 'edns0 local set 0xffee 0x61', 'ttl exact a.b 5', 'cname exact a.b c.d']) {
      assert.deepEqual(told(`rewrite ${rule}`), ['3 rewrite: changesAnswers'], rule)
      assert.equal(rules(`rewrite ${rule}`), undefined)
    }
    assert.deepEqual(told('rewrite name suffix a.example b.example'), ['3 rewrite: changesAnswers'])
    for (const go of ['\\pL+', '(?i:a)', 'a(?-i:b)', 'a(?i)b', '(?s)a']) {
      assert.deepEqual(told(`rewrite name regex ${go} b.example`), ['3 rewrite: changesAnswers'], go)
    }
    const rule = { match: 'regex', from: '^Foo\\.example\\.$', to: 'b.example.' }
    assert.deepEqual(rules('rewrite name regex (?i)^Foo\\.example\\.$ b.example'), [rule])
    assert.deepEqual(told('rewrite {\nname regex a b\nanswer value c d\n}'), ['5 answer: changesAnswers'])
    assert.deepEqual(told('rewrite whatever a b'), ['3 rewrite: changesAnswers'])
  })

  it('of a server block’s own zones is said where it would hold for others', () => {
    const inBlock = (rule: string) => remarks(`x.y {\nkubernetes x.y\nrewrite ${rule}\n}`)
    assert.deepEqual(inBlock('name a.x.y b.x.y'), [])
    assert.deepEqual(inBlock('name a.b b.x.y'), ['3 rewrite: leftOut'])
    assert.deepEqual(inBlock('name suffix .a.x.y .b'), [])
    assert.deepEqual(inBlock('type A AAAA'), ['3 rewrite: changesAnswers'])
  })

  it('that is refused goes as a whole, and the others stay', () => {
    const { config } = importText('. {\nrewrite type A NOTYPE\nrewrite name a.b c.d\nrewrite name regex (a+)+ c.d\n}')
    assert.deepEqual(
      load(config).rewrite.map(({ from }) => from),
      ['a.b'],
    )
  })
})

describe('acl', () => {
  const text = (lines: string) => `. {\nkubernetes a.b\nacl {\n${lines}\n}\n}`
  const acl = (corefile: string) => (carried(corefile) as { acl?: unknown }).acl

  it('has its rules in order, with what is not named left to be all', () => {
    const lines = 'block type a AAAA net 10.0.0.0/8 fd00::1\nfilter net *\ndrop type *\nallow'
    assert.deepEqual(acl(text(lines)), [
      { action: 'block', networks: ['10.0.0.0/8', 'fd00::1'], types: ['A', 'AAAA'] },
      { action: 'filter' },
      { action: 'drop' },
      { action: 'allow' },
    ])
    assert.equal(load(importText(text(lines)).config).acl.length, 4)
    assert.deepEqual(remarks(text(lines)), [])
  })

  it('with a network that is none loses the rule, not the network alone, which would be all clients', () => {
    const { config, findings } = importText(
      text('block net here there type NONE\nblock net 10.0.0.1\nfrob net a\nblock who'),
    )
    assert.deepEqual(
      load(config).acl.map(({ networks }) => networks),
      [['10.0.0.1']],
    )
    const lines = findings.filter(({ verdict }) => verdict === 'changesAnswers').map(({ line }) => line)
    assert.deepEqual([...new Set(lines)], [4, 6, 7])
  })

  it('of a server block has its zones, and is said to hold for those of other blocks', () => {
    const two = '. {\nkubernetes a.b\nacl {\nblock\n}\n}\nx.y {\nacl z.x.y {\nallow\n}\n}'
    assert.deepEqual(acl(two), [{ action: 'block' }, { action: 'allow', zones: ['z.x.y'] }])
    assert.ok(remarks(two).includes('3 acl: changesAnswers') && !remarks(two).includes('8 acl: changesAnswers'))
  })

  it('beside rewrite is said to judge what the client asked for', () => {
    const text = (zones: string, line: string) =>
      `. {\nkubernetes a.b\nrewrite name x.y z.y\nacl ${zones} {\n${line}\n}\n}`
    assert.ok(remarks(text('x.y', 'block')).includes('4 acl: changesAnswers'))
    assert.ok(remarks(text('', 'block type A')).includes('4 acl: changesAnswers'))
    assert.ok(!remarks(text('', 'block net 10.0.0.0/8')).includes('4 acl: changesAnswers'))
  })
})

describe('template', () => {
  const template = (text: string) => (carried(`. {\n${text}\n}`) as { template?: unknown }).template
  const told = (text: string) => remarks(`. {\nkubernetes a.b\n${text}\n}`)

  it('has the record and the TTL of its answer, and what its expression found', () => {
    const answer = 'answer "{{ .Name }} 60 IN A 10.{{ index .Match 1 }}.0.{{ .Group.a }}"'
    const text = `template IN A x.y {\nmatch "^([0-9]+)-(?P<a>[0-9]+)\\.x\\.y\\.$" ^b\n${answer}\nfallthrough\n}`
    const rest = { types: ['A'], answer: ['A 10.$1.0.$<a>'], ttl: 60 }
    assert.deepEqual(template(text), [
      { zone: 'x.y', match: '^([0-9]+)-(?<a>[0-9]+)\\.x\\.y\\.$', ...rest },
      { zone: 'x.y', match: '^b', ...rest },
    ])
    assert.deepEqual(told(text), [])
    assert.equal(load(importText(`. {\n${text}\n}`).config).template.length, 2)
  })

  it('without fallthrough ends what its expression does not fit', () => {
    assert.deepEqual(template('template ANY ANY x.y {\nmatch ^a\nrcode NXDOMAIN\n}'), [
      { zone: 'x.y', match: '^a', rcode: 'NXDOMAIN' },
      { zone: 'x.y', rcode: 'SERVFAIL' },
    ])
    assert.deepEqual(told('template ANY ANY {\nmatch ^a\n}'), ['3 template: changesAnswers'])
  })

  it('has the TTL of "there is none" from the SOA of its authority section', () => {
    const soa = 'authority "x.y. 60 IN SOA ns.x.y. h.x.y. (1 60 60 60 30)"'
    assert.deepEqual(template(`template ANY ANY x.y {\nrcode NXDOMAIN\n${soa}\n}`), [
      { zone: 'x.y', rcode: 'NXDOMAIN', ttl: 30 },
    ])
  })

  it('is said to leave out what stands beside the answer, but for the SOA', () => {
    const text = (line: string) => `template IN A x.y {\nanswer "{{ .Name }} 60 IN A 10.0.0.1"\n${line}\nfallthrough\n}`
    assert.deepEqual(told(text('additional "ns.x.y. 60 IN A 10.0.0.2"')), ['5 additional: changesAnswers'])
    assert.deepEqual(told(text('authority "x.y. 60 IN NS ns.x.y."')), ['5 authority: changesAnswers'])
    assert.deepEqual(told(text('authority "x.y. 60 IN SOA ns.x.y. h.x.y. (1 60 60 60 30)"')), [])
  })

  it('whose answer cannot be said is left out as a whole, and said', () => {
    const answers = ['{{ .Name }} IN CNAME a.', 'other. IN A 10.0.0.1', '{{ .Name }} IN A {{ .Remote }}']
    for (const answer of answers) {
      const text = `template IN A x.y {\nanswer "${answer}"\n}`
      assert.deepEqual(told(text), ['3 template: changesAnswers', '4 answer: changesAnswers'], answer)
      assert.equal(template(text), undefined)
    }
    assert.deepEqual(told('template CH TXT x.y {\nrcode NXDOMAIN\n}').slice(0, 1), ['3 template: changesAnswers'])
    const refused = importText('. {\ntemplate ANY ANY x.y {\nrcode YXDOMAIN\n}\n}')
    assert.deepEqual(load(refused.config).template, [])
  })

  it('of all names concerned those of the cluster too, which is said', () => {
    const text = (match: string) => `template ANY ANY {\n${match}\nrcode NXDOMAIN\nfallthrough\n}`
    assert.deepEqual(told(text('match "\\.x\\.a\\.b\\.$"')), ['3 template: changesAnswers'])
    assert.deepEqual(told(text('match "\\.x\\.y\\.$"')), [])
  })
})

describe('cache', () => {
  const options = [
    'success 100 60 2',
    'denial 50',
    'prefetch 10 1m 20%',
    'serve_stale 2h verify',
    'servfail 10s',
    'keepttl',
  ]
  const text = (lines: string[]) => `. {\nkubernetes a.b\ncache 30 {\n${lines.join('\n')}\n}\n}`

  it('has its options, within what the key takes', () => {
    const { cache } = load(importText(text(options)).config)
    assert.deepEqual(carried(text(options))['cache'], {
      enabled: true,
      success: { capacity: 100, ttl: 60, minTtl: 2 },
      denial: { ttl: 30, capacity: 50 },
      prefetch: { amount: 10, duration: '60s', percentage: 20 },
      serveStale: '7200s',
      servfailTtl: 10,
      keepTtl: true,
    })
    assert.notEqual(cache, undefined)
    assert.deepEqual(remarks(text(options)), [])
  })

  it('that is disabled for other names than the cluster’s, or gives stale answers at once, is said', () => {
    const lines = ['disable success a.b', 'disable denial', 'serve_stale']
    assert.deepEqual(remarks(text(lines)), ['5 disable: changesAnswers', '6 serve_stale: leftOut'])
    const two = 'x.y {\ncache 5\n}\n. {\nkubernetes a.b\ncache 30\n}'
    assert.deepEqual(carried(two)['cache'], CACHE.cache)
    assert.ok(remarks(two).includes('2 cache: leftOut'))
  })
})

describe('cache and TTLs', () => {
  const ttlsOf = (plugins: string) => {
    const { hosts, template } = load(importText(`. {\nkubernetes a.b\n${plugins}\n}`).config)
    return [hosts.ttl, template[0]?.ttl]
  }
  const hosts = (option = '') => `hosts f {\nfallthrough\n${option}\n}`

  it('of hosts and templates are bounded, as the cache of their server block bounded them', () => {
    const template = 'template IN A x.y {\nanswer "{{ .Name }} 60 IN A 10.0.0.1"\n}'
    assert.deepEqual(ttlsOf(`${hosts()}\n${template}`), [3600, 60])
    assert.deepEqual(ttlsOf(`${hosts()}\n${template}\ncache 30`), [30, 30])
    assert.deepEqual(ttlsOf(`${hosts('ttl 40')}\n${template}\ncache {\nsuccess 100 50\n}`), [40, 50])
    assert.deepEqual(ttlsOf(`${hosts('ttl 90')}\n${template}\ncache`), [90, 60])
    const { findings } = importText(`. {\nkubernetes a.b\n${hosts('ttl 60')}\ncache 30\n}`)
    assert.ok(findings.some(({ line, verdict }) => line === 5 && verdict === 'builtIn'))
  })
})

describe('dns64 and local', () => {
  it('have their keys', () => {
    const text = '. {\nlocal\ndns64 {\nprefix fd00::/96\ntranslate_all\nallow_ipv4\n}\n}'
    const { dns64, localhost } = carried(text) as Record<string, unknown>
    assert.deepEqual(dns64, { prefix: 'fd00::/96', translateAll: true, allowIPv4: true })
    assert.equal(localhost, true)
    assert.equal(load(importText(text).config).dns64.prefix, 'fd00::/96')
    assert.deepEqual((carried('. {\ndns64\n}') as Record<string, unknown>)['dns64'], { prefix: '64:ff9b::/96' })
    assert.ok(remarks('. {\ndns64\nkubernetes a.b\n}').includes('2 dns64: changesAnswers'))
  })
})

describe('the import', () => {
  it('of a value that is refused many times in one line it is said once', () => {
    const { config, findings } = importText(`. {\nforward . ${'x y '.repeat(30)}10.0.0.1\n}`)
    assert.deepEqual(load(config).forward[0]?.upstreams, ['10.0.0.1'])
    const said = findings.filter(({ did }) => did.startsWith('It would be forward.upstreams')).map(({ did }) => did)
    assert.deepEqual(said, ['It would be forward.upstreams: "y".', 'It would be forward.upstreams: "x".'])
  })

  it('takes what is refused out of several items of a list in one round, and asks for each round anew', () => {
    let rounds = 0
    const tools = toolsOf({})
    const text = '. {\nforward a.b x y\nforward c.d z 10.0.0.1\nforward e.f 10.0.0.2\nforward g! v\n}'
    const { config } = importText(text, {
      problemsOf: (raw: unknown) => {
        rounds++
        return tools.problemsOf(raw)
      },
    })
    assert.deepEqual(
      load(config).forward.map(({ zone, upstreams }) => [zone, upstreams]),
      [
        ['c.d', ['10.0.0.1']],
        ['e.f', ['10.0.0.2']],
      ],
    )
    // The values; `a.b`, that has no upstream left; that all is right.
    assert.equal(rounds, 3)
  })

  it('takes out what is refused in bounded time, however much there is', () => {
    const start = performance.now()
    const names = Array.from({ length: 3000 }, (_, i) => `X${i}`)
    const { config, findings } = importText(`. {\nkubernetes cluster.local {\nnamespaces ${names.join(' ')}\n}\n}`)
    assert.equal(load(config).source.kubernetes?.namespaces.length, 0)
    assert.ok(findings.length > 0)
    assert.ok(performance.now() - start < 3000)
  })
})

describe('log', () => {
  const block = (...lines: string[]) => `.:53 {\n  kubernetes cluster.local\n${lines.join('\n')}\n}\n`

  it('is carried over with its classes and zones', () => {
    assert.deepEqual(carried(block('log'))['log'], { queries: { zones: ['.'], classes: ['all'] } })
    assert.deepEqual(carried(block('log example.org a.example {', 'class denial error', '}'))['log'], {
      queries: { zones: ['example.org', 'a.example'], classes: ['denial', 'error'] },
    })
  })

  it('with a form of its own is said to have ours', () => {
    const text = block('log . "{remote} {type}"')
    assert.deepEqual(carried(text)['log'], { queries: { zones: ['.'], classes: ['all'] } })
    assert.ok(remarks(text).includes('3 log: leftOut'))
  })
})

describe('zones besides the cluster zone', () => {
  it('k8s_external: zones, ttl, headless, fallthrough; reverse zones stand for PTRs; apex is said to be other', () => {
    const options = 'ttl 30\nheadless\nfallthrough\napex dns'
    const text = `.:53 {\nkubernetes cluster.local\nk8s_external ext.example 10.in-addr.arpa {\n${options}\n}\nforward . 10.0.0.2\n}\n`
    const { records, fallthrough } = carried(text)
    const external = { zones: ['ext.example'], reverse: true, ttl: 30, headless: true }
    assert.deepEqual([records, fallthrough], [{ external }, ['ext.example']])
    assert.deepEqual(remarks(text), ['7 apex: changesAnswers'])
  })

  it('kubernetes with multicluster: that zone is answered from ServiceImports, not from Services', () => {
    const options = 'multicluster clusterset.local'
    const { zones, records } = carried(`.:53 {\nkubernetes cluster.local clusterset.local {\n${options}\n}\n}\n`)
    assert.deepEqual([zones, records], [['cluster.local'], { multicluster: ['clusterset.local'] }])
  })
})

describe('autopath', () => {
  const block = (line: string) => `.:53 {\n  kubernetes cluster.local in-addr.arpa other.local\n${line}\n}\n`

  it('of pods is carried over, with its zones where they are not all', () => {
    assert.deepEqual(carried(block('autopath @kubernetes'))['autopath'], { enabled: true })
    assert.deepEqual(carried(block('autopath cluster.local @kubernetes'))['autopath'], {
      enabled: true,
      zones: ['cluster.local'],
    })
  })

  it('with one list for all, and in other zones, is said to be left out', () => {
    for (const line of ['autopath /etc/resolv.conf', 'autopath example.org @kubernetes']) {
      assert.equal(carried(block(line))['autopath'], undefined)
      assert.ok(remarks(block(line)).includes('3 autopath: changesAnswers'), line)
    }
  })
})

describe('transfer', () => {
  const block = (...lines: string[]) => `.:53 {\n  kubernetes cluster.local in-addr.arpa\n${lines.join('\n')}\n}\n`

  it('to everybody, and of one zone to addresses', () => {
    const text = block(
      'transfer {',
      'to *',
      '}',
      'transfer in-addr.arpa {',
      'to 10.0.0.1:53 [fd00::1]:53 10.0.0.2',
      '}',
    )
    assert.deepEqual(carried(text)['transfer'], [
      { networks: ['0.0.0.0/0', '::/0'] },
      { zones: ['in-addr.arpa'], networks: ['10.0.0.1', 'fd00::1', '10.0.0.2'] },
    ])
    assert.ok(!remarks(text).some(line => /transfer|to:/.test(line)))
  })

  it('to a name, or of a zone of a plugin that is left out, is said to change answers', () => {
    const text = block('transfer {', 'to ns.example', '}', 'transfer example.org {', 'to *', '}')
    assert.equal(carried(text)['transfer'], undefined)
    assert.deepEqual(
      remarks(text).filter(line => /transfer|to:/.test(line)),
      ['4 to: changesAnswers', '6 transfer: changesAnswers'],
    )
  })
})

describe('one line', () => {
  it('is cut from text of any length', () => {
    const most = 100
    for (const start of ['', '\n', '  ']) {
      const line = oneLine(start + 'x'.repeat(10_000_000), most)
      assert.equal(line, `${(start === '' ? '' : ' ') + 'x'.repeat(start === '' ? most : most - 1)}…`)
    }
  })

  it('has one space for white space, and a question mark for what moves the cursor or is none of YAML', () => {
    assert.equal(oneLine('a\n\tb  c\r\nd\u001b[2Je\u2028f'), 'a b c d?[2Je f')
    assert.equal(oneLine('plain words only'), 'plain words only')
  })
})

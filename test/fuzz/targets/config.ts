/**
 * A configuration file's text → Config, or everything that is wrong with it; what loads is printed and loads to the same.
 */

import assert from 'node:assert/strict'
import type { Config } from '../../../src/control/config.ts'
import { ConfigError } from '../../../src/control/config-error.ts'
import { formatEffective } from '../../../src/control/config-format.ts'
import { configOf } from '../../../src/control/config-load.ts'
import type { Target } from '../target.ts'
import { countLines } from '../text.ts'

const SURROUNDINGS = { directory: '/etc', isInPod: false, nodeName: 'node-1' }
const PATH = '/etc/headless-dns.yaml'

export const configTarget: Target = {
  name: 'config',
  dictionary: [
    ...[
      'zones: [cluster.local]\n',
      'reverseZones: [10.0.0.0/8]\n',
      'listen: "[::1]:53"\n',
      'admin: off\n',
      'workers: 2\n',
    ],
    ...[
      'source:\n',
      '  kubernetes:\n',
      '  manifests: [demo]\n',
      'records:\n  ttl: 5s\n',
      'limits: {tcp: {idle: 10s}}\n',
    ],
    ...[
      'forward:\n- upstreams: [10.0.0.1]\n',
      'acl:\n- action: block\n',
      'template:\n- answer: [A 10.0.0.1]\n',
      'rewrite: [{from: a, to: b}]\n',
      'transfer: [10.0.0.0/8]\n',
      'hosts: {entries: [10.0.0.1 a.b]}\n',
      '- ',
      '\n',
    ],
    ...[
      'null',
      '-1',
      '1e9',
      '65536',
      '0.5',
      '10m',
      'true',
      '"',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '__proto__',
      '---\n',
      '\t',
    ],
  ],
  maxOctets: 1024,
  limitMs: 1,
  async open() {
    const load = (text: string): Config | ConfigError => {
      try {
        return configOf({ path: PATH, text }, {}, SURROUNDINGS)
      } catch (error) {
        if (error instanceof ConfigError) return error
        throw error
      }
    }
    return {
      prepare: (input: Buffer) => input.toString('utf8'),
      decode: load,
      check(input: Buffer, verdict: Config | ConfigError) {
        if (verdict instanceof ConfigError) {
          assert.ok(verdict.problems.length > 0)
          const lines = countLines(input.toString('utf8'))
          for (const problem of verdict.problems) {
            const line = Number(/^\/etc\/headless-dns\.yaml:(\d+): /.exec(problem)?.[1] ?? 1)
            assert.ok(line >= 1 && line <= lines, `line ${line} of ${lines}: ${problem}`)
          }
          return verdict.problems[0]!.replace(PATH, '').replaceAll(/\d+/g, 'N').slice(0, 60)
        }
        assert.deepEqual(load(formatEffective(verdict)), verdict, 'what is printed loads to another configuration')
        return 'loaded'
      },
    }
  },
}

/**
 * A Corefile's text → our configuration, which loads whatever the Corefile says, or the one error that there is, with its line.
 */

import assert from 'node:assert/strict'
import { toolsOf } from '../../../src/cli/import-corefile.ts'
import { configOf } from '../../../src/control/config-load.ts'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { type Imported, importCorefile } from '../../../src/corefile/import-corefile.ts'
import { PLUGINS } from '../../../src/corefile/plugins/index.ts'
import type { Target } from '../target.ts'
import { countLines } from '../text.ts'

const SURROUNDINGS = { directory: '/etc', isInPod: false, nodeName: '' }
const FILES: Readonly<Record<string, string>> = { one: 'errors\n', two: 'import two\n', three: '(s) {\nlog\n' }

export const corefileTarget: Target = {
  name: 'corefile',
  dictionary: [
    ...Object.keys(PLUGINS).map(name => `\n${name} `),
    ...[
      '.:53 {\n',
      'cluster.local:53 {\n',
      'tls://a.b {\n',
      '10.0.0.0/12 {\n',
      '\n}\n',
      ' {\n',
      '{',
      '}',
      '"',
      '#',
      ',',
    ],
    ...[
      '(s) {\n',
      'import s\n',
      'import one\n',
      'import two\n',
      'import three\n',
      'import x*\n',
      '{args.0}',
      '{$A}',
      '{%A%}',
      '{$B:c}',
    ],
    ...[
      'ttl 30\n',
      'pods verified\n',
      'namespaces a\n',
      'fallthrough\n',
      'except a.b\n',
      'policy random\n',
      'tls_servername a\n',
    ],
    ...[
      'forward . 10.0.0.1\n',
      'forward . /etc/resolv.conf\n',
      'kubernetes cluster.local in-addr.arpa\n',
      '1h2m',
      '::1',
      '\u2028',
    ],
  ],
  maxOctets: 1024,
  limitMs: 1,
  async open() {
    const tools = {
      ...toolsOf({ A: 'a' }),
      readImport: (pattern: string) => {
        if (pattern.endsWith('*')) return []
        return FILES[pattern] === undefined ? 'no such file' : [{ file: pattern, text: FILES[pattern] }]
      },
    }
    return {
      prepare: (input: Buffer) => input.toString('utf8'),
      decode(text: string): Imported | CorefileError {
        try {
          return importCorefile('Corefile', text, tools)
        } catch (error) {
          if (error instanceof CorefileError) return error
          throw error
        }
      },
      check(input: Buffer, verdict: Imported | CorefileError) {
        const lines = countLines(input.toString('utf8'))
        if (verdict instanceof CorefileError) {
          const [, file, line] = /^([^:]+):(\d+): /.exec(verdict.message)!
          assert.ok(file !== 'Corefile' || (Number(line) >= 1 && Number(line) <= lines), verdict.message)
          return verdict.message.replaceAll(/\d+/g, 'N').slice(0, 60)
        }
        configOf({ path: '/etc/headless-dns.yaml', text: verdict.config }, {}, SURROUNDINGS)
        for (const { file, line, did, instead } of verdict.findings) {
          assert.ok(file !== 'Corefile' || (line >= 1 && line <= lines), `line ${line} of ${lines}`)
          assert.ok(did.length > 0 && instead.length > 0)
        }
        const words = verdict.findings.map(({ text, did }) => `${text.split(' ', 1)[0]} ${did.slice(0, 20)}`)
        return `loaded ${words.slice(0, 2).join(', ')}`.replaceAll(/\d+/g, 'N')
      },
    }
  },
}

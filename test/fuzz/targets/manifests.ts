/**
 * A manifest file's text → objects → what is served of them. Nothing is thrown; what is wrong is a problem with a line.
 */

import assert from 'node:assert/strict'
import { AddressPool } from '../../../src/manifests/address-pool.ts'
import { reconcile } from '../../../src/manifests/controller.ts'
import { type FileContent, readDocuments } from '../../../src/manifests/documents.ts'
import { parseLabelSelector } from '../../../src/manifests/label-selector.ts'
import type { Target } from '../target.ts'
import { countLines } from '../text.ts'

export const manifestsTarget: Target = {
  name: 'manifests',
  dictionary: [
    ...[
      'apiVersion: v1\n',
      'kind: Service\n',
      'kind: List\n',
      'items:\n- ',
      '---\n',
      '...\n',
      'clusterIP: None',
      '&a ',
      '*a',
    ],
    ...[
      '<<: *a',
      '!!binary ',
      '!!set ',
      '? ',
      '{',
      '}',
      '[',
      ']',
      '|\n ',
      '>-\n ',
      '"',
      "'",
      '\\u0000',
      '\t',
      '\ufeff',
    ],
    ...[
      'spec:\n  selector: {app: web}\n',
      'replicas: 3',
      '1e9',
      '.inf',
      '~',
      '0x10',
      '010',
      'y',
      '__proto__: 1\n',
      ': ',
    ],
  ],
  maxOctets: 1024,
  limitMs: 1,
  async open() {
    const all = parseLabelSelector('')
    const choice = { namespaces: [], namespaceLabels: all, labels: all }
    const pool = new AddressPool('127.1.0.0/16')
    return {
      prepare: (input: Buffer) => input.toString('utf8'),
      decode(text: string): FileContent {
        const content = readDocuments('fuzz.yaml', text)
        reconcile(content.objects, pool, choice)
        return content
      },
      check(input: Buffer, { objects, problems }: FileContent) {
        const lines = countLines(input.toString('utf8'))
        for (const { line, reason } of problems) {
          assert.ok(line >= 1 && line <= lines, `line ${line} of ${lines}`)
          assert.ok(reason.length > 0)
        }
        for (const { name, line } of objects) assert.ok(name.length > 0 && line >= 1 && line <= lines, `line ${line}`)
        const words = [...objects.map(({ kind }) => kind), ...problems.map(({ reason }) => reason.slice(0, 30))]
        return words.slice(0, 3).join(', ').replaceAll(/\d+/g, 'N')
      },
    }
  },
}

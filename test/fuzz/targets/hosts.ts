/**
 * A file in the form of hosts(5) → addresses and names. What is wrong is named with its line; what is read is of its form.
 */

import assert from 'node:assert/strict'
import { type HostsText, parseHosts } from '../../../src/rules/hosts-file.ts'
import { whole } from '../../support/pieces.ts'
import type { Target } from '../target.ts'
import { countLines } from '../text.ts'

export const hostsTarget: Target = {
  name: 'hosts',
  dictionary: [
    ...['10.0.0.1 ', '::1 ', 'fe80::1%eth0 ', '::ffff:1.2.3.4 ', '256.0.0.1', ' localhost', ' *.a.b', ' a.b.', ' _a'],
    ...['#', '\n', '\r\n', '\t', '\0', '\u00a0', '*', '..', `${'a'.repeat(63)}.`, 'a'.repeat(64), ' a'.repeat(65)],
  ],
  maxOctets: 1024,
  limitMs: 1,
  async open() {
    return {
      prepare: (input: Buffer) => input.toString('utf8'),
      decode: (text: string) => whole(parseHosts(text)).value,
      check(input: Buffer, { entries, problems }: HostsText) {
        const lines = countLines(input.toString('utf8'))
        for (const { line, reason } of problems) {
          assert.ok(line >= 1 && line <= lines, `line ${line} of ${lines}`)
          assert.ok(reason.length > 0 && reason.length < 600, reason)
        }
        for (const { address, names } of entries) {
          assert.ok(address.length === 4 || address.length === 16)
          assert.ok(names.length > 0)
          for (const name of names) assert.ok(name.length <= 255 && name.at(-1) === 0, 'a name in wire form')
        }
        const reasons = problems.map(({ reason }) => reason.replace(/^"(?:[^"\\]|\\.)*"/, '').slice(0, 30))
        return `${Math.min(entries.length, 5)} ${[...new Set(reasons)].slice(0, 3).join(', ')}`.replaceAll(/\d+/g, 'N')
      },
    }
  },
}

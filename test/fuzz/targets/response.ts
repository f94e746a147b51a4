/**
 * A reply from any server, as the `query` command takes it: checked, then decoded by dns2, then printed.
 */

import assert from 'node:assert/strict'
import { Packet } from 'dns2'
import { checkMessage } from '../../../src/cli/message-check.ts'
import { formatReply } from '../../../src/cli/presentation.ts'
import { u16, wireName } from '../../support/messages.ts'
import type { Target } from '../target.ts'

type Verdict = { problem: string } | { text: string }

export const responseTarget: Target = {
  name: 'response',
  dictionary: [
    wireName('web.default.svc.cluster.local'),
    ...[1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 41, 46, 48, 64, 257].map(type => Buffer.concat([u16(type), u16(1)])),
    ...[0xc00c, 0xc000, 0xc00d, 0xffff].map(u16),
  ],
  maxOctets: 1500,
  limitMs: 1,
  async open() {
    return {
      decode(input: Buffer): Verdict {
        const problem = checkMessage(input)
        if (problem !== undefined) return { problem }
        const message = Packet.parse(input)
        return { text: formatReply({ message, octets: input, protocol: 'UDP', durationMs: 1 }, '127.0.0.1:53') }
      },
      check(_input: Buffer, verdict: Verdict) {
        if ('problem' in verdict) return verdict.problem.replaceAll(/\d+/g, 'N')
        assert.match(verdict.text, /^[\t\n\x20-\x7e]*$/, 'what a terminal would obey is printed')
        const types = [...verdict.text.matchAll(/\tIN\t(\w+)/g)].map(match => match[1]!)
        return `printed ${[...new Set(types)]
          .sort()
          .join(' ')
          .replaceAll(/TYPE\d+/g, 'TYPE')}`
      },
    }
  },
}

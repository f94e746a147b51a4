/**
 * A snapshot's octets → objects. An input is a file as it is, or, when it does not begin as one, the text of one, which is
 * compressed and given a right head: nearly every input gets past the checksum that way.
 */

import assert from 'node:assert/strict'
import { zstdCompressSync } from 'node:zlib'
import { decodeSnapshot, type Snapshot } from '../../../src/snapshot/codec.ts'
import { SnapshotError } from '../../../src/snapshot/errors.ts'
import { digestOf, headOf } from '../../../src/snapshot/format.ts'
import { formatListHead, formatObject } from '../../../src/snapshot/lines.ts'
import type { Target } from '../target.ts'

const MAGIC = 'HDNSSNAP'
const IDS = { cluster: digestOf('cluster'), filters: digestOf('filters') }
const LIST_HEAD = /^\["[A-Z][A-Za-z]*","[^"]*",\d+\]$/gm

export const snapshotTarget: Target = {
  name: 'snapshot',
  dictionary: [
    ...['["Service","",1]\n', '["EndpointSlice","",1]\n', '["Namespace","",1]\n', '["Pod","",1]\n', '["default"]\n'],
    ...[
      '["ns","web","headless",[],"",[]]\n',
      '"clusterIP"',
      '"externalName"',
      '"IPv6"',
      '"10.0.0.1"',
      '"fd00::1"',
      '1e999',
    ],
    ...[
      '[]',
      '[[]]',
      '\n',
      ',',
      '""',
      'null',
      '-1',
      '0',
      '65536',
      '"__proto__"',
      '\\u0000',
      MAGIC,
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
    ],
  ],
  maxOctets: 2048,
  limitMs: 1,
  async open() {
    const decode = (file: Buffer): Snapshot | SnapshotError => {
      try {
        return decodeSnapshot(file)
      } catch (error) {
        if (error instanceof SnapshotError) return error
        throw error
      }
    }
    return {
      prepare: (input: Buffer) =>
        input.toString('latin1', 0, MAGIC.length) === MAGIC ? Buffer.from(input) : fileOf(input),
      decode,
      check(_input: Buffer, verdict: Snapshot | SnapshotError) {
        if (verdict instanceof SnapshotError)
          return `${verdict.code} ${verdict.message.slice(0, 40)}`.replaceAll(/\d+/g, 'N')
        const lines = verdict.lists.flatMap(({ kind, partition, objects }) => [
          formatListHead({ kind, partition, count: objects.length }),
          ...objects.map(object => formatObject(kind, object)),
        ])
        const again = decode(fileOf(Buffer.from(lines.map(line => `${line}\n`).join('')), verdict.lists.length))
        assert.deepEqual(again, { ...IDS, lists: verdict.lists }, 'what is encoded is decoded to something else')
        return `decoded ${verdict.lists.map(({ kind, objects }) => `${kind} ${objects.length}`).join()}`
      },
    }
  },
}

function fileOf(text: Buffer, lists = text.toString('latin1').match(LIST_HEAD)?.length ?? 0): Buffer {
  const body = zstdCompressSync(text)
  return Buffer.concat([headOf({ ...IDS, lists, textOctets: text.length }, [body]), body])
}

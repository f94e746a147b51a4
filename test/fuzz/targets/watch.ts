/**
 * What an API server sends: a watch's lines and a list, in chunks of any size, and each object on its way into the domain.
 */

import assert from 'node:assert/strict'
import { endpointSliceFromApi, namespaceFromApi, podFromApi, serviceFromApi } from '../../../src/cluster/from-api.ts'
import { ApiError } from '../../../src/kubernetes/errors.ts'
import { LineParser, ListParser } from '../../../src/kubernetes/json-stream.ts'
import type { Target } from '../target.ts'

/** What was read before it ended, and how it ended. */
interface Read {
  readonly objects: unknown[]
  readonly end: unknown
}
interface Verdict {
  readonly lines: Read
  readonly list: Read
}

const READERS = [serviceFromApi, endpointSliceFromApi, namespaceFromApi, podFromApi]
/** Cut off; no JSON. */
const DECLARED = ['ERR_API_STREAM', 'ERR_API_MALFORMED']

export const watchTarget: Target = {
  name: 'watch',
  dictionary: [
    ...[
      '{"type":"ADDED","object":',
      '{"type":"BOOKMARK",',
      '"metadata":{"name":"web","namespace":"default"}',
      '"items":[',
    ],
    ...[
      '"spec":{"clusterIP":"None"}',
      '"addresses":["10.0.0.1"]',
      '"conditions":{"ready":false}',
      '"ports":[{"port":80}]',
    ],
    ...[
      '\n',
      '\r\n',
      '\\"',
      '\\\\',
      '\\u0000',
      '\u2028',
      '{}',
      '[]',
      '[[',
      ']]',
      '},{',
      ',',
      'null',
      '1e999',
      '"__proto__":',
    ],
  ],
  maxOctets: 2048,
  limitMs: 1,
  async open() {
    return {
      decode: (input: Buffer): Verdict => readAll([input], input.length),
      check(input: Buffer, verdict: Verdict) {
        // RFC 9112 §7.1 in spirit: where a chunk ends has no meaning.
        const at = (input[0] ?? 0) % (input.length + 1)
        const middle = Math.max(at, (input.at(-1) ?? 0) % (input.length + 1))
        const parts = [input.subarray(0, at), input.subarray(at, middle), input.subarray(middle)]
        assert.deepEqual(readAll(parts, input.length), verdict, 'chunks make a difference')
        const { lines, list } = verdict
        return `${lines.objects.length} ${typeof lines.end} ${list.objects.length} ${typeof list.end}`
      },
    }
  },
}

/** @param turn which of the readers has the first object */
function readAll(chunks: readonly Buffer[], turn: number): Verdict {
  const [lines, list] = [new LineParser(), new ListParser()]
  return {
    lines: read(chunks, turn, chunk => lines.push(chunk)),
    list: read(
      chunks,
      turn,
      chunk => list.push(chunk),
      () => list.end(),
    ),
  }
}

function read(
  chunks: readonly Buffer[],
  turn: number,
  push: (chunk: Buffer) => Iterable<unknown>,
  end = (): unknown => '',
): Read {
  const objects: unknown[] = []
  try {
    for (const chunk of chunks) for (const object of push(chunk)) objects.push(toDomain(object, turn + objects.length))
    return { objects, end: end() }
  } catch (error) {
    if (error instanceof ApiError && DECLARED.includes(error.code)) return { objects, end: error.code }
    throw error
  }
}

/** Of a line of a watch the object in it, and the object itself; by one of the readers, whatever its kind, as a server reads it by one. */
function toDomain(raw: unknown, turn: number): unknown {
  const readObject = READERS[turn % READERS.length]!
  const inner = (raw as { object?: unknown } | null)?.object
  return [readObject(raw), inner === undefined ? '' : readObject(inner)]
}

/**
 * A cluster's objects ↔ the octets of a snapshot. Layer: snapshot; no files. Drawn in format.ts and lines.ts.
 * Encoding gives the thread back after every 64 KiB of text and compresses in another; decoding is done at once, at a start.
 */

import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { constants, createZstdCompress, zstdDecompressSync } from 'node:zlib'
import type { Kind, Kinds } from '../cluster/objects.ts'
import { SnapshotError } from './errors.ts'
import {
  HEAD_OCTETS,
  headOf,
  MAX_FILE_OCTETS,
  MAX_TEXT_OCTETS,
  readHead,
  type SnapshotHead,
  type SnapshotIds,
} from './format.ts'
import { formatListHead, formatObject, LineReader, parseLines } from './lines.ts'

/** All objects of one watch. */
export interface SnapshotList {
  readonly kind: Kind
  readonly partition: string
  readonly objects: readonly Kinds[Kind][]
}

export interface Snapshot extends SnapshotIds {
  readonly lists: readonly SnapshotList[]
}

const CHUNK_OCTETS = 1 << 16
/** etcd takes 1.5 MiB of an object; with every character escaped, and what separates them, its line is less than ten times that. */
const MAX_LINE_OCTETS = 16 << 20
const NEWLINE = 10
/** Of what is decompressed: node:zlib takes no less, and no more is made room for because a head says so. */
const LEAST_PIECE_OCTETS = 64
const MOST_PIECE_OCTETS = 16 << 20

/**
 * @param snapshot of one moment: objects never change, so that it stays one while it is written
 * @returns the file, in pieces
 * @throws SnapshotError ERR_SNAPSHOT_TOO_LARGE: it would not be read
 */
export async function encodeSnapshot(snapshot: Snapshot): Promise<Buffer[]> {
  const body: Buffer[] = []
  let textOctets = 0
  let octets = HEAD_OCTETS
  await pipeline(
    async function* () {
      for (const chunk of chunksOf(snapshot.lists)) {
        textOctets += chunk.length
        if (textOctets > MAX_TEXT_OCTETS) throw tooLarge()
        yield chunk
        await setImmediate()
      }
    },
    createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
    async compressed => {
      for await (const piece of compressed as AsyncIterable<Buffer>) {
        octets += piece.length
        if (octets > MAX_FILE_OCTETS) throw tooLarge()
        body.push(piece)
      }
    },
  )
  return [headOf({ ...snapshot, lists: snapshot.lists.length, textOctets }, body), ...body]
}

function* chunksOf(lists: readonly SnapshotList[]): Generator<Buffer> {
  let text = ''
  for (const { kind, partition, objects } of lists) {
    text += `${formatListHead({ kind, partition, count: objects.length })}\n`
    for (const object of objects) {
      const line = formatObject(kind, object)
      if (Buffer.byteLength(line) > MAX_LINE_OCTETS) throw tooLarge()
      text += `${line}\n`
      if (text.length < CHUNK_OCTETS) continue
      yield Buffer.from(text)
      text = ''
    }
  }
  yield Buffer.from(text)
}

/** @throws SnapshotError, and nothing else, whatever the octets; time and memory are bounded by the limits of format.ts */
export function decodeSnapshot(file: Uint8Array): Snapshot {
  const head = readHead(file)
  return { cluster: head.cluster, filters: head.filters, lists: readLists(head, decompress(head, file)) }
}

function decompress({ textOctets }: SnapshotHead, file: Uint8Array): Buffer {
  try {
    // One more than the text has: what goes beyond is found out, and costs no more.
    const maxOutputLength = textOctets + 1
    // In one piece it takes half of the time.
    const chunkSize = Math.max(LEAST_PIECE_OCTETS, Math.min(maxOutputLength, MOST_PIECE_OCTETS))
    const text = zstdDecompressSync(file.subarray(HEAD_OCTETS), { maxOutputLength, chunkSize })
    if (text.length === textOctets) return text
  } catch (error) {
    throw new SnapshotError('ERR_SNAPSHOT_FORMAT', 'it cannot be decompressed to the text it says it has', error)
  }
  throw new SnapshotError('ERR_SNAPSHOT_FORMAT', 'its text has not the length it says')
}

function readLists(head: SnapshotHead, text: Buffer): SnapshotList[] {
  const reader = new LineReader()
  const lists: SnapshotList[] = []
  let at = 0
  let lines: unknown[] = []
  let next = 0
  while (lists.length < head.lists) {
    const { kind, partition, count } = reader.readListHead(nextLine())
    const objects: Kinds[Kind][] = []
    while (objects.length < count) objects.push(reader.readObject(kind, nextLine()))
    lists.push({ kind, partition, objects })
  }
  if (at !== text.length || next !== lines.length) {
    throw new SnapshotError('ERR_SNAPSHOT_FORMAT', 'it holds more than the lists it says')
  }
  return lists

  function nextLine(): unknown {
    if (next === lines.length) {
      const end = endOfLines(text, at)
      if (end < 0) throw new SnapshotError('ERR_SNAPSHOT_FORMAT', 'it holds fewer objects than it says')
      if (end - at > MAX_LINE_OCTETS) throw tooLarge()
      lines = parseLines(text.toString('utf8', at, end))
      next = 0
      at = end + 1
    }
    return lines[next++]
  }
}

/** @returns where the newline is that ends as many lines as a chunk holds, one at least; −1: none */
function endOfLines(text: Buffer, from: number): number {
  const end = text.lastIndexOf(NEWLINE, Math.min(from + CHUNK_OCTETS, text.length) - 1)
  return end < from ? text.indexOf(NEWLINE, from) : end
}

function tooLarge(): SnapshotError {
  const limits = `${MAX_TEXT_OCTETS} octets of text, ${MAX_FILE_OCTETS} compressed, ${MAX_LINE_OCTETS} for one object`
  return new SnapshotError('ERR_SNAPSHOT_TOO_LARGE', `a snapshot has at most ${limits}: choose fewer namespaces`)
}

/**
 * The octets of a snapshot file. Layer: snapshot; pure. Numbers are big-endian.
 *
 *     0  ┌──────────────────────────────────────────────────────────────┐
 *        │ magic: "HDNSSNAP"                                            │
 *     8  ├──────────────────────┬──────────────────────┬────────────────┤
 *        │ version (16)         │ 0 (16)               │ lists (32)     │
 *    16  ├──────────────────────┴──────┬───────────────┴────────────────┤
 *        │ octets of the text (32)     │ octets compressed (32)         │
 *    24  ├─────────────────────────────┴────────────────────────────────┤
 *        │ cluster: SHA-256 of what identifies it (32 octets)           │
 *    56  ├──────────────────────────────────────────────────────────────┤
 *        │ filters: SHA-256 of what was chosen from it (32 octets)      │
 *    88  ├──────────────────────────────────────────────────────────────┤
 *        │ SHA-256 of all octets but these (32 octets)                  │
 *   120  ├──────────────────────────────────────────────────────────────┤
 *        │ the text, compressed by zstd: lines.ts                       │
 *        └──────────────────────────────────────────────────────────────┘
 *
 * When it was last known to be true is the file's time of modification: a quiet cluster's file need not be written again.
 */

import { createHash } from 'node:crypto'
import { SnapshotError } from './errors.ts'

/** To be raised with any change of a line of lines.ts. */
const VERSION = 4

const MAGIC = Buffer.from('HDNSSNAP')
const AT_VERSION = 8
const AT_LISTS = 12
const AT_TEXT_OCTETS = 16
const AT_OCTETS = 20
const AT_CLUSTER = 24
const AT_FILTERS = 56
const AT_CHECKSUM = 88
export const HEAD_OCTETS = 120

/** 100,000 endpoints are 12 MB of text and 1.2 MB in the file; twice a heap of 512 MB would hold no more than this. */
export const MAX_TEXT_OCTETS = 128 << 20
export const MAX_FILE_OCTETS = 32 << 20

/** What a snapshot is of. */
export interface SnapshotIds {
  /** Hexadecimal, from `digestOf`. */
  readonly cluster: string
  readonly filters: string
}

export interface SnapshotHead extends SnapshotIds {
  readonly lists: number
  readonly textOctets: number
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** @param body the compressed text, in pieces */
export function headOf(head: SnapshotHead, body: readonly Uint8Array[]): Buffer {
  const octets = Buffer.alloc(HEAD_OCTETS)
  MAGIC.copy(octets)
  octets.writeUInt16BE(VERSION, AT_VERSION)
  octets.writeUInt32BE(head.lists, AT_LISTS)
  octets.writeUInt32BE(head.textOctets, AT_TEXT_OCTETS)
  octets.writeUInt32BE(
    body.reduce((sum, piece) => sum + piece.length, 0),
    AT_OCTETS,
  )
  octets.write(head.cluster, AT_CLUSTER, 'hex')
  octets.write(head.filters, AT_FILTERS, 'hex')
  checksumOf(octets, body).copy(octets, AT_CHECKSUM)
  return octets
}

/** @throws SnapshotError for whatever is not exactly one whole snapshot of this version */
export function readHead(file: Uint8Array): SnapshotHead {
  const octets = Buffer.from(file.buffer, file.byteOffset, file.length)
  if (octets.length > MAX_FILE_OCTETS) {
    throw new SnapshotError('ERR_SNAPSHOT_TOO_LARGE', `it has more than ${MAX_FILE_OCTETS} octets`)
  }
  if (octets.length < MAGIC.length || !octets.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new SnapshotError('ERR_SNAPSHOT_FORMAT', 'it is no snapshot')
  }
  if (octets.length < HEAD_OCTETS) throw torn()
  const version = octets.readUInt16BE(AT_VERSION)
  if (version !== VERSION) {
    throw new SnapshotError('ERR_SNAPSHOT_VERSION', `it has format ${version}, this server reads format ${VERSION}`)
  }
  const body = octets.subarray(HEAD_OCTETS)
  if (body.length !== octets.readUInt32BE(AT_OCTETS)) throw torn()
  const checksum = octets.subarray(AT_CHECKSUM, HEAD_OCTETS)
  if (!checksumOf(octets, [body]).equals(checksum)) throw torn()
  const textOctets = octets.readUInt32BE(AT_TEXT_OCTETS)
  if (textOctets > MAX_TEXT_OCTETS) {
    throw new SnapshotError('ERR_SNAPSHOT_TOO_LARGE', `its text has more than ${MAX_TEXT_OCTETS} octets`)
  }
  return {
    lists: octets.readUInt32BE(AT_LISTS),
    textOctets,
    cluster: octets.toString('hex', AT_CLUSTER, AT_FILTERS),
    filters: octets.toString('hex', AT_FILTERS, AT_CHECKSUM),
  }
}

function checksumOf(head: Uint8Array, body: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256').update(head.subarray(0, AT_CHECKSUM))
  for (const piece of body) hash.update(piece)
  return hash.digest()
}

function torn(): SnapshotError {
  return new SnapshotError('ERR_SNAPSHOT_TORN', 'it is cut short or was changed since it was written')
}

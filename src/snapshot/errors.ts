/**
 * What a snapshot is refused for, and what keeps it from being written. Layer: snapshot.
 */

export type SnapshotErrorCode =
  /** No snapshot, or one that says what no snapshot can say. */
  | 'ERR_SNAPSHOT_FORMAT'
  /** Written by a version of this server that writes them otherwise. */
  | 'ERR_SNAPSHOT_VERSION'
  /** Cut short, or changed since it was written. */
  | 'ERR_SNAPSHOT_TORN'
  | 'ERR_SNAPSHOT_TOO_LARGE'
  /** Of another cluster. */
  | 'ERR_SNAPSHOT_CLUSTER'
  /** Taken with other namespaces, labels or kinds of objects. */
  | 'ERR_SNAPSHOT_FILTERS'
  /** The file system's words are the cause. */
  | 'ERR_SNAPSHOT_READ'
  | 'ERR_SNAPSHOT_WRITE'

export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
  readonly code: SnapshotErrorCode

  constructor(code: SnapshotErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

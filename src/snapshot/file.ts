/**
 * The snapshot's file: read whole, written so that there is always one whole file or none. Layer: snapshot; I/O.
 *
 *   temporary file in the same folder ─▶ fsync ─▶ rename ─▶ fsync of the folder
 *
 * Names of temporary files are random, since an old and a new server may share a folder during an update. What a killed server
 * left of them is swept before the next write.
 */

import { randomBytes } from 'node:crypto'
import { open, readdir, rename, stat, unlink, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { SnapshotError } from './errors.ts'
import { MAX_FILE_OCTETS } from './format.ts'

export interface SnapshotFile {
  readonly octets: Buffer
  /** When it was last known to be true: wall-clock ms since the epoch, since another process wrote it. */
  readonly confirmedAtMs: number
}

/** A write takes a second; a temporary file so old is nobody's. */
const ABANDONED_MS = 60_000

/**
 * @returns undefined: there is no such file
 * @throws SnapshotError ERR_SNAPSHOT_READ, ERR_SNAPSHOT_TOO_LARGE
 */
export async function readSnapshotFile(path: string): Promise<SnapshotFile | undefined> {
  try {
    // What is none may not even be opened: a pipe waits for its writer.
    if (!(await stat(path)).isFile()) throw new SnapshotError('ERR_SNAPSHOT_READ', 'it is no regular file')
    const handle = await open(path)
    try {
      const { size, mtimeMs } = await handle.stat()
      if (size > MAX_FILE_OCTETS) {
        throw new SnapshotError('ERR_SNAPSHOT_TOO_LARGE', `it has more than ${MAX_FILE_OCTETS} octets`)
      }
      // Of the size that was looked at: a file that grows meanwhile is found to be none.
      const octets = Buffer.alloc(size)
      const { bytesRead } = await handle.read(octets, 0, size, 0)
      return { octets: octets.subarray(0, bytesRead), confirmedAtMs: mtimeMs }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof SnapshotError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SnapshotError('ERR_SNAPSHOT_READ', `it cannot be read: ${(error as Error).message}`, error)
  }
}

/**
 * @returns what tells the file from those of others: its inode
 * @throws SnapshotError ERR_SNAPSHOT_WRITE: what was there is there, and no temporary file is left
 */
export async function writeSnapshotFile(path: string, pieces: readonly Uint8Array[]): Promise<number> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await sweep(path)
    const handle = await open(temporary, 'wx', 0o600)
    let ino: number
    try {
      for (const piece of pieces) await handle.appendFile(piece)
      await handle.sync()
      ;({ ino } = await handle.stat())
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
    return ino
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw writeError(error)
  }
}

/**
 * Notes that what the file says is true now.
 * @param ino what writing it gave. @returns false: it is another's by now, of which nothing is known
 * @throws SnapshotError ERR_SNAPSHOT_WRITE
 */
export async function confirmSnapshotFile(path: string, ino: number): Promise<boolean> {
  const now = new Date()
  try {
    if ((await stat(path)).ino !== ino) return false
    await utimes(path, now, now)
    return true
  } catch (error) {
    throw writeError(error)
  }
}

async function sweep(path: string): Promise<void> {
  const folder = dirname(path)
  const name = basename(path)
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(`${name}.`) || !/^\.[0-9a-f]{12}\.tmp$/.test(entry.slice(name.length))) continue
    const file = join(folder, entry)
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > ABANDONED_MS) await unlink(file).catch(() => {})
  }
}

/** Not every file system can; the file is there all the same, if not for sure after a power failure. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync().catch(() => {})
  } finally {
    await handle.close()
  }
}

function writeError(error: unknown): SnapshotError {
  const { message } = error as Error
  return new SnapshotError('ERR_SNAPSHOT_WRITE', `it cannot be written: ${message}`, error)
}

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { confirmSnapshotFile, readSnapshotFile, writeSnapshotFile } from '../../../src/snapshot/file.ts'
import { MAX_FILE_OCTETS } from '../../../src/snapshot/format.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'headless-dns-'))
  t.after(() => {
    chmodSync(path, 0o700)
    rmSync(path, { recursive: true })
  })
  return path
}

const HOUR_AGO = new Date(Date.now() - 3_600_000)

describe('the snapshot file', () => {
  it('is written whole, for its owner alone, over what was there, and leaves nothing beside it', async t => {
    const file = join(folder(t), 'snapshot')
    await writeSnapshotFile(file, [Buffer.from('old and long')])
    await writeSnapshotFile(file, [Buffer.from('n'), Buffer.from('ew')])
    assert.equal((await readSnapshotFile(file))?.octets.toString(), 'new')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.deepEqual(readdirSync(join(file, '..')), ['snapshot'])
  })

  it('that is not there is none', async t => {
    assert.equal(await readSnapshotFile(join(folder(t), 'snapshot')), undefined)
  })

  it('is as old as it was last confirmed', async t => {
    const file = join(folder(t), 'snapshot')
    const ino = await writeSnapshotFile(file, [])
    utimesSync(file, HOUR_AGO, HOUR_AGO)
    assert.equal((await readSnapshotFile(file))?.confirmedAtMs, HOUR_AGO.getTime())
    assert.equal(await confirmSnapshotFile(file, ino), true)
    assert.ok((await readSnapshotFile(file))!.confirmedAtMs > HOUR_AGO.getTime() + 3_000_000)
    await writeSnapshotFile(file, [])
    utimesSync(file, HOUR_AGO, HOUR_AGO)
    assert.equal(await confirmSnapshotFile(file, ino), false, 'the file of another process')
    assert.equal((await readSnapshotFile(file))?.confirmedAtMs, HOUR_AGO.getTime())
  })

  it('in a folder that is gone, or at a path that cannot be, is an error with a code', async t => {
    const gone = join(folder(t), 'gone', 'snapshot')
    await assert.rejects(writeSnapshotFile(gone, []), { code: 'ERR_SNAPSHOT_WRITE' })
    await assert.rejects(confirmSnapshotFile(gone, 1), { code: 'ERR_SNAPSHOT_WRITE' })
    await assert.rejects(readSnapshotFile('\0'), { code: 'ERR_SNAPSHOT_READ' })
    await assert.rejects(readSnapshotFile(folder(t)), { code: 'ERR_SNAPSHOT_READ' })
  })

  it('that cannot be put in its place leaves no temporary file, and what was there', async t => {
    const path = folder(t)
    const file = join(path, 'snapshot')
    mkdirSync(file)
    await assert.rejects(writeSnapshotFile(file, [Buffer.from('x')]), { code: 'ERR_SNAPSHOT_WRITE' })
    assert.deepEqual(readdirSync(path), ['snapshot'])
  })

  it('with writes that fail again and again (a full device) leaves no temporary files', async t => {
    const path = folder(t)
    const file = join(path, 'snapshot')
    await writeSnapshotFile(file, [Buffer.from('good')])
    for (let i = 0; i < 5; i++) {
      // Not octets: the write itself fails, as ENOSPC makes it.
      await assert.rejects(writeSnapshotFile(file, [Buffer.from('x'), 5 as never]), { code: 'ERR_SNAPSHOT_WRITE' })
    }
    assert.deepEqual(readdirSync(path), ['snapshot'])
    assert.equal((await readSnapshotFile(file))?.octets.toString(), 'good')
  })

  it('what a killed server left is swept, what is young or of another name is not', async t => {
    const path = folder(t)
    const [old, young, other] = ['snapshot.0123456789ab.tmp', 'snapshot.ba9876543210.tmp', 'snapshot.yaml']
    for (const name of [old, young, other]) writeFileSync(join(path, name), '')
    for (const name of [old, other]) utimesSync(join(path, name), HOUR_AGO, HOUR_AGO)
    await writeSnapshotFile(join(path, 'snapshot'), [])
    assert.deepEqual(readdirSync(path).sort(), ['snapshot', young, other].sort())
  })

  it('larger than a snapshot can be is not read', async t => {
    const file = join(folder(t), 'snapshot')
    writeFileSync(file, Buffer.alloc(MAX_FILE_OCTETS + 1))
    await assert.rejects(readSnapshotFile(file), { code: 'ERR_SNAPSHOT_TOO_LARGE' })
  })
})

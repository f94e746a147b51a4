import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { LogFile } from '../../../src/control/log-file.ts'
import { loadLibc } from '../../../src/transport/libc.ts'
import { until } from '../../support/server-process.ts'

const libc = loadLibc()

describe('a log on a full disk', { skip: typeof libc === 'string' ? libc : false }, () => {
  it('loses what finds no room, holds nothing back, and goes on when there is room again', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'log')
    const full = openSync('/dev/full', 'w')
    const file = new LogFile(full)
    for (let i = 0; i < 1000; i++) file.write(`lost ${i}\n`)
    await until(() => !file['isWriting'], 'all has been tried')
    file.write('lost too\n')
    file.flush()
    const room = openSync(path, 'w')
    if (typeof libc !== 'string') libc.dup2(room, full)
    closeSync(room)
    file.write('kept\n')
    await until(() => readFileSync(path, 'utf8').endsWith('kept\n'), 'the line is there')
    assert.equal(readFileSync(path, 'utf8').replace('lost too\n', ''), 'kept\n')
    closeSync(full)
  })
})

/**
 * Files of hosts: read, followed, and kept when an edit breaks them.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import fileSystem from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { HostsFiles } from '../../../src/control/hosts-files.ts'
import { createLogOver } from '../../../src/control/log.ts'
import { until } from '../../support/server-process.ts'

it('hosts files: an edit is served; a broken, missing or too long one is told with file and line, and keeps what it gave', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hosts-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [file, other] = [join(folder, 'hosts'), join(folder, 'more')]
  const replace = (text: string): void => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  let said = ''
  let served: string[] = []
  const log = createLogOver('info', { write: (line: string) => (said += line) } as never)
  const hosts = new HostsFiles([file, other], log, entries => {
    served = entries.map(({ address }) => address.join('.'))
  })
  replace('10.0.0.1 a\n\nnonsense a\n')
  await hosts.start({ delayMs: 1, tickMs: 10 })
  t.after(() => hosts.stop())
  assert.deepEqual(served, ['10.0.0.1'])
  assert.match(said, /hosts:3: .*nonsense.* is no IP address/)
  assert.match(said, /more.*cannot be read/s)

  // The line that was wrong from the start is no reason to keep anything.
  replace('10.0.0.2 a\nnonsense a\n')
  await until(() => served[0] === '10.0.0.2', 'an edit is served')
  replace('10.0.0.3 a\n10.0.0.400 b\n')
  await until(() => /hosts:2: .*10\.0\.0\.400/.test(said) && /was broken/.test(said), 'a broken edit is told')
  assert.deepEqual(served, ['10.0.0.2'])
  said = ''
  replace('x'.repeat((16 << 20) + 1))
  await until(() => /more than 16777216 octets/.test(said), 'one that is too long is told')
  rmSync(file)
  writeFileSync(other, '10.0.0.9 other')
  await until(() => served.length === 2, 'the other file is served beside it')
  assert.deepEqual(served, ['10.0.0.2', '10.0.0.9'])
  replace('10.0.0.5 a')
  await until(() => served[0] === '10.0.0.5', 'what is right again is served')
  assert.ok(hosts.changedAt > 1e9)
})

it('hosts files: what is no file is told and passed over, however long it could be waited for', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hosts-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [pipe, file] = [join(folder, 'pipe'), join(folder, 'hosts')]
  execFileSync('mkfifo', [pipe])
  writeFileSync(file, '10.0.0.1 a\n')
  let said = ''
  let served: string[] = []
  const log = createLogOver('info', { write: (line: string) => (said += line) } as never)
  const hosts = new HostsFiles([pipe, '/dev/zero', file], log, entries => {
    served = entries.map(({ address }) => address.join('.'))
  })
  t.after(() => hosts.stop())
  await hosts.start()
  assert.deepEqual(served, ['10.0.0.1'])
  assert.match(said, /pipe is no file.*\/dev\/zero is no file/s)
})

it('hosts files: an end while they are read for the first time leaves nothing running', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hosts-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'hosts')
  writeFileSync(file, '10.0.0.1 a\n')
  const ticks = t.mock.method(globalThis, 'setInterval')
  let changes = 0
  const hosts = new HostsFiles([file], createLogOver('error', { write() {} }), () => void changes++)
  const starting = hosts.start()
  hosts.stop()
  await starting
  assert.deepEqual([ticks.mock.callCount(), changes], [0, 0])
})

it('hosts files: one that could not be read is read when it can be, unchanged as it is; the failure is told once', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hosts-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'hosts')
  writeFileSync(file, '10.0.0.1 a\n')
  const { readFile } = fileSystem
  let failures = 3
  const mock = t.mock.method(fileSystem, 'readFile', (...args: Parameters<typeof readFile>) =>
    failures-- > 0 ? Promise.reject(new Error('EMFILE: too many open files')) : readFile(...args),
  )
  syncBuiltinESMExports()
  t.after(() => {
    mock.mock.restore()
    syncBuiltinESMExports()
  })
  let said = ''
  let served: string[] = []
  const log = createLogOver('info', { write: (line: string) => (said += line) } as never)
  const hosts = new HostsFiles([file], log, entries => {
    served = entries.map(({ address }) => address.join('.'))
  })
  t.after(() => hosts.stop())
  await hosts.start({ delayMs: 1, tickMs: 10 })
  assert.deepEqual(served, [])
  await until(() => served[0] === '10.0.0.1', 'it is served when it can be read')
  assert.equal(said.match(/EMFILE/g)?.length, 1)

  // What it gave stays when its next reading fails.
  failures = 1e6
  writeFileSync(`${file}.new`, '10.0.0.2 a\n')
  renameSync(`${file}.new`, file)
  await until(() => failures < 1e6, 'it is read again')
  assert.deepEqual(served, ['10.0.0.1'])
  failures = 0
  await until(() => served[0] === '10.0.0.2', 'the edit is served')
})

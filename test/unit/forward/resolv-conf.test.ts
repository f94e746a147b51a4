/**
 * Files that name upstreams: what is read in them, and that they are read again.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fileSystem, { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { nameserversIn, readResolvConf, watchNameservers } from '../../../src/forward/resolv-conf.ts'
import { until } from '../../support/server-process.ts'

describe('a resolv.conf', () => {
  it('names servers in its order, each once; what is no address, and what else it says, is left out', () => {
    const text =
      '# nameserver 1.1.1.1\nsearch a b\n nameserver\t10.0.0.2 # x\nnameserver fd00::1\nnameserver 10.0.0.2\nnameserver dns\nnameserver\nnameservers 9.9.9.9\n'
    assert.deepEqual(nameserversIn(text), [
      { address: '10.0.0.2', port: 53 },
      { address: 'fd00::1', port: 53 },
    ])
    assert.equal(nameserversIn(Array.from({ length: 50 }, (_, i) => `nameserver 10.0.0.${i}`).join('\n')).length, 15)
  })

  it('is read again when it changes, and names nobody when it is gone', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'resolv.conf')
    writeFileSync(file, 'nameserver 10.0.0.1\n')
    let changes = 0
    const watched = watchNameservers(file, () => changes++, 20)
    t.after(() => watched.stop())
    assert.deepEqual(watched.read(), [{ address: '10.0.0.1', port: 53 }])
    await until(() => {
      writeFileSync(file, 'nameserver 10.0.0.22\n')
      return changes > 0
    }, 'the change is noticed')
    assert.deepEqual(watched.read(), [{ address: '10.0.0.22', port: 53 }])
    rmSync(file)
    assert.deepEqual(watched.read(), [])
  })

  it('that could not be read is read again at the next look, unchanged as it is', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'resolv.conf')
    writeFileSync(file, 'nameserver 10.0.0.1\n')
    const mock = t.mock.method(fileSystem, 'readFileSync', () => {
      throw new Error('EMFILE: too many open files')
    })
    syncBuiltinESMExports()
    let last: ReturnType<typeof nameserversIn> = []
    const watched = watchNameservers(file, () => (last = watched.read()), 20)
    t.after(() => watched.stop())
    assert.deepEqual(watched.read(), [])
    await until(() => mock.mock.callCount() > 2, 'it is tried again')
    mock.mock.restore()
    syncBuiltinESMExports()
    await until(() => last.length === 1, 'it is read')
    assert.deepEqual(last, [{ address: '10.0.0.1', port: 53 }])
  })

  it('that is no file, or too long, names nobody', t => {
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const [pipe, long] = [join(folder, 'pipe'), join(folder, 'long')]
    execFileSync('mkfifo', [pipe])
    writeFileSync(long, `nameserver 10.0.0.1\n${'#'.repeat(64 << 10)}`)
    for (const file of [pipe, '/dev/zero']) assert.throws(() => readResolvConf(file), /is no file/)
    assert.throws(() => readResolvConf(long), /has more than 65536 octets/)
    const watched = watchNameservers(pipe, () => {})
    t.after(() => watched.stop())
    assert.deepEqual(watched.read(), [])
  })
})

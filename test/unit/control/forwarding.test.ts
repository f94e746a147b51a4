/** Upstreams of the configuration: what of them is begun, kept and ended. */

import assert from 'node:assert/strict'
import fileSystem, { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { ForwardConfig } from '../../../src/control/config.ts'
import { ForwardService } from '../../../src/control/forwarding.ts'
import { createLogOver } from '../../../src/control/log.ts'
import { zoneOf } from '../../support/forwarding.ts'
import { until } from '../../support/server-process.ts'

interface Fixture {
  readonly folder: string
  readonly said: string[]
  open(zones: readonly ForwardConfig[]): ForwardService
}

function start(t: TestContext): Fixture {
  const folder = mkdtempSync(join(tmpdir(), 'forwarding-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const said: string[] = []
  const log = createLogOver('info', { write: line => void said.push(line) })
  return {
    folder,
    said,
    open(zones) {
      const options = { zones, fallthrough: [], concurrent: 100, perClient: 100 }
      const service = new ForwardService(options, 1232, { answer: assert.fail } as never, log)
      t.after(() => service.close())
      return service
    },
  }
}

describe('forwarding', () => {
  it('whose certificates cannot be read follows no file', t => {
    const { folder, said, open } = start(t)
    const file = join(folder, 'resolv.conf')
    writeFileSync(file, 'nameserver 127.0.0.9\n')
    const tlsCa = join(folder, 'missing.pem')
    assert.throws(() => open([zoneOf([file, 'tls://127.0.0.8'], { tlsCa })]), { code: 'ENOENT' })
    assert.deepEqual(said, [])
  })

  it('tells once that a file names nobody, and again after it has named somebody', t => {
    const { folder, said, open } = start(t)
    const file = join(folder, 'resolv.conf')
    const told = (): number => said.filter(line => line.includes('no nameserver can be read')).length
    const watched = t.mock.method(fileSystem, 'watchFile')
    syncBuiltinESMExports()
    open([zoneOf([file]), zoneOf([file], { zone: 'example.com' })])
    t.mock.restoreAll()
    syncBuiltinESMExports()
    const look = watched.mock.calls[0]!.arguments.at(-1) as unknown as () => void
    look()
    assert.equal(told(), 1)
    writeFileSync(file, 'nameserver 127.0.0.9\n')
    look()
    rmSync(file)
    look()
    assert.equal(told(), 2)
  })

  it('forgets an upstream that no zone names any more', async t => {
    const { folder, open } = start(t)
    const file = join(folder, 'resolv.conf')
    writeFileSync(file, 'nameserver 127.0.0.7\nnameserver 127.0.0.8\n')
    const service = open([zoneOf([file]), zoneOf(['127.0.0.8:53'], { zone: 'example.com' })])
    const [first, second] = service.upstreams
    assert.deepEqual([first!.name, second!.name], ['127.0.0.7:53', '127.0.0.8:53'])
    await until(() => {
      // Again and again: the first may come before the first look.
      writeFileSync(file, 'nameserver 127.0.0.9\n')
      return service.upstreams.some(({ name }) => name === '127.0.0.9:53')
    }, 'the file is read again')
    assert.deepEqual(
      service.upstreams.map(({ name }) => name),
      ['127.0.0.8:53', '127.0.0.9:53'],
    )
    assert.deepEqual([first!.isGone, second!.isGone], [true, false])
  })
})

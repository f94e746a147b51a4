/**
 * Reloads that do not end, that fail, and that are missed; what a reload changes: test/scenario/reload.test.ts.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Config } from '../../../src/control/config.ts'
import { ConfigError } from '../../../src/control/config-error.ts'
import { configOf } from '../../../src/control/config-load.ts'
import { createLogOver } from '../../../src/control/log.ts'
import { hashOfFile, Reloader } from '../../../src/control/reload.ts'
import type { ServerOptions } from '../../../src/control/server-options.ts'
import { until } from '../../support/server-process.ts'

const TICK_MS = 5000
const turn = (): Promise<void> => new Promise(setImmediate)

/** @param failures of the attempts to take it over, in turn; then they succeed */
function failing(t: TestContext, failures: Error[]) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const folder = mkdtempSync(join(tmpdir(), 'reload-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'config.yaml')
  writeFileSync(file, '')
  const config = configOf(undefined, {}, { directory: '/', isInPod: false, nodeName: '' })
  const said: string[] = []
  const log = createLogOver('error', {
    write(line) {
      if (line.includes('not taken over')) said.push(line)
    },
  })
  let attempts = 0
  const load = (): Config => {
    attempts++
    const failure = failures.shift()
    if (failure !== undefined) throw failure
    return config
  }
  const reloader = new Reloader(config, { file, load, optionsOf: () => ({}) as ServerOptions }, log)
  t.after(() => reloader.stop(1))
  reloader.start({ reload: async () => {} }, { delayMs: 100, tickMs: TICK_MS })
  const tick = async (): Promise<void> => {
    t.mock.timers.tick(TICK_MS)
    await turn()
  }
  const metric = (name: string): number =>
    reloader.metrics().counters.find(each => each.name === name)!.samples[0]!.value
  return { reloader, said, tick, metric, attempts: () => attempts }
}

describe('a reload that fails', () => {
  const missing = () => new Error('ca.pem is not there')

  it('for what may pass is tried again, told and counted once for each cause', async t => {
    const failures = [missing(), missing(), new Error('no thread'), missing(), missing()]
    const { reloader, said, tick, metric, attempts } = failing(t, failures)
    await reloader.run()
    assert.equal(said.length, 1)
    while (metric('headless_dns_reloads_total') === 0) await tick()
    assert.deepEqual([attempts(), said.length, metric('coredns_reload_failed_total')], [6, 2, 2])
    await tick()
    assert.equal(attempts(), 6)
  })

  it('is told again when it is asked for again', async t => {
    const { reloader, said } = failing(t, [missing(), missing()])
    await reloader.run()
    await reloader.run()
    assert.equal(said.length, 2)
  })

  it('for what the file says is not tried again before the file is another', async t => {
    const { reloader, said, tick, attempts } = failing(t, [new ConfigError(['config.yaml:1: wrong'])])
    await reloader.run()
    for (let i = 0; i < 3; i++) await tick()
    assert.deepEqual([attempts(), said.length], [1, 1])
  })
})

it('an edit between the loading of the configuration and the start of the server is not missed', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'reload-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'config.yaml')
  writeFileSync(file, 'workers: 1\n')
  const hash = hashOfFile(file)
  const config = configOf(undefined, {}, { directory: '/', isInPod: false, nodeName: '' })
  writeFileSync(file, 'workers: 2\n')
  let loads = 0
  const load = (): Config => {
    loads++
    return config
  }
  const options = { file, hash, load, optionsOf: () => ({}) as ServerOptions }
  const reloader = new Reloader(config, options, createLogOver('error', { write() {} }))
  t.after(() => reloader.stop(1))
  reloader.start({ reload: async () => {} }, { delayMs: 1, tickMs: 10 })
  await until(() => loads === 1, 'it is loaded again')
})

it('an end waits for the reload that is under way, but not for ever', async () => {
  const config = configOf(undefined, {}, { directory: '/', isInPod: false, nodeName: '' })
  const load = (): Config => config
  const optionsOf = (): ServerOptions => ({}) as ServerOptions
  const reloader = new Reloader(config, { file: undefined, load, optionsOf }, createLogOver('error', { write() {} }))
  let finish = (): void => {}
  reloader.start({ reload: () => new Promise<void>(resolve => (finish = resolve)) })
  const reloading = reloader.run()
  await reloader.stop(1)
  let stopped = false
  const stopping = reloader.stop(600_000).then(() => (stopped = true))
  await new Promise(setImmediate)
  assert.equal(stopped, false)
  finish()
  await Promise.all([stopping, reloading])
})

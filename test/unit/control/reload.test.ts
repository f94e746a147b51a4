/**
 * The end of a server whose reload does not end.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Config } from '../../../src/control/config.ts'
import { configOf } from '../../../src/control/config-load.ts'
import { createLogOver } from '../../../src/control/log.ts'
import { Reloader } from '../../../src/control/reload.ts'
import type { ServerOptions } from '../../../src/control/server-options.ts'

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

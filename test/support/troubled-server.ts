/**
 * The whole server as a process of its own, with trouble on its main thread at the word of the parent (IPC):
 *
 *   block   nothing runs for BLOCK_MS; says `blocking` before and `done` after
 *   throw   an error that nobody catches        reject   a rejection that nobody handles
 *
 * Arguments: transport, listen address, admin address.
 */

import { loadConfig } from '../../src/control/config-load.ts'
import { createLogger } from '../../src/control/log.ts'
import { serve, untilSignal } from '../../src/control/serve.ts'

export const BLOCK_MS = 1000

const TROUBLES: Record<string, () => void> = {
  block() {
    process.send!('blocking')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCK_MS)
    process.send!('done')
  },
  throw() {
    setTimeout(() => {
      throw new Error('thrown by a test')
    })
  },
  reject: () => void Promise.reject(new Error('rejected by a test')),
}

if (process.send !== undefined) {
  const [transport, listen, admin] = process.argv.slice(2) as [string, string, string]
  const manifests = [new URL('../../config/demo', import.meta.url).pathname]
  const config = loadConfig(undefined, { transport, listen: [listen], admin, manifests }, { needsSource: true })
  const log = createLogger('info', false)
  const server = await serve(config, 'test', log)
  process.on('message', trouble => TROUBLES[String(trouble)]!())
  process.send('ready')
  process.exitCode = await untilSignal(server, log)
  log.flush()
  process.exit()
}

/**
 * `headless-dns serve --in-cluster` as in a pod whose root folder is $POD_ROOT, where the service account lies at its usual
 * place: a test has no pod. The rest of the environment is as in a pod; flags are `--listen` and `--admin`.
 */

import { parseArgs } from 'node:util'
import { loadConfig } from '../../src/control/config-load.ts'
import { createLogger } from '../../src/control/log.ts'
import { serve, untilSignal } from '../../src/control/serve.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { listen: { type: 'string' }, admin: { type: 'string' } },
})
const flags = { inCluster: true, listen: [values.listen!], admin: values.admin! }
const config = loadConfig(undefined, flags)
const kubernetes = { ...config.source.kubernetes!, root: process.env['POD_ROOT']! }
const log = createLogger('info', false)
const server = await serve({ ...config, source: { ...config.source, kubernetes } }, 'test', log)
process.exitCode = await untilSignal(server, log)
log.flush()

/**
 * The whole server as a process of its own whose workers have the defects of defective-worker.ts. Tells its ports by IPC.
 * DEFECT_WORKERS says how many there are, DEFECT_RING_MS how often they are rung.
 */

import { createLogger } from '../../src/control/log.ts'
import { untilSignal } from '../../src/control/serve.ts'
import { startListening } from './running-server.ts'

const { server, ipv4 } = await startListening(
  'batch',
  cluster => {
    for (const kind of ['Service', 'EndpointSlice'] as const) cluster.open(kind, 'test').replaceAll().commit()
    cluster.flush()
  },
  {},
  {
    workers: Number(process.env['DEFECT_WORKERS'] ?? 1),
    admin: { address: '127.0.0.1', port: 0 },
    workerEntry: new URL('./defective-worker.ts', import.meta.url),
    ringMs: Number(process.env['DEFECT_RING_MS'] ?? 500),
  },
)
process.send!({ port: ipv4.port, adminPort: server.adminAddress!.port })
process.exitCode = await untilSignal(server, createLogger('silent', false))
process.exit()

/**
 * Where a data-plane thread begins. Layer: dataplane.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { serveQueries } from './serve-queries.ts'
import type { WorkerSetup } from './setup.ts'

await serveQueries(workerData as WorkerSetup, parentPort!)

/**
 * A data-plane thread as in production, with defects that a test calls by the first label of QNAME:
 *
 *   throw-below  an error from inside the handler      loop   JavaScript that never ends
 *   exit         process.exit                          sleep  Atomics.wait that never ends
 *   heap         JavaScript that allocates without end, and keeps it all
 *   poll         a system call of DEFECT_POLL_MS, 3 s, inside the batch, which nobody can end
 */

import { parentPort, workerData } from 'node:worker_threads'
import { serveQueries } from '../../src/dataplane/serve-queries.ts'
import type { WorkerSetup } from '../../src/dataplane/setup.ts'
import type { MessageHandler } from '../../src/transport/handler.ts'
import { loadLibc } from '../../src/transport/libc.ts'
import { HEADER_OCTETS } from '../../src/wire/constants.ts'

const POLL_MS = Number(process.env['DEFECT_POLL_MS'] ?? 3000)

const DEFECTS: Record<string, () => void> = {
  'throw-below': () => {
    throw new Error('a defect')
  },
  exit: () => process.exit(3),
  loop: () => {
    for (;;);
  },
  sleep: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  heap: () => {
    const kept: unknown[] = []
    for (;;) kept.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
  },
  poll: () => {
    const libc = loadLibc()
    if (typeof libc !== 'string') libc.poll(0, 0, POLL_MS)
  },
}

function withDefects(handler: MessageHandler): MessageHandler {
  return {
    begin: socket => handler.begin(socket),
    answer(octets, view, start, length, capacity, stream) {
      const at = start + HEADER_OCTETS
      const label = Buffer.from(octets.subarray(at + 1, at + 1 + octets[at]!)).toString('latin1')
      DEFECTS[label]?.()
      return handler.answer(octets, view, start, length, capacity, stream)
    },
    defer: (octets, start, path) => handler.defer!(octets, start, path),
    end: () => handler.end(),
  }
}

if (parentPort !== null) await serveQueries(workerData as WorkerSetup, parentPort, withDefects)

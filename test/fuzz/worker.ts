/**
 * The thread in which a run of one target happens, so that an input that never ends can be found out from outside.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { FuzzFailure, fuzz } from './engine.ts'
import { TARGETS } from './targets/index.ts'

/** Octets of `shared`: how many inputs were begun, the length of the one at hand, and the input itself. */
export const SHARED_HEAD_OCTETS = 8

export interface WorkerInput {
  readonly name: string
  readonly inputs: number
  readonly seconds: number
  readonly seed: number
  readonly shared: SharedArrayBuffer
}

if (parentPort !== null) {
  const { name, inputs, seconds, seed, shared } = workerData as WorkerInput
  const words = new Int32Array(shared, 0, SHARED_HEAD_OCTETS / 4)
  const octets = new Uint8Array(shared, SHARED_HEAD_OCTETS)
  const target = TARGETS.find(target => target.name === name)!
  try {
    const report = await fuzz(target, {
      inputs,
      seconds,
      seed,
      before(input) {
        octets.set(input)
        words[1] = input.length
        Atomics.add(words, 0, 1)
      },
    })
    parentPort.postMessage({ report })
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error
    const stack = error.cause instanceof Error ? error.cause.stack : undefined
    parentPort.postMessage({ failure: { input: error.input, reason: stack ?? error.message } })
  }
}

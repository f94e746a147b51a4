/**
 * A worker for the datagram battery: a transport with a handler that shows what reached it. Commands are first octets:
 *
 *   COMMAND_DROP  no reply          COMMAND_GROW   a reply of octet 1, GROWN_OCTETS times
 *   COMMAND_SOCKET  the index of the socket that `begin` got
 *   COMMAND_PEER  the address that the query came from
 *   anything else: the same octets, inverted after the first; nothing at all: one octet, EMPTY_REPLY
 */

import { parentPort, workerData } from 'node:worker_threads'
import { openBatch } from '../../src/transport/batch.ts'
import type { DatagramOptions } from '../../src/transport/datagram.ts'
import type { MessageHandler, Peers } from '../../src/transport/handler.ts'
import { openPortable } from '../../src/transport/portable.ts'

export const COMMAND_DROP = 0
export const COMMAND_GROW = 1
export const COMMAND_SOCKET = 2
export const COMMAND_PEER = 3
export const GROWN_OCTETS = 1232
export const EMPTY_REPLY = 0x5a

/** Words of shared memory. */
export const WORD_CONTROL = 0
/** 1 between `begin` and `end`. */
export const WORD_ONLINE = 1
export const WORD_ATTENDED = 2
export const WORDS = 3

export interface DatagramWorkerData {
  readonly kind: 'batch' | 'portable'
  readonly options: DatagramOptions
  readonly words: Int32Array
  readonly counters: Float64Array
}

class ShowingHandler implements MessageHandler {
  private readonly words: Int32Array
  private socket = -1
  private peers: Peers | undefined

  constructor(words: Int32Array) {
    this.words = words
  }

  begin(socket: number, peers: Peers): void {
    this.peers = peers
    this.socket = socket
    Atomics.store(this.words, WORD_ONLINE, 1)
  }

  answer(octets: Uint8Array, view: DataView, start: number, length: number): number {
    if (length === 0) {
      octets[start] = EMPTY_REPLY
      return 1
    }
    switch (octets[start]) {
      case COMMAND_DROP:
        return 0
      case COMMAND_GROW:
        octets.fill(octets[start + 1]!, start, start + GROWN_OCTETS)
        return GROWN_OCTETS
      case COMMAND_SOCKET:
        octets[start] = this.socket
        return 1
      case COMMAND_PEER:
        this.peers!.copyAddress(start, octets.subarray(start, start + length))
        return length
    }
    for (let i = start + 1; i < start + length; i++) octets[i] = ~view.getUint8(i)
    return length
  }

  end(): void {
    Atomics.store(this.words, WORD_ONLINE, 0)
  }
}

if (workerData !== null && 'words' in workerData) {
  const { kind, options, words, counters } = workerData as DatagramWorkerData
  const control = { words, index: WORD_CONTROL, attend: () => void Atomics.add(words, WORD_ATTENDED, 1) }
  const transport = kind === 'batch' ? openBatch(options) : await openPortable(options)
  try {
    parentPort!.postMessage(transport.report)
    await transport.serve(new ShowingHandler(words), control, counters)
  } finally {
    transport.close(control)
  }
  parentPort!.unref()
}

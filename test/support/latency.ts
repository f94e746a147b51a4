/**
 * How long one client waits for answers, measured in a thread of its own, which nothing that a test does holds up.
 */

import { Worker } from 'node:worker_threads'

export interface LatencySetup {
  readonly port: number
  readonly name: string
  readonly phase: Int32Array
}

/** Of some hundred queries over UDP, one after the other. */
export interface LatencyWindow {
  /** Undefined: it began in one phase and ended in another. */
  readonly phase: number | undefined
  /** Ms; Infinity: more than one in a hundred was lost. */
  readonly p99: number
  /** The slowest answer on a new TCP connection in that time; 0: there was none. */
  readonly slowestTcpMs: number
}

export class Latency {
  private readonly windows: LatencyWindow[] = []
  private readonly phase = new Int32Array(new SharedArrayBuffer(4))
  private readonly worker: Worker

  constructor(port: number, name: string) {
    const workerData: LatencySetup = { port, name, phase: this.phase }
    this.worker = new Worker(new URL('./latency-thread.ts', import.meta.url), { workerData })
    this.worker.on('message', window => this.windows.push(window))
  }

  /** What begins now is looked at by itself. @returns its number */
  enter(): number {
    return Atomics.add(this.phase, 0, 1) + 1
  }

  /** Those with an answer over TCP, too. */
  of(phase: number): LatencyWindow[] {
    return this.windows.filter(window => window.phase === phase && window.slowestTcpMs > 0)
  }

  async stop(): Promise<void> {
    await this.worker.terminate()
  }
}

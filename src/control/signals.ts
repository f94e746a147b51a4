/**
 * What the process is told by signals, from before its start on. Layer: control; imports nothing, to be there before the rest.
 * Without a handler SIGHUP kills it, and as process 1 of a container it does not hear SIGTERM.
 */

import type { Log } from './log.ts'

export type EndingSignal = 'SIGTERM' | 'SIGINT'

/** Why a start was given up. */
export class EndedError extends Error {
  override readonly name = 'EndedError'
  readonly code = 'ERR_ENDED'
  readonly signal: EndingSignal

  constructor(signal: EndingSignal) {
    super(`ended by ${signal}: start it again when it is to serve`)
    this.signal = signal
  }
}

export class Signals {
  /** Resolves with the first signal that ends the process. */
  readonly ended: Promise<EndingSignal>
  private readonly handlers: readonly (readonly [NodeJS.Signals, () => void])[]
  private log: Pick<Log, 'info'> | undefined
  private readonly controller = new AbortController()
  private reload: (() => void) | undefined
  private isReloadDue = false

  constructor() {
    const { promise, resolve } = Promise.withResolvers<EndingSignal>()
    this.ended = promise
    const end = (signal: EndingSignal): void => {
      // Nobody who asks twice wants to wait.
      if (this.ending.aborted) process.exit(1)
      this.controller.abort(new EndedError(signal))
      resolve(signal)
    }
    this.handlers = [
      ['SIGHUP', () => this.hangUp()],
      ['SIGTERM', () => end('SIGTERM')],
      ['SIGINT', () => end('SIGINT')],
    ]
    for (const [signal, handler] of this.handlers) process.on(signal, handler)
  }

  /** From now on they do what they do without handlers. */
  close(): void {
    for (const [signal, handler] of this.handlers) process.off(signal, handler)
  }

  logTo(log: Pick<Log, 'info'>): void {
    this.log = log
  }

  /** Aborted by the first signal that ends the process, with an EndedError. */
  get ending(): AbortSignal {
    return this.controller.signal
  }

  /** @param run from now on called at SIGHUP; at once for those that came before */
  onReload(run: () => void): void {
    this.reload = run
    if (this.isReloadDue) run()
    this.isReloadDue = false
  }

  private hangUp(): void {
    if (this.reload === undefined) {
      this.isReloadDue = true
      this.log?.info('SIGHUP: the configuration is loaded again when the start has ended')
      return
    }
    this.log?.info('SIGHUP: the configuration is loaded again')
    this.reload()
  }
}

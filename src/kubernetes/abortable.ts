/**
 * A wait that a signal ends; what is waited for goes on, and nobody hears of it. Layer: kubernetes; pure.
 */

/** @throws the signal's reason when it was aborted */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((accept, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(accept, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

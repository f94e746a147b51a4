/**
 * Seconds that all threads of the process count alike. Layer: cache.
 * `performance.now()` begins anew in every thread; what lies between it and the system's monotonic clock stays.
 */

/** @returns a clock: whole seconds, monotonic, the same in every thread */
export function sharedSeconds(): () => number {
  const sinceMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  return () => Math.floor((performance.now() + sinceMs) / 1000)
}

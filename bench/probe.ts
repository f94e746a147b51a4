/**
 * Watches one name of one server through bench/c/probe.c: when did its answer change, and to which set of addresses.
 * Layer: bench.
 */

import { createInterface } from 'node:readline'
import { compiled } from './load.ts'
import { LOAD_CORE, startChild } from './processes.ts'

export interface Probe {
  /**
   * @returns when the answer with this sum of addresses was first seen, ns of the host's monotonic clock
   * @throws Error after `timeoutMs`
   */
  seen(sum: number, timeoutMs: number): Promise<bigint>
  /** @returns when the first answer with any address was seen */
  first(timeoutMs: number): Promise<bigint>
  stop(): Promise<void>
}

/** @returns `undefined` without a C compiler */
export function startProbe(port: number, name: string, stream: boolean, seconds: number): Probe | undefined {
  const program = compiled('probe')
  if (program === undefined) return undefined
  const args = ['-p', String(port), '-t', String(seconds), ...(stream ? ['-T'] : []), name]
  const child = startChild(program, args, { core: LOAD_CORE })
  let last: { at: bigint; sum: number } | undefined
  let wake = () => {}
  createInterface({ input: child.process.stdout! }).on('line', line => {
    const [at = '0', sum = '0'] = line.split(' ')
    last = { at: BigInt(at), sum: Number(sum) }
    wake()
  })

  async function until(wanted: (sum: number) => boolean, timeoutMs: number): Promise<bigint> {
    const end = performance.now() + timeoutMs
    while (last === undefined || !wanted(last.sum)) {
      const left = end - performance.now()
      if (left <= 0) throw new Error(`${name} did not change its answer within ${timeoutMs} ms`)
      await new Promise<void>(done => {
        const timer = setTimeout(done, left)
        wake = () => {
          clearTimeout(timer)
          done()
        }
      })
    }
    return last.at
  }
  return {
    seen: (sum, timeoutMs) => until(value => value === sum, timeoutMs),
    first: timeoutMs => until(value => value !== 0, timeoutMs),
    stop: child.stop,
  }
}

/** The sum that probe.c prints for an answer with these addresses. */
export function sumOf(addresses: readonly string[]): number {
  const value = (address: string) => address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  return addresses.reduce((sum, address) => (sum + value(address)) % 2 ** 32, 0)
}

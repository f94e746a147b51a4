/**
 * Says of each object once why it is not used, however often it comes. Layer: kubernetes. Bounded: a cluster full of
 * objects that cannot be used fills neither the log nor the memory.
 */

import { keyOf } from '../cluster/source.ts'
import type { ReflectorLogger } from './reflector-types.ts'

const MOST_LOGGED = 100

export class Refusals {
  /** All of them, repeated ones too. */
  count = 0
  private readonly resource: string
  private readonly log: ReflectorLogger
  private readonly logged = new Set<string>()

  constructor(resource: string, log: ReflectorLogger) {
    this.resource = resource
    this.log = log
  }

  add({ namespace, name }: { namespace: string; name: string }, reason: string): void {
    this.count++
    const key = keyOf(namespace, name)
    if (this.logged.size >= MOST_LOGGED || this.logged.has(key)) return
    this.logged.add(key)
    this.log.warn(`an object is not used: ${reason}`, { resource: this.resource, namespace, name })
    if (this.logged.size === MOST_LOGGED) {
      this.log.warn('more objects that cannot be used are counted, not logged', { resource: this.resource })
    }
  }
}

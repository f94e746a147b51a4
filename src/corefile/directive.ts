/**
 * What a Corefile is made of. Layer: corefile; types.
 */

import type { Place } from './corefile-error.ts'

/** A line: a plugin in a server block, or an option of one. */
export interface Directive extends Place {
  readonly name: string
  readonly args: readonly string[]
  /** The lines between its braces. */
  readonly body: readonly Directive[]
}

export interface ServerBlock extends Place {
  /** As written: `.:53`, `dns://example.org:1053`, `10.0.0.0/24`. */
  readonly keys: readonly string[]
  readonly plugins: readonly Directive[]
}

/** As written, but for white space and line ends. */
export function textOf({ name, args }: Pick<Directive, 'name' | 'args'>): string {
  return [name, ...args].map(word => (word === '' || /\s/.test(word) ? JSON.stringify(word) : word)).join(' ')
}

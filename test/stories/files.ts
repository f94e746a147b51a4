/**
 * Where stories are told. Layer: test support.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Told beside the stories, below test/. */
export const SCENARIOS = ['scenario/hand-over.test.ts', 'scenario/hostile-clients.test.ts']

/** These hold the server to times, or load the machine: nothing else may run beside them. */
const ALONE = new Set(['clients.test.ts', 'endpoints.test.ts', 'moves-between-slices.test.ts', 'sizes.test.ts'])

/** @returns paths of those that may run beside each other, and of those that may not */
export function storyFiles(): { readonly together: string[]; readonly alone: string[] } {
  const here = import.meta.dirname
  const names = readdirSync(here).filter(name => name.endsWith('.test.ts'))
  const pathsOf = (isAlone: boolean) => names.filter(name => ALONE.has(name) === isAlone).map(name => join(here, name))
  return { together: pathsOf(false), alone: [...pathsOf(true), ...SCENARIOS.map(path => join(here, '..', path))] }
}

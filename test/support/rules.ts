/**
 * Rules as a configuration file says them. Layer: test support.
 */

import assert from 'node:assert/strict'
import { resolveConfig } from '../../src/control/config-resolve.ts'
import { validate } from '../../src/control/config-schema.ts'
import { type NameRules, nameRulesOf } from '../../src/control/name-rules.ts'

const NOWHERE = { directory: '/', isInPod: false, nodeName: '' }

export function rulesOf(raw: object): NameRules {
  const values = validate(raw)
  if (Array.isArray(values)) assert.fail(JSON.stringify(values))
  const { config, problems } = resolveConfig(values, '/', NOWHERE, false)
  assert.deepEqual(problems, [])
  return nameRulesOf(config).rules
}

/** What is wrong with it: `path: reason`. */
export function problemsOf(raw: object): string[] {
  const values = validate(raw)
  const problems = Array.isArray(values) ? values : resolveConfig(values, '/', NOWHERE, false).problems
  return problems.map(({ path, reason }) => `${path.join('.')}: ${reason}`)
}

/** The query log's counters; what a line says: test/scenario/query-log.test.ts. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { QueryLog } from '../../../src/control/query-log.ts'
import { queryOf } from '../../support/messages.ts'
import { deferredQueryOf } from '../../support/queries.ts'

const RULES = { classes: 7, sample: 1, zones: [] }

it('what is logged by one that gives way is counted by who takes its place', t => {
  const log = { info() {} }
  const before = new QueryLog(RULES, 1, 1, log)
  const next = new QueryLog(RULES, 1, 1, log, before)
  t.after(() => [before, next].map(each => each.close()))
  const message = queryOf('www.example.com', 'A')
  const query = deferredQueryOf(message)
  for (const each of [before, next, before]) each.note(query, message)
  for (const each of [before, next]) assert.match(JSON.stringify(each.families()[0]), /"value":3/)
})

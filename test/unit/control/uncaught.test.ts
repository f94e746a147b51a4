import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLogOver } from '../../../src/control/log.ts'
import { UncaughtErrors } from '../../../src/control/uncaught.ts'

const MINUTE = 60_000

function create() {
  let now = 1
  const lines: string[] = []
  const log = createLogOver('info', { write: line => void lines.push(line) }, undefined, () => now)
  const errors = new UncaughtErrors(log, () => now)
  return {
    errors,
    lines,
    note: (...what: unknown[]) => errors.note(what.length === 0 ? new Error('x') : what[0], 'test'),
    at: (ms: number) => (now = ms),
  }
}

describe('errors that nobody caught', () => {
  it('are counted all, and said once a minute each, whatever was thrown', () => {
    const { errors, lines, note, at } = create()
    for (let i = 0; i < 100; i++) note()
    note('a text')
    note(undefined)
    note(null)
    assert.equal(errors.count, 103)
    assert.equal(lines.length, 4)
    at(MINUTE + 2)
    note()
    assert.equal(lines.length, 5)
  })

  it('are no reason to restart when they are few', () => {
    const { errors, note, at } = create()
    at(20 * MINUTE)
    for (let i = 0; i < 9; i++) note()
    assert.equal(errors.problem(), undefined)
  })

  it('are one when ten come in a minute after ten good ones, for as long as they come', () => {
    const { errors, note, at } = create()
    at(20 * MINUTE)
    for (let i = 0; i < 10; i++) note()
    assert.match(errors.problem()!, /keep coming: 10/)
    at(21 * MINUTE + 1)
    assert.equal(errors.problem(), undefined)
  })

  it('are none when they came soon after the start, and therefore would again', () => {
    const { errors, note, at } = create()
    at(9 * MINUTE)
    note()
    for (const minute of [20, 40, 60]) {
      at(minute * MINUTE)
      for (let i = 0; i < 50; i++) note()
      assert.equal(errors.problem(), undefined)
    }
  })
})

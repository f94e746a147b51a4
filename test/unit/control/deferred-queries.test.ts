import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DeferredLimits } from '../../../src/control/deferred-limits.ts'
import {
  createDeferredRows,
  DeferredQueries,
  type Desk,
  type SendReply,
} from '../../../src/control/deferred-queries.ts'
import { queryOf } from '../../support/messages.ts'
import { deferredQueryOf } from '../../support/queries.ts'

const message = queryOf('www.example.com', 'A')
const query = deferredQueryOf(message)

function setUp(take: Desk['take']) {
  const limits = new DeferredLimits({ errorRate: 0, responseRate: undefined }, 1232, 1)
  const queries = new DeferredQueries({ take }, limits, () => 0, createDeferredRows())
  let replies = 0
  const reply = (): void => void replies++
  return { queries, reply, replies: () => replies }
}

describe('a defect in what takes deferred queries', () => {
  it('leaves no query pending, which is answered by nobody any more', () => {
    let late: SendReply = () => {}
    const { queries, reply, replies } = setUp((_, answer) => {
      late = answer
      throw new TypeError('a defect')
    })
    assert.throws(() => queries.take(query, reply), TypeError)
    assert.equal(queries.pending, 0)
    late(message)
    assert.deepEqual([replies(), queries.pending], [0, 0])
  })

  it('after the reply is told, and costs nothing', t => {
    const told: unknown[] = []
    t.mock.method(globalThis, 'queueMicrotask', (run: () => void) => {
      try {
        run()
      } catch (error) {
        told.push(error)
      }
    })
    const { queries, reply, replies } = setUp((_, answer) => {
      answer(message)
      throw new TypeError('a defect')
    })
    queries.take(query, reply)
    assert.deepEqual([replies(), queries.pending, told.length], [1, 0, 1])
  })
})

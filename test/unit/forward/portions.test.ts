import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ClientQuery } from '../../../src/forward/client-query.ts'
import { Portions } from '../../../src/forward/portions.ts'

/** Who was answered, in each turn of the event loop. */
let turns: string[][]
let answered: number
let portions: Portions

beforeEach(() => {
  turns = [[]]
  answered = 0
  portions = new Portions(() => answered++)
})

afterEach(() => portions.finish())

const waiter = (name: string, stream = true): ClientQuery => ({
  message: new Uint8Array(12),
  questionEnd: 12,
  aliases: 0,
  targetAt: 0,
  payloadSize: 0,
  dnssecOk: false,
  stream,
  client: name,
  clientPort: 0,
  path: { send: () => turns.at(-1)!.push(name) },
})
const waiters = (name: string, count: number): ClientQuery[] => Array.from({ length: count }, () => waiter(name))

const nextTurn = (): Promise<void> =>
  new Promise(resolve => {
    turns.push([])
    setImmediate(resolve)
  })

const short = (): Uint8Array => new Uint8Array(100)
const long = (): Uint8Array => new Uint8Array(64 << 10)

function give(all: ClientQuery[], reply: () => Uint8Array): void {
  portions.give(all, reply)
  portions.later(all, () => reply)
}

describe('replies to many who wait for one answer', () => {
  it('64 in a turn of the event loop', async () => {
    give(waiters('a', 150), short)
    for (const expected of [64, 64, 22, 0]) {
      assert.equal(turns.at(-1)!.length, expected)
      await nextTurn()
    }
    assert.equal(answered, 150)
  })

  it('256 KiB in a turn', async () => {
    give(waiters('a', 9), long)
    for (const expected of [4, 4, 1, 0]) {
      assert.equal(turns.at(-1)!.length, expected)
      await nextTurn()
    }
  })

  it('over UDP first', () => {
    give([...waiters('tcp', 100), waiter('udp', false)], long)
    assert.deepEqual(turns, [['udp', 'tcp', 'tcp', 'tcp']])
  })

  it('of several answers in turn, the first of each at once', async () => {
    for (const name of ['a', 'b', 'c']) give(waiters(name, 130), short)
    assert.equal(turns[0]!.length, 3 * 64)
    for (let i = 0; i < 7; i++) await nextTurn()
    assert.deepEqual(
      turns.slice(1).flatMap(turn => [...new Set(turn)]),
      ['a', 'b', 'c', 'a', 'b', 'c'],
    )
    assert.equal(answered, 390)
  })

  it('nothing to say: nobody is answered, and all still wait', () => {
    const all = waiters('a', 3)
    assert.equal(
      portions.give(all, () => undefined),
      false,
    )
    assert.deepEqual([all.length, answered], [3, 0])
  })

  it('one that cannot be sent costs no other', () => {
    const all = waiters('a', 100)
    all[70] = { ...all[70]!, path: { send: () => assert.fail('a defect') } }
    give(all, short)
    assert.throws(() => portions.finish(), /a defect/)
    portions.finish()
    assert.deepEqual([turns.flat().length, answered], [99, 100])
  })

  it('finished: all at once', async () => {
    give(waiters('a', 1000), short)
    portions.finish()
    assert.equal(turns[0]!.length, 1000)
    await nextTurn()
    assert.equal(answered, 1000)
  })

  it('more answers than may be kept are given whole', async () => {
    for (let i = 0; i < 65; i++) give(waiters(`${i}`, 100), short)
    assert.equal(turns[0]!.filter(name => name === '64').length, 100)
    assert.equal(turns[0]!.filter(name => name === '63').length, 64)
    portions.finish()
    assert.equal(answered, 6500)
  })
})

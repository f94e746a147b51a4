import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { goOffline, goOnline, Limbo, readerWord } from '../../../src/table/epochs.ts'
import { CONTROL_EPOCH, MAX_READERS } from '../../../src/table/layout.ts'

const WORDS = readerWord(MAX_READERS)

function createLimbo(epoch = 1): { limbo: Limbo; words: Int32Array; freed: number[] } {
  const words = new Int32Array(new SharedArrayBuffer(4 * WORDS))
  const freed: number[] = []
  const limbo = new Limbo(
    () => words,
    block => freed.push(block),
  )
  // As after so many changes: nobody waits for 2³¹ of them.
  Object.assign(limbo, { epoch })
  Atomics.store(words, CONTROL_EPOCH, epoch)
  return { limbo, words, freed }
}

describe('reclamation', () => {
  it('frees at once when every reader is OFFLINE', () => {
    const { limbo, freed } = createLimbo()
    limbo.retire(8)
    assert.deepEqual(freed, [])
    limbo.advance()
    assert.deepEqual(freed, [8])
  })

  it('holds what a reader may have seen for as long as it stays online, whichever row it has', () => {
    for (let reader = 0; reader < MAX_READERS; reader++) {
      const { limbo, words, freed } = createLimbo()
      goOnline(words, readerWord(reader))
      for (let block = 4; block <= 400; block += 4) {
        limbo.retire(block)
        limbo.advance()
      }
      assert.deepEqual(freed, [])
      assert.equal(limbo.size, 100)
      goOffline(words, readerWord(reader))
      limbo.advance()
      assert.equal(freed.length, 100)
      assert.equal(limbo.size, 0)
    }
  })

  it('does not wait for a reader that came after the change was committed', () => {
    const { limbo, words, freed } = createLimbo()
    goOnline(words, readerWord(0))
    limbo.retire(4)
    limbo.advance()
    goOnline(words, readerWord(1))
    limbo.retire(8)
    limbo.advance()
    goOffline(words, readerWord(0))
    limbo.advance()
    assert.deepEqual(freed, [4], 'reader 1 still holds the second')
  })

  it('goes on when a reader that died has its row set OFFLINE', () => {
    const { limbo, words, freed } = createLimbo()
    const dead = readerWord(77)
    goOnline(words, dead)
    limbo.retire(4)
    limbo.advance()
    assert.deepEqual(freed, [])
    goOffline(words, dead)
    limbo.advance()
    assert.deepEqual(freed, [4])
  })

  for (const [what, epoch] of [
    ['from the first epoch on', 1],
    ['where the epoch becomes negative', 0x7fff_fff0],
    ['where the epoch would become OFFLINE', -16],
  ] as const) {
    it(`frees exactly what no reader can hold, ${what}`, () => {
      const step = fc.oneof(
        fc.constant('retire' as const),
        fc.constant('advance' as const),
        fc.record({ online: fc.nat(3) }),
        fc.record({ offline: fc.nat(3) }),
      )
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120, size: 'max' }), steps => {
          const { limbo, words, freed } = createLimbo(epoch)
          // The model counts changes with numbers that do not wrap.
          let changes = 0
          const online = new Map<number, number>()
          let waiting: { block: number; since: number }[] = []
          const expected: number[] = []
          let block = 0
          for (const step of steps) {
            if (step === 'retire') {
              block += 4
              limbo.retire(block)
              waiting.push({ block, since: changes })
            } else if (step === 'advance') {
              if (waiting.length > 0) changes++
              limbo.advance()
              const mayBeHeld = ({ since }: { since: number }) => [...online.values()].some(seen => seen <= since)
              expected.push(...waiting.filter(one => !mayBeHeld(one)).map(one => one.block))
              waiting = waiting.filter(mayBeHeld)
            } else if ('online' in step) {
              goOnline(words, readerWord(step.online))
              online.set(step.online, changes)
            } else {
              goOffline(words, readerWord(step.offline))
              online.delete(step.offline)
            }
            assert.deepEqual(freed, expected)
            assert.equal(limbo.size, waiting.length)
          }
        }),
        { numRuns: 300 },
      )
    })
  }
})

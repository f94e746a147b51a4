import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Pouring } from '../../../src/transport/pouring.ts'

const MESSAGE = new Uint8Array(12)

/** What became of a reply of which `next` gives the messages; `write` takes them. */
async function pour(next: () => Uint8Array | undefined | null, write: () => void = () => {}): Promise<unknown[]> {
  const told: unknown[] = []
  const pouring = new Pouring({
    isGone: () => false,
    hasRoom: () => true,
    write,
    onEnd: isFailed => told.push(isFailed ? 'failed' : 'ended'),
  })
  process.setUncaughtExceptionCaptureCallback(error => told.push(error.message))
  try {
    pouring.begin({ next, end: isWhole => told.push(isWhole) })
    for (let turn = 0; turn < 10; turn++) await setImmediate()
  } finally {
    process.setUncaughtExceptionCaptureCallback(null)
  }
  return told
}

describe('a reply of several messages ends once', () => {
  it('whole, or because the rest cannot be had', async () => {
    const messages = [MESSAGE, new Uint8Array(0), MESSAGE]
    assert.deepEqual(await pour(() => messages.shift()), [true, 'ended'])
    assert.deepEqual(await pour(() => null), [false, 'failed'])
  })

  it('because of a defect where it is made, or where it is written', async () => {
    const fail = () => {
      throw new TypeError('a defect')
    }
    assert.deepEqual(await pour(fail), [false, 'failed', 'a defect'])
    assert.deepEqual(await pour(() => MESSAGE, fail), [false, 'failed', 'a defect'])
  })
})

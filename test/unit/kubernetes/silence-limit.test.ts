import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ApiError } from '../../../src/kubernetes/errors.ts'
import { SilenceLimit } from '../../../src/kubernetes/silence-limit.ts'
import { FakeTime } from '../../support/fake-api-time.ts'

describe('SilenceLimit', () => {
  it('aborts after so long a silence, and not before', async () => {
    const time = new FakeTime()
    const limit = new SilenceLimit(time.deps, new AbortController().signal)
    limit.start(1000)
    await time.advance(999)
    assert.equal(limit.signal.aborted, false)
    await time.advance(1)
    assert.deepEqual([limit.signal.aborted, limit.isOver], [true, true])
  })

  it('has one timer, however much is heard', async () => {
    const time = new FakeTime()
    const limit = new SilenceLimit(time.deps, new AbortController().signal)
    limit.start(1000)
    for (let i = 0; i < 100; i++) {
      await time.advance(900)
      limit.heard()
      assert.equal(time.sleepers, 1)
    }
    assert.equal(limit.isOver, false)
    await time.advance(1000)
    assert.equal(limit.isOver, true)
  })

  it('may be lengthened while it runs', async () => {
    const time = new FakeTime()
    const limit = new SilenceLimit(time.deps, new AbortController().signal)
    limit.start(1000)
    limit.limitMs = 5000
    await time.advance(4999)
    assert.equal(limit.isOver, false)
    await time.advance(1)
    assert.equal(limit.isOver, true)
  })

  it('ends after its time whatever is heard, which is not silence', async () => {
    const time = new FakeTime()
    const limit = new SilenceLimit(time.deps, new AbortController().signal)
    limit.start(1000, 2500)
    for (let i = 0; i < 4; i++) {
      await time.advance(600)
      limit.heard()
    }
    assert.equal(limit.signal.aborted, false)
    await time.advance(100)
    assert.deepEqual([limit.signal.aborted, limit.isOver], [true, false])
    assert.equal(limit.errorFor(new Error('aborted')).code, 'ERR_API_STREAM')
  })

  it('leaves no timer when it ends, and is not over then', async () => {
    const time = new FakeTime()
    const limit = new SilenceLimit(time.deps, new AbortController().signal)
    limit.start(1000)
    limit.end()
    await setImmediate()
    assert.equal(time.sleepers, 0)
    await time.advance(10_000)
    assert.equal(limit.isOver, false)
  })

  it('is aborted with what it belongs to, which is not silence', () => {
    const stop = new AbortController()
    const limit = new SilenceLimit(new FakeTime().deps, stop.signal)
    stop.abort()
    assert.deepEqual([limit.signal.aborted, limit.isOver], [true, false])
  })

  it('is what failed, unless the server has answered with a status', async () => {
    const time = new FakeTime()
    const limit = new SilenceLimit(time.deps, new AbortController().signal)
    limit.start(1000)
    await time.advance(1000)
    const answered = new ApiError('ERR_API_STATUS', 'slow down', { status: 429, retryAfterMs: 7000 })
    assert.equal(limit.errorFor(answered), answered)
    for (const other of [new Error('aborted'), new ApiError('ERR_API_STREAM', 'the list broke off')]) {
      assert.match(limit.errorFor(other).message, /nothing came from the API server for 1 s/)
    }
  })

  it('leaves no listener on what it belongs to, however many come and go', async () => {
    const stop = new AbortController()
    const time = new FakeTime()
    for (let i = 0; i < 1000; i++) {
      const limit = new SilenceLimit(time.deps, stop.signal)
      limit.start(1000)
      limit.end()
    }
    await setImmediate()
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
    assert.equal(time.sleepers, 0)
  })
})

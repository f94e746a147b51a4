import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HomelessReplies } from '../../../src/control/homeless-replies.ts'

const NOTHING = new Uint8Array(0)
const path = { socket: 0, sockaddr: NOTHING, control: NOTHING, controlOctets: 0, stream: undefined }

describe('replies that no worker is there for', () => {
  it('are given once, in their order, those that are too old left out', () => {
    const replies = new HomelessReplies()
    for (const nowMs of [0, 1000, 2500]) replies.put(path, Uint8Array.of(nowMs / 500), nowMs)
    assert.deepEqual(
      replies.take(3000).map(({ message }) => message[0]),
      [2, 5],
    )
    assert.deepEqual(replies.take(3000), [])
  })

  it('are bounded: the oldest goes first', () => {
    const replies = new HomelessReplies()
    for (let n = 0; n < 300; n++) replies.put(path, Uint8Array.of(n & 255), n)
    const kept = replies.take(300)
    assert.deepEqual([kept.length, kept[0]!.sinceMs], [256, 44])
  })
})

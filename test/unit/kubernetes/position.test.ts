import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Position } from '../../../src/kubernetes/position.ts'

const fromCache = { limit: '500', resourceVersion: '0' }
const fromEtcd = { limit: '500' }

function at(version: string): Position {
  const position = new Position()
  position.moveTo(version)
  return position
}

describe('Position', () => {
  it('is nowhere before a list, which any cache may give then', () => {
    const position = new Position()
    assert.equal(position.version, '')
    assert.deepEqual(position.listQuery(), fromCache)
    position.refuseOlder('1')
  })

  it('takes no list that is older than what was seen, when its place is lost', () => {
    const position = at('7')
    position.lose()
    assert.equal(position.version, '')
    assert.deepEqual(position.listQuery(), { resourceVersion: '7', resourceVersionMatch: 'NotOlderThan' })
    position.refuseOlder('6')
  })

  it('refuses versions that go back, as numbers and not as text', () => {
    const position = at('10')
    for (const version of ['', '10', '11']) position.refuseOlder(version)
    assert.throws(() => position.refuseOlder('9'), { code: 'ERR_API_HISTORY', message: /version 9 after 10/ })
  })

  it('asks etcd for a list when the history is doubted, until one is in', () => {
    const position = at('7')
    position.doubt()
    position.lose()
    assert.deepEqual(position.listQuery(), fromEtcd)
    position.listed()
    assert.deepEqual(position.listQuery(), fromCache)
    position.moveTo('3')
    assert.equal(position.version, '3')
  })

  it('stays where it is for what has no version', () => {
    const position = at('7')
    position.moveTo('')
    assert.equal(position.version, '7')
  })

  it('tells in few words of versions that go back, however long they are', () => {
    const position = new Position()
    position.moveTo('9'.repeat(100_000))
    assert.throws(() => position.refuseOlder('8'.repeat(90_000)), { code: 'ERR_API_HISTORY', message: /^.{1,300}$/ })
  })
})

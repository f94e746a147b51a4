import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import test from 'node:test'
import { lowerBackgroundThreads } from '../../../src/control/background-threads.ts'

const isLinux = process.platform === 'linux'

test('lowerBackgroundThreads: the threads of V8 step back, no other does', { skip: !isLinux && 'needs Linux' }, () => {
  const threads = () =>
    readdirSync('/proc/self/task').map(thread => ({
      name: readFileSync(`/proc/self/task/${thread}/comm`, 'latin1').trim(),
      nice: getPriority(Number(thread)),
    }))
  const before = getPriority()
  const lowered = lowerBackgroundThreads()
  const now = threads()
  assert.ok(lowered > 0, 'V8 has threads of its own')
  assert.equal(now.filter(({ nice }) => nice === 10).length, lowered)
  assert.deepEqual(
    now.filter(({ name, nice }) => nice !== (name === 'V8Worker' ? 10 : before)),
    [],
  )
})

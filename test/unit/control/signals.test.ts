import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { runCommand } from '../../../src/cli/main.ts'
import { EndedError, Signals } from '../../../src/control/signals.ts'

function listening(t: TestContext) {
  const signals = new Signals()
  t.after(() => signals.close())
  const lines: string[] = []
  signals.logTo({ info: line => void lines.push(line) })
  return { signals, lines }
}

describe('signals', () => {
  it('SIGHUP before there is anything to load again is kept, once for all that came', t => {
    const { signals, lines } = listening(t)
    let reloads = 0
    process.emit('SIGHUP')
    process.emit('SIGHUP')
    signals.onReload(() => reloads++)
    assert.equal(reloads, 1)
    process.emit('SIGHUP')
    assert.equal(reloads, 2)
    assert.deepEqual(
      lines.map(line => line.includes('when the start has ended')),
      [true, true, false],
    )
  })

  it('the first that ends the process aborts what starts, and is told to who asks later', async t => {
    const { signals } = listening(t)
    assert.equal(signals.ending.aborted, false)
    process.emit('SIGINT')
    assert.ok(signals.ending.reason instanceof EndedError)
    assert.equal(signals.ending.reason.code, 'ERR_ENDED')
    assert.equal(await signals.ended, 'SIGINT')
  })

  it('a second one ends it at once, with 1', t => {
    listening(t)
    const exit = t.mock.method(process, 'exit', () => undefined as never)
    process.emit('SIGTERM')
    assert.equal(exit.mock.callCount(), 0)
    process.emit('SIGINT')
    assert.deepEqual(exit.mock.calls[0]?.arguments, [1])
  })

  it('leave nothing behind when a start has failed', async () => {
    const count = (): number => process.listenerCount('SIGHUP') + process.listenerCount('SIGTERM')
    const before = count()
    const io = { out() {}, err() {} }
    assert.equal(await runCommand(['serve', '--demo', '--workers', '0'], io), 1)
    assert.equal(count(), before)
  })
})

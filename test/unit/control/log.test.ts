import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { createLogOver } from '../../../src/control/log.ts'

function recorder(level: Parameters<typeof createLogOver>[0] = 'info') {
  const lines: Record<string, unknown>[] = []
  const clock = { nowMs: 1_000_000 }
  const sink = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const log = createLogOver(
    level,
    sink,
    () => {},
    () => clock.nowMs,
  )
  return { log, lines, clock, said: () => lines.map(({ msg }) => msg) }
}

describe('log', () => {
  it('writes JSON lines with time, level, message and fields', () => {
    const { log, lines } = recorder()
    log.warn('a port is taken', { port: 53 })
    const [{ time, ...rest } = {}] = lines
    assert.deepEqual(rest, { level: 'warn', msg: 'a port is taken', port: 53 })
    assert.ok(!Number.isNaN(Date.parse(String(time))))
  })

  it('says what its level lets through', () => {
    const { log, said } = recorder('warn')
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level)
    assert.deepEqual(said(), ['warn', 'error'])
    assert.deepEqual(recorder('silent').said(), [])
  })

  it('says a thing once in a while, and how often it was left out', () => {
    const { log, lines, clock } = recorder()
    for (let i = 0; i < 5; i++) log.oncePer('cut', 60_000).warn('cut')
    assert.deepEqual(
      lines.map(({ suppressed }) => suppressed),
      [undefined],
    )
    clock.nowMs += 60_001
    log.oncePer('cut', 60_000).warn('cut')
    assert.deepEqual(
      lines.map(({ suppressed }) => suppressed),
      [undefined, 4],
    )
  })

  it('is not filled by keys that are always new', () => {
    const { log, lines, clock } = recorder()
    for (let second = 0; second < 5; second++, clock.nowMs += 1000) {
      for (let i = 0; i < 2000; i++) log.oncePer(`${second} ${i}`, 60_000).warn('x')
    }
    assert.equal(lines.length, 50)
  })

  it('for people, is one line without anything that a terminal would obey', () => {
    const url = new URL('../../../src/control/log.ts', import.meta.url)
    const text = 'a\\u001b[2Jb\\nc'
    const script = `const { createLogger } = await import(${JSON.stringify(url.href)})
      const log = createLogger('info', true)
      log.error("${text}", { name: "${text}", port: 53, plain: 'x.y' })
      log.flush()`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    assert.equal(stderr, '')
    assert.match(
      stdout,
      /^\d\d:\d\d:\d\d\.\d{3} error: a\\x1b\[2Jb\\x0ac name="a\\u001b\[2Jb\\nc" port=53 plain=x\.y\n$/,
    )
  })

  it('loses nothing at the end', () => {
    const url = new URL('../../../src/control/log.ts', import.meta.url)
    const script = `const { createLogger } = await import(${JSON.stringify(url.href)})
      const log = createLogger('info', false)
      for (let i = 0; i < 1000; i++) log.info('line ' + i)
      log.flush()
      process.exit(0)`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    assert.equal(stdout.trim().split('\n').length, 1000)
  })

  it('ends when the reader of the log has gone, with lines still held', async () => {
    const url = new URL('../../../src/control/log.ts', import.meta.url)
    const script = `const { createLogger } = await import(${JSON.stringify(url.href)})
      const log = createLogger('info', false)
      for (let i = 0; i < 20_000; i++) log.info('x'.repeat(100))
      process.on('message', () => { log.info('last'); log.flush(); process.exit(7) })
      process.send('full')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    child.stdout!.destroy()
    child.send('end')
    assert.deepEqual(await once(child, 'exit'), [7, null])
  })
})

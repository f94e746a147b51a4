import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { LogFile } from '../../../src/control/log-file.ts'
import { loadLibc } from '../../../src/transport/libc.ts'
import { until } from '../../support/server-process.ts'

const libc = loadLibc()
const URL_OF_SOURCE = new URL('../../../src/control/log-file.ts', import.meta.url).href

/** A process with a log on its standard output, which nobody reads before `read`. */
function logging(script: string) {
  const whole = `const { LogFile } = await import(${JSON.stringify(URL_OF_SOURCE)})
    const file = new LogFile(1)
    ${script}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', whole], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const told = once(child, 'message')
  const ended = once(child, 'close')
  return {
    child,
    told,
    async read(): Promise<string> {
      let text = ''
      child.stdout!.setEncoding('utf8').on('data', chunk => (text += chunk))
      await ended
      return text
    },
  }
}

describe('the end of a process', () => {
  it('finds its last lines written, in their order, however it ends', async () => {
    for (const end of ['process.exit(0)', "process.kill(process.pid, 'SIGKILL')"]) {
      const text = await logging(`file.write('first\\n'); file.write('second\\n'); file.flush(); ${end}`).read()
      assert.equal(text, 'first\nsecond\n')
    }
  })

  const MANY = `const line = i => 'line ' + i + ' ' + 'x'.repeat(90) + '\\n'
    for (let i = 0; i < 20_000; i++) file.write(line(i))
    setImmediate(() => setImmediate(() => process.send('behind')))
    process.on('message', () => { file.write('late\\n'); file.flush(); process.exit(7) })`

  it('loses nothing of what waited for a reader that was behind, and tears no line', async () => {
    const { child, told, read } = logging(MANY)
    await told
    child.send('end')
    const lines = (await read()).split('\n')
    assert.deepEqual([lines.length, lines.at(-2), lines.at(-1)], [20_002, 'late', ''])
    for (const [i, line] of lines.slice(0, -2).entries()) assert.equal(line, `line ${i} ${'x'.repeat(90)}`)
  })

  it('waits for no reader that does not read', async t => {
    const { child, told } = logging(MANY)
    t.after(() => child.kill('SIGKILL'))
    await told
    const exited = once(child, 'exit')
    child.send('end')
    assert.deepEqual(await exited, [7, null])
  })
})

describe('a log on a full disk', { skip: typeof libc === 'string' ? libc : false }, () => {
  it('loses what finds no room, holds nothing back, and goes on when there is room again', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'log')
    const full = openSync('/dev/full', 'w')
    const file = new LogFile(full)
    for (let i = 0; i < 1000; i++) file.write(`lost ${i}\n`)
    await until(() => !file['isWriting'], 'all has been tried')
    file.write('lost too\n')
    file.flush()
    const room = openSync(path, 'w')
    if (typeof libc !== 'string') libc.dup2(room, full)
    closeSync(room)
    file.write('kept\n')
    await until(() => readFileSync(path, 'utf8').endsWith('kept\n'), 'the line is there')
    assert.equal(readFileSync(path, 'utf8').replace('lost too\n', ''), 'kept\n')
    closeSync(full)
  })
})

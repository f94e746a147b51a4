import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { HELP } from '../../../src/cli/help.ts'
import { runCommand } from '../../../src/cli/main.ts'

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCommand(argv, { out: text => out.push(text), err: text => err.push(text) })
  return { code, out: out.join(''), err: err.join('') }
}

describe('command line', () => {
  it('tells what there is', async () => {
    for (const flag of ['--help', '-h', 'help']) assert.deepEqual(await run(flag), { code: 0, out: HELP[''], err: '' })
    for (const command of ['serve', 'query', 'check', 'compare']) {
      for (const argv of [
        [command, '--help'],
        [command, '-h'],
        ['help', command],
      ]) {
        assert.deepEqual(await run(...argv), { code: 0, out: HELP[command], err: '' })
      }
      assert.match(HELP[command]!, /\nExamples?:\n {2}(headless-dns|kubectl) /)
    }
    assert.deepEqual(await run(), { code: 2, out: '', err: HELP[''] })
  })

  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
    assert.deepEqual(await run('--version'), { code: 0, out: `${version}\n`, err: '' })
  })

  it('exits with 2 for what it does not know, and says what was probably meant', async () => {
    const cases: [string[], RegExp][] = [
      [['srve'], /^headless-dns: there is no command srve; did you mean serve\?\n/],
      [['constructor'], /^headless-dns: there is no command constructor\n/],
      [['serve', '--manifest', 'x'], /^headless-dns: Unknown option '--manifest'; did you mean --manifests\?\n/],
      [['serve', '--loglevel=debug'], /did you mean --log-level\?\n/],
      [['serve', '--kubeconfig'], /^headless-dns: Option '--kubeconfig <value>' argument missing\n/],
      [['serve', 'demo'], /^headless-dns: demo is one argument too many\n/],
      [['check'], /^headless-dns: FILE is missing\n/],
      [['query'], /^headless-dns: NAME is missing\n/],
    ]
    for (const [argv, expected] of cases) {
      const { code, out, err } = await run(...argv)
      assert.equal(code, 2, argv.join(' '))
      assert.equal(out, '')
      assert.match(err, expected)
    }
  })

  it('exits with 1 for a configuration that is wrong, one line for each problem', async () => {
    const { code, err } = await run('serve', '--demo', '--workers', '0', '--listen', 'here')
    assert.equal(code, 1)
    assert.deepEqual(
      err.split('\n').map(line => line.split(': ').slice(0, 2).join(' ')),
      ['headless-dns --listen', 'headless-dns --workers', ''],
    )
  })

  it('shows a stack to those alone who debug', async () => {
    const quiet = await run('serve', '--workers', '0')
    assert.doesNotMatch(quiet.err, /\n {4}at /)
    const debugging = await run('serve', '--workers', '0', '--log-level', 'debug')
    assert.match(debugging.err, /\n {4}at /)
  })
})

describe('check', () => {
  const example = new URL('../../../config/example.yaml', import.meta.url).pathname

  it('prints what a file comes to', async () => {
    const { code, out, err } = await run('check', example)
    assert.equal(code, 0)
    assert.equal(err, '')
    assert.match(out, /^zones: \[cluster\.local\]\n/)
  })

  it('says what is wrong with it', async () => {
    const { code, out, err } = await run('check', '/nonexistent/file')
    assert.equal(code, 1)
    assert.equal(out, '')
    assert.match(err, /^headless-dns: \/nonexistent\/file: cannot be read: .*\n$/)
  })

  it('says so much of it as its help promises, whether one value is wrong or several do not fit together', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'c.yaml')
    const most = Number(/up to (\d+) things at a time/.exec(HELP['check']!)?.[1])
    const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
    const wrong: ((count: number) => string)[] = [
      count =>
        numbers(count)
          .map(i => `key${i}: 1\n`)
          .join(''),
      count => `forward: [{upstreams: [192.0.2.1]}]\nfallthrough: [${numbers(count).map(i => `e${i}`)}]`,
    ]
    for (const textOf of wrong) {
      for (const count of [1, most, most + 10]) {
        writeFileSync(file, textOf(count))
        const { code, err } = await run('check', file)
        assert.deepEqual([code, err.trim().split('\n').length], [1, Math.min(count, most)], err)
      }
    }
  })
})

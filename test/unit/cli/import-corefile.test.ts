import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { runCommand } from '../../../src/cli/main.ts'

const folder = mkdtempSync(join(tmpdir(), 'corefile-'))
after(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const io = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) }
  return { status: await runCommand(args, io), out: out.join(''), err: err.join('') }
}

describe('import-corefile', () => {
  it('prints a configuration that check takes, and what became of the rest as a table', async () => {
    const file = write('Corefile', '.:1053 {\nerrors\nkubernetes cluster.local\npprof\n}\n')
    const { status, out, err } = await run('import-corefile', file)
    assert.equal(status, 0)
    const checked = await run('check', write('config.yaml', out))
    assert.equal(checked.status, 0)
    assert.match(checked.out, /^listen: \["0\.0\.0\.0:1053", "\[::\]:1053"\]$/m)
    assert.match(err, /^WHERE +DIRECTIVE +HERE +WHAT IT DID/)
    assert.match(err, /^Corefile:2 +errors +built in +It logged failed queries\./m)
    assert.match(err, /^Corefile:4 +pprof +left out +It served profiles/m)
  })

  it('exits with 3 when an answer may change, with --strict also when anything is left out', async () => {
    const lost = write('lost', '. {\nkubernetes cluster.local\npprof\n}\n')
    assert.equal((await run('import-corefile', lost)).status, 0)
    assert.equal((await run('import-corefile', lost, '--strict')).status, 3)
    const same = write('same', '. {\nkubernetes cluster.local\nloop\n}\n')
    assert.equal((await run('import-corefile', same, '--strict')).status, 0)
    const other = write('other', '. {\nkubernetes cluster.local\nwhoami\n}\n')
    assert.equal((await run('import-corefile', other)).status, 3)
  })

  it('reads imports from where the file that names them stands, in order', async () => {
    write('b.part', 'ttl 7\n')
    write('a.part', 'pods verified\n')
    const { out } = await run(
      'import-corefile',
      write('parts', '. {\nkubernetes cluster.local {\nimport *.part\n}\n}\n'),
    )
    assert.match(out, /pods: verified # a\.part:1 pods verified\n {2}ttl: 7 # b\.part:1 ttl 7\n/)
  })

  it('exits with 1 and one line for what is no Corefile, is not there, imports itself or is too large', async () => {
    const cycle = write('cycle', 'import cycle\n')
    const wrong: [string, RegExp][] = [
      [write('open', '. {\n'), /open:1: this brace is never closed/],
      [join(folder, 'gone'), /gone: cannot be read: ENOENT/],
      [folder, /cannot be read: EISDIR/],
      [cycle, /cycle:1: .*cycle imports itself/],
      [write('large', '#'.repeat((1 << 20) + 1)), /over 1 MiB/],
    ]
    for (const [file, message] of wrong) {
      const { status, out, err } = await run('import-corefile', file)
      assert.equal(status, 1)
      assert.equal(out, '')
      assert.match(err, message)
      assert.equal(err.split('\n').length, 2)
    }
  })
})

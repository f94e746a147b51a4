import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ManifestFiles } from '../../../src/manifests/files.ts'

const folder = mkdtempSync(join(tmpdir(), 'manifest-files-'))
after(() => rmSync(folder, { recursive: true }))

describe('a file that cannot be read for a moment', () => {
  it('gives what it gave, is told of once, and is read as soon as it can be, without another edit', async () => {
    const path = join(folder, 'a.yaml')
    const write = (name: string) => writeFileSync(path, `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\n`)
    let isBroken = false
    const files = new ManifestFiles([path], async from => {
      if (isBroken) throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })
      return readFileSync(from, 'utf8')
    })
    const names = () => files.objects().map(({ name }) => name)
    write('one')
    await files.refresh()

    write('second')
    isBroken = true
    const first = await files.refresh()
    assert.deepEqual(
      [first.changed, first.problems.map(({ reason }) => reason)],
      [false, ['EMFILE: too many open files']],
    )
    const again = await files.refresh()
    assert.deepEqual([again.changed, again.problems, names()], [false, [], ['one']])

    isBroken = false
    assert.equal((await files.refresh()).changed, true)
    assert.deepEqual(names(), ['second'])
    assert.equal((await files.refresh()).changed, false)
  })
})

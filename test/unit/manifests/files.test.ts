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

describe('a file that has given nothing yet', () => {
  const good = 'apiVersion: v1\nkind: Service\nmetadata: {name: good}\n'
  const half = `${good}---\n${good.replace('good', 'BAD')}`
  const refreshed = async (files: ManifestFiles) => {
    const { changed, problems } = await files.refresh()
    return [changed, problems.length, files.objects().map(({ name }) => name)]
  }

  it('gives what is right in it, when its first reading failed', async () => {
    const path = join(folder, 'b.yaml')
    writeFileSync(path, half)
    let isBroken = true
    const files = new ManifestFiles([path], async from => {
      if (isBroken) throw new Error('EIO')
      return readFileSync(from, 'utf8')
    })
    assert.deepEqual(await refreshed(files), [false, 1, []])
    isBroken = false
    assert.deepEqual(await refreshed(files), [true, 1, ['good']])
    assert.deepEqual(await refreshed(files), [false, 0, ['good']])
  })

  it('gives what is right in it, when nothing was, or nothing was in it', async () => {
    for (const [name, text, problems] of [
      ['c.yaml', 'nothing', 1],
      ['d.yaml', '', 0],
    ] as const) {
      const path = join(folder, name)
      writeFileSync(path, text)
      const files = new ManifestFiles([path])
      assert.deepEqual(await refreshed(files), [true, problems, []])
      writeFileSync(path, half)
      assert.deepEqual(await refreshed(files), [true, 1, ['good']])
    }
  })

  it('is not one that was emptied: a broken edit then changes nothing', async () => {
    const path = join(folder, 'e.yaml')
    writeFileSync(path, good)
    const files = new ManifestFiles([path])
    await files.refresh()
    writeFileSync(path, '# nothing\n')
    assert.deepEqual(await refreshed(files), [true, 0, []])
    writeFileSync(path, half)
    assert.deepEqual(await refreshed(files), [false, 1, []])
  })
})

/**
 * config/README.md against the schema: the same keys, the same defaults; and the examples load.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { load } from 'js-yaml'
import { configOf, loadConfig } from '../../src/control/config-load.ts'
import { describeKeys } from '../../src/control/config-schema.ts'

const CONFIG = new URL('../../config/', import.meta.url).pathname
const SURROUNDINGS = { directory: '/', isInPod: true, nodeName: '' }

/** Key → the cells behind it, of the table of keys. */
function documented(): Map<string, string[]> {
  const rows = readFileSync(`${CONFIG}README.md`, 'utf8').matchAll(/^\| `([\w.]+)` \|(.*)\|$/gm)
  return new Map([...rows].map(([, key = '', cells = '']) => [key, cells.split('|').map(cell => cell.trim())]))
}

describe('config/README.md', () => {
  it('has a row for every key, in the order of the schema, and for no other', () => {
    assert.deepEqual(
      [...documented().keys()],
      describeKeys().map(({ path }) => path),
    )
  })

  it('tells the defaults as they are', () => {
    for (const { path, fallback } of describeKeys()) {
      const [, told = ''] = documented().get(path)!
      const value = told === '–' ? undefined : load(/^`(.*)`$/.exec(told)?.[1] ?? 'no code')
      assert.deepEqual(value, fallback, path)
    }
  })

  it('says something of each', () => {
    for (const [key, [type = '', , meaning = '']] of documented()) {
      assert.ok(type.length > 0 && meaning.length > 20, key)
    }
  })
})

describe('config/', () => {
  const files = globSync(['*.yaml', 'kubernetes/config.yaml'], { cwd: CONFIG })
  assert.ok(files.length >= 3)

  for (const file of files) {
    it(`${file} loads`, () => {
      loadConfig(CONFIG + file, {}, { surroundings: SURROUNDINGS, needsSource: true })
    })
  }

  it('example.yaml says what holds without a file', () => {
    assert.deepEqual(
      loadConfig(`${CONFIG}example.yaml`, {}, { surroundings: SURROUNDINGS }),
      configOf(undefined, {}, SURROUNDINGS),
    )
  })

  it('example.yaml names every key, if only in a comment', () => {
    const text = readFileSync(`${CONFIG}example.yaml`, 'utf8').replace(/^#/gm, ' ')
    for (const { path } of describeKeys()) assert.match(text, new RegExp(`\\b${path.split('.').at(-1)}:`), path)
  })
})

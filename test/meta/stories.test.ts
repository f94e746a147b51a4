/**
 * No story is forgotten: each number has a test, and the table of the stories tells where.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { SCENARIOS } from '../stories/files.ts'

const TEST = join(import.meta.dirname, '..')
const FILES = [...globSync('stories/*.test.ts', { cwd: TEST }), ...SCENARIOS]
/** A title begins with the story's number. */
const TITLE = /['`]([FT]\d+[a-z]?): /g

const told = FILES.flatMap(file => {
  const titles = readFileSync(join(TEST, file), 'utf8').matchAll(TITLE)
  return [...titles].map(([, number]) => `${number} ${file}`)
})
const numbersOf = (letter: string, first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, i) => `${letter}${first + i}`)

describe('the stories', () => {
  it('are all told', () => {
    const numbers = new Set(told.map(line => /^[FT]\d+/.exec(line)![0]))
    const missing = [...numbersOf('F', 1, 37), ...numbersOf('T', 19, 31)].filter(number => !numbers.has(number))
    assert.deepEqual(missing, [])
  })

  it('are in the table, each with its file', () => {
    const rows = readFileSync(join(TEST, 'stories/README.md'), 'utf8').matchAll(
      /^\| ([FT]\d+[a-z]?) \|.*\| `(.*)` \|$/gm,
    )
    assert.deepEqual([...rows].map(([, number, file]) => `${number} ${file}`).sort(), told.sort())
  })
})

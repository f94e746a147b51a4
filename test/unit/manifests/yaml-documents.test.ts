import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { divideDocuments, lineCounterOf, nextJsonObject } from '../../../src/manifests/yaml-documents.ts'

describe('a text is divided', () => {
  const table: readonly (readonly [string, string, readonly string[]])[] = [
    ['at ---', 'a\n---\nb\n--- c', ['a\n', '---\nb\n', '--- c']],
    ['after ...', 'a\n...\nb', ['a\n...\n', 'b']],
    ['where a line ends with CR alone', 'a\r---\rb', ['a\r', '---\rb']],
    ['within a block scalar, as YAML does', 'a: |\n---\nb', ['a: |\n', '---\nb']],
    ['not within a line', 'a --- b\n ---\n----\n---x\n\u2028---', ['a --- b\n ---\n----\n---x\n\u2028---']],
    ['not between directives or comments and their document', '# c\n%YAML 1.1\n\n---\na', ['# c\n%YAML 1.1\n\n---\na']],
    ['nowhere when nothing is in it', '', ['']],
  ]
  for (const [where, text, parts] of table) it(where, () => assert.deepEqual([...divideDocuments(text)], parts))

  it('and nothing is lost', () => {
    const piece = fc.constantFrom('---', '...', '\n', '\r\n', '\r', ' ', 'a: 1', '%TAG', '# c', '\uFEFF')
    fc.assert(
      fc.property(fc.array(piece), pieces => {
        const parts = [...divideDocuments(pieces.join(''))]
        assert.equal(parts.join(''), pieces.join(''))
        if (pieces.length > 0) assert.ok(!parts.includes(''))
      }),
    )
  })
})

describe('the JSON object behind one', () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ['{}{}', 2],
    ['{"a": {"b": {}}}\n\t {', 19],
    ['{"}{": "\\"}{\\\\"}{', 16],
    ['{} \n', 4],
    ['{}\n---\n{}', undefined],
    ['{}: x', undefined],
    ['{}, {}', undefined],
    ['{{}', undefined],
    ['{"}', undefined],
    ['}{', 1],
    ['', undefined],
  ]
  for (const [text, next] of table) {
    it(`${JSON.stringify(text)} is at ${next}`, () => assert.equal(nextJsonObject(text, 0), next))
  }
})

it('line feeds are counted before an offset', () => {
  const count = lineCounterOf('a\nb\r\n\n')
  assert.deepEqual(
    [0, 1, 2, 4, 5, 6, 99].map(offset => count(offset)),
    [0, 0, 1, 1, 2, 3, 3],
  )
})

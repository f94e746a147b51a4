import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { readTokens } from '../../../src/corefile/lexer.ts'

const words = (text: string) =>
  readTokens('Corefile', text).map(({ line, startsLine, text }) => `${line}${startsLine ? '!' : ' '}${text}`)

describe('words of a Corefile', () => {
  it('are parted by white space and know their line', () => {
    assert.deepEqual(words('a b\r\n\n\tc{ }\n'), ['1!a', '1 b', '3!c{', '3 }'])
  })

  it('end at a comment, which ends with the line', () => {
    assert.deepEqual(words('# all\na # b\nc#d e\nf'), ['2!a', '3!c', '4!f'])
  })

  it('in quotes hold spaces, # and line ends; \\" alone is an escape', () => {
    assert.deepEqual(words('a "b #c\nd\\"\\n" e\nf ""'), ['1!a', '1 b #c\nd"\\n', '2 e', '3!f', '3 '])
  })

  it('have no byte order mark', () => {
    assert.deepEqual(words('\ufeffa'), ['1!a'])
  })

  it('in a quote that is never closed are an error with its line', () => {
    assert.throws(
      () => words('a\nb "c\nd'),
      new CorefileError({ file: 'Corefile', line: 2 }, 'a quote (") is opened here and never closed'),
    )
  })

  it('of the worst shape are read in time that grows with the length alone', () => {
    const start = performance.now()
    words(`"${'\\"a'.repeat(300_000)}"`)
    assert.throws(() => words('"'.repeat(300_001)), CorefileError)
    words('#'.repeat(300_000))
    words('a'.repeat(300_000))
    assert.ok(performance.now() - start < 1000)
  })
})

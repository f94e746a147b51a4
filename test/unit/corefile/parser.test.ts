import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Directive, textOf } from '../../../src/corefile/directive.ts'
import { readTokens } from '../../../src/corefile/lexer.ts'
import { parseBlocks } from '../../../src/corefile/parser.ts'

const parse = (text: string) => parseBlocks(readTokens('Corefile', text))

function show(directive: Directive): string {
  const body = directive.body.map(show).join('; ')
  return `${directive.line} ${textOf(directive)}${body === '' ? '' : ` {${body}}`}`
}

const plugins = (text: string) => parse(text).flatMap(({ plugins }) => plugins.map(show))

describe('server blocks', () => {
  it('have keys, on one line or after commas on the next', () => {
    const blocks = parse('a:53 b {\n}\nc,\nd, e {\n}')
    assert.deepEqual(
      blocks.map(({ line, keys }) => [line, keys]),
      [
        [1, ['a:53', 'b']],
        [3, ['c', 'd', 'e']],
      ],
    )
  })

  it('hold plugins with their options', () => {
    assert.deepEqual(plugins('. {\nerrors\nforward . 1.1.1.1 {\n  policy random\n  tls\n}\nlog {\nclass all\n}\n}'), [
      '2 errors',
      '3 forward . 1.1.1.1 {4 policy random; 5 tls}',
      '7 log {8 class all}',
    ])
  })

  it('are read as they were meant on one line', () => {
    assert.deepEqual(plugins('. { errors }'), ['1 errors'])
    assert.deepEqual(plugins('. {\nlog { class all }\n}'), ['2 log {2 class all}'])
  })

  it('need no braces when there is but one', () => {
    assert.deepEqual(plugins('.\nerrors\nlog {\nclass all\n}'), ['2 errors', '3 log {4 class all}'])
  })

  it('with braces that do not match are errors with their line', () => {
    assert.throws(() => parse('. {\nlog {\n}\n'), /^CorefileError: Corefile:1: this brace is never closed$/)
    assert.throws(() => parse('. {\n}\n}'), /Corefile:3: a closing brace without/)
    assert.throws(() => parse('.\nlog\n}'), /Corefile:3: a closing brace without/)
    assert.throws(() => parse('{\n}'), /Corefile:1: a server block needs a name/)
    assert.throws(() => parse('. {\nlog\n{\n}\n}'), /Corefile:3: a brace is opened where/)
    assert.throws(() => parse(`. {\n${'a {\n'.repeat(40)}`), /nested more than 16 deep/)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { expandImports } from '../../../src/corefile/imports.ts'

/** @param files by the pattern that asks for them */
function expand(text: string, files: Record<string, string> = {}, env: Record<string, string> = {}) {
  return expandImports('main', text, {
    env: name => env[name],
    readImport(pattern) {
      if (pattern.endsWith('*')) {
        const names = Object.keys(files).filter(name => name.startsWith(pattern.slice(0, -1)))
        return names.map(file => ({ file, text: files[file]! }))
      }
      const text = files[pattern]
      return text === undefined ? 'no such file' : [{ file: pattern, text }]
    },
  })
}

const words = (...args: Parameters<typeof expand>) =>
  expand(...args)
    .tokens.map(({ text }) => text)
    .join(' ')

describe('imports', () => {
  it('of a snippet put its words there, each at the start of a line', () => {
    const { tokens } = expand('(s) { errors\nlog }\n. {\nimport s\nloop\n}')
    assert.deepEqual(
      tokens.map(({ line, startsLine, text }) => `${line}${startsLine ? '!' : ' '}${text}`),
      ['3!.', '3 {', '1!errors', '2!log', '5!loop', '6!}'],
    )
  })

  it('of files and patterns name the file in what comes from it', () => {
    const { tokens } = expand('. {\nimport d/*\n}', { 'd/a': 'errors', 'd/b': 'loop' })
    assert.deepEqual(
      tokens.map(({ file, text }) => `${file} ${text}`),
      ['main .', 'main {', 'd/a errors', 'd/b loop', 'main }'],
    )
  })

  it('may stand in options, and outside server blocks', () => {
    assert.equal(words('import z\n. {\nhosts {\nimport z\n}\n}', { z: 'a b' }), 'a b . { hosts { a b } }')
  })

  it('of what is not there are said, and go on', () => {
    const { tokens, findings } = expand('. {\nimport gone\nimport none*\n}')
    assert.equal(tokens.length, 3)
    assert.deepEqual(
      findings.map(({ line, text, verdict }) => `${line} ${text}: ${verdict}`),
      ['2 import gone: changesAnswers', '3 import none*: leftOut'],
    )
  })

  it('with arguments fill them in', () => {
    const { tokens, findings } = expand('(s) {\nttl {args.0} x{args[1]}{args.7}\n}\n. {\nimport s 5 y\n}')
    assert.deepEqual(
      tokens.slice(2, 5).map(({ text }) => text),
      ['ttl', '5', 'xy'],
    )
    assert.equal(findings[0]?.verdict, 'leftOut')
  })

  it('may use a snippet that a file defines', () => {
    assert.equal(words('import f\n. {\nimport s\n}', { f: '(s) {\nerrors\n}' }), '. { errors }')
  })

  it('that come back to themselves are an error', () => {
    assert.throws(() => expand('import a', { a: 'import b', b: 'import a' }), /^CorefileError: b:1: a imports itself$/)
    assert.throws(
      () => expand('(s) {\nimport s\n}\nimport s'),
      /^CorefileError: main:2: the snippet \(s\) imports itself$/,
    )
  })

  it('are bounded in depth, number and size', () => {
    const deep = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}`, `import f${i + 1}`]))
    assert.throws(() => expand('import f0', deep), /nested more than 16 deep/)
    assert.throws(() => expand('import a\n'.repeat(1001), { a: '' }), /more than 1000 imports/)
    const snippets = Array.from({ length: 9 }, (_, i) => `(s${i + 1}) {\n${`import s${i}\n`.repeat(10)}}`)
    assert.throws(() => expand(`(s0) {\na\n}\n${snippets.join('\n')}\nimport s9`), /more than 1000 imports/)
    assert.throws(() => expand('import a\n'.repeat(200), { a: 'x '.repeat(600) }), /larger than 100000 words or 4 MiB/)
    assert.throws(
      () => expand('import a\n'.repeat(200), { a: 'x'.repeat(30_000) }),
      /larger than 100000 words or 4 MiB/,
    )
  })

  it('without a name, snippets that come twice or do not end are errors', () => {
    assert.throws(() => expand('a\nimport\n'), /main:2: import needs/)
    assert.throws(() => expand('(s) {\n}\n(s) {\n}'), /main:3: the snippet \(s\) is defined twice/)
    assert.throws(() => expand('\n(s) {\n{\n}'), /main:2: the snippet \(s\) has no closing brace/)
  })
})

describe('variables', () => {
  it('are taken from the environment, in any word, and not looked at again', () => {
    const env = { A: '{$B}', B: 'b', P: '53' }
    assert.equal(words('.:{$P} {\nx{%B%}y {$A}\n}', {}, env), '.:53 { xby {$B} }')
    assert.equal(words('. {\nimport {$B}\n}', { b: 'errors' }, env), '. { errors }')
  })

  it('that are not set are empty, and said', () => {
    const { tokens, findings } = expand('. {\npods {$MODE}\n}')
    assert.equal(tokens[3]?.text, '')
    assert.equal(findings[0]?.verdict, 'changesAnswers')
    assert.match(findings[0]?.did ?? '', /variable MODE, which is not set/)
  })

  it('may have a default', () => {
    assert.equal(words('a {$T:30} {%U:x:y%}'), 'a 30 x:y')
    assert.equal(words('a {$T:30}', {}, { T: '5' }), 'a 5')
    assert.equal(expand('a {$T:30}').findings[0]?.verdict, 'leftOut')
  })

  it('leave other braces alone', () => {
    assert.equal(words('a {{ .Name }} {1} {$} {$a'), 'a {{ .Name }} {1} {$} {$a')
  })
})

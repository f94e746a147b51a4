import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MAX_YAML_OCTETS, parseManifest } from '../../../src/manifests/yaml.ts'

function values(text: string): unknown[] {
  return [...parseManifest(text)].map(document => ('reason' in document ? document : document.value))
}

describe('scalars as kubectl 1.32 reads them', () => {
  const table: readonly (readonly [string, unknown])[] = [
    ['y', true],
    ['Y', true],
    ['yes', true],
    ['On', true],
    ['n', false],
    ['no', false],
    ['off', false],
    ['"y"', 'y'],
    ['~', null],
    ['', null],
    ['010', 8],
    ['0x10', 16],
    ['1_0', 10],
    ['0o14', 12],
    ['-0b11', -3],
    ['08', 8],
    ['1e3', 1000],
    ['+.5', 0.5],
    ['-.inf', Number.NEGATIVE_INFINITY],
    ['.nan', Number.NaN],
    ['.', '.'],
    ['0x', '0x'],
    ['0o', '0o'],
    ['0_x1', 1],
    ['1.2.3', '1.2.3'],
    ['123456789012345678901', 123456789012345680000],
    ['80.0', 80],
    ['1:10', '1:10'],
    ['2026-01-01', '2026-01-01'],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
    ['!!binary aGk=', 'aGk='],
    ['!Ref name', 'name'],
  ]
  for (const [text, value] of table) {
    it(`${text || '(nothing)'} is ${JSON.stringify(value)}`, () =>
      assert.deepEqual(values(`k: ${text}`), [{ k: value }]))
  }

  it('brackets and quotes need no indentation, and a tab may stand before them', () =>
    assert.deepEqual(values('a: [\n  1,\n]\nb:\t{\nc: 1\n}\nd: "x\ny"'), [{ a: [1], b: { c: 1 }, d: 'x y' }]))
  it('a key y becomes "true"', () => assert.deepEqual(values('{y: b}'), [{ true: 'b' }]))
  it('of a key given twice the last one counts', () => assert.deepEqual(values('a: 1\na: 2'), [{ a: 2 }]))
  it('merges <<', () =>
    assert.deepEqual(values('a: &a {x: 1}\nb: {<<: *a, y2: 2}'), [{ a: { x: 1 }, b: { x: 1, y2: 2 } }]))
  describe('merges << where it stands, over the keys before it', () => {
    const anchors = 'a: &a {p: a, q: a}\nb: &b {q: b, r: b}\n'
    const merges: readonly (readonly [string, Record<string, unknown>])[] = [
      ['{p: own, <<: *a}', { p: 'a', q: 'a' }],
      ['{<<: *a, p: own}', { p: 'own', q: 'a' }],
      ['{p: first, <<: *a, p: own}', { p: 'own', q: 'a' }],
      ['{<<: *a, <<: *b}', { p: 'a', q: 'b', r: 'b' }],
      ['{<<: *a, q: own, <<: *b, r: own}', { p: 'a', q: 'b', r: 'own' }],
      ['{q: own, <<: [*a, *b]}', { p: 'a', q: 'a', r: 'b' }],
      ['{r: own, <<: {r: x, <<: *b}, q: own}', { q: 'own', r: 'b' }],
      ['\n  p: own\n  q: # z: z\n  <<: *a', { p: 'a', q: 'a' }],
      ['\n  ? p\n  ? q\n  : own\n  <<: *a\n  q:', { p: 'a', q: null }],
      ['{p, <<: *a, q}', { p: 'a', q: null }],
      ['{"1": own, <<: {"1": x}}', { 1: 'x' }],
      ['{__proto__: own, <<: {__proto__: x}}', JSON.parse('{"__proto__": "x"}')],
      ['{p: own, "<<": *a}', { p: 'own', '<<': { p: 'a', q: 'a' } }],
    ]
    for (const [text, merged] of merges) {
      it(text.replaceAll('\n', ' '), () =>
        assert.deepEqual((values(`${anchors}k: ${text}`)[0] as { k: unknown }).k, merged),
      )
    }
  })
  it('__proto__ is a key like any other', () => {
    const [value] = values('__proto__: {polluted: 1}') as [object]
    assert.ok(Object.hasOwn(value, '__proto__'))
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })
})

describe('documents', () => {
  it('are divided by ---, and empty ones are null', () => {
    assert.deepEqual(
      values('---\n# nothing\n---\na: 1\n---\nb: 2\n').filter(value => value !== null),
      [{ a: 1 }, { b: 2 }],
    )
  })
  it('a byte order mark and CRLF are no part of the text', () => {
    assert.deepEqual(values('\uFEFFa: 1\r\nb: x\r\n'), [{ a: 1, b: 'x' }])
    assert.deepEqual(values('\uFEFF{"a": 1}'), [{ a: 1 }])
  })
  it('one that is broken does not hide the ones before it', () => {
    const [first, second] = values('a: 1\n---\nb: [1\n') as [unknown, { line: number; reason: string }]
    assert.deepEqual(first, { a: 1 })
    assert.equal(second.line, 3)
    assert.match(second.reason, /flow collection/)
  })
})

describe('objects in JSON one behind the other', () => {
  const found = (text: string) =>
    [...parseManifest(text)].map(document =>
      'reason' in document ? `${document.line}: a problem` : [document.lineOf(['b']), document.value],
    )
  it('are all read, with their lines', () => {
    assert.deepEqual(found('\uFEFF{"a": "}{"}{\n"b": 1}\n\n{"b": 2}\n'), [
      [1, { a: '}{' }],
      [2, { b: 1 }],
      [4, { b: 2 }],
    ])
  })
  it('a broken one does not hide the ones before it', () => {
    assert.deepEqual(found('{"a": 1}\n{"b": 2}\n{"c":\n'), [[1, { a: 1 }], [2, { b: 2 }], '3: a problem'])
  })
  it('may end where YAML begins', () => {
    assert.deepEqual(found('{"a": 1}\n{"b": 2}\n---\nb: 3'), [
      [1, { a: 1 }],
      [2, { b: 2 }],
      [4, { b: 3 }],
    ])
  })
  it('flow mappings of YAML are no JSON', () => assert.deepEqual(found("{a: '}{'}"), [[1, { a: '}{' }]]))
  it('may be as large as JSON may', () => {
    const text = `{"a": "${'x'.repeat(MAX_YAML_OCTETS)}"}\n{"b": 1}`
    assert.deepEqual(found(text).at(-1), [2, { b: 1 }])
  })
})

describe('lines', () => {
  const lineOf = (text: string, path: (string | number)[]) => {
    const [document] = parseManifest(text)
    assert.ok(document !== undefined && 'lineOf' in document)
    return document.lineOf(path)
  }
  it('are those of the value, or of the nearest thing above it', () => {
    const text = '# c\nspec:\n  ports:\n  - port: 1\n  - name: x\n    port: 2\n'
    assert.equal(lineOf(text, ['spec', 'ports', 1, 'port']), 6)
    assert.equal(lineOf(text, ['spec', 'ports', 1, 'absent', 'deeper']), 5)
    assert.equal(lineOf(text, ['spec', 'ports', 7]), 4)
    assert.equal(lineOf(text, []), 2)
    assert.equal(lineOf('a:\nb:\n  # c\n  - x', ['a']), 1)
    assert.equal(lineOf('a:\nb:\n  # c\n  - x', ['b', 0]), 4)
    assert.equal(lineOf('a: 1\nb: 2\na: 3', ['a']), 3)
    assert.equal(lineOf('a: &a {x: 1}\nb: *a\nc:\n  <<: *a', ['c', 'x']), 4)
  })
  it('are counted over the documents of a file', () => assert.equal(lineOf('\n\n---\na:\n  b: 1', ['a', 'b']), 5))
  it('are known in JSON', () => assert.equal(lineOf('{\n "a": [\n  1,\n  2]}', ['a', 1]), 4))
  it('of broken JSON are said', () => {
    assert.deepEqual(
      [...parseManifest('{"a": 1,\n"b": }}')].map(found => 'reason' in found && found.line),
      [2],
    )
  })
})

describe('bounds', () => {
  const reasonOf = (text: string) => {
    const [found] = [...parseManifest(text)].filter(document => 'reason' in document)
    return found !== undefined && 'reason' in found ? found.reason : ''
  }
  it('a bomb of aliases is refused', () => {
    const lines = ['a0: &a0 [1,2,3,4,5,6,7,8,9]']
    for (let i = 1; i < 10; i++)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join()}]`,
      )
    assert.match(reasonOf(lines.join('\n')), /alias/i)
  })
  it('an alias within its own anchor is refused', () => {
    assert.match(reasonOf('&a [1, *a]'), /alias/)
    assert.match(reasonOf('&a {x: [{y: *a}]}'), /alias/)
  })
  it('as many aliases as people write are read', () => {
    const text = `a: &a {x: 1}\nb:\n${'- *a\n'.repeat(3000)}`
    assert.equal((values(text)[0] as { b: unknown[] }).b.length, 3000)
  })
  it('merged keys are bounded', () => {
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}: 1`).join()
    assert.match(reasonOf(`a: &a {${keys}}\nb:\n${'- {<<: *a}\n'.repeat(60)}`), /merge/)
  })
  it('aliases chained over keys given twice end', () => {
    const chain = Array.from({ length: 20_000 }, (_, i) => `k: &a${i + 1} [*a${i}]`)
    assert.notEqual(reasonOf(['k: &a0 []', ...chain].join('\n')), '')
  })
  it('text nested too deeply is refused', () => assert.match(reasonOf('[ '.repeat(50_000)), /nested deeper/))
  it('YAML that is too large is refused, with what to do', () => {
    assert.match(reasonOf(`# ${'x'.repeat(MAX_YAML_OCTETS)}`), /kubectl get -o json/)
  })
  it('JSON of that size is read', () => {
    assert.deepEqual(
      values(JSON.stringify(['x'.repeat(MAX_YAML_OCTETS)])).map(value => Array.isArray(value)),
      [true],
    )
  })
})

describe('any text', () => {
  it('never throws', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(
        '- ',
        ': ',
        '\n',
        '  ',
        '&a ',
        '*a',
        '<<: ',
        '!!set ',
        '? ',
        '|\n',
        '"',
        '{',
        '}',
        '[',
        ']',
        '---\n',
        '%YAML 1.2\n',
        '\t',
      ),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), pieces => {
        for (const found of parseManifest(pieces.join(''))) {
          if ('lineOf' in found) assert.ok(found.lineOf(['a', 0, 'b']) >= 1)
          else assert.ok(found.line >= 1 && found.reason !== '')
        }
      }),
      { numRuns: 500 },
    )
  })
})
